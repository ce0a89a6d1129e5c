"""Stripe events: what came in, how far its handling is, and handling it again."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Query, Request
from starlette.concurrency import run_in_threadpool

from roony.flows.resolution import ReplayEvent, ReplayEvents
from roony.store.queries.events import event_page, find_event
from roony.store.queries.paging import Slice
from roony.web import answers, stripe_shapes
from roony.web.admin_api.lists import wanted
from roony.web.admin_api.part import new_part
from roony.web.auth import CallerOf, ContextOf
from roony.web.errors import accepted, found
from roony.web.schemas import ListQuery, ReplayBody, ShortText
from roony.web.shape import gives

router = new_part("Stripe events")

# Events that one call takes up again: one command, so that its batch stays short.
REPLAY_LIMIT = 100


class EventQuery(ListQuery):
    """Which events."""

    status: Literal["received", "applied", "ignored", "failed", "dead"] | None = None
    type: ShortText | None = None
    object_id: ShortText | None = None


@router.get("/events", **gives(stripe_shapes.EventList))
async def list_events(caller: CallerOf, context: ContextOf, query: Annotated[EventQuery, Query()]) -> dict[str, Any]:
    """Events of the organization's accounts, newest first."""
    only = (query.status, query.type, query.object_id)
    page = await run_in_threadpool(event_page, context.database, caller.organization_id, wanted(query), *only)
    return answers.listed(page, answers.event)


@router.get("/events/{id}", **gives(stripe_shapes.EventAnswer))
async def get_event(id: str, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """One event."""
    row = await run_in_threadpool(find_event, context.database, caller.organization_id, id)
    return answers.event(found(row, "event", id))


@router.post("/events/replay", **gives(stripe_shapes.ReplayedEvents))
async def replay_events(request: Request, caller: CallerOf, context: ContextOf, body: ReplayBody) -> dict[str, Any]:
    """Handle failed events again, the newest first, up to 100 with each call.

    The answer says how many; while there is a `next_cursor`, the next call with it goes on. An event that fails again
    meanwhile is not taken twice by following the cursors.
    """
    wanted = Slice(REPLAY_LIMIT, body.cursor)
    page = await run_in_threadpool(event_page, context.database, caller.organization_id, wanted, body.status)
    command = ReplayEvents(caller.organization_id, tuple(row.id for row in page.rows), caller.actor)
    rows = accepted(await context.till.submit(command, by=caller.authority)) if page.rows else []
    request.app.state.wake_worker()
    return {"replayed": len(rows), "next_cursor": page.next_cursor}


@router.post("/events/{id}/replay", **gives(stripe_shapes.EventAnswer, 409))
async def replay_event(id: str, request: Request, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """Handle a failed event again; the worker takes it up at once."""
    found(await run_in_threadpool(find_event, context.database, caller.organization_id, id), "event", id)
    command = ReplayEvent(caller.organization_id, id, caller.actor)
    row = accepted(await context.till.submit(command, by=caller.authority))
    request.app.state.wake_worker()
    return answers.event(row)
