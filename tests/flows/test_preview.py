"""A preview says what the ask would be decided a moment later, and leaves nothing: no row, no count, no record."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from roony.flows.limits import SetBudget, SetControls
from roony.flows.preview import PreviewPurchase
from roony.store.tables import metadata
from tests.support.books import AGENT, ORG, Books

Setting = Callable[[Books], Any]


def control(**fields: Any) -> Setting:
    return lambda books: books.run(SetControls(ORG, "agent", AGENT, fields, "owner"))


def each_task(limit: int) -> Setting:
    return lambda books: books.run(SetBudget(ORG, "task", f"{AGENT}:*", "usd", "lifetime", limit, "owner"))


def everything(books: Books) -> dict[str, list[str]]:
    """Every row of every table."""
    return {name: sorted(map(repr, books.database.read(select(table)))) for name, table in metadata.tables.items()}


@pytest.mark.parametrize(
    ("settings", "ask", "codes"),
    [
        ([], {}, []),
        ([each_task(5_000)], {"task": "trip"}, []),
        ([each_task(4_999)], {"task": "trip"}, ["BUDGET_EXCEEDED"]),
        ([each_task(4_999)], {}, ["BUDGET_EXCEEDED"]),
        ([each_task(9_999), lambda books: books.ask(5_000, "Notion", task="trip")], {"task": "trip"},
         ["BUDGET_EXCEEDED"]),
        ([control(velocity_count=1)], {}, []),
        ([control(velocity_count=1), lambda books: books.ask(100, "Notion")], {}, ["VELOCITY_EXCEEDED"]),
        ([control(approve_new_merchants=True)], {}, ["APPROVAL_NEW_MERCHANT"]),
        ([lambda books: books.ask(100), control(approve_new_merchants=True)], {}, []),
        ([lambda books: books.ask(5_000)], {"allow_duplicate": True}, ["APPROVAL_DUPLICATE"]),
        ([control(purchase_limit=100), control(purchase_limit=5_000)], {}, []),
    ],
)  # fmt: skip
def test_a_preview_is_what_the_ask_would_be(
    books: Books, settings: list[Setting], ask: dict[str, Any], codes: list[str]
) -> None:
    for setting in settings:
        setting(books)
    before = everything(books)
    command = books.ask_command(5_000, **ask)
    for _ in range(2):
        decision = books.run(PreviewPurchase(ORG, command))
        assert [reason.code for reason in decision.reasons] == codes
    assert everything(books) == before
    kept = json.loads(books.run(command).purchase.decision)
    assert (kept["verdict"], [reason["code"] for reason in kept["reasons"]]) == (decision.verdict, codes)
