"""A loopback HTTP server that answers as scripted and keeps what it was sent: a wire, nothing behind it.

For statuses and breakages the simulator does not produce; what has a state is tested against the simulator.
"""

import json
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from tests.support.listening import Listening, whole_body

PATIENCE = 60.0  # seconds after which something that was waited for has failed


@dataclass(frozen=True)
class Answer:
    """What to send: a JSON value or raw bytes; `drop` closes the connection without a word."""

    body: Any = field(default_factory=dict)
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    drop: bool = False
    wait_for: threading.Event | None = None


@dataclass(frozen=True)
class Received:
    """One request as it arrived; `form` holds its query and body parameters."""

    method: str
    path: str
    headers: Message
    form: dict[str, list[str]]
    client_port: int


class LoopbackStripe:
    """Answers each request with the next scripted answer, the last one for ever."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.answers: deque[Answer] = deque([Answer()])
        self._server = Listening(("127.0.0.1", 0), _handler_of(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def script(self, *answers: Answer) -> None:
        """Replaces what is answered from now on."""
        self.answers = deque(answers)

    def next_answer(self) -> Answer:
        return self.answers.popleft() if len(self.answers) > 1 else self.answers[0]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler_of(stripe: LoopbackStripe) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # connections are kept, as at Stripe
        timeout = PATIENCE

        def do_GET(self) -> None:
            self._take()

        def do_POST(self) -> None:
            self._take()

        def _take(self) -> None:
            parts = urlsplit(self.path)
            body = whole_body(self)
            if body is None:
                return
            form = parse_qs(f"{parts.query}&{body.decode()}", keep_blank_values=True)
            port = self.client_address[1]
            stripe.received.append(Received(self.command, parts.path, self.headers, form, port))
            answer = stripe.next_answer()
            if answer.wait_for is not None:
                answer.wait_for.wait(PATIENCE)
            if answer.drop:
                self.close_connection = True
                return
            raw = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
            pass

    return Handler
