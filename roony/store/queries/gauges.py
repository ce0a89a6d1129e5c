"""How much is waiting, open and used, over all organizations at once: few statements, each answered by an index."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import Select, Table, and_, bindparam, func, select, text, tuple_

from roony.core.budget import Budget, period_start
from roony.store.database import Database
from roony.store.tables import (
    EVENT_TO_HANDLE,
    UNFINISHED_EVENT,
    alerts,
    approvals,
    audit_checkpoints,
    audit_records,
    budget_periods,
    budgets,
    discrepancies,
    inbox,
    organizations,
    outbox,
)

# Rows counted of what waits; more than that is "at least", and whoever wants to know looks into the database.
MAX_COUNTED = 10_000
BUDGETS_A_PAGE = 1_000

_TO_HANDLE = select(inbox.c.received_at.label("at")).where(text(EVENT_TO_HANDLE)).order_by(inbox.c.due_at)
_PROMISED = select(outbox.c.created_at.label("at")).where(outbox.c.status == "promised").order_by(outbox.c.due_at)
_SOME_TO_HANDLE = _TO_HANDLE.limit(MAX_COUNTED).subquery()
_SOME_PROMISED = _PROMISED.limit(MAX_COUNTED).subquery()
EVENTS_WAITING = select(func.count(), func.min(_SOME_TO_HANDLE.c.at)).select_from(_SOME_TO_HANDLE)
PROMISES_WAITING = select(func.count(), func.min(_SOME_PROMISED.c.at)).select_from(_SOME_PROMISED)
# An event that was given up before anybody knew whose it is has no organization.
_DEAD_OF_NOBODY = (
    select(inbox.c.id)
    .where(inbox.c.organization_id.is_(None), inbox.c.status == "dead", text(UNFINISHED_EVENT))
    .limit(MAX_COUNTED)
    .subquery()
)
DEAD_OF_NOBODY = select(func.count()).select_from(_DEAD_OF_NOBODY)
_DEAD_OF_ORGANIZATION = select(func.count()).where(
    inbox.c.organization_id == organizations.c.id, inbox.c.status == "dead", text(UNFINISHED_EVENT)
)
DEAD_OF_ORGANIZATIONS = select(func.sum(_DEAD_OF_ORGANIZATION.correlate(organizations).scalar_subquery()))


def _by_organization(table: Table, status: str) -> Select[Any]:
    """Each organization with its number: so the index of both is used, whatever a planner thinks of their sizes."""
    mine = select(func.count()).where(table.c.organization_id == organizations.c.id, table.c.status == status)
    return select(organizations.c.id, mine.correlate(organizations).scalar_subquery())


DISCREPANCIES_OPEN = _by_organization(discrepancies, "open")
APPROVALS_WAITING = _by_organization(approvals, "pending")
ALERTS_OPEN = _by_organization(alerts, "open")
_SIGNED = (
    select(func.max(audit_checkpoints.c.sequence))
    .where(audit_checkpoints.c.organization_id == organizations.c.id)
    .correlate(organizations)
    .scalar_subquery()
)
_CHAINS = select(
    organizations.c.id, organizations.c.audit_sequence.label("last"), func.coalesce(_SIGNED, 0).label("signed")
).subquery()
_FIRST_UNSIGNED = (
    select(audit_records.c.at)
    .where(audit_records.c.organization_id == _CHAINS.c.id, audit_records.c.sequence == _CHAINS.c.signed + 1)
    .correlate(_CHAINS)
    .scalar_subquery()
)
# Of each chain only its row, its last checkpoint and one record are looked at, however long it is.
RECORDS_UNSIGNED = select(
    func.coalesce(func.sum(_CHAINS.c.last - _CHAINS.c.signed), 0), func.min(_FIRST_UNSIGNED)
).where(_CHAINS.c.last > _CHAINS.c.signed)
_PAGE = (
    select(budgets)
    .where(tuple_(budgets.c.organization_id, budgets.c.id) > tuple_(bindparam("org"), bindparam("budget")))
    .order_by(budgets.c.organization_id, budgets.c.id)
    .limit(BUDGETS_A_PAGE)
    .subquery()
)
_NEWEST = (
    select(func.max(budget_periods.c.period_start))
    .where(budget_periods.c.organization_id == _PAGE.c.organization_id, budget_periods.c.budget_id == _PAGE.c.id)
    .correlate(_PAGE)
    .scalar_subquery()
)
BUDGETS = (
    select(_PAGE, budget_periods.c.period_start, (budget_periods.c.held + budget_periods.c.spent).label("used"))
    .join_from(
        _PAGE,
        budget_periods,
        and_(
            budget_periods.c.organization_id == _PAGE.c.organization_id,
            budget_periods.c.budget_id == _PAGE.c.id,
            budget_periods.c.period_start == _NEWEST,
        ),
        isouter=True,
    )
    .order_by(_PAGE.c.organization_id, _PAGE.c.id)
)


class Waiting(NamedTuple):
    """How many wait, and since when the oldest does (microseconds UTC; None: nothing waits).

    Of events and promises at most MAX_COUNTED are counted.
    """

    number: int
    oldest: int | None


class Gauges(NamedTuple):
    """What is waiting and open now; where there is a number for each organization, those without any are left out."""

    events: Waiting
    dead_events: int
    promises: Waiting
    unsigned: Waiting
    discrepancies: dict[str, int]
    approvals: dict[str, int]
    alerts: dict[str, int]


def gauges(database: Database) -> Gauges:
    """One look; it takes as long as there is waiting, not as long as there is history."""
    [events] = database.read(EVENTS_WAITING)
    [promises] = database.read(PROMISES_WAITING)
    [(unsigned, oldest)] = database.read(RECORDS_UNSIGNED)
    dead = sum(database.read(statement)[0][0] or 0 for statement in (DEAD_OF_NOBODY, DEAD_OF_ORGANIZATIONS))
    open_ = (
        {id: number for id, number in database.read(each) if number}
        for each in (DISCREPANCIES_OPEN, APPROVALS_WAITING, ALERTS_OPEN)
    )
    return Gauges(Waiting(*events), int(dead), Waiting(*promises), Waiting(int(unsigned), oldest), *open_)


class BudgetUse(NamedTuple):
    """The share of its limit that a budget has used in the period of now; 1.0 is all of it."""

    organization_id: str
    scope: str
    share: float


class BudgetPage(NamedTuple):
    """Those budgets of a page that are limited and of which something is used; `last` is None at the end."""

    uses: list[BudgetUse]
    last: tuple[str, str] | None


def budgets_after(database: Database, after: tuple[str, str], now: int) -> BudgetPage:
    """The next BUDGETS_A_PAGE budgets after this key (organization, id), all organizations; `now` in microseconds."""
    rows = database.read(BUDGETS, {"org": after[0], "budget": after[1]})
    uses = []
    for *values, start, used in rows:
        budget = Budget(*values)
        if used and budget.limit_amount and start == period_start(budget.period, budget.time_zone, now):
            uses.append(BudgetUse(budget.organization_id, budget.scope, used / budget.limit_amount))
    last = (rows[-1][0], rows[-1][1]) if len(rows) == BUDGETS_A_PAGE else None
    return BudgetPage(uses, last)
