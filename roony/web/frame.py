"""Around every request: its id, headers against caching and sniffing, a log line, a count, and a plain 500."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import structlog

from roony.core.errors import Refusal
from roony.web.errors import error_answer

log = structlog.get_logger("roony.web")

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_INTERNAL = Refusal("internal", "Something went wrong in Roony. The request id says where to look.", 500)
# Nothing of ours may be framed, sniffed or kept by a cache: answers can carry card numbers.
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'"),
)


class RequestCounts:
    """How many requests were answered, by method and status, since the process began."""

    def __init__(self) -> None:
        """Empty."""
        self.answered: Counter[tuple[str, int]] = Counter()


class RequestFrame:
    """Pure ASGI, so that answers stream through it."""

    def __init__(self, app: App, new_id: Callable[[str], str], counts: RequestCounts) -> None:
        """`new_id("req")` gives the id of a request."""
        self._app = app
        self._new_id = new_id
        self._counts = counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request; what is no request passes through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = self._new_id("req")
        scope.setdefault("state", {})["request_id"] = request_id
        began, status = time.monotonic(), 0

        async def framed(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
                present = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"], (b"request-id", request_id.encode()),
                    *(header for header in _HEADERS if header[0] not in present),
                ]  # fmt: skip
            await send(message)

        try:
            await self._app(scope, receive, framed)
        except Exception as error:  # The last stop: a caller gets a plain 500, the log gets the rest.
            if not status:
                await error_answer(_INTERNAL, request_id)(scope, receive, framed)
            log.exception("web.failed", request_id=request_id, error=type(error).__name__, path=scope["path"][:200])
        method = scope["method"] if scope["method"] in ("GET", "POST", "PUT", "PATCH", "DELETE") else "OTHER"
        self._counts.answered[method, status] += 1
        log.info("web.answered", request_id=request_id, method=method, path=scope["path"][:200], status=status,
                 milliseconds=round((time.monotonic() - began) * 1000, 1))  # fmt: skip
