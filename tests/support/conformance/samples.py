"""Sample parameters, as full as the published schema allows: every field once, with a value that makes sense."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

TEXTS = {
    "account_number": "000123456789",
    "address_country": "US",
    "allowed_merchant_countries": "US",
    "authorization_method": "online",
    "blocked_merchant_countries": "FR",
    "country": "US",
    "currency": "usd",
    "default_currency": "usd",
    "delay_days": "7",
    "email": "owner@example.com",
    "first_name": "Jenny",
    "fiscal_year_end": "1231",
    "id_number": "000000000",
    "ip": "127.0.0.1",
    "last_name": "Rosen",
    "mcc": "5734",
    "merchant_currency": "eur",
    "name": "Jenny Rosen",
    "nationality": "US",
    "number": "4000056655665556",
    "phone": "+15555550123",
    "phone_number": "+15555550123",
    "postal_code": "94107",
    "primary_color": "#112233",
    "routing_number": "110000000",
    "secondary_color": "#445566",
    "service_agreement": "full",
    "source": "src_sample",
    "spending_limits_currency": "usd",
    "ssn_last_4": "0000",
    "state": "CA",
    "support_email": "help@example.com",
    "support_phone": "+15555550123",
    "support_url": "https://example.com/help",
    "specified_commercial_transactions_act_url": "https://example.com/act",
    "tax_id": "000000000",
    "url": "https://example.com",
}
NUMBERS = {
    "day": 1,
    "month": 1,
    "year": 1990,
    "date": 1_700_000_000,
    "exp_month": 12,
    "exp_year": 2034,
    "amount": 1000,
    "cashback_amount": 100,
    "atm_fee": 100,
    "monthly_anchor": 1,
    "monthly_payout_days": 1,
    "percent_ownership": 50,
    "merchant_amount": 926,
    "total": 500,
    "unit_cost": 500,
}
DECIMALS = "1.5"
LONGEST = {"second_line": "A", "statement_descriptor": "ROONY", "description": "Sample"}


def sample(schema: dict[str, Any], without: Collection[str] = (), name: str = "") -> Any:
    """Return a value for a schema with every field but those in `without` (names, or beginnings ending in _)."""
    options = [option for option in schema.get("anyOf", [schema]) if option.get("enum") != [""]]
    chosen = max(options, key=lambda option: len(option.get("properties", ())))
    if chosen.get("type") == "array":
        return [sample(chosen["items"], without, name)]
    if chosen.get("type") == "object":
        if "properties" not in chosen:
            return {"order": "6735", "team": "design"}
        return {
            key: sample(part, without, key)
            for key, part in chosen["properties"].items()
            if key != "expand" and not any(key == one or (one.endswith("_") and key.startswith(one)) for one in without)
        }
    return _plain(chosen, name)


def _plain(schema: dict[str, Any], name: str) -> Any:
    if schema.get("enum"):
        return TEXTS.get(name) or next(choice for choice in schema["enum"] if choice)
    if schema.get("type") == "boolean":
        return True
    if schema.get("type") == "integer":
        return NUMBERS.get(name, 3)
    if schema.get("format") == "decimal" or schema.get("type") == "number":
        return DECIMALS
    return TEXTS.get(name) or LONGEST.get(name) or f"Sample {name.replace('_', ' ')}"[:22]
