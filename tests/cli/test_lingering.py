"""A refusal reaches who is still sending, and what is sent behind it costs little: neither memory, nor for long."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from roony.cli import patience
from tests.cli.held_server import LIMIT, Held, ended, pieces_taken
from tests.support.served import until

BODY = 4 * 1024 * 1024
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
REFUSED = b"POST /refused HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"


@pytest.fixture
def held() -> Iterator[Held]:
    with closing(Held()) as one:
        yield one


def drip_on(connection: socket.socket) -> None:
    """A byte now and then, whatever is answered, until the server does not listen any more, which it must."""
    give_up = time.monotonic() + LIMIT
    try:
        while time.monotonic() < give_up:
            connection.sendall(b"a")
            threading.Event().wait(0.02)
    except (ConnectionResetError, BrokenPipeError):
        return
    pytest.fail("the server still listens to a drip")


@pytest.mark.parametrize("path", [b"/refused", b"/" + b"a" * 40_000], ids=["body", "head"])
def test_who_sends_all_before_reading_hears_the_refusal(held: Held, path: bytes) -> None:
    """As nginx does. A connection closed while more of the request comes is reset, and a reset takes back an answer
    that was not read yet."""
    with held.connect() as connection:
        connection.sendall(REFUSED.replace(b"/refused", path) % BODY + b"a" * BODY)
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert b"\r\nconnection: close\r\n" in answer.partition(b"\r\n\r\n")[0] + b"\r\n"
    assert answer.count(b"HTTP/1.1") == 1
    until(lambda: len(held.server.server_state.connections), 0)


def test_a_head_that_is_too_long_behind_a_request_ends_both(held: Held, caplog: pytest.LogCaptureFixture) -> None:
    """The one before it is still being answered, and nothing is said behind the end."""
    with held.connect() as connection:
        connection.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        until(lambda: len(held.server.server_state.tasks), 1)
        connection.sendall(b"GET / HTTP/1.1\r\nX: " + b"a" * 40_000 + b"\r\n\r\n")
        assert ended(connection).startswith(b"HTTP/1.1 431 ")
        held.answering.set()
        until(lambda: len(held.server.server_state.tasks), 0)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_what_follows_a_refused_body_is_no_request(held: Held) -> None:
    """The answer said that it was the last one."""
    with held.connect() as connection:
        connection.sendall(REFUSED % 10 + b"a")
        assert connection.recv(65_536).endswith(b"ok")
        connection.sendall(b"a" * 9 + GET)
        connection.shutdown(socket.SHUT_WR)
        assert ended(connection) == b""


def test_a_refused_body_that_trickles_in_is_not_waited_for(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "LINGER_SECONDS", 1.0)
    with held.connect() as connection:
        connection.sendall(REFUSED % BODY)
        assert b"200 OK" in connection.recv(65_536)
        drip_on(connection)


def test_a_refused_body_without_an_end_is_not_read(held: Held) -> None:
    with held.connect() as connection:
        connection.sendall(REFUSED % 1_000_000_000)
        assert pieces_taken(connection, 1_000) < 1_000


def test_who_is_refused_keeps_nobody_out() -> None:
    """Those whose refused bodies still come in go for whoever is new."""
    with ExitStack() as stack:
        held = stack.enter_context(closing(Held(connections=2)))
        refused = [stack.enter_context(held.connect()) for _ in range(2)]
        for one in refused:
            one.sendall(REFUSED % BODY)
            assert one.recv(65_536).endswith(b"ok")
        with held.connect() as taken:
            taken.sendall(GET)
            assert taken.recv(65_536).endswith(b"ok")
