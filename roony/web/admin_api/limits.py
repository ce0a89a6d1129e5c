"""Budgets and spending controls of every scope."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from starlette.concurrency import run_in_threadpool

from roony.core.agent import Agent, Project, task_scope
from roony.core.budget import Budget
from roony.core.control import Control
from roony.flows.limits import SetBudget, SetControls
from roony.store.queries import limits
from roony.store.queries.organizations import find_organization
from roony.store.queries.paging import equal
from roony.web import admin_shapes, answers, shapes
from roony.web.admin_api.lists import get_row, wanted
from roony.web.admin_api.part import new_part
from roony.web.auth import CallerOf, ContextOf
from roony.web.errors import accepted
from roony.web.schemas import BudgetBody, ControlsBody, LimitedScope, LimitedScopeId, ListQuery, TaskQuery
from roony.web.shape import gives

router = new_part("Budgets and controls")


class ScopeQuery(ListQuery):
    """Of which scopes."""

    scope: LimitedScope | None = None
    scope_id: LimitedScopeId | None = None


class VersionQuery(ListQuery, TaskQuery):
    """Of which of an agent's tasks; `*` for what holds for each of them."""


@router.get("/budgets", **gives(shapes.BudgetList))
async def list_budgets(caller: CallerOf, context: ContextOf, query: Annotated[ScopeQuery, Query()]) -> dict[str, Any]:
    """One row per scope and period, also where no limit is set, each in its current period."""
    where = equal(Budget, {"scope": query.scope, "scope_id": query.scope_id})
    page = await run_in_threadpool(
        limits.standings, context.database, caller.organization_id, context.clock(), wanted(query), *where
    )
    return answers.listed(page, answers.budget)


@router.put("/budgets", **gives(shapes.BudgetAnswer, 404, 409))
@router.post("/budgets", **gives(shapes.BudgetAnswer, 404, 409))
async def set_budget(body: BudgetBody, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """Limit a scope over a period, or lift its limit with null. Granted holds stay good."""
    organization_id = caller.organization_id
    currency = body.currency
    if currency is None:
        organization = await run_in_threadpool(find_organization, context.database, organization_id)
        currency = organization.currency
    command = SetBudget(
        organization_id, body.scope, body.scope_id or organization_id, currency, body.period, body.limit, caller.actor
    )
    budget = accepted(await context.till.submit(command, by=caller.authority))
    where = equal(Budget, {"id": budget.id})
    query = ListQuery()
    page = await run_in_threadpool(
        limits.standings, context.database, organization_id, context.clock(), wanted(query), *where
    )
    return answers.budget(page.rows[0])


@router.get("/controls", **gives(admin_shapes.ControlList))
async def list_controls(caller: CallerOf, context: ContextOf, query: Annotated[ScopeQuery, Query()]) -> dict[str, Any]:
    """The controls of every scope that has some."""
    where = equal(Control, {"scope": query.scope, "scope_id": query.scope_id})
    page = await run_in_threadpool(limits.control_page, context.database, caller.organization_id, wanted(query), *where)
    return answers.listed(page, answers.control)


@router.get("/controls/{scope_id}/versions", **gives(admin_shapes.ControlVersionList))
async def list_versions(
    scope_id: str, caller: CallerOf, context: ContextOf, query: Annotated[VersionQuery, Query()]
) -> dict[str, Any]:
    """Every version of a scope's controls, the newest first, with who set it; a decision names the ones it followed."""
    organization_id = caller.organization_id
    if scope_id != organization_id or query.task_id is not None:
        row = Project if scope_id.startswith("prj_") and query.task_id is None else Agent
        await get_row(context, row, organization_id, scope_id, "scope")
    if query.task_id is not None:
        scope_id = task_scope(scope_id, query.task_id)
    page = await run_in_threadpool(limits.version_page, context.database, organization_id, scope_id, wanted(query))
    return answers.listed(page, answers.control_version)


@router.put("/controls", **gives(admin_shapes.ControlAnswer, 404, 409))
async def set_controls(body: ControlsBody, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """Replace all controls of a scope; what is left out is no longer set.

    With `expected_version` only if nobody else has set them since that version was read.
    """
    organization_id = caller.organization_id
    command = SetControls(
        organization_id, body.scope, body.scope_id or organization_id, body.controls, caller.actor,
        body.expected_version,
    )  # fmt: skip
    return answers.control(accepted(await context.till.submit(command, by=caller.authority)))
