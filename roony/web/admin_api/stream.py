"""The owner's stream: what happens in the organization."""

from __future__ import annotations

from fastapi import Request

from roony.web.admin_api.part import new_part
from roony.web.auth import CallerOf, FeedOf
from roony.web.stream import OPENAPI, AfterOf, EventStream, open_stream

router = new_part("Stream")


@router.get("/stream", response_class=EventStream, response_model=None, **OPENAPI)
async def stream_of_organization(request: Request, feed: FeedOf, caller: CallerOf, after: AfterOf) -> EventStream:
    """What happens in the organization, as Server-Sent Events: purchases, approvals, budgets, connections, alerts.

    It begins with now, or behind `Last-Event-ID`. Each event comes at least once, in order.
    """
    return await open_stream(request, feed, caller.organization_id, None, caller.key_id, after)
