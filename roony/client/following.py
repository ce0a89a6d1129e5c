"""Following the stream of notices: where one is, and what to do when it breaks, without any input or output."""

from __future__ import annotations

import json
from typing import cast

from roony.client.answers import Notice
from roony.client.exchange import (
    LONGEST_PAUSE_SECONDS,
    Lost,
    Reply,
    Request,
    backoff,
    error_of,
    is_passing,
    unreachable,
)

# Roony gives a sign of life every 15 s.
SILENCE_SECONDS = 45.0
# Connections in a row that brought nothing, with up to 8 s between them: longer than a restart takes.
MAX_FRUITLESS = 20


class Following:
    """The place in a stream: what to ask for next, and how long to wait before it."""

    def __init__(self, last_event_id: str | None) -> None:
        self._id = last_event_id
        self._fruitless = 0

    def request(self) -> Request:
        """The request that goes on where the last one ended."""
        headers = {"Accept": "text/event-stream"}
        if self._id is not None:
            headers["Last-Event-ID"] = self._id
        return Request("GET", "/api/v1/stream", headers=headers, seconds=SILENCE_SECONDS)

    def take(self, id: str, data: str) -> Notice | None:
        """A notice out of an event's `id` and `data`; None for an event that only says where the stream is."""
        self._fruitless = 0
        self._id = id or self._id
        return cast(Notice, {"id": self._id, **json.loads(data)}) if data else None

    def pause(self, came: Reply | Lost | None) -> float:
        """Seconds before the next request, after a refusal, nothing, or (None) a stream that ended.

        Raises the error when time does not cure it, or too many connections in a row brought nothing.
        """
        self._fruitless += 1
        error = error_of(came) if isinstance(came, Reply) else unreachable(came)
        hopeless = isinstance(came, Lost) and came.kind == "impossible"
        if hopeless or not is_passing(error) or self._fruitless >= MAX_FRUITLESS:
            raise error
        return min(max(backoff(self._fruitless), error.retry_after or 0.0), LONGEST_PAUSE_SECONDS)
