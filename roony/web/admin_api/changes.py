"""Changes that loosen rules and wait for a second person, where the organization wants two."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Literal

from fastapi import Query, Request

from roony.core.loosening import ProposedChange
from roony.flows.second_person import WithdrawChange, confirm_change
from roony.store.queries.paging import equal
from roony.web import change_shapes
from roony.web.admin_api.lists import get_row, list_rows
from roony.web.admin_api.part import new_part
from roony.web.auth import CallerOf, ContextOf
from roony.web.errors import accepted
from roony.web.schemas import ListQuery
from roony.web.shape import gives

router = new_part("Budgets and controls")


class ChangeQuery(ListQuery):
    """Which changes. Those that waited until it was too late are among the waiting ones, as `expired`."""

    status: Literal["waiting", "confirmed", "withdrawn"] | None = None


@router.get("/changes", **gives(change_shapes.ChangeList))
async def list_changes(caller: CallerOf, context: ContextOf, query: Annotated[ChangeQuery, Query()]) -> dict[str, Any]:
    """Changes that loosen rules, newest first, and what became of them."""
    where = equal(ProposedChange, {"status": query.status})
    show = partial(change_shapes.change, now=context.clock())
    return await list_rows(context, ProposedChange, caller.organization_id, query, show, *where)


@router.get("/changes/{id}", **gives(change_shapes.ChangeAnswer))
async def get_change(id: str, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """One change."""
    row = await get_row(context, ProposedChange, caller.organization_id, id, "change")
    return change_shapes.change(row, context.clock())


@router.post("/changes/{id}/confirm", **gives(change_shapes.ChangeAnswer, 409))
async def confirm(id: str, request: Request, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """Agree to a change as its second person: it is done, if nothing that it changes was changed meanwhile."""
    org = caller.organization_id
    done = accepted(await confirm_change(context, org, id, caller.user_id, caller.authority))
    request.app.state.wake_worker()
    return change_shapes.change(done, context.clock())


@router.post("/changes/{id}/withdraw", **gives(change_shapes.ChangeAnswer, 409))
async def withdraw(id: str, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """Take back a change that waits; nothing of it is done."""
    command = WithdrawChange(caller.organization_id, id, caller.actor)
    return change_shapes.change(accepted(await context.till.submit(command, by=caller.authority)), context.clock())
