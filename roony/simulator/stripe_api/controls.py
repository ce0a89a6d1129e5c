"""Spending controls as parameters: their fields, the exclusive pairs, and the object they make (facts 1.4)."""

from __future__ import annotations

import re
from typing import Any

from roony.simulator.categories import CONTROL_CATEGORIES
from roony.simulator.refusals import invalid
from roony.simulator.stripe_api.parameters import Field, Group, Integer, ListOf, Text

_CATEGORIES = ListOf(item=Text(choices=CONTROL_CATEGORIES))
_COUNTRIES = ListOf(item=Text(longest=2))
_PRESENCES = ListOf(item=Text(choices=("not_present", "present")))
_COUNTRY = re.compile(r"[A-Z]{2}")
_INTERVALS = ("per_authorization", "daily", "weekly", "monthly", "yearly", "all_time")
_PAIRS = ("card_presences", "categories", "merchant_countries")

CONTROL_FIELDS: dict[str, Field] = {
    "allowed_card_presences": _PRESENCES,
    "allowed_categories": _CATEGORIES,
    "allowed_merchant_countries": _COUNTRIES,
    "blocked_card_presences": _PRESENCES,
    "blocked_categories": _CATEGORIES,
    "blocked_merchant_countries": _COUNTRIES,
    "spending_limits": ListOf(
        item=Group(
            fields={
                "amount": Integer(required=True, least=0),
                "categories": _CATEGORIES,
                "interval": Text(required=True, choices=_INTERVALS),
            }
        )
    ),
}


def no_controls(currency: str | None) -> dict[str, Any]:
    """Return the controls of a new card or cardholder: nothing set."""
    lists = (f"{side}_{pair}" for pair in _PAIRS for side in ("allowed", "blocked"))
    return {**dict.fromkeys(lists), "spending_limits": [], "spending_limits_currency": currency}


def merged_controls(old: dict[str, Any], change: dict[str, Any] | None, currency: str | None) -> dict[str, Any]:
    """Return controls after an update: what is sent replaces that part, what is not sent stays."""
    new = {**old, "spending_limits_currency": old.get("spending_limits_currency") or currency}
    for key, value in (change or {}).items():
        if key == "spending_limits":
            new[key] = [_limit(entry) for entry in value or ()]
        elif key == "spending_limits_currency":
            new[key] = value
        else:
            new[key] = value or None
    _check(new)
    return new


def _limit(entry: dict[str, Any]) -> dict[str, Any]:
    return {"amount": entry["amount"], "categories": entry.get("categories") or [], "interval": entry["interval"]}


def _check(controls: dict[str, Any]) -> None:
    for pair in _PAIRS:
        allowed, blocked = f"allowed_{pair}", f"blocked_{pair}"
        if controls[allowed] and controls[blocked]:
            raise invalid(
                f"You may only specify one of these parameters: {allowed}, {blocked}.", f"spending_controls[{blocked}]"
            )
        if pair == "merchant_countries":
            for name in (allowed, blocked):
                for place, country in enumerate(controls[name] or ()):
                    if not _COUNTRY.fullmatch(country):
                        param = f"spending_controls[{name}][{place}]"
                        raise invalid(f"Country '{country}' is unknown. Use a two-letter code.", param)
