"""Whoever calls: who they are, and the browsers in which they are signed in."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field
from starlette.concurrency import run_in_threadpool

from roony.core.sign_in import LONGEST_PASSWORD
from roony.flows.password_change import change_password
from roony.store.authority import is_over
from roony.store.queries.sign_in import sessions_of
from roony.web import admin_shapes, answers
from roony.web.admin_api.access_keys import key_of, revoke_key
from roony.web.admin_api.part import new_part
from roony.web.auth import CallerOf, ContextOf
from roony.web.errors import accepted, refuse
from roony.web.schemas import Body
from roony.web.shape import example, gives
from roony.web.sign_in_shapes import MeAnswer

router = new_part("Me")


@router.get("/me", **gives(MeAnswer))
async def get_me(caller: CallerOf) -> dict[str, Any]:
    """Who calls, and what they may do."""
    return {"user_id": caller.user_id, "key_id": caller.key_id, "role": caller.role}


class PasswordBody(Body):
    """The password there is, and the one that is to be."""

    model_config = example(old="correct horse battery staple", new="another row of plain words")

    old: Annotated[str, Field(max_length=LONGEST_PASSWORD)]
    new: Annotated[str, Field(max_length=LONGEST_PASSWORD)]


@router.put("/me/password", **gives(MeAnswer, 409))
async def put_password(body: PasswordBody, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """Choose another password. It ends the caller's other sessions; wrong old ones are counted as at a sign-in."""
    org, user_id = caller.organization_id, caller.user_id or ""
    accepted(await change_password(context, org, user_id, body.old, body.new, caller.key_id, caller.authority))
    return await get_me(caller)


@router.get("/me/sessions", **gives(admin_shapes.AccessKeyList))
async def list_sessions(caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """The browsers in which the caller is signed in, newest first; a program of the owner's is in none."""
    rows = await run_in_threadpool(sessions_of, context.database, caller.organization_id, caller.user_id or "")
    now = context.clock()
    return {"data": [answers.access_key(row) for row in rows if not is_over(row, now)], "next_cursor": None}


@router.delete("/me/sessions/{id}", **gives(admin_shapes.AccessKeyAnswer, 409))
async def end_session(id: str, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """Sign out of another browser, at once. For the one that calls there is the page's own way out."""
    row = await key_of(context, caller, id, user_id=caller.user_id or "")
    if row.kind != "session":
        raise refuse(404, f"No session with the id {id}.")
    return await revoke_key(context, caller, row)
