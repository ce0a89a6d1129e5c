"""Agents and their keys."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from starlette.concurrency import run_in_threadpool

from roony.core.agent import Agent
from roony.flows.access_key import new_key
from roony.flows.agent import UpdateAgent
from roony.flows.organization import CreateAgent
from roony.flows.public_key import SetPublicKey
from roony.flows.sealing import InvalidKey, public_key
from roony.store.queries.keys import keys_of_agent
from roony.store.queries.organizations import first_project
from roony.store.queries.paging import equal
from roony.web import admin_shapes, answers
from roony.web.admin_api.access_keys import key_of, make_key, revoke_key, rotate_key
from roony.web.admin_api.lists import get_row, list_rows, wanted
from roony.web.admin_api.organization import limits_of
from roony.web.admin_api.part import new_part
from roony.web.auth import CallerOf, ContextOf
from roony.web.errors import accepted, refuse
from roony.web.key_schemas import AgentKeyBody, RotateBody
from roony.web.patches import AgentPatch
from roony.web.schemas import AgentBody, Id, ListQuery, PublicKeyBody
from roony.web.shape import gives

router = new_part("Agents of the organization")


class AgentQuery(ListQuery):
    """Which agents."""

    project_id: Id | None = None


@router.get("/agents", **gives(admin_shapes.AgentList))
async def list_agents(caller: CallerOf, context: ContextOf, query: Annotated[AgentQuery, Query()]) -> dict[str, Any]:
    """Agents, newest first."""
    where = equal(Agent, {"project_id": query.project_id})
    return await list_rows(context, Agent, caller.organization_id, query, answers.agent, *where)


@router.post("/agents", **gives(admin_shapes.AgentMade, 404, status=201))
async def create_agent(body: AgentBody, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """Make an agent with budgets, controls and its key, which is shown this once."""
    project_id = body.project_id
    if project_id is None:
        project = await run_in_threadpool(first_project, context.database, caller.organization_id)
        if project is None:
            raise refuse(422, "There is no project yet. Make one first.", field="project_id")
        project_id = project.id
    key = new_key("agent", context.new_id("key"), body.name[:100])
    command = CreateAgent(
        organization_id=caller.organization_id, agent_id=context.new_id("agt"), project_id=project_id, name=body.name,
        description=body.description, key=key, actor=caller.actor, project_ids=tuple(body.project_ids),
        budgets=limits_of(body.budgets), controls=body.controls,
    )  # fmt: skip
    agent = accepted(await context.till.submit(command, by=caller.authority))
    return {**answers.agent(agent), "key_id": key.id, "key": key.text}


@router.get("/agents/{id}", **gives(admin_shapes.AgentAnswer))
async def get_agent(id: str, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """One agent."""
    return answers.agent(await get_row(context, Agent, caller.organization_id, id, "agent"))


@router.patch("/agents/{id}", **gives(admin_shapes.AgentAnswer, 409))
async def update_agent(id: str, body: AgentPatch, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """Rename, describe or move an agent, or say which projects it may name; what is left out stays.

    Moved, it buys for its new project from now on; what it asked for before stays where it was.
    """
    command = UpdateAgent(
        caller.organization_id, id, caller.actor, body.name, body.description, body.project_id,
        None if body.project_ids is None else tuple(body.project_ids),
    )  # fmt: skip
    return answers.agent(accepted(await context.till.submit(command, by=caller.authority)))


@router.get("/agents/{id}/keys", **gives(admin_shapes.AccessKeyList))
async def list_keys(
    id: str, caller: CallerOf, context: ContextOf, query: Annotated[ListQuery, Query()]
) -> dict[str, Any]:
    """The agent's keys, newest first, revoked ones too."""
    await get_row(context, Agent, caller.organization_id, id, "agent")
    page = await run_in_threadpool(keys_of_agent, context.database, caller.organization_id, id, wanted(query))
    return answers.listed(page, answers.access_key)


@router.post("/agents/{id}/keys", **gives(admin_shapes.AccessKeyMade, 409, status=201))
async def create_key(id: str, caller: CallerOf, context: ContextOf, body: AgentKeyBody | None = None) -> dict[str, Any]:
    """One more key, shown this once. Older keys stay valid until they are over."""
    return await make_key(context, caller, "agent", body or AgentKeyBody(), agent_id=id)


@router.post("/agents/{id}/keys/{key_id}/rotate", **gives(admin_shapes.AccessKeyRotated, 409, status=201))
async def rotate_key_of_agent(
    id: str, key_id: str, caller: CallerOf, context: ContextOf, body: RotateBody | None = None
) -> dict[str, Any]:
    """A new key in place of this one, shown this once; this one ends after the overlap."""
    return await rotate_key(context, caller, await key_of(context, caller, key_id, agent_id=id), body or RotateBody())


@router.delete("/agents/{id}/keys/{key_id}", **gives(admin_shapes.AccessKeyAnswer))
async def revoke_key_of_agent(id: str, key_id: str, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """Revoke a key: it opens nothing from now on."""
    return await revoke_key(context, caller, await key_of(context, caller, key_id, agent_id=id))


@router.get("/agents/{id}/public_key", **gives(admin_shapes.PublicKeyAnswer))
async def get_public_key(id: str, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """The key the agent's card details are sealed to; null when there is none."""
    return answers.public_key(await get_row(context, Agent, caller.organization_id, id, "agent"))


@router.put("/agents/{id}/public_key", **gives(admin_shapes.PublicKeyAnswer))
async def set_public_key(id: str, body: PublicKeyBody, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """Register the public key the agent's card details are sealed to, in place of any before. Never a private one."""
    try:
        key = public_key(body.model_dump(exclude_none=True))
    except InvalidKey as wrong:
        raise refuse(422, str(wrong), field=wrong.field) from None
    command = SetPublicKey(caller.organization_id, id, key, caller.actor)
    return answers.public_key(accepted(await context.till.submit(command, by=caller.authority)))


@router.delete("/agents/{id}/public_key", **gives(admin_shapes.PublicKeyAnswer))
async def remove_public_key(id: str, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """Take the agent's public key away: nothing can be sealed to it until another one is registered."""
    command = SetPublicKey(caller.organization_id, id, None, caller.actor)
    return answers.public_key(accepted(await context.till.submit(command, by=caller.authority)))
