"""Every check of a decision with its result and what it looked at, in words, out of what was kept with the decision."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from roony.core.categories import category_words
from roony.core.control import parse_controls
from roony.core.money import format_amount
from roony.web.sentences import level_name, sentences


class Check(NamedTuple):
    """One check. `result` is passed, declined, person (it asked for one) or skipped (declined before it came to it)."""

    title: str
    result: str
    reasons: tuple[str, ...]
    looked_at: tuple[str, ...]


class _Kind(NamedTuple):
    """A check by its title: the codes its reasons have, and the controls it goes by."""

    title: str
    codes: tuple[str, ...]
    controls: tuple[str, ...] = ()


# In the order of core/decision.py; a test holds the codes against it.
KINDS = (
    _Kind("Nothing is frozen", ("ORGANIZATION_FROZEN", "AGENT_SUSPENDED")),
    _Kind("A Stripe account can make the card", ("CONNECTION_INACTIVE",)),
    _Kind("Currency of the card", ("CURRENCY_NOT_SUPPORTED",)),
    _Kind("Within Stripe's own limit", ("AMOUNT_TOO_LARGE",)),
    _Kind("No repetition", ("POSSIBLE_DUPLICATE",), ("duplicate_window_seconds",)),
    _Kind("Limit of one purchase", ("OVER_PURCHASE_LIMIT",), ("purchase_limit",)),
    _Kind("Category", ("CATEGORY_BLOCKED",), ("allowed_categories", "blocked_categories")),
    _Kind("Country", ("COUNTRY_BLOCKED",), ("allowed_countries", "blocked_countries")),
    _Kind("Merchant", ("MERCHANT_BLOCKED", "MERCHANT_NOT_ALLOWED"), ("allowed_merchants", "blocked_merchants")),
    _Kind("Purchases an hour", ("VELOCITY_EXCEEDED",), ("velocity_count", "velocity_amount")),
    _Kind("Active hours", ("OUTSIDE_ACTIVE_HOURS",), ("active_hours",)),
    _Kind("Budgets", ("BUDGET_EXCEEDED",)),
    _Kind("Amount a person decides about", ("APPROVAL_OVER_THRESHOLD",),
          ("approval_threshold", "second_approval_threshold")),
    _Kind("New merchant", ("APPROVAL_NEW_MERCHANT",), ("approve_new_merchants",)),
    _Kind("Category a person decides about", ("APPROVAL_CATEGORY",), ("approve_categories",)),
    _Kind("Repetition on purpose", ("APPROVAL_DUPLICATE",)),
)  # fmt: skip
_RESULTS = {"declined": "declined", "needs_approval": "person"}


def checks(decision: dict[str, Any]) -> list[Check]:
    """The checks of a kept decision. One that was made before its inputs were kept has nothing in `looked_at`."""
    inputs = decision.get("inputs") or {}
    verdict, reasons = decision["verdict"], decision["reasons"]
    found = []
    for kind in KINDS:
        said = tuple(reason["message"] for reason in reasons if reason["code"] in kind.codes)
        for_a_person = kind.codes[0].startswith("APPROVAL_")
        result = "skipped" if verdict == "declined" and for_a_person else "passed"
        looked_at = () if result == "skipped" else tuple(_looked_at(kind, inputs))
        found.append(Check(kind.title, _RESULTS[verdict] if said else result, said, looked_at))
    return found


def _looked_at(kind: _Kind, inputs: dict[str, Any]) -> Iterator[str]:
    ask = inputs.get("ask")
    if ask is None:
        return
    currency = ask["currency"]
    yield from _fact(kind.codes[0], inputs, ask)
    for level in inputs["controls"]:
        rules = {name: value for name, value in level["controls"].items() if name in kind.controls}
        for sentence in sentences(parse_controls(rules), currency) if rules else ():
            yield f"{sentence[:-1]} (set for {_whose(level['scope'])})."


def _fact(code: str, inputs: dict[str, Any], ask: dict[str, Any]) -> Iterator[str]:
    merchant, currency = ask["merchant"], ask["currency"]
    if code == "CONNECTION_INACTIVE":
        connection = inputs["connection"]
        yield f"{connection['id']} is {connection['status']}." if connection else "None is connected."
    elif code in ("CURRENCY_NOT_SUPPORTED", "OVER_PURCHASE_LIMIT", "APPROVAL_OVER_THRESHOLD"):
        yield f"Asked for: {format_amount(ask['amount'], currency)}."
    elif code in ("POSSIBLE_DUPLICATE", "APPROVAL_DUPLICATE"):
        yield f"The same as {inputs['duplicate_of']}." if inputs["duplicate_of"] else "No purchase like it."
    elif code in ("CATEGORY_BLOCKED", "APPROVAL_CATEGORY"):
        named = merchant.get("category")
        yield f"Category named: {category_words(named) if named else 'none'}."
    elif code == "COUNTRY_BLOCKED":
        yield f"Country named: {merchant.get('country') or 'none'}."
    elif code == "APPROVAL_NEW_MERCHANT":
        yield "Bought from before." if inputs["merchant_known"] else "Nothing was bought from it before."
    elif code == "VELOCITY_EXCEEDED":
        count, amount = inputs["velocity"]
        yield f"In this hour before it: {count}, {format_amount(amount, currency)} in all."
    elif code == "BUDGET_EXCEEDED":
        yield from map(_budget, inputs["budgets"])


def _budget(row: dict[str, Any]) -> str:
    limit, held, spent = (format_amount(row[name], row["currency"]) for name in ("limit", "held", "spent"))
    period = "in all" if row["period"] == "lifetime" else f"a {row['period']}"
    return f"{limit} {period} for {_whose(row['scope'])}: {spent} spent, {held} held before it."


def _whose(scope: str) -> str:
    """A level of the chain; of a task the id is not needed."""
    return "the task" if scope == "task" else level_name(scope, "").replace("this ", "the ")


def kept_decisions(text: str) -> list[tuple[str, dict[str, Any]]]:
    """The decisions a purchase carries, each with its name: the one at the ask, and the one that replaced it."""
    decision: dict[str, Any] = json.loads(text)
    asked = decision.get("asked")
    if asked is None:
        return [("At the ask", decision)]
    return [("At the ask", asked), ("When it was decided again", decision)]
