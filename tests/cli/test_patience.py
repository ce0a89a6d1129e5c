"""A connection that makes the server wait is left, so is one with too long a head, and there are only so many."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress

import pytest

from roony.cli import patience
from roony.cli.server import make_server
from roony.client.callers import IDLE_SECONDS
from tests.cli.held_server import BIG, LIMIT, Held, ended, pieces_taken
from tests.support.served import until

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Little patience, so that no test has much to wait for; enough for one who speaks at once on a busy machine."""
    monkeypatch.setattr(patience, "HEAD_SECONDS", 1.0)
    monkeypatch.setattr(patience, "READER_SECONDS", 1.0)


@pytest.fixture
def held() -> Iterator[Held]:
    with closing(Held()) as one:
        yield one


@pytest.fixture
def hasty(quick: None) -> Iterator[Held]:
    """One whose patience is tested."""
    with closing(Held()) as one:
        yield one


def drip(connection: socket.socket, byte: bytes) -> None:
    """A byte now and then until the server hangs up, which it must."""
    connection.settimeout(0.05)
    give_up = time.monotonic() + LIMIT
    while time.monotonic() < give_up:
        try:
            connection.sendall(byte)
            if connection.recv(65_536) == b"":
                return
        except TimeoutError:
            continue
        except (ConnectionResetError, BrokenPipeError):
            return
    raise AssertionError("the server still listens to a drip")


def test_who_says_nothing_is_left(hasty: Held) -> None:
    with hasty.connect() as connection:
        assert ended(connection) == b""


BEGINNINGS = {
    "no byte": b"", "a line": b"GET / HTT", "an open header": b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: a",
    "line breaks before a request": b"\r\n",
}  # fmt: skip


@pytest.mark.parametrize("begun", BEGINNINGS)
def test_a_head_that_trickles_in_is_not_waited_for(hasty: Held, begun: str) -> None:
    """A byte now and then keeps nothing open: neither of a head, nor before one."""
    with hasty.connect() as connection:
        connection.sendall(BEGINNINGS[begun])
        drip(connection, b"\r\n" if begun in ("no byte", "line breaks before a request") else b"a")


def test_a_body_that_nobody_reads_keeps_nothing_open(hasty: Held) -> None:
    """The answer is there before the body is, and then the body trickles in."""
    with hasty.connect() as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
        assert b"200 OK" in connection.recv(65_536)
        drip(connection, b"a")


def test_an_answer_may_take_its_time(hasty: Held) -> None:
    """Only the caller's slowness ends a connection, never ours."""
    with hasty.connect() as connection:
        connection.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        with hasty.connect() as other:
            assert ended(other) == b""  # twice the patience is over for somebody else meanwhile
        with hasty.connect() as other:
            assert ended(other) == b""
        hasty.answering.set()
        assert connection.recv(65_536).endswith(b"ok")


def test_who_does_not_read_an_answer_is_left(hasty: Held) -> None:
    with hasty.connect() as connection:
        connection.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 200 ")
        until(lambda: len(hasty.server.server_state.connections), 0)
        assert len(ended(connection)) < BIG


def test_who_reads_slowly_gets_all_of_it(hasty: Held) -> None:
    """What is taken counts, not how long all of it takes."""
    with hasty.connect() as connection:
        connection.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        size = 0
        while part := connection.recv(262_144):
            size += len(part)
            threading.Event().wait(0.02)
        assert size > BIG


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: %s\r\n" % (number, b"a" * 90) for number in range(500)) + b"\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"a" * 40_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"a:b\r\n" * 200 + b"\r\n",
    ],
    ids=["address", "many headers", "one header", "many short headers"],
)
def test_a_head_that_is_too_long_is_refused(held: Held, head: bytes) -> None:
    with held.connect() as connection:
        connection.sendall(head)
        answer = ended(connection)
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert answer.count(b"HTTP/1.1") == 1


def test_a_header_without_an_end_is_not_kept(held: Held) -> None:
    """It is refused long before all that its sender would send is there."""
    with held.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nX: ")
        assert pieces_taken(connection, 400) < 400


CHUNKED = b"POST /headers HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n"


@pytest.mark.parametrize("pieces", [1, 2], ids=["with the head", "after it"])
def test_what_follows_a_body_is_no_header(held: Held, pieces: int) -> None:
    """Neither whose key it is, nor whom a proxy speaks for: the proxy in front has judged the head alone."""
    behind = b"0\r\nAuthorization: Bearer roony_agent_x\r\nX-Forwarded-For: 10.0.0.1\r\n\r\n"
    with held.connect() as connection:
        for piece in [CHUNKED + behind] if pieces == 1 else [CHUNKED, behind]:
            connection.sendall(piece)
        answer = ended(connection)
    assert answer.endswith(b"\r\n\r\nhost=x connection=close transfer-encoding=chunked")


@pytest.mark.parametrize(
    "behind", [b"0\r\nX: ", b"0\r\n", b"2;"], ids=["one header", "many headers", "a piece's words"]
)
def test_what_follows_a_body_is_not_kept_without_an_end(held: Held, behind: bytes) -> None:
    """It is no body, so no limit of bodies would end it."""
    more = (b"X: " + b"a" * 60_000 + b"\r\n") if behind == b"0\r\n" else b"a" * 65_536
    sent = 0
    with held.connect() as connection:
        connection.sendall(CHUNKED + behind)
        try:
            for _ in range(400):
                connection.sendall(more)
                sent += len(more)
        except (BrokenPipeError, ConnectionResetError):
            pass
    assert sent < 400 * len(more)


def test_a_body_in_many_small_pieces_is_no_long_head(held: Held) -> None:
    """What stands around the pieces may be more than they are."""
    with held.connect() as connection:
        for _ in range(3):
            connection.sendall(CHUNKED[:-7].replace(b"Connection: close\r\n", b""))
            for _ in range(40):
                connection.sendall(b"1;word=1234567890\r\na\r\n" * 100)
            connection.sendall(b"0\r\nX-Sum: 1\r\n\r\n")
            assert connection.recv(65_536).startswith(b"HTTP/1.1 200 OK")
        connection.sendall(CHUNKED + b"0\r\n\r\n")
        assert ended(connection).startswith(b"HTTP/1.1 200 OK")


def test_a_long_body_before_the_next_head_is_no_long_head(held: Held) -> None:
    """Requests that come one behind the other in the same piece are each measured by themselves."""
    body = b"a" * 30_000
    one = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    with held.connect() as connection:
        connection.sendall(one * 20 + GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        assert ended(connection).count(b"200 OK") == 21


def test_the_one_that_waits_longest_goes_for_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Idle connections keep nobody out; those that are being answered stay, and then the new one has to go."""
    with ExitStack() as stack:
        held = stack.enter_context(closing(Held(connections=3)))
        idle = [stack.enter_context(held.connect()) for _ in range(3)]
        until(lambda: len(held.lobby.waiting), 3)
        busy = []
        for place in range(3):
            busy.append(stack.enter_context(held.connect()))
            busy[-1].sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
            assert ended(idle[place]) == b""
            until(lambda: len(held.lobby.waiting), 2 - place)
        with held.connect() as refused:
            assert ended(refused) == b""
        held.answering.set()
        assert all(one.recv(65_536).endswith(b"ok") for one in busy)
        with held.connect() as taken:
            taken.sendall(GET)
            assert taken.recv(65_536).endswith(b"ok")


def test_who_sends_a_body_slowly_keeps_nobody_out() -> None:
    """Anybody may begin a body: the one that is waited for longest goes, before one that came after it."""
    with ExitStack() as stack:
        held = stack.enter_context(closing(Held(connections=3)))
        slow = [stack.enter_context(held.connect()) for _ in range(3)]
        for place, connection in enumerate(slow):
            connection.sendall(b"POST /headers HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\na")
            until(lambda: len(held.lobby.bodies), place + 1)
        with held.connect() as taken:
            taken.sendall(GET)
            assert taken.recv(65_536).endswith(b"ok")
            assert ended(slow[0]) == b""
            with held.connect() as another:
                another.sendall(GET)
                assert another.recv(65_536).endswith(b"ok")
            assert ended(slow[1]) == b""
        slow[2].sendall(b"b" * 8)
        assert b"200 OK" in slow[2].recv(65_536)
        until(lambda: len(held.lobby.bodies), 0)


@pytest.mark.parametrize("protocol", [b"h2c", b"websocket"])
def test_a_wish_for_another_protocol_is_the_last_request_of_its_connection(held: Held, protocol: bytes) -> None:
    """Or the body of one that came with it would be taken for a request: its head was passed over."""
    wish = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: %s\r\n\r\n" % protocol
    with held.connect() as connection:
        connection.sendall(wish + b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(GET))
        answer = connection.recv(65_536)
        with suppress(OSError):
            connection.sendall(GET)
        answer += ended(connection)
    assert answer.count(b"HTTP/1.1 200 OK") == 1
    assert b"connection: close" in answer


def test_what_is_no_http_is_refused(held: Held) -> None:
    for junk in (b"\x16\x03\x01\x02\x00\x01\x00", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x00" * 100):
        with held.connect() as connection:
            connection.sendall(junk)
            assert ended(connection).startswith(b"HTTP/1.1 400 ")


def test_there_are_files_left_for_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit of open files is raised as far as it may, and bounds the connections."""
    limits: dict[str, tuple[int, int]] = {}
    monkeypatch.setattr(patience.resource, "setrlimit", lambda kind, both: limits.__setitem__("set", both))
    cases: list[tuple[tuple[int, int], int, tuple[int, int] | None]] = [
        ((1_024, 1_024), 824, (1_024, 1_024)),
        ((1_024, 524_288), patience.MAX_CONNECTIONS, (patience.MAX_CONNECTIONS + patience.OTHER_FILES, 524_288)),
        ((1_024, patience.resource.RLIM_INFINITY), patience.MAX_CONNECTIONS, (4_200, patience.resource.RLIM_INFINITY)),
        ((100_000, 100_000), patience.MAX_CONNECTIONS, None),
    ]
    for there, connections, raised in cases:
        limits.clear()
        get: Callable[[int], tuple[int, int]] = lambda _kind, there=there: there  # type: ignore[misc] # noqa: E731
        monkeypatch.setattr(patience.resource, "getrlimit", get)
        assert patience.allow_connections() == connections
        assert limits.get("set") == raised


def test_the_server_of_roony_is_patient_and_believes_no_header() -> None:
    made = make_server(lambda: None)
    made.config.load()
    assert made.config.http_protocol_class.func is patience.PatientProtocol  # type: ignore[attr-defined]
    assert made.config.proxy_headers is False
    assert made.config.server_header is False
    assert made.config.timeout_keep_alive > IDLE_SECONDS, "our own client would use connections that are being closed"
