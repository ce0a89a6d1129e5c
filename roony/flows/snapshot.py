"""What a person is shown who has to decide: the wish, why a person is asked, what is left after it, what was before."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from roony.core.agent import Agent, Project
from roony.core.budget import Budget
from roony.core.decision import Reason
from roony.core.json_text import to_text
from roony.core.purchase import Purchase
from roony.store.book import Book
from roony.store.rows import KnownMerchant


def snapshot(
    book: Book,
    purchase: Purchase,
    reasons: Iterable[Reason],
    budgets: Iterable[tuple[Budget, int, int]],
    second_approval_threshold: int | None,
    previous_amount: int | None = None,
) -> str:
    """JSON, kept as it was at this moment. `purchase` has the amount and hold that are asked for.

    `budgets` are those of the chain, without what the purchase itself holds by now; `previous_amount` is the price
    before, where another one is asked for. Description and metadata are the agent's own words: nobody has checked them,
    so they stand apart as `untrusted`. Merchant and task are what the agent named, too.
    """
    agent = book.get(Agent, purchase.organization_id, purchase.agent_id)
    project = book.get(Project, purchase.organization_id, purchase.project_id)
    shown: dict[str, Any] = {
        "amount": purchase.amount,
        "previous_amount": previous_amount,
        "currency": purchase.currency,
        "hold_amount": purchase.hold_amount,
        "kind": purchase.kind,
        "interval": purchase.interval,
        "payments": purchase.payments,
        "agent": agent.name if agent else None,
        "agent_id": purchase.agent_id,
        "project": project.name if project else None,
        "project_id": purchase.project_id,
        "task_id": purchase.task_id,
        "merchant": json.loads(purchase.merchant),
        "history": _history(book.get(KnownMerchant, purchase.organization_id, purchase.merchant_key)),
        "reasons": [reason._asdict() for reason in reasons],
        "budgets": [_after(row, purchase) for row in budgets if _counts(row[0], purchase)],
        "second_approval_threshold": second_approval_threshold,
        "untrusted": {"description": purchase.description, "metadata": json.loads(purchase.metadata)},
    }
    return to_text(shown)


def _counts(budget: Budget, purchase: Purchase) -> bool:
    return budget.limit_amount is not None and budget.currency == purchase.currency


def _after(row: tuple[Budget, int, int], purchase: Purchase) -> dict[str, Any]:
    budget, held, spent = row
    limit = budget.limit_amount or 0
    return {
        "scope": budget.scope, "scope_id": budget.scope_id, "period": budget.period, "limit": limit,
        "available_after": limit - held - spent - purchase.hold_amount,
    }  # fmt: skip


def _history(known: KnownMerchant | None) -> dict[str, Any]:
    """What the organization bought from this merchant before, by the merchant's normalised name."""
    if known is None or known.purchases < 1:
        return {"new": True, "purchases": 0, "first_at": None, "last_at": None, "last_amount": None,
                "last_currency": None}  # fmt: skip
    return {
        "new": False, "purchases": known.purchases, "first_at": known.first_at, "last_at": known.last_at,
        "last_amount": known.last_amount, "last_currency": known.last_currency,
    }  # fmt: skip
