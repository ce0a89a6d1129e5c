"""Simulated businesses: the account object as it is when it is new (facts 3.3, 6.1)."""

from __future__ import annotations

from typing import Any

from roony.simulator.identifiers import new_account_id
from roony.simulator.records import Record

_CURRENCIES = {"US": "usd", "GB": "gbp"}
# Who answers for what, by the type of an account: Dashboard, fees, losses, and who collects what Stripe must know.
_CONTROLLERS = {
    "custom": ("none", "application", "application", "application"),
    "express": ("express", "application", "application", "stripe"),
    "standard": ("full", "account", "stripe", "stripe"),
}
# Accounts made by `type` instead of `controller` name the payer of fees in their own way.
_LEGACY_PAYERS = {"custom": "application_custom", "express": "application_express"}


def default_currency(country: str) -> str:
    """Return the card currency of a country's Issuing program (facts 1.2)."""
    return _CURRENCIES.get(country, "eur")


def new_account(name: str, country: str, kind: str, now: int, identifier: str | None = None) -> Record:
    """Return the record of a business that is ready to issue; `kind` is Stripe's account type (standard, custom)."""
    identifier = identifier or new_account_id()
    capabilities = {"card_issuing": "active", "transfers": "active"}
    return {
        "id": identifier,
        "account": identifier,
        "body": {**_body(identifier, name, country, kind, now), "capabilities": capabilities},
        "asked": dict.fromkeys(capabilities, now),  # capabilities ever asked for: when, or None when given back
        "given": {},  # what was sent about company, person and files, of which the account shows only a part
        "rejected": None,
        "deleted": False,
        "topup_delay": 0,
    }


def controller_of(type_: str | None, asked: dict[str, Any] | None) -> tuple[dict[str, Any], str]:
    """Return the controller and the type of an account that the platform makes, by `type` or by `controller`.

    Without either it is the kind that Issuing works with. A controller that is none of the three types' has the
    type none (facts 6.1: no Dashboard, and the platform pays, bears losses and collects requirements = custom).
    """
    if asked is None:
        kind = type_ or "custom"
        dashboard, payer, losses, collection = _CONTROLLERS[kind]
        if type_ is not None:
            payer = _LEGACY_PAYERS.get(kind, payer)
    else:
        dashboard = asked.get("stripe_dashboard", {}).get("type", "full")
        payer = asked.get("fees", {}).get("payer", "account")
        losses = asked.get("losses", {}).get("payments", "stripe")
        collection = asked.get("requirement_collection", "stripe")
        meant = (dashboard, payer, losses, collection)
        kind = next((name for name, parts in _CONTROLLERS.items() if parts == meant), "none")
    controller = {
        "fees": {"payer": payer},
        "is_controller": True,
        "losses": {"payments": losses},
        "requirement_collection": collection,
        "stripe_dashboard": {"type": dashboard},
        "type": "application",
    }
    return controller, kind


def no_requirements() -> dict[str, Any]:
    """Return requirements with nothing due, as accounts and capabilities show them."""
    lists = ("alternatives", "currently_due", "errors", "eventually_due", "past_due", "pending_verification")
    return {"current_deadline": None, "disabled_reason": None, **{name: [] for name in lists}}


def _body(identifier: str, name: str, country: str, kind: str, now: int) -> dict[str, Any]:
    return {
        "id": identifier,
        "object": "account",
        "business_profile": _profile(name),
        "business_type": "company",
        "capabilities": {},
        "charges_enabled": True,
        "controller": {"type": "account"} if kind == "standard" else controller_of(None, None)[0],
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
        "future_requirements": no_requirements(),
        "metadata": {},
        "payouts_enabled": True,
        "requirements": no_requirements(),
        "settings": _settings(name),
        "tos_acceptance": {"date": now, "ip": None, "user_agent": None},
        "type": kind,
    }


def _profile(name: str) -> dict[str, Any]:
    empty = ("support_address", "support_email", "support_phone", "support_url", "url")
    return {
        "annual_revenue": None,
        "estimated_worker_count": None,
        "mcc": "5734",
        "minority_owned_business_designation": None,
        "name": name,
        "product_description": None,
        "specified_commercial_transactions_act_url": None,
        **dict.fromkeys(empty),
    }


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
