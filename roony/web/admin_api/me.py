"""Whoever calls: who they are, and the browsers in which they are signed in."""

from __future__ import annotations

from typing import Any

from starlette.concurrency import run_in_threadpool

from roony.core.errors import Refusal
from roony.store.authority import is_over
from roony.store.queries.sign_in import sessions_of
from roony.web import answers
from roony.web.admin_api.access_keys import key_of, revoke_key
from roony.web.admin_api.part import new_part
from roony.web.auth import Caller, CallerOf, ContextOf
from roony.web.errors import Refused

router = new_part("Me")


def user_of(caller: Caller) -> str:
    """The user who calls. Raises Refused (409) for a program of the owner's, which is nobody."""
    if caller.user_id is None:
        raise Refused(Refusal("no_user", "This key is a program's. Call with a key or a session of a user's.", 409))
    return caller.user_id


@router.get("/me", response_model=None)
async def get_me(caller: CallerOf) -> dict[str, Any]:
    """Who calls, and what they may do."""
    return {"user_id": caller.user_id, "key_id": caller.key_id, "role": caller.role}


@router.get("/me/sessions", response_model=None)
async def list_sessions(caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """The browsers in which the caller is signed in, newest first."""
    rows = await run_in_threadpool(sessions_of, context.database, caller.organization_id, user_of(caller))
    now = context.clock()
    return {"data": [answers.access_key(row) for row in rows if not is_over(row, now)], "next_cursor": None}


@router.delete("/me/sessions/{id}", response_model=None)
async def end_session(id: str, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """Sign out of another browser, at once. For the one that calls there is the page's own way out."""
    return await revoke_key(context, caller, await key_of(context, caller, id, user_id=user_of(caller)))
