"""What the overview shows: spending by scope and by day, and what was declined last; bounded whatever there is."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, func, select

from roony.core.budget import period_start
from roony.core.purchase import Purchase
from roony.store.database import Database
from roony.store.tables import agents, budget_periods, budgets, projects, purchases

# Scopes shown as bars, and days in the line.
TOP, DAYS = 8, 31


class Used(NamedTuple):
    """What one scope used of a period, in minor units; `limit` is None where nothing limits it."""

    scope_id: str
    name: str
    limit: int | None
    held: int
    spent: int


class Day(NamedTuple):
    """What was held and spent of purchases asked for on one day; `start` in microseconds UTC."""

    start: int
    held: int
    spent: int


def used_most(database: Database, organization_id: str, scope: str, currency: str, zone: str, now: int) -> list[Used]:
    """The scopes of this kind that used most of the month of `now`, the one that used most first."""
    names = {"agent": agents, "project": projects}.get(scope)
    joined = budgets.join(
        budget_periods,
        and_(
            budget_periods.c.organization_id == budgets.c.organization_id,
            budget_periods.c.budget_id == budgets.c.id,
            budget_periods.c.period_start == period_start("month", zone, now),
        ),
        isouter=names is None,
    )
    name: ColumnElement[str] = budgets.c.scope_id
    if names is not None:
        joined = joined.join(
            names, and_(names.c.organization_id == budgets.c.organization_id, names.c.id == budgets.c.scope_id)
        )
        name = names.c.name
    held, spent = func.coalesce(budget_periods.c.held, 0), func.coalesce(budget_periods.c.spent, 0)
    statement = (
        select(budgets.c.scope_id, name, budgets.c.limit_amount, held, spent)
        .select_from(joined)
        .where(
            budgets.c.organization_id == organization_id,
            budgets.c.scope == scope,
            budgets.c.currency == currency,
            budgets.c.period == "month",
        )
        .order_by((held + spent).desc(), budgets.c.scope_id)
        .limit(TOP)
    )
    return [Used(*row) for row in database.read(statement)]


def by_day(database: Database, organization_id: str, currency: str, since: int) -> list[Day]:
    """What the organization used on each day from `since` on, in microseconds UTC; without days of nothing."""
    statement = (
        select(budget_periods.c.period_start, budget_periods.c.held, budget_periods.c.spent)
        .join(
            budgets,
            and_(
                budgets.c.organization_id == budget_periods.c.organization_id,
                budgets.c.id == budget_periods.c.budget_id,
            ),
        )
        .where(
            budgets.c.organization_id == organization_id,
            budgets.c.scope_id == organization_id,
            budgets.c.currency == currency,
            budgets.c.period == "day",
            budget_periods.c.period_start >= since,
        )
        .order_by(budget_periods.c.period_start)
        .limit(DAYS + 1)
    )
    return [Day(*row) for row in database.read(statement)]


def newest_purchases(database: Database, organization_id: str, limit: int) -> list[Purchase]:
    """The newest purchases, whatever became of them."""
    statement = select(purchases).where(purchases.c.organization_id == organization_id)
    rows = database.read(statement.order_by(purchases.c.created_at.desc(), purchases.c.id.desc()).limit(limit))
    return [Purchase(*row) for row in rows]
