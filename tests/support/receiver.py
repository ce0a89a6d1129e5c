"""A receiver of webhooks on this machine: it keeps what it was sent and answers as it is told."""

from __future__ import annotations

import ssl
import threading
from collections import deque
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import NamedTuple, Self

from tests.support.listening import Listening, whole_body


class Arrived(NamedTuple):
    """One request: header names in lower case."""

    path: str
    headers: dict[str, str]
    body: str


class Reply(NamedTuple):
    """What to answer; with `wait_for` not before that is set, with `drop` not at all."""

    status: int = 200
    headers: Mapping[str, str] = {}
    body: bytes = b""
    wait_for: threading.Event | None = None
    drop: bool = False


class Receiver:
    """Answers each request with the next reply, the last one for ever. `tls` makes it speak https."""

    def __init__(self, tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        self.arrived: list[Arrived] = []
        self.replies: deque[Reply] = deque([Reply()])
        self._server = Listening(("127.0.0.1", port), _handler_of(self))
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def script(self, *replies: Reply) -> None:
        """Replaces what is answered from now on."""
        self.replies = deque(replies)

    def next_reply(self) -> Reply:
        return self.replies.popleft() if len(self.replies) > 1 else self.replies[0]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(60)


def _handler_of(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = whole_body(self)
            if body is None:
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.arrived.append(Arrived(self.path, headers, body.decode()))
            reply = receiver.next_reply()
            if reply.wait_for is not None:
                reply.wait_for.wait(60)
            if reply.drop:
                self.close_connection = True
                return
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, *_: object) -> None:
            """Not on the test's output."""

    return Handler
