"""What an approver is shown, in words: the same on the page behind a link and on the dashboard."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from markupsafe import Markup

from roony.core.approval import Approval, what_was_shown
from roony.core.categories import category_words
from roony.core.money import decimal_text, format_amount


class Left(NamedTuple):
    """What a wish leaves in one budget. `text` is for people; the amounts are in minor units, for a bar."""

    name: str
    text: str
    used: int
    wished: int
    limit: int


class Asked(NamedTuple):
    """A wish as an approver sees it. `merchant`, `description` and `metadata` are what an agent wrote.

    `price` is what is asked for, `amount` what a yes is to unless another amount is typed: a plain decimal number.
    """

    price: str
    amount: str
    currency: str
    agent: str
    merchant: list[str]
    category: str | None
    history: str
    facts: list[tuple[str, str]]
    reasons: list[str]
    budgets: list[Left]
    description: str
    metadata: list[tuple[str, str]]
    first: str | None


def asked(row: Approval, names: Mapping[str, str], when: Callable[[int], str]) -> Asked:
    """The snapshot of an approval. `names` are those of users, by their ids; `when` writes a time."""
    seen = what_was_shown(row)
    currency, merchant, untrusted = seen["currency"], seen["merchant"], seen["untrusted"]
    amount = row.approved_amount if row.approved_amount is not None else seen["amount"]
    return Asked(
        price=format_amount(seen["amount"], currency), amount=decimal_text(amount, currency), currency=currency,
        agent=seen["agent"] or seen.get("agent_id", ""),
        merchant=[merchant["name"], *(merchant[name] for name in ("url", "country") if merchant.get(name))],
        category=category_words(merchant["category"]) if merchant.get("category") else None,
        history=_history(seen.get("history"), when), facts=_facts(row, seen),
        reasons=[reason["message"] for reason in seen["reasons"]],
        budgets=[_left(budget, seen) for budget in seen["budgets"]],
        description=untrusted["description"], metadata=list(untrusted["metadata"].items()),
        first=_first(row, currency, names),
    )  # fmt: skip


def _facts(row: Approval, seen: dict[str, Any]) -> list[tuple[str, str]]:
    """The wish in short; amounts as people write them."""
    currency = seen["currency"]
    facts = [("Amount", format_amount(seen["amount"], currency))]
    if seen.get("previous_amount") is not None:
        facts.append(("Price before", format_amount(seen["previous_amount"], currency)))
    if seen.get("interval"):
        facts.append(("Paid", f"every {seen['interval']}, {seen['payments']} times"))
    if seen["hold_amount"] != seen["amount"]:
        facts.append(("Held, with tolerance", format_amount(seen["hold_amount"], currency)))
    facts += [("Agent", seen["agent"] or seen.get("agent_id", "")), ("Project", seen["project"] or "")]
    if seen.get("task_id"):
        facts.append(("Task, as the agent named it", seen["task_id"]))
    return [*facts, ("Purchase", row.purchase_id)]


def _history(history: dict[str, Any] | None, when: Callable[[int], str]) -> str:
    if history is None:
        return "not known"
    if history["new"]:
        return "nothing was bought there before"
    times = "once" if history["purchases"] == 1 else f"{history['purchases']} times"
    if history["last_at"] is None:
        return f"bought there {times}"
    last = format_amount(history["last_amount"], history["last_currency"])
    # A time may be written as HTML, and stays it.
    return Markup("bought there {}, last for {} on {}").format(times, last, when(history["last_at"]))


def _left(budget: dict[str, Any], seen: dict[str, Any]) -> Left:
    after, limit, wished = budget["available_after"], budget["limit"], seen["hold_amount"]
    texts = [format_amount(amount, seen["currency"]) for amount in (after, limit, after + wished)]
    return Left(
        f"{budget['scope'].capitalize()}, {budget['period']}", f"{texts[0]} of {texts[1]}; {texts[2]} without it",
        limit - after - wished, wished, limit,
    )  # fmt: skip


def _first(row: Approval, currency: str, names: Mapping[str, str]) -> str | None:
    if row.first_approved_by is None or row.approved_amount is None or row.status != "pending":
        return None
    name = names.get(row.first_approved_by, row.first_approved_by)
    return f"1 of 2 said yes: {name} agreed to {format_amount(row.approved_amount, currency)}."
