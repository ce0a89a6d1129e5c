"""What a test helper says about the merchant, and the details of a purchase, as parameters and as objects (facts 8)."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any

from roony.simulator.categories import CODES
from roony.simulator.exchange import check_currency
from roony.simulator.refusals import invalid
from roony.simulator.stripe_api.parameters import Boolean, Field, Group, Integer, ListOf, Text

_DEFAULT_MERCHANT = {
    "category": "taxicabs_limousines",
    "city": "San Francisco",
    "country": "US",
    "name": "Rocket Rides",
    "postal_code": "94107",
    "state": "CA",
    "terminal_id": None,
    "url": None,
}
_PURCHASE_PARTS = ("fleet", "flight", "fuel", "lodging", "receipt", "reference")
_UNITS = (
    "charging_minute",
    "imperial_gallon",
    "kilogram",
    "kilowatt_hour",
    "liter",
    "other",
    "pound",
    "us_gallon",
)
_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,12})?")


@dataclass(frozen=True, kw_only=True)
class Decimal(Text):
    """A number in plain digits, with at most 12 of them after the point."""

    def typed(self, value: Any, name: str) -> str:
        """Check the spelling."""
        text = super().typed(value, name)
        if not _NUMBER.fullmatch(text):
            raise invalid(f"Invalid decimal: {text[:40]}", name)
        return text


_DECIMAL = Decimal()

MERCHANT = Group(
    fields={
        "category": Text(choices=tuple(CODES)),
        "city": Text(),
        "country": Text(longest=2),
        "name": Text(longest=200),
        "network_id": Text(longest=50),
        "postal_code": Text(),
        "state": Text(),
        "terminal_id": Text(),
        "url": Text(),
    }
)
FUEL = Group(
    fields={
        "industry_product_code": Text(),
        "quantity_decimal": _DECIMAL,
        "type": Text(choices=("diesel", "other", "unleaded_plus", "unleaded_regular", "unleaded_super")),
        "unit": Text(choices=_UNITS),
        "unit_cost_decimal": _DECIMAL,
    }
)
_PROMPTS = ("driver_id", "unspecified_id", "user_id", "vehicle_number")
FLEET = Group(
    fields={
        "cardholder_prompt_data": Group(fields={**{name: Text() for name in _PROMPTS}, "odometer": Integer()}),
        "purchase_type": Text(choices=("fuel_and_non_fuel_purchase", "fuel_purchase", "non_fuel_purchase")),
        "reported_breakdown": Group(
            fields={
                "fuel": Group(fields={"gross_amount_decimal": _DECIMAL}),
                "non_fuel": Group(fields={"gross_amount_decimal": _DECIMAL}),
                "tax": Group(fields={"local_amount_decimal": _DECIMAL, "national_amount_decimal": _DECIMAL}),
            }
        ),
        "service_type": Text(choices=("full_service", "non_fuel_transaction", "self_service")),
    }
)
_SEGMENT: dict[str, Field] = {
    "arrival_airport_code": Text(),
    "carrier": Text(),
    "departure_airport_code": Text(),
    "flight_number": Text(),
    "service_class": Text(),
    "stopover_allowed": Boolean(),
}
_RECEIPT: dict[str, Field] = {
    "description": Text(longest=26),
    "quantity": _DECIMAL,
    "total": Integer(),
    "unit_cost": Integer(),
}
DETAILS = Group(
    fields={
        "fleet": FLEET,
        "flight": Group(
            fields={
                "departure_at": Integer(),
                "passenger_name": Text(),
                "refundable": Boolean(),
                "segments": ListOf(item=Group(fields=_SEGMENT)),
                "travel_agency": Text(),
            }
        ),
        "fuel": FUEL,
        "lodging": Group(fields={"check_in_at": Integer(), "nights": Integer()}),
        "receipt": ListOf(item=Group(fields=_RECEIPT)),
        "reference": Text(),
    }
)


def merchant_data(given: dict[str, Any] | None) -> dict[str, Any]:
    """Return the merchant of an authorization; the code follows from the category (facts 8)."""
    given = given or {}
    merchant = {**_DEFAULT_MERCHANT, **given}
    named = f"{merchant['name']}/{merchant['country']}"
    return {
        **merchant,
        "category_code": CODES[str(merchant["category"])],
        "network_id": given.get("network_id") or _network_id(named),
        "tax_id": None,
    }


def _network_id(name: str) -> str:
    """Return the id a merchant shows every time on this network: ten digits made from its name."""
    return str(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) % 9_000_000_000 + 1_000_000_000)


def origin(currency: str | None, card_currency: str, merchant: dict[str, Any] | None) -> dict[str, Any]:
    """Return where a transaction without authorization came from."""
    merchant_currency = check_currency(currency, "currency") if currency else card_currency
    return {"merchant_currency": merchant_currency, "merchant_data": merchant_data(merchant)}


def fuel(given: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the fuel part of an authorization, with every field present."""
    return None if given is None else {**dict.fromkeys(FUEL.fields), **given}


def _settled_fuel(given: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the fuel part of a transaction, where type, unit and cost are always known."""
    known = {"type": "other", "unit": "other", "unit_cost_decimal": "0"}
    return None if given is None else {**dict.fromkeys(FUEL.fields), **known, **given}


def fleet(given: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the fleet part of an authorization, with every field present."""
    if given is None:
        return None
    whole = {**dict.fromkeys(FLEET.fields), **given}
    if whole["cardholder_prompt_data"] is not None:
        empty = dict.fromkeys(("alphanumeric_id", *_PROMPTS, "odometer"))
        whole["cardholder_prompt_data"] = {**empty, **whole["cardholder_prompt_data"]}
    breakdown = whole["reported_breakdown"]
    if breakdown is not None:
        whole["reported_breakdown"] = {"fuel": _gross(breakdown, "fuel"), "non_fuel": _gross(breakdown, "non_fuel")}
        tax = breakdown.get("tax")
        empty = {"local_amount_decimal": None, "national_amount_decimal": None}
        whole["reported_breakdown"]["tax"] = None if tax is None else {**empty, **tax}
    return whole


def _gross(breakdown: dict[str, Any], part: str) -> dict[str, Any] | None:
    given = breakdown.get(part)
    return None if given is None else {"gross_amount_decimal": None, **given}


def purchase_details(given: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the details of a transaction, with every field present."""
    if given is None:
        return None
    details = {**dict.fromkeys(_PURCHASE_PARTS), **given}
    details["fleet"] = fleet(details["fleet"])
    details["fuel"] = _settled_fuel(details["fuel"])
    if details["fleet"] is not None and details["fleet"]["cardholder_prompt_data"] is not None:
        del details["fleet"]["cardholder_prompt_data"]["alphanumeric_id"]  # authorizations only
    for name in ("flight", "lodging"):
        if details[name] is not None:
            details[name] = {**_empty(name), **details[name]}
    flight = details["flight"]
    if flight is not None and flight["segments"] is not None:
        flight["segments"] = [{**dict.fromkeys(_SEGMENT), **segment} for segment in flight["segments"]]
    if details["receipt"] is not None:
        details["receipt"] = [_receipt(line) for line in details["receipt"]]
    return details


def _receipt(line: dict[str, Any]) -> dict[str, Any]:
    whole = {**dict.fromkeys(_RECEIPT), **line}
    whole["quantity"] = float(whole["quantity"]) if whole["quantity"] is not None else None
    return whole


def _empty(name: str) -> dict[str, Any]:
    part = DETAILS.fields[name]
    return dict.fromkeys(part.fields) if isinstance(part, Group) else {}
