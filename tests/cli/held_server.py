"""The server of `roony serve` alone, before an application that answers when it is told to."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

from roony.cli import patience
from roony.cli.server import Server, bind, make_server
from tests.support.served import until

LIMIT = 30.0
BIG = 24 * 1024 * 1024


class Held:
    """The server of `roony serve` in a thread, before an application that answers at once, or when it is told to."""

    def __init__(self, connections: int = 50) -> None:
        self.answering = threading.Event()
        self.listener = bind("127.0.0.1", 0)
        self.lobby = patience.Lobby(connections)

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await self.app(scope, receive, send)

        self.server: Server = make_server(app, self.lobby)
        self.thread = threading.Thread(target=self.server.run, args=([self.listener],))
        self.thread.start()
        until(lambda: self.server.started, True)

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        """`/slow` waits until it is told to answer; `/big` is longer than any system buffers.

        `/headers` waits for the whole body and tells which headers there are. `/refused` is the last of its connection.
        """
        if scope["path"] == "/slow":
            await asyncio.to_thread(self.answering.wait, LIMIT)
        body = b"x" * BIG if scope["path"] == "/big" else b"ok"
        if scope["path"] == "/headers":
            while (await receive()).get("more_body"):
                pass
            body = b" ".join(name + b"=" + value for name, value in scope["headers"])
        length = [(b"content-length", str(len(body)).encode())]
        if scope["path"] == "/refused":
            length.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": 200, "headers": length})
        await send({"type": "http.response.body", "body": body})

    def connect(self) -> socket.socket:
        """One more connection."""
        return socket.create_connection(self.listener.getsockname(), timeout=LIMIT)

    def close(self) -> None:
        """Ends it."""
        self.answering.set()
        self.server.stop()
        self.thread.join(LIMIT)
        self.listener.close()


def ended(connection: socket.socket) -> bytes:
    """What comes until the server hangs up, which it must."""
    parts = []
    try:
        while part := connection.recv(65_536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def pieces_taken(connection: socket.socket, most: int) -> int:
    """How many pieces of 64 KiB, of `most`, could be sent until the other side hung up."""
    for taken in range(most):
        try:
            connection.sendall(b"a" * 65_536)
        except (BrokenPipeError, ConnectionResetError):
            return taken
    return most
