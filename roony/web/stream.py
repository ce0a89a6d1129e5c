"""Server-Sent Events: what happens, as it happens, to agents of their own purchases and to the owner of everything."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from roony.core.notice import Notice
from roony.flows.change_feed import ChangeFeed, Stream, Told, UnknownId
from roony.flows.places import TooMany
from roony.web.answers import time as shown_time
from roony.web.auth import AGENT_KEY, AgentOf, CallerOf, FeedOf
from roony.web.errors import Refused, refuse
from roony.web.requests import AgentRoute
from roony.web.shape import ALWAYS

router = APIRouter(
    prefix="/api/v1", route_class=AgentRoute, dependencies=[AGENT_KEY], tags=["Agents"], responses=ALWAYS
)

# A sign of life this often, in seconds, so that nobody between closes the connection; and the key is looked at again.
HEARTBEAT_SECONDS = 15.0
# A reader that takes nothing for so long is gone, in seconds.
SEND_SECONDS = 60.0
# How long a reader that was cut off should wait before it comes back, in milliseconds, and one refused, in seconds.
RETRY_MILLISECONDS = 1_000
RETRY_AFTER = "5"
HEADER = "Last-Event-ID"
MAX_DIGITS = 18

_EXAMPLE = (
    "id: 41\nevent: purchase.ready\n"
    'data: {"type":"purchase.ready","sequence":41,"created_at":"2026-11-28T14:02:11.520000Z","subject":"pur_1",'
    '"purchase_id":"pur_1","agent_id":"agt_1","data":{"was":"issuing","status":"ready","amount":12999,'
    '"currency":"usd","captured":0,"refunded":0}}\n\n'
)
# Each event of the stream.
_EVENT = {
    "type": "object",
    "required": ["event", "data"],
    "properties": {
        "id": {"type": "string", "pattern": "^[0-9]+$", "description": "What `Last-Event-ID` takes"},
        "event": {"type": "string", "description": "The `type` of the notice"},
        "data": {"type": "string", "contentMediaType": "application/json", "description": "The notice"},
        "retry": {"type": "integer", "description": "How long to wait before coming back, in milliseconds"},
    },
}
OPENAPI: dict[str, Any] = {
    "status_code": 200,
    "responses": {
        200: {
            "description": "Events until either side ends it",
            "content": {"text/event-stream": {"schema": _EVENT, "example": _EXAMPLE}},
        }
    },
    "openapi_extra": {
        "parameters": [
            {
                "name": HEADER, "in": "header", "required": False,
                "description": "The last `id` that was seen: what came after it is sent first",
                "schema": {"type": "string", "pattern": f"^[0-9]{{1,{MAX_DIGITS}}}$"},
            }
        ]
    },
}  # fmt: skip


class EventStream(StreamingResponse):
    """The answer that goes on; its stream is given back however it ends."""

    media_type = "text/event-stream"

    def __init__(self, stream: Stream, check: Callable[[], Awaitable[object]]) -> None:
        # Proxies that collect answers before they pass them on are asked not to.
        super().__init__(lines(stream, check, HEARTBEAT_SECONDS), headers={"x-accel-buffering": "no"})
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends until the stream ends or the reader leaves."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._stream.close()

    async def stream_response(self, send: Send) -> None:
        """As every stream, but not for a reader that takes nothing any more."""

        async def in_time(message: Message) -> None:
            async with asyncio.timeout(SEND_SECONDS):
                await send(message)

        with suppress(TimeoutError):
            await super().stream_response(in_time)


async def lines(stream: Stream, check: Callable[[], Awaitable[object]], pause: float) -> AsyncIterator[str]:
    """The text of a stream: where it begins, what was missed, what happens, and a comment where nothing does.

    A comment carries the id too, so that a reader of little news need not read all of the chain again. `check` raises
    Refused when the key is no longer good: the stream ends, also while it still tells what was missed. Nothing that
    happened after the last look is told without another one.
    """
    yield f": Roony\nretry: {RETRY_MILLISECONDS}\nid: {stream.position}\n\n"
    checked, good_until = time.monotonic(), -1
    async for told in _all(stream, pause):
        if (told.notices and told.sequence > good_until) or time.monotonic() - checked >= pause:
            # What is in the chain by now happened while the key was good, if it is.
            good_until = max(told.sequence, stream.tail.position)
            try:
                await check()
            except Refused:
                return
            checked = time.monotonic()
        yield _block(told)


async def _all(stream: Stream, pause: float) -> AsyncIterator[Told]:
    """What was missed, then what happens; something at least every `pause` seconds."""
    async for told in stream.missed():
        yield told
    while (next_one := await stream.next(pause)) is not None:
        yield next_one


def _block(told: Told) -> str:
    """One record. Only its last notice carries the id: who was cut off before it gets all of them again."""
    if not told.notices:
        return f": alive\nid: {told.sequence}\n\n"
    blocks = [
        f"event: {notice.type}\ndata: {json.dumps(_shown(notice), separators=(',', ':'))}\n\n"
        for notice in told.notices
    ]
    blocks[-1] = f"id: {told.sequence}\n{blocks[-1]}"
    return "".join(blocks)


def _shown(notice: Notice) -> dict[str, Any]:
    return {
        "type": notice.type, "sequence": notice.sequence, "created_at": shown_time(notice.at),
        "subject": notice.subject, "purchase_id": notice.purchase_id, "agent_id": notice.agent_id, "data": notice.data,
    }  # fmt: skip


async def last_event_id(request: Request) -> int | None:
    """The `Last-Event-ID` header. Raises Refused (422) unless it is one whole number."""
    given = request.headers.getlist(HEADER)
    if not given:
        return None
    if len(given) > 1 or not (given[0].isascii() and given[0].isdigit() and len(given[0]) <= MAX_DIGITS):
        raise refuse(422, "It must be the `id` of an event of this stream, a whole number.", field=HEADER)
    return int(given[0])


AfterOf = Annotated[int | None, Depends(last_event_id)]


@router.get("/stream", response_class=EventStream, response_model=None, **OPENAPI)
async def stream_of_agent(
    request: Request, feed: FeedOf, caller: CallerOf, agent: AgentOf, after: AfterOf
) -> EventStream:
    """What happens to the agent's own purchases, as Server-Sent Events.

    It begins with now, or behind `Last-Event-ID`, also after Roony was restarted. Each event comes at least once, in
    order; `event` is its type, `data` JSON.
    """
    return await open_stream(request, feed, agent.organization_id, agent.id, caller.key_id, after)


async def open_stream(
    request: Request, feed: ChangeFeed, organization_id: str, agent_id: str | None, who: str, after: int | None
) -> EventStream:
    """The answer with a stream of `agent_id` alone, or of the whole organization. Raises Refused with 422 and 429."""
    try:
        stream = await feed.stream(organization_id, agent_id, who, after)
    except TooMany:
        message = "There are too many streams open: close some, or try again in a moment."
        raise refuse(429, message, "too_many_streams", retry_after=RETRY_AFTER) from None
    except UnknownId as unknown:
        message = (
            f"There is no event with this id; the newest is {unknown.head}. Leave the header out to begin with now."
        )
        raise refuse(422, message, "unknown_event_id", HEADER) from None
    return EventStream(stream, request.state.check)
