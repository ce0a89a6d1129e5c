"""Simulated businesses: the account object and its Issuing balance (facts 3.3, 6.1)."""

from __future__ import annotations

from typing import Any

from roony.simulator.identifiers import new_account_id
from roony.simulator.records import Record

_CURRENCIES = {"US": "usd", "GB": "gbp"}


def default_currency(country: str) -> str:
    """Return the card currency of a country's Issuing program (facts 1.2)."""
    return _CURRENCIES.get(country, "eur")


def new_account(name: str, country: str, kind: str, now: int) -> Record:
    """Return the record of a business; `kind` is Stripe's account type (standard, custom)."""
    identifier = new_account_id()
    return {"id": identifier, "account": identifier, "body": _body(identifier, name, country, kind, now)}


def _body(identifier: str, name: str, country: str, kind: str, now: int) -> dict[str, Any]:
    return {
        "id": identifier,
        "object": "account",
        "business_profile": _profile(name),
        "business_type": "company",
        "capabilities": {"card_issuing": "active", "transfers": "active"},
        "charges_enabled": True,
        "controller": _controller(kind),
        "country": country,
        "created": now,
        "default_currency": default_currency(country),
        "details_submitted": True,
        "email": None,
        "external_accounts": {
            "object": "list",
            "data": [],
            "has_more": False,
            "url": f"/v1/accounts/{identifier}/external_accounts",
        },
        "future_requirements": _requirements(),
        "metadata": {},
        "payouts_enabled": True,
        "requirements": _requirements(),
        "settings": _settings(name),
        "tos_acceptance": {"date": now, "ip": None, "user_agent": None},
        "type": kind,
    }


def _profile(name: str) -> dict[str, Any]:
    empty = ("support_address", "support_email", "support_phone", "support_url", "url")
    return {
        "mcc": "5734",
        "minority_owned_business_designation": None,
        "name": name,
        "product_description": None,
        "specified_commercial_transactions_act_url": None,
        **dict.fromkeys(empty),
    }


def _controller(kind: str) -> dict[str, Any]:
    if kind != "custom":
        return {"type": "account"}
    return {
        "fees": {"payer": "application"},
        "is_controller": True,
        "losses": {"payments": "application"},
        "requirement_collection": "application",
        "stripe_dashboard": {"type": "none"},
        "type": "application",
    }


def _requirements() -> dict[str, Any]:
    lists = ("alternatives", "currently_due", "errors", "eventually_due", "past_due", "pending_verification")
    return {"current_deadline": None, "disabled_reason": None, **{name: [] for name in lists}}


def _settings(name: str) -> dict[str, Any]:
    descriptor = name.upper()[:22]
    return {
        "branding": {"icon": None, "logo": None, "primary_color": None, "secondary_color": None},
        "card_issuing": {"tos_acceptance": {"date": None, "ip": None}},
        "card_payments": {
            "decline_on": {"avs_failure": False, "cvc_failure": False},
            "statement_descriptor_prefix": None,
            "statement_descriptor_prefix_kana": None,
            "statement_descriptor_prefix_kanji": None,
        },
        "dashboard": {"display_name": name, "timezone": "Etc/UTC"},
        "invoices": {"default_account_tax_ids": None, "hosted_payment_method_save": "never"},
        "payments": {
            "statement_descriptor": descriptor,
            "statement_descriptor_kana": None,
            "statement_descriptor_kanji": None,
            "statement_descriptor_prefix_kana": None,
            "statement_descriptor_prefix_kanji": None,
        },
        "payouts": {
            "debit_negative_balances": True,
            "schedule": {"delay_days": 2, "interval": "daily"},
            "statement_descriptor": None,
        },
    }
