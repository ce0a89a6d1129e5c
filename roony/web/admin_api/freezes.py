"""The kill switch for an organization, a project or an agent."""

from __future__ import annotations

from typing import Any

from fastapi import Request

from roony.core.errors import Refusal
from roony.flows.freeze import Freeze, Frozen, Unfreeze
from roony.web import admin_shapes, answers
from roony.web.admin_api.part import new_part
from roony.web.auth import CallerOf, ContextOf
from roony.web.errors import accepted
from roony.web.schemas import ScopeBody
from roony.web.shape import gives

router = new_part("Freeze")


@router.post("/freeze", **gives(admin_shapes.FreezeAnswer, 404))
async def freeze(body: ScopeBody, request: Request, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """Stop every purchase and authorization below a scope at once; its cards are made inactive at Stripe."""
    scope_id = body.scope_id or caller.organization_id
    command = Freeze(caller.organization_id, body.scope, scope_id, caller.actor, context.new_id("out"))
    return _show(request, await context.till.submit(command, by=caller.authority))


@router.post("/unfreeze", **gives(admin_shapes.FreezeAnswer, 404, 409))
async def unfreeze(body: ScopeBody, request: Request, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """Let a scope buy again; its cards that are still alive come back."""
    scope_id = body.scope_id or caller.organization_id
    command = Unfreeze(caller.organization_id, body.scope, scope_id, caller.actor, context.new_id("out"))
    return _show(request, await context.till.submit(command, by=caller.authority))


def _show(request: Request, answer: Frozen | Refusal) -> dict[str, Any]:
    frozen = accepted(answer)
    if frozen.changed:
        request.app.state.wake_worker()
    return {
        "scope": frozen.scope, "scope_id": frozen.scope_id, "frozen_at": answers.time(frozen.frozen_at),
        "changed": frozen.changed,
    }  # fmt: skip
