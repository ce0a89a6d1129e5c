"""How each control is asked for on a page: its words, the kind of its input, and its value as people write it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from roony.core.control import DAY_NAMES, DELIVERIES, FOREIGN_CURRENCIES, MERCHANT_LOCKS
from roony.core.money import decimal_text
from roony.web.sentences import exact_span


class Field(NamedTuple):
    """One control. `kind` is money, int, duration, json (yes or no), list, categories, hours or choice."""

    name: str
    label: str
    kind: str
    hint: str = ""
    options: tuple[tuple[str, str], ...] = ()


def _words(options: tuple[str, ...], *words: str) -> tuple[tuple[str, str], ...]:
    return (("", "not set here"), *zip(options, words, strict=True))


YES_OR_NO = (("null", "not set here"), ("true", "yes"), ("false", "no"))
_LIST_HINT = "One a line."
GROUPS: tuple[tuple[str, tuple[Field, ...]], ...] = (
    (
        "How much",
        (
            Field("purchase_limit", "Most for one purchase", "money"),
            Field("velocity_count", "Purchases an agent may ask for in an hour", "int"),
            Field("velocity_amount", "Amount an agent may ask for in an hour", "money"),
            Field("tolerance_amount", "A charge may be more than was approved, by", "money"),
            Field("tolerance_percent", "The same, in percent", "int", "If both are set, the smaller one counts."),
        ),
    ),
    (
        "When a person decides",
        (
            Field("approval_threshold", "A person decides over", "money", "0: about every purchase."),
            Field("second_approval_threshold", "Two people decide over", "money"),
            Field("approval_expiry_seconds", "A person has this long", "duration", "Such as 4h; then it is a no."),
            Field("approve_new_merchants", "A person decides about new merchants", "json", "", YES_OR_NO),
            Field("approve_categories", "A person decides about these categories", "categories"),
        ),
    ),
    (
        "Where",
        (
            Field("allowed_merchants", "Only these merchants", "list", _LIST_HINT),
            Field("blocked_merchants", "Never these merchants", "list", _LIST_HINT),
            Field("allowed_categories", "Only these categories", "categories"),
            Field("blocked_categories", "Never these categories", "categories"),
            Field("allowed_countries", "Only these countries", "list", "Two letters each, such as US, DE."),
            Field("blocked_countries", "Never these countries", "list", "Two letters each."),
        ),
    ),
    (
        "When and how",
        (
            Field("active_hours", "Only at these hours", "hours", "On the clock of the organization's time zone."),
            Field("card_ttl_seconds", "A card must be used within", "duration", "Such as 24h."),
            Field(
                "merchant_lock", "A charge by another merchant than approved", "choice", "",
                _words(MERCHANT_LOCKS, "is declined", "is let through and flagged"),
            ),
            Field(
                "foreign_currency", "Charges in a foreign currency", "choice", "",
                _words(FOREIGN_CURRENCIES, "are declined", "are let through"),
            ),
            Field(
                "delivery", "Card details reach the agent", "choice", "",
                _words(DELIVERIES, "sealed to its public key", "by a one-time link for a person", "as plain numbers"),
            ),
            Field(
                "duplicate_window_seconds", "The same wish again is a repetition within", "duration",
                "Such as 24h. 0: never.",
            ),
        ),
    ),
)  # fmt: skip
NO_HOURS: Mapping[str, Any] = {"days": list(DAY_NAMES), "from": "", "to": ""}


def written(field: Field, value: Any, currency: str) -> Any:
    """A control as its input shows it; `value` as `core.control.dump` gives it, None where it is not set."""
    if field.kind == "json":
        return {None: "null", True: "true", False: "false"}[value]
    if field.kind == "hours":
        return value or NO_HOURS
    if value is None:
        return ""
    if field.kind == "money":
        return decimal_text(value, currency)
    if field.kind == "duration":
        return duration_text(value)
    return "\n".join(value) if isinstance(value, list) else value


def duration_text(seconds: int) -> str:
    """Seconds as the form takes them: 86400 → 1d, 5400 → 90m."""
    count, unit = exact_span(seconds)
    return f"{count}{unit[0]}" if seconds else "0"
