"""Spending controls in plain sentences, so that an agent knows beforehand what it may ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from roony.core.agent import ENVELOPE, task_of
from roony.core.budget import available
from roony.core.control import DAY_NAMES, FIELDS, ActiveHours, Controls, clock
from roony.core.explanation import Binding
from roony.core.merchant import category_name
from roony.core.money import format_amount
from roony.store.queries.limits import Standing

# A list longer than this is cut in a sentence; the controls themselves have all of it.
_SHOWN = 20
_DELIVERIES = {
    "sealed": "sealed to its public key", "reveal": "by a one-time link for a person", "raw": "as plain numbers",
}  # fmt: skip
# The largest first.
_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def sentences(controls: Controls, currency: str) -> list[str]:
    """One sentence for each control that is set, in the order in which controls are named."""
    return [_SENTENCES[name](value, currency) for name in FIELDS if (value := getattr(controls, name)) is not None]


def binding_sentence(binding: Binding, currency: str) -> str:
    """A control as it applies, and for which level it was set."""
    [sentence] = sentences(binding.controls, currency)
    whose = _and([level_name(level.scope, level.scope_id) for level in binding.set_by])
    return f"{sentence[:-1]} ({f'set for {whose}' if whose else 'where nobody set anything'})."


def budget_sentence(standing: Standing) -> str:
    """What is left of a limited budget."""
    budget, left = standing.budget, available(standing.budget, standing.period) or 0
    limit, rest = (format_amount(amount, budget.currency) for amount in (budget.limit_amount or 0, left))
    period = "in all" if budget.period == "lifetime" else f"a {budget.period}"
    return f"{limit} {period} for {level_name(budget.scope, budget.scope_id)}; {rest} of it is left."


def exact_span(seconds: int) -> tuple[int, str]:
    """Seconds in the largest unit of which they are a whole number: 86400 → 1, day; 5400 → 90, minute."""
    return next((seconds // size, unit) for size, unit in _UNITS if seconds % size == 0)


def level_name(scope: str, scope_id: str) -> str:
    """A level as an agent would say it."""
    if scope == "task":
        return "each task" if task_of(scope_id)[1] == ENVELOPE else "this task"
    return "this agent" if scope == "agent" else f"the {scope}"


def _and(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _names(values: Iterable[str]) -> str:
    names = list(values)
    return (", ".join(names[:_SHOWN]) or "none") + (", …" if len(names) > _SHOWN else "")


def _categories(codes: Iterable[str]) -> str:
    return _names(sorted(category_name(code) or code for code in codes))


def _span(seconds: int) -> str:
    count, unit = exact_span(seconds)
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


def _hours(hours: ActiveHours) -> str:
    days = ", ".join(DAY_NAMES[day] for day in sorted(hours.days))
    return f"Purchases can be made {days} from {clock(hours.start)} to {clock(hours.end)}."


_SENTENCES: dict[str, Callable[[Any, str], str]] = {
    "purchase_limit": lambda value, currency: f"One purchase is {format_amount(value, currency)} at most.",
    "approval_threshold": lambda value, currency: f"A person decides over {format_amount(value, currency)}.",
    "second_approval_threshold": lambda value, currency: (
        f"Two different people decide over {format_amount(value, currency)}."
    ),
    "approval_expiry_seconds": lambda value, _: f"A person has {_span(value)} to decide; then the answer is no.",
    "approve_new_merchants": lambda value, _: (
        "A person decides about a merchant nothing was bought from before."
        if value
        else "New merchants need no person."
    ),
    "approve_categories": lambda value, _: f"A person decides about these categories: {_categories(value)}.",
    "allowed_merchants": lambda value, _: f"Only these merchants: {_names(value)}.",
    "blocked_merchants": lambda value, _: f"Never these merchants: {_names(value)}.",
    "allowed_categories": lambda value, _: f"Only these categories, to be named in the ask: {_categories(value)}.",
    "blocked_categories": lambda value, _: f"Never these categories: {_categories(value)}.",
    "allowed_countries": lambda value, _: (
        f"Only merchants in these countries, to be named in the ask: {_names(sorted(value))}."
    ),
    "blocked_countries": lambda value, _: f"Never merchants in these countries: {_names(sorted(value))}.",
    "velocity_count": lambda value, _: f"An agent asks for {value} purchases an hour at most.",
    "velocity_amount": lambda value, currency: f"An agent asks for {format_amount(value, currency)} an hour at most.",
    "active_hours": lambda value, _: _hours(value),
    "card_ttl_seconds": lambda value, _: f"A card must be used within {_span(value)}.",
    "tolerance_amount": lambda value, currency: (
        f"The merchant may charge up to {format_amount(value, currency)} more than was asked for."
    ),
    "tolerance_percent": lambda value, _: f"The merchant may charge up to {value} % more than was asked for.",
    "merchant_lock": lambda value, _: (
        "A charge by another merchant than the approved one is declined."
        if value == "strict"
        else "A charge by another merchant than the approved one is let through and flagged."
    ),
    "foreign_currency": lambda value, _: (
        "Charges in a foreign currency are let through."
        if value == "allow"
        else "Charges in a foreign currency are declined."
    ),
    "delivery": lambda value, _: f"Card details reach the agent {_DELIVERIES[value]} ({value}).",
    "duplicate_window_seconds": lambda value, _: (
        f"The same wish again within {_span(value)} is taken for a repetition."
        if value
        else "The same wish again is never taken for a repetition."
    ),
}
