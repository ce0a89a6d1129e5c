"""The HTTP server: the head of an answer leaves with its body, and alone where the body is not there yet."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from roony.cli.server import Server, bind, make_server

PATIENCE = 60.0
PIECE = b"x" * 300_000
Asgi = Callable[[Any, Any, Callable[[Any], Awaitable[None]]], Awaitable[None]]


class Going:
    """Answers `/now` at once, `/later` when it is let, `/much` in pieces."""

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop
        self.let_go: asyncio.Event

    async def __call__(self, scope: Any, receive: Any, send: Callable[[Any], Awaitable[None]]) -> None:
        """One request."""
        self.loop, self.let_go = asyncio.get_running_loop(), asyncio.Event()
        length = {"/now": 4, "/later": 4, "/much": 2 * len(PIECE)}[scope["path"]]
        headers = [(b"content-length", str(length).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if scope["path"] == "/much":
            await send({"type": "http.response.body", "body": PIECE, "more_body": True})
            await send({"type": "http.response.body", "body": PIECE})
            return
        if scope["path"] == "/later":
            async with asyncio.timeout(PATIENCE):
                await self.let_go.wait()
        await send({"type": "http.response.body", "body": b"body"})


@contextmanager
def served(app: Asgi) -> Iterator[socket.socket]:
    """A connection to a server of this app, which runs on a thread of its own."""
    listener, server = bind("127.0.0.1", 0), make_server(app)
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(asyncio.run, _serve(server, listener))
        try:
            with socket.create_connection(listener.getsockname(), PATIENCE) as client:
                yield client
        finally:
            server.should_exit = True
            running.result(PATIENCE)


async def _serve(server: Server, listener: socket.socket) -> None:
    await server.serve([listener])


def ask(client: socket.socket, *paths: str) -> None:
    """Requests in one go."""
    client.sendall("".join(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n" for path in paths).encode())


def test_head_and_body_arrive_together() -> None:
    with served(Going()) as client:
        for _ in range(20):
            ask(client, "/now")
            answer = client.recv(65_536)
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
            assert answer.endswith(b"\r\n\r\nbody")


def test_a_head_does_not_wait_for_its_body() -> None:
    app = Going()
    with served(app) as client:
        ask(client, "/later")
        head = client.recv(65_536)
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert head.endswith(b"\r\n\r\n")
        app.loop.call_soon_threadsafe(app.let_go.set)
        assert client.recv(65_536) == b"body"


def test_answers_keep_their_order() -> None:
    with served(Going()) as client:
        ask(client, "/now", "/much", "/now")
        received = b""
        while received.count(b"HTTP/1.1 ") < 3 or not received.endswith(b"body"):
            part = client.recv(65_536)
            assert part
            received += part
        first, much, last = received.split(b"HTTP/1.1 ")[1:]
        assert first.endswith(b"\r\n\r\nbody")
        assert last.endswith(b"\r\n\r\nbody")
        assert much.partition(b"\r\n\r\n")[2] == 2 * PIECE


def test_an_answer_with_a_line_break_in_a_header_is_not_sent() -> None:
    """It could be read as two."""

    async def app(_scope: Any, _receive: Any, send: Callable[[Any], Awaitable[None]]) -> None:
        headers = [(b"content-length", b"0"), (b"x-told", b"a\r\nset-cookie: b")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    with served(app) as client:
        ask(client, "/now")
        assert b"set-cookie" not in client.recv(65_536)


@pytest.mark.parametrize("length", [b"3", b"5"])
def test_an_answer_of_another_length_than_it_says_ends_its_connection(length: bytes) -> None:
    """Else the next answer would be read from the wrong place."""

    async def app(_scope: Any, _receive: Any, send: Callable[[Any], Awaitable[None]]) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
        await send({"type": "http.response.body", "body": b"four"})

    with served(app) as client:
        ask(client, "/now")
        assert b"four" not in _until_it_ends(client)


def test_answers_without_a_length_come_in_pieces() -> None:
    async def app(scope: Any, _receive: Any, send: Callable[[Any], Awaitable[None]]) -> None:
        await send({"type": "http.response.start", "status": 204 if scope["path"] == "/none" else 200})
        await send({"type": "http.response.body", "body": b"", "more_body": True})
        if scope["path"] != "/none":
            await send({"type": "http.response.body", "body": b"four", "more_body": True})
        await send({"type": "http.response.body"})

    with served(app) as client:
        client.sendall(
            b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\nGET /none HTTP/1.1\r\nHost: x\r\n\r\n"
            b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        head, none, last = _until_it_ends(client).split(b"HTTP/1.1 ")[1:]
    assert head.endswith(b"\r\n\r\n")
    assert none.startswith(b"204 ")
    assert none.endswith(b"\r\n\r\n")
    assert b"connection: close\r\ntransfer-encoding: chunked" in last
    assert last.endswith(b"\r\n\r\n4\r\nfour\r\n0\r\n\r\n")


def _until_it_ends(client: socket.socket) -> bytes:
    parts = []
    while part := client.recv(65_536):
        parts.append(part)
    return b"".join(parts)
