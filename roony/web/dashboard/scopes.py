"""What an agent, a project and the organization have in common on their pages: what is left of budgets, and rules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from markupsafe import Markup

from roony.core.agent import ENVELOPE, Chain, task_scope
from roony.core.budget import PERIODS, Budget
from roony.core.control import controls_of
from roony.core.explanation import Level, explain
from roony.core.money import format_amount
from roony.store.queries import limits
from roony.store.queries.paging import Slice, equal
from roony.store.tables import budgets
from roony.web.dashboard.charts import meter
from roony.web.dashboard.view import ROWS, View
from roony.web.sentences import binding_sentence

# Budgets of one scope that are shown: every period in several currencies.
MOST_BUDGETS = 100


class Use(NamedTuple):
    """What is used of one budget in its current period, in minor units, with the same as a bar."""

    budget: Budget
    held: int
    spent: int
    bar: Markup


async def months_of(view: View, scope_ids: Iterable[str]) -> dict[str, Use]:
    """What each of these scopes, a page of them at most, used of this month in the currency of the cards."""
    listed = budgets.c.scope_id.in_(list(scope_ids))
    where = equal(Budget, {"period": "month", "currency": view.organization.currency})
    page = await view.read(limits.standings, view.context.clock(), Slice(ROWS), listed, *where)
    return {standing.budget.scope_id: _use(standing) for standing in page.rows}


async def budgets_of(view: View, scope_id: str) -> list[Use]:
    """Every budget of one scope with a limit, and its month; the shortest period first."""
    where = equal(Budget, {"scope_id": scope_id})
    page = await view.read(limits.standings, view.context.clock(), Slice(MOST_BUDGETS), *where)
    shown = [row for row in page.rows if row.budget.limit_amount is not None or row.budget.period == "month"]
    return [_use(row) for row in sorted(shown, key=lambda row: (row.budget.currency, PERIODS.index(row.budget.period)))]


async def rules_in_force(view: View, scopes: Sequence[tuple[str, str]]) -> list[str]:
    """What applies below these (scope, scope id) once merged: a sentence each, with the level it comes from."""
    rows = {row.scope_id: row for row in await view.read(limits.controls_of, [scope_id for _, scope_id in scopes])}
    levels = [Level(scope, scope_id, controls_of(rows[scope_id])) for scope, scope_id in scopes if scope_id in rows]
    return [binding_sentence(one, view.organization.currency) for one in explain(levels, view.organization)]


def scopes_above(
    organization_id: str, project_id: str | None = None, agent_id: str | None = None
) -> tuple[tuple[str, str], ...]:
    """The (scope, scope id) whose rules hold for an agent, a project or the organization, the narrowest first."""
    if project_id is None:
        return (("organization", organization_id),)
    if agent_id is None:
        return (("project", project_id), ("organization", organization_id))
    return Chain(organization_id, project_id, agent_id).scopes


def each_task(agent_id: str) -> str:
    """The scope id of the rules for every task of an agent."""
    return task_scope(agent_id, ENVELOPE)


def _use(standing: limits.Standing) -> Use:
    budget, (held, spent) = standing.budget, (standing.period.held, standing.period.spent)
    words = f"{format_amount(spent, budget.currency)} spent, {format_amount(held, budget.currency)} held"
    if budget.limit_amount is not None:
        words += f", of {format_amount(budget.limit_amount, budget.currency)}"
    return Use(budget, held, spent, meter(spent, held, budget.limit_amount, spent + held, words))
