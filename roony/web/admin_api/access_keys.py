"""All keys of the organization: found, rotated and revoked by their ids, and made for the owner's programs."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from starlette.concurrency import run_in_threadpool

from roony.flows.access_key import CreateAccessKey, RevokeAccessKey, RotateAccessKey, new_key
from roony.flows.context import FlowContext
from roony.store.queries.keys import find_key
from roony.store.queries.paging import equal
from roony.store.rows import AccessKey
from roony.web import admin_shapes, answers
from roony.web.admin_api.lists import list_rows
from roony.web.admin_api.part import new_part
from roony.web.auth import Caller, CallerOf, ContextOf
from roony.web.errors import accepted, found, refuse
from roony.web.key_schemas import KeyBody, KeyQuery, RotateBody
from roony.web.shape import gives

router = new_part("Access keys")


@router.get("/access_keys", **gives(admin_shapes.AccessKeyList))
async def list_access_keys(caller: CallerOf, context: ContextOf, query: Annotated[KeyQuery, Query()]) -> dict[str, Any]:
    """Keys of agents, users and programs, newest first, those that are over too."""
    where = equal(AccessKey, {"kind": query.kind})
    return await list_rows(context, AccessKey, caller.organization_id, query, answers.access_key, *where)


@router.post("/access_keys", **gives(admin_shapes.AccessKeyMade, status=201))
async def create_access_key(caller: CallerOf, context: ContextOf, body: KeyBody | None = None) -> dict[str, Any]:
    """A key for a program of the owner's, shown this once: it may do everything. A person gets one as a user."""
    return await make_key(context, caller, "admin", body or KeyBody())


@router.post("/access_keys/{id}/rotate", **gives(admin_shapes.AccessKeyRotated, 409, status=201))
async def rotate_access_key(
    id: str, caller: CallerOf, context: ContextOf, body: RotateBody | None = None
) -> dict[str, Any]:
    """A new key in place of any key, shown this once; the old one ends after the overlap."""
    return await rotate_key(context, caller, await key_of(context, caller, id), body or RotateBody())


@router.delete("/access_keys/{id}", **gives(admin_shapes.AccessKeyAnswer, 409))
async def revoke_access_key(id: str, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """Revoke any key: it opens nothing from now on."""
    return await revoke_key(context, caller, await key_of(context, caller, id))


async def key_of(
    context: FlowContext, caller: Caller, key_id: str, agent_id: str | None = None, user_id: str | None = None
) -> AccessKey:
    """A key of the organization, with `agent_id` or `user_id` of that one only. Raises Refused (404)."""
    row = await run_in_threadpool(find_key, context.database, caller.organization_id, key_id)
    if row is not None and (agent_id not in (None, row.agent_id) or user_id not in (None, row.user_id)):
        row = None
    return found(row, "key", key_id)


async def make_key(
    context: FlowContext, caller: Caller, kind: str, body: KeyBody, agent_id: str | None = None,
    user_id: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Makes a key; the answer is the only one that has all of it."""
    key = new_key(kind, context.new_id("key"), body.name or "", body.limits)
    command = CreateAccessKey(caller.organization_id, key, caller.actor, agent_id, user_id)
    return answers.access_key(accepted(await context.till.submit(command, by=caller.authority)), key.text)


async def rotate_key(context: FlowContext, caller: Caller, old: AccessKey, body: RotateBody) -> dict[str, Any]:
    """Makes a key in place of `old`; the answer is the only one that has all of it."""
    key = new_key(old.kind, context.new_id("key"), old.name)
    command = RotateAccessKey(caller.organization_id, old, key, body.overlap_seconds, caller.actor)
    made = answers.access_key(accepted(await context.till.submit(command, by=caller.authority)), key.text)
    # So that a program that rotates its own key knows to go on with this one.
    return {**made, "replaces_caller": old.id == caller.key_id}


async def revoke_key(context: FlowContext, caller: Caller, row: AccessKey) -> dict[str, Any]:
    """Ends a key. Raises Refused (409) for the one that calls: whoever ends their last key shuts themselves out."""
    if row.id == caller.key_id:
        raise refuse(409, "This is the key you call with. Rotate it, or revoke it with another key.", "own_key")
    command = RevokeAccessKey(caller.organization_id, row, caller.actor)
    return answers.access_key(accepted(await context.till.submit(command, by=caller.authority)))
