"""Around every request: its id, headers against caching and sniffing, a log line, a count, and a plain 500."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from typing import Any

import structlog
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from roony.core.errors import Refusal
from roony.log_ids import about
from roony.web.errors import answer_of

log = structlog.get_logger("roony.web")

_PURCHASE = re.compile(r"/(pur_[0-9A-Za-z]{1,40})(?:/|$)")


_INTERNAL = Refusal("internal", "Something went wrong in Roony. The request id says where to look.", 500)
# Nothing of ours may be framed, sniffed or kept by a cache: answers can carry card numbers.
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'"),
    # No other site opens our pages as a window it holds, or loads what they show.
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_NAMES = frozenset(name for name, _ in _HEADERS)
# Where people come by https, browsers do so for a year from now on (RFC 6797).
_ALWAYS_HTTPS = (b"strict-transport-security", b"max-age=31536000")


class RequestCounts:
    """How many requests were answered, by method and status, since the process began."""

    def __init__(self) -> None:
        """Empty."""
        self.answered: Counter[tuple[str, int]] = Counter()


class RequestFrame:
    """Pure ASGI, so that answers stream through it."""

    def __init__(
        self, app: ASGIApp, new_id: Callable[[str], str], counts: RequestCounts, is_https: Callable[[], bool],
        at_once: Mapping[tuple[str, str], ASGIApp],
    ) -> None:  # fmt: skip
        """`new_id("req")` gives the id of a request; `is_https` says whether people come by https.

        `at_once` are, by method and path, what needs nothing of the app but its state.
        """
        self._app = app
        self._new_id = new_id
        self._counts = counts
        self._is_https = is_https
        self._at_once = at_once

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
                message["headers"] = self._headers(message["headers"], request_id)
            await send(message)

        with about(request_id=request_id, **_purchase_in(scope["path"])):
            try:
                await self._at_once.get((scope["method"], scope["path"]), self._app)(scope, receive, framed)
            except Exception as error:  # The last stop: a caller gets a plain 500, the log gets the rest.
                if not status:
                    await answer_of(Request(scope), _INTERNAL)(scope, receive, framed)
                log.exception("web.failed", error=type(error).__name__, path=scope["path"][:200])
            method = scope["method"] if scope["method"] in ("GET", "POST", "PUT", "PATCH", "DELETE") else "OTHER"
            self._counts.answered[method, status] += 1
            log.info("web.answered", method=method, path=scope["path"][:200], status=status,
                     milliseconds=round((time.monotonic() - began) * 1000, 1))  # fmt: skip

    def _headers(self, given: Iterable[tuple[bytes, bytes]], request_id: str) -> list[tuple[bytes, bytes]]:
        """Those of an answer, and ours that it does not have itself."""
        headers = [*given]
        present = {name.lower() for name, _ in headers}
        headers.append((b"request-id", request_id.encode()))
        headers += _HEADERS if present.isdisjoint(_NAMES) else [one for one in _HEADERS if one[0] not in present]
        if self._is_https():
            headers.append(_ALWAYS_HTTPS)
        return headers


def _purchase_in(path: str) -> dict[str, str]:
    """The purchase that an address names."""
    found = _PURCHASE.search(path)
    return {"purchase_id": found[1]} if found else {}
