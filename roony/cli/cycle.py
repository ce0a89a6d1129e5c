"""One request and its answer, as uvicorn has them, for less.

Head and body of an answer leave in one call of the system: uvicorn makes two, and each wakes whoever reads.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

Header = tuple[bytes, bytes]

# No header of ours holds one of these: they could begin another header, or another answer.
_CONTROLS = bytes(code for code in range(256) if (code < 32 and code != 9) or code == 127)
_ABOUT_THE_BODY = frozenset({b"content-length", b"transfer-encoding", b"connection"})
_LOG = logging.getLogger("uvicorn.error")


class Cycle(RequestResponseCycle):
    """ASGI for one request. The head of its answer waits for its body, or until this turn of the loop is over."""

    # What a request begins with; uvicorn writes each of them anew for every request.
    logger = access_logger = _LOG
    access_log = False
    disconnected = response_started = response_complete = False
    chunked_encoding: bool | None = None
    expected_content_length = 0
    more_body, says_close = True, False
    body = b""  # type: ignore[assignment] # most bodies are one piece, which is added to nothing

    def __init__(
        self, scope: Any, transport: asyncio.Transport, flow: FlowControl, default_headers: list[Header],
        loop: asyncio.AbstractEventLoop, on_response: Callable[[], None],
    ) -> None:  # fmt: skip
        """`on_response` is called when the answer is out. `keep_alive` and `waiting_for_100_continue` are set after."""
        self.scope, self.transport, self.flow, self.default_headers = scope, transport, flow, default_headers
        self.on_response = on_response
        self.message_event = asyncio.Event()
        self._loop = loop
        self._head = b""

    async def send(self, message: Any) -> None:
        """The head, then the body in one or more pieces. Raises RuntimeError for what is no HTTP."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        if not self.response_started:
            if message["type"] != "http.response.start":
                raise RuntimeError(f"Expected 'http.response.start', but got '{message['type']}'.")
            self.response_started, self.waiting_for_100_continue = True, False
            self._head = self._made(message["status"], message.get("headers", ()))
            self._loop.call_soon(self._send_head)
        elif self.response_complete or message["type"] != "http.response.body":
            raise RuntimeError(f"Unexpected message '{message['type']}'.")
        else:
            self._send_body(message.get("body", b""), message.get("more_body", False))

    @property
    def is_cut_short(self) -> bool:
        """True where the answer is out and the last of its connection, and more of the request may still come."""
        return not self.keep_alive and self.more_body and self.response_complete

    def _made(self, status: int, headers: Iterable[Header]) -> bytes:
        content, lines = [STATUS_LINE[status]], 2
        for name, value in (*self.default_headers, *headers):
            lower = name.lower()
            if lower in _ABOUT_THE_BODY:
                self._take(lower, value)
            content += (lower, b": ", value, b"\r\n")
            lines += 1
        if not self.keep_alive and not self.says_close:
            content.append(b"connection: close\r\n")
            lines += 1
        if self.chunked_encoding is None and self.scope["method"] != "HEAD" and status not in (204, 304):
            self.chunked_encoding = True
            content.append(b"transfer-encoding: chunked\r\n")
            lines += 1
        content.append(b"\r\n")
        head = b"".join(content)
        if len(head) - len(head.translate(None, _CONTROLS)) != 2 * lines:
            raise RuntimeError("Invalid HTTP header.")
        return head

    def _take(self, name: bytes, value: bytes) -> None:
        if name == b"content-length" and self.chunked_encoding is None:
            self.expected_content_length, self.chunked_encoding = int(value), False
        elif name == b"transfer-encoding" and value.lower() == b"chunked":
            self.expected_content_length, self.chunked_encoding = 0, True
        elif name == b"connection" and b"close" in [token.strip() for token in value.lower().split(b",")]:
            self.keep_alive, self.says_close = False, True

    def _send_body(self, body: bytes, more: bool) -> None:
        if self.scope["method"] == "HEAD":
            self.expected_content_length, body = 0, b""
        elif self.chunked_encoding:
            body = (b"%x\r\n%s\r\n" % (len(body), body) if body else b"") + (b"" if more else b"0\r\n\r\n")
        else:
            self.expected_content_length -= len(body)
            if self.expected_content_length < 0 or (self.expected_content_length and not more):
                raise RuntimeError("The answer is not as long as its Content-Length.")
        head, self._head = self._head, b""
        if head or body:
            self.transport.write(head + body)
        if not more:
            self.response_complete = True
            self.message_event.set()
            if not self.keep_alive and not self.more_body:
                self.transport.close()
            self.on_response()

    def _send_head(self) -> None:
        head, self._head = self._head, b""
        if head and not self.transport.is_closing():
            self.transport.write(head)
