"""The organization's settings, and its projects."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from starlette.concurrency import run_in_threadpool

from roony.core.agent import Project
from roony.flows.agent import UpdateProject
from roony.flows.limits import Limit
from roony.flows.organization import CreateProject, UpdateOrganization, undecided
from roony.store.queries.organizations import find_organization
from roony.web import admin_shapes, answers
from roony.web.admin_api.lists import get_row, list_rows
from roony.web.admin_api.part import new_part
from roony.web.auth import CallerOf, ContextOf
from roony.web.cardholder_schemas import OrganizationPatch
from roony.web.errors import accepted
from roony.web.patches import ProjectPatch
from roony.web.schemas import LimitBody, ListQuery, ProjectBody
from roony.web.shape import gives

router = new_part("Organization")


@router.get("/organization", **gives(admin_shapes.OrganizationAnswer))
async def get_organization(caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """The organization this key belongs to."""
    return answers.organization(await run_in_threadpool(find_organization, context.database, caller.organization_id))


@router.patch("/organization", **gives(admin_shapes.OrganizationAnswer, 409))
async def update_organization(body: OrganizationPatch, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """Change settings; what is left out stays. The cardholder is set whole, as with `PUT /cardholders`.

    With `two_people` whatever loosens rules from then on waits for a second person (`/changes`), this setting too.
    """
    cardholder = body.cardholder.model_dump(exclude_none=True) if body.cardholder is not None else None
    command = UpdateOrganization(
        caller.organization_id, caller.actor, body.name, body.unknown_cards, body.delivery, body.unbudgeted, cardholder,
        await undecided(context, caller.organization_id) if body.unknown_cards is not None else (),
        context.new_id("out"), body.low_balance_amount,
        body.patterns.model_dump(exclude_none=True) if body.patterns is not None else None, body.two_people,
    )  # fmt: skip
    accepted(await context.till.submit(command, by=caller.authority))
    # Read again: the head of the audit chain moves when the batch is written.
    return await get_organization(caller, context)


@router.get("/projects", **gives(admin_shapes.ProjectList))
async def list_projects(caller: CallerOf, context: ContextOf, query: Annotated[ListQuery, Query()]) -> dict[str, Any]:
    """Projects, newest first."""
    return await list_rows(context, Project, caller.organization_id, query, answers.project)


@router.post("/projects", **gives(admin_shapes.ProjectAnswer, status=201))
async def create_project(body: ProjectBody, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """Make a project, with its budgets and controls."""
    command = CreateProject(
        caller.organization_id, context.new_id("prj"), body.name, caller.actor, limits_of(body.budgets), body.controls
    )
    return answers.project(accepted(await context.till.submit(command, by=caller.authority)))


@router.get("/projects/{id}", **gives(admin_shapes.ProjectAnswer))
async def get_project(id: str, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """One project."""
    return answers.project(await get_row(context, Project, caller.organization_id, id, "project"))


@router.patch("/projects/{id}", **gives(admin_shapes.ProjectAnswer))
async def update_project(id: str, body: ProjectPatch, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """Rename a project."""
    command = UpdateProject(caller.organization_id, id, body.name, caller.actor)
    return answers.project(accepted(await context.till.submit(command, by=caller.authority)))


def limits_of(budgets: list[LimitBody]) -> tuple[Limit, ...]:
    """Limits as the flows want them."""
    return tuple(Limit(budget.period, budget.currency, budget.limit) for budget in budgets)
