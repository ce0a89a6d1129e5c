"""Budgets with what is left of them, and the controls of scopes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, select, text

from roony.core.agent import ENVELOPE, Chain, task_of, task_scope
from roony.core.budget import PERIODS, SCOPES, Budget, BudgetPeriod, period_starts, task_budgets
from roony.core.control import Control, ControlVersion
from roony.store.database import Database
from roony.store.queries.paging import Page, Slice, cut, keyset
from roony.store.tables import LIMITED_TASK, budget_periods, budgets, control_versions, controls


class Standing(NamedTuple):
    """A budget and where it stands in the period of now."""

    budget: Budget
    period: BudgetPeriod


def standings(
    database: Database, organization_id: str, now: int, wanted: Slice, *where: ColumnElement[bool]
) -> Page[Standing]:
    """Budgets of an organization, scope by scope, each with its current period; `now` in microseconds UTC."""
    statement = keyset(
        select(budgets).where(budgets.c.organization_id == organization_id, *where),
        wanted,
        budgets.c.created_at,
        budgets.c.scope_id,
        budgets.c.currency,
        budgets.c.period,
        descending=False,
    )
    page = cut(
        [Budget(*values) for values in database.read(statement)],
        wanted,
        lambda row: (row.created_at, row.scope_id, row.currency, row.period),
    )
    rows = _as_limited(database, organization_id, page.rows)
    return Page(_with_periods(database, organization_id, rows, now), page.next_cursor)


def standings_above(database: Database, above: Chain, projects: Iterable[str], now: int) -> list[Standing]:
    """Every budget of a chain, also under more `projects`, from the narrowest scope to the widest.

    A named task's are with the limits that hold for it, be there a row yet or not; without one the envelope's own.
    """
    org, task = above.organization_id, above.task_scope
    scope_ids = {above.envelope, above.agent_id, above.project_id, *projects, org, *([task] if task else [])}
    statement = select(budgets).where(budgets.c.organization_id == org, budgets.c.scope_id.in_(scope_ids))
    rows = [Budget(*values) for values in database.read(statement)]
    if task is not None:
        own, every = ([row for row in rows if row.scope_id == id] for id in (task, above.envelope))
        rows = [*task_budgets(task, own, every), *(row for row in rows if row.scope != "task")]
    rows.sort(key=lambda row: (SCOPES.index(row.scope), row.scope_id, row.currency, PERIODS.index(row.period)))
    return _with_periods(database, org, rows, now)


def _as_limited(database: Database, organization_id: str, rows: Sequence[Budget]) -> list[Budget]:
    """The same rows, those of a task with the limit that holds for it: its own or its agent's for every task."""
    envelopes = {task_scope(task_of(row.scope_id)[0], ENVELOPE) for row in rows if row.scope == "task"}
    if not envelopes:
        return list(rows)
    statement = select(budgets).where(budgets.c.organization_id == organization_id, budgets.c.scope_id.in_(envelopes))
    every = [Budget(*values) for values in database.read(statement)]
    return [_limited(row, every) if row.scope == "task" else row for row in rows]


def _limited(row: Budget, every: Iterable[Budget]) -> Budget:
    mine = task_scope(task_of(row.scope_id)[0], ENVELOPE)
    same = [b for b in every if (b.scope_id, b.currency, b.period) == (mine, row.currency, row.period)]
    return task_budgets(row.scope_id, [row], same)[0]


def _with_periods(database: Database, organization_id: str, rows: Sequence[Budget], now: int) -> list[Standing]:
    starts = period_starts(rows, now)
    statement = select(budget_periods).where(
        budget_periods.c.organization_id == organization_id,
        budget_periods.c.budget_id.in_(list(starts)),
        budget_periods.c.period_start.in_(sorted(set(starts.values()))),
    )
    found = {(row[1], row[2]): BudgetPeriod(*row) for row in database.read(statement)} if rows else {}
    return [
        Standing(row, found.get((row.id, starts[row.id]), BudgetPeriod(organization_id, row.id, starts[row.id], 0, 0)))
        for row in rows
    ]


def controls_of(database: Database, organization_id: str, scope_ids: Iterable[str] | None = None) -> list[Control]:
    """The controls set on these scopes; None: on all scopes of the organization."""
    statement = select(controls).where(controls.c.organization_id == organization_id)
    if scope_ids is not None:
        statement = statement.where(controls.c.scope_id.in_(scope_ids))
    return [Control(*values) for values in database.read(statement.order_by(controls.c.scope_id))]


def tasks_with_rules(database: Database, organization_id: str, agent_id: str, most: int) -> list[str]:
    """Scope ids of the agent's tasks for which an owner set something, without the one of every task, by name."""
    found = set()
    for table, where in ((controls, controls.c.scope == "task"), (budgets, text(LIMITED_TASK))):
        own = table.c.scope_id.startswith(task_scope(agent_id, ""), autoescape=True)
        statement = select(table.c.scope_id).distinct().where(table.c.organization_id == organization_id, where, own)
        found |= {scope_id for (scope_id,) in database.read(statement.order_by(table.c.scope_id).limit(most + 1))}
    return sorted(found - {task_scope(agent_id, ENVELOPE)})[:most]


def control_page(database: Database, organization_id: str, wanted: Slice, *where: ColumnElement[bool]) -> Page[Control]:
    """The controls of an organization's scopes, in the order of the scopes' ids."""
    statement = keyset(
        select(controls).where(controls.c.organization_id == organization_id, *where),
        wanted,
        controls.c.scope_id,
        descending=False,
    )
    return cut([Control(*values) for values in database.read(statement)], wanted, lambda row: (row.scope_id,))


def version_page(database: Database, organization_id: str, scope_id: str, wanted: Slice) -> Page[ControlVersion]:
    """All versions of a scope's controls, the newest first."""
    statement = keyset(
        select(control_versions).where(
            control_versions.c.organization_id == organization_id, control_versions.c.scope_id == scope_id
        ),
        wanted,
        control_versions.c.version,
        descending=True,
    )
    return cut([ControlVersion(*values) for values in database.read(statement)], wanted, lambda row: (row.version,))
