"""A port of one process alone, for machines that watch it: where several share a port, nobody knows who will answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from roony.cli.server import make_server

if TYPE_CHECKING:
    import socket

PATHS = ("/healthz", "/readyz", "/metrics")


@asynccontextmanager
async def watched(app: Any, listener: socket.socket | None) -> AsyncIterator[None]:
    """Answers PATHS, and nothing else of `app`, on this socket; does nothing without one."""
    if listener is None:
        yield
        return

    async def nothing_else(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"] not in PATHS:
            await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})
            return
        await app(scope, receive, send)

    server = make_server(nothing_else)
    serving = asyncio.create_task(server.serve(sockets=[listener]), name="watching")
    try:
        yield
    finally:
        server.stop()
        await asyncio.wait({serving})
