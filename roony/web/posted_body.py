"""The body of a webhook, read whole: not more of it than is kept, and no longer than its sender may take."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from starlette.types import Receive

from roony.core.errors import Refusal
from roony.waits import Waits

MAX_BODY = 1024 * 1024


_TOO_LARGE = Refusal("too_large", f"The body is larger than {MAX_BODY} bytes.", 413)
_TOO_SLOW = Refusal("too_slow", "The body did not arrive in time.", 408)
_GONE = Refusal("gone", "The sender hung up.", 400)


class _Reading:
    """One that is being read by the task that begins it."""

    __slots__ = ("is_too_slow", "task")

    def __init__(self) -> None:
        self.task: Any = asyncio.current_task()
        self.is_too_slow = False

    def give_up(self) -> None:
        self.is_too_slow = True
        self.task.cancel()


class PostedBodies:
    """Those that are being read on one event loop."""

    def __init__(self) -> None:
        """None yet."""
        self._reading: Waits[_Reading] = Waits(_Reading.give_up)

    async def read(self, headers: Sequence[tuple[bytes, bytes]], receive: Receive, until: float) -> bytes | Refusal:
        """All of it, or why not: what is too large is not read on, what trickles in not after `until`, a time of
        `time.monotonic()`.
        """
        for name, value in headers:
            if name == b"content-length" and (not value.isdigit() or int(value) > MAX_BODY):
                return _TOO_LARGE
        reading = _Reading()
        self._reading.begin(reading, until)
        try:
            return await _read(receive)
        except asyncio.CancelledError:
            if not reading.is_too_slow:
                raise
            reading.task.uncancel()
            return _TOO_SLOW
        finally:
            self._reading.end(reading)


async def _read(receive: Receive) -> bytes | Refusal:
    parts, size = [], 0
    while (message := await receive())["type"] == "http.request":
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MAX_BODY:
            return _TOO_LARGE
        if not message.get("more_body"):
            return b"".join(parts)
    return _GONE
