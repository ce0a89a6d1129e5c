"""Recorded purchases with all that a replay needs of them, page by page in the order they were asked for."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, func, or_, select, union_all

from roony.core.agent import Chain
from roony.core.approval import Approval
from roony.core.budget import Budget
from roony.core.purchase import BOUGHT
from roony.core.replay.past import PastEntry, PastHold, PastPurchase, past_merchant
from roony.store.database import Database
from roony.store.queries.paging import Page, Slice, cut, keyset
from roony.store.tables import approvals, budgets, cards, entries, entries_archive, holds, purchases

_COLUMNS = (
    purchases.c.project_id, purchases.c.agent_id, purchases.c.task_id, purchases.c.id, purchases.c.amount,
    purchases.c.currency, purchases.c.kind, purchases.c.merchant_key, purchases.c.merchant, purchases.c.decision,
    purchases.c.created_at, purchases.c.status, purchases.c.ended_at,
)  # fmt: skip

# In one statement, so that none is missed or seen twice while `roony archive` moves it.
_entries = union_all(select(entries), select(entries_archive)).subquery("all_entries")


class Use(NamedTuple):
    """What changed at `at` in one period of a budget; minor units, times in microseconds UTC."""

    budget_id: str
    start: int
    at: int
    held: int
    spent: int


def asked_since(since: int, until: int) -> ColumnElement[bool]:
    """Purchases asked for from `since` to `until`."""
    return and_(purchases.c.created_at >= since, purchases.c.created_at <= until)


def asked_before(since: int, window: int, waiting: int) -> ColumnElement[bool]:
    """Purchases from before `since` that may matter after it: younger than `window`, or than `waiting` with a person.

    Both in microseconds.
    """
    for_a_person = and_(purchases.c.created_at >= since - waiting, purchases.c.approval_id.is_not(None))
    return and_(
        purchases.c.created_at >= since - max(window, waiting),
        purchases.c.created_at < since,
        or_(purchases.c.created_at >= since - window, for_a_person),
    )


def count_past(database: Database, organization_id: str, where: ColumnElement[bool], most: int) -> int:
    """How many there are, counted up to `most` and one more."""
    some = select(purchases.c.id).where(purchases.c.organization_id == organization_id, where).limit(most + 1)
    return int(database.read(select(func.count()).select_from(some.subquery()))[0][0])


def past_page(
    database: Database, organization_id: str, wanted: Slice, where: ColumnElement[bool]
) -> Page[PastPurchase]:
    """Purchases with their holds, entries, card and a person's yes, the oldest first."""
    joined = purchases.outerjoin(
        cards, and_(cards.c.organization_id == purchases.c.organization_id, cards.c.id == purchases.c.card_id)
    )
    statement = select(*_COLUMNS, cards.c.created_at.label("card_made_at")).select_from(joined)
    statement = statement.where(purchases.c.organization_id == organization_id, where)
    rows = database.read(keyset(statement, wanted, purchases.c.created_at, purchases.c.id, descending=False))
    ids = [row.id for row in rows]
    placed, moved = _holds(database, organization_id, ids), _moves(database, organization_id, ids)
    agreed = _yeses(database, organization_id, ids)
    found = [
        PastPurchase(
            Chain(organization_id, row.project_id, row.agent_id, row.task_id), row.id, row.amount, row.currency,
            row.kind, row.merchant_key, past_merchant(row.merchant), json.loads(row.decision), row.created_at,
            row.card_made_at, agreed.get(row.id), placed.get(row.id, {}), tuple(moved.get(row.id, ())),
            None if row.status in BOUGHT else row.ended_at,
        )
        for row in rows
    ]  # fmt: skip
    return cut(found, wanted, lambda past: (past.created_at, past.id))


def _holds(database: Database, organization_id: str, ids: Sequence[str]) -> dict[str, dict[str, PastHold]]:
    statement = select(holds.c.purchase_id, holds.c.id, holds.c.created_at, holds.c.periods)
    found: dict[str, dict[str, PastHold]] = defaultdict(dict)
    for purchase_id, id, at, periods in database.read(
        statement.where(holds.c.organization_id == organization_id, holds.c.purchase_id.in_(ids))
    ):
        found[purchase_id][id] = PastHold(at, tuple((budget_id, start) for budget_id, start in json.loads(periods)))
    return found


def _moves(database: Database, organization_id: str, ids: Sequence[str]) -> dict[str, list[PastEntry]]:
    statement = select(_entries.c.purchase_id, _entries.c.at, _entries.c.hold_id, _entries.c.held, _entries.c.spent)
    found: dict[str, list[PastEntry]] = defaultdict(list)
    for purchase_id, *values in database.read(
        statement.where(_entries.c.organization_id == organization_id, _entries.c.purchase_id.in_(ids)).order_by(
            _entries.c.purchase_id, _entries.c.sequence
        )
    ):
        found[purchase_id].append(PastEntry(*values))
    return found


def _yeses(database: Database, organization_id: str, ids: Sequence[str]) -> dict[str, tuple[int, int]]:
    """When a person approved each purchase, and what amount; a yes to a raise or a renewal is none to the purchase."""
    statement = select(*(approvals.c[name] for name in Approval._fields)).where(
        approvals.c.organization_id == organization_id, approvals.c.purchase_id.in_(ids),
        approvals.c.kind == "purchase", approvals.c.status == "approved",
    )  # fmt: skip
    rows = [Approval(*values) for values in database.read(statement)]
    return {
        row.purchase_id: (row.decided_at, row.approved_amount)
        for row in rows
        if row.decided_at is not None and row.approved_amount is not None
    }


def budgets_now(database: Database, organization_id: str) -> Mapping[tuple[str, str, str], Budget]:
    """The rows of every level but single tasks, and of tasks that have a limit of their own, by what they limit."""
    statement = select(budgets).where(
        budgets.c.organization_id == organization_id,
        or_(budgets.c.scope != "task", budgets.c.limit_amount.is_not(None), budgets.c.scope_id.like("%:*")),
    )
    rows = [Budget(*values) for values in database.read(statement)]
    return {(row.scope_id, row.currency, row.period): row for row in rows}


def use_before(database: Database, organization_id: str, periods: Iterable[tuple[str, int]], since: int) -> list[Use]:
    """What holds placed before `since` used of these (budget id, period start): in one sum up to then, then as it came.

    Entries of a period lie on holds placed in it, so only those are looked through.
    """
    found = []
    for id, start in periods:
        joined = _entries.join(
            holds, and_(holds.c.organization_id == _entries.c.organization_id, holds.c.id == _entries.c.hold_id)
        )
        where = and_(
            _entries.c.organization_id == organization_id, holds.c.created_at >= start, holds.c.created_at < since,
            holds.c.periods.contains(json.dumps([id, start]), autoescape=True),
        )  # fmt: skip
        amounts = (func.sum(_entries.c.held), func.sum(_entries.c.spent))
        [before] = database.read(select(*amounts).select_from(joined).where(where, _entries.c.at < since))
        found.append(Use(id, start, since, int(before[0] or 0), int(before[1] or 0)))
        later = select(_entries.c.at, *amounts).select_from(joined).where(where, _entries.c.at >= since)
        found += [
            Use(id, start, at, int(held), int(spent))
            for at, held, spent in database.read(later.group_by(_entries.c.at))
        ]
    return found
