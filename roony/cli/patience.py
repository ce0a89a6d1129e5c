"""How long a connection may keep us waiting, and how many there may be: uvicorn's HTTP protocol with limits.

Left to itself it waits for ever for a first byte, for the end of a header and for a reader who reads nothing, and it
keeps a header of any length. What a body may take is limited where it is read (`web/webhook.py`, `web/requests.py`).
"""

from __future__ import annotations

import asyncio
import resource
import time
from typing import Any
from urllib.parse import unquote

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from roony.cli.cycle import Cycle
from roony.waits import Waits

# The whole head of a request must be there this long after the connection, or after the last answer on it.
HEAD_SECONDS = 10.0
# A line and its headers, in bytes. What is read at once may be longer, and is not kept.
MAX_HEAD = 32 * 1024
# What each header counts for beside its letters: thousands of short ones cost the event loop ten milliseconds.
HEADER_BYTES = 200
# So much of a request is read and thrown away behind an answer that did not wait for it, for so long, in bytes and
# seconds. Closed at once the connection would be reset, and a reset takes back an answer that was not read yet (RFC
# 9112, 9.6): who sends all before reading would not hear why. As much as the nginx of deploy/ lets through.
LINGER_SECONDS, MAX_LINGER = 10.0, 12 * 1024 * 1024
# So much of an answer must be taken within so long, while more of it waits than is sent ahead.
READER_SECONDS, LEAST_READ = 60.0, 16 * 1024
# Open connections of a process; above it the one that has kept us waiting longest is closed for the new one.
MAX_CONNECTIONS = 4_000
# Open files that are not connections: the database's, the outbox's, logs.
OTHER_FILES = 200

_TOO_LONG = b'{"error":{"code":"head_too_large","message":"The line and headers are too long."}}'


class Lobby:
    """The connections of a server that keep it waiting: for the head of a request, for the first byte since their last
    answer (`idle`), or for the rest of a body (`bodies`, since when).
    """

    def __init__(self, most: int = MAX_CONNECTIONS) -> None:
        """`most` connections at a time."""
        self.most = most
        self.waiting: Waits[PatientProtocol] = Waits(lambda one: one.transport.abort())
        self.idle: Waits[PatientProtocol] = Waits(lambda one: one.transport.close())
        self.bodies: dict[PatientProtocol, float] = {}

    def make_room(self, there: int) -> bool:
        """True where one more connection may stay: the one that has kept us waiting longest goes for it.

        Bodies too: anybody may begin one, and what is being answered alone keeps others out.
        """
        if there <= self.most:
            return True
        ends = self.waiting.first_end()
        since = next(iter(self.bodies.values()), None)
        if since is not None and (ends is None or since < ends - HEAD_SECONDS):
            one = next(iter(self.bodies))
        elif ends is not None:
            one = self.waiting.end_first()
        else:
            return False
        self.leave(one)
        one.transport.abort()
        return True

    def leave(self, one: PatientProtocol) -> None:
        """It keeps nobody waiting any more."""
        self.waiting.end(one)
        self.idle.end(one)
        self.bodies.pop(one, None)


class PatientProtocol(HttpToolsProtocol):
    """One connection. It waits for a request, or one is being answered: only the first may last `HEAD_SECONDS`."""

    cycle: Cycle

    def __init__(
        self, lobby: Lobby, config: Config, server_state: ServerState, app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:  # fmt: skip
        """As uvicorn makes it, for this lobby."""
        super().__init__(config, server_state, app_state, _loop)
        self._lobby = lobby
        self._reader: asyncio.TimerHandle | None = None
        self._idle = self._in_head = self._in_body = self._fed = False
        # Bytes of a head: those the parser has named, and those of the reads after the one it began in. So of what
        # stands around the pieces of a body.
        self._named = self._read = 0
        # Bytes that are still thrown away before the connection is closed; None where it is not about to be.
        self._lingers: int | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Waits for a request from now on, where there is room."""
        super().connection_made(transport)
        if not self._lobby.make_room(len(self.connections)):
            transport.abort()
            return
        self._lobby.waiting.begin(self, time.monotonic() + HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody waits any more."""
        self._lobby.leave(self)
        self._reader_is_back()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """As uvicorn does, then looks at what is still missing."""
        if self._lingers is not None:
            self._lingers -= len(data)
            if self._lingers < 0:
                self.transport.abort()
            return
        if self._idle:
            self._idle = False
            self._lobby.idle.end(self)
        began_before = self.headers if self._in_head or self._in_body else None
        was_in_body, self._fed = self._in_body, False
        super().data_received(data)
        if self._in_body and not self.transport.is_closing():
            self._lobby.bodies.setdefault(self, time.monotonic())
        if not (self._in_head or self._in_body) or self.headers is not began_before or self.transport.is_closing():
            return
        if self._in_head or (was_in_body and not self._fed):
            # One header that does not end is not named before its end, neither in the head nor behind the body.
            self._read += len(data)
            if self._read > MAX_HEAD:
                self._refuse_head()

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        self._in_head, self._named, self._read = True, 0, 0
        self.url, self.headers, self.expect_100_continue = b"", [], False

    def on_url(self, url: bytes) -> None:
        """A part of the address."""
        self._count(len(url))
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header, whole. Behind a body in pieces there may be more (RFC 9110, 6.5), which say nothing here: a proxy
        that answers for the head, whom the request is from among it, may not have looked at them."""
        self._count(len(name) + len(value) + HEADER_BYTES)
        if self._in_head:
            name = name.lower()
            if name == b"expect" and value.lower() == b"100-continue":
                self.expect_100_continue = True
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """A request is there; it is answered from here on, or as soon as those before it are."""
        self._in_head, self._in_body, self._read = False, True, 0
        self._lobby.waiting.end(self)
        version = self.parser.get_http_version()
        before, self.cycle = self.cycle, Cycle(
            self._scope_of(version), self.transport, self.flow, self.server_state.default_headers, self.loop,
            self.on_response_complete,
        )  # fmt: skip
        # Behind a wish for another protocol the parser passes over what came with it, in the middle of a request too.
        upgrade = self.parser.should_upgrade()
        self.cycle.keep_alive = version != "1.0" and self.parser.should_keep_alive() and not upgrade
        self.cycle.waiting_for_100_continue = self.expect_100_continue
        if before is None or before.response_complete:  # type: ignore[redundant-expr] # there is none at first
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def _scope_of(self, version: str) -> Any:
        address = httptools.parse_url(self.url)
        path = address.path.decode("ascii")
        return {
            "type": "http", "asgi": {"version": self.asgi_version, "spec_version": "2.3"}, "http_version": version,
            "method": self.parser.get_method().decode("ascii"), "scheme": self.scheme, "server": self.server,
            "client": self.client, "path": unquote(path) if "%" in path else path, "raw_path": address.path,
            "root_path": "", "query_string": address.query or b"", "headers": self.headers,
            "state": self.app_state.copy(),
        }  # fmt: skip

    def on_body(self, body: bytes) -> None:
        """A piece of it."""
        self._fed, self._read = True, 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """All of the request is there."""
        self._in_body = False
        self._lobby.bodies.pop(self, None)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """The next request is waited for, if none is there yet."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.cycle.is_cut_short:
            self._linger()
            return
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        now = time.monotonic()
        self._idle = True
        self._lobby.idle.begin(self, now + self.timeout_keep_alive)
        self._lobby.waiting.begin(self, now + HEAD_SECONDS)

    def pause_writing(self) -> None:
        """The other side does not read as fast as we write."""
        super().pause_writing()
        if self._reader is None:
            self._watch_reader()

    def resume_writing(self) -> None:
        """It has read."""
        self._reader_is_back()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Of what is no HTTP, and of a head that is too long."""
        if self._named > MAX_HEAD:
            self._refuse_head()
        else:
            super().send_400_response(msg)

    def _count(self, size: int) -> None:
        self._named += size
        if self._named > MAX_HEAD:
            # The parser stops here, and uvicorn answers what it takes for broken.
            raise httptools.HttpParserError("the head is too long")

    def _refuse_head(self) -> None:
        self.transport.write(
            STATUS_LINE[431]
            + b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s"
            % (len(_TOO_LONG), _TOO_LONG)
        )
        if self.cycle is None or self.cycle.response_complete:  # type: ignore[redundant-expr] # there is none at first
            self._linger()
        else:
            # Nothing may be said behind the end, and the request before this one is still being answered.
            self.transport.close()

    def _linger(self) -> None:
        """Says that nothing more is answered, and lets the rest come, within limits; it is for nobody."""
        self._lingers = MAX_LINGER
        self.transport.write_eof()
        # Among those that wait for a request: the first to go where somebody new has no place.
        self._lobby.waiting.begin(self, time.monotonic() + LINGER_SECONDS)

    def _watch_reader(self) -> None:
        self._reader = self.loop.call_later(
            READER_SECONDS, self._look_at_reader, self.transport.get_write_buffer_size()
        )

    def _look_at_reader(self, lay: int) -> None:
        if lay - self.transport.get_write_buffer_size() < LEAST_READ:
            self.transport.abort()
        else:
            self._watch_reader()

    def _reader_is_back(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            self._reader = None


def allow_connections() -> int:
    """Raises this process's limit of open files as far as it may; how many connections then fit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return MAX_CONNECTIONS if soft == resource.RLIM_INFINITY else max(1, min(MAX_CONNECTIONS, soft - OTHER_FILES))
