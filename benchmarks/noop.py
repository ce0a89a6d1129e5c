"""The yardstick: a bare ASGI handler that reads the body and says yes, on the same server as Roony."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn

BODY = b'{"approved":true}'
HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())]


async def noop(
    _scope: MutableMapping[str, Any],
    receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
    send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
) -> None:
    """Reads everything, answers 200."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": BODY})


if __name__ == "__main__":
    uvicorn.run(
        noop, port=int(sys.argv[1]), loop="uvloop", http="httptools", ws="none", lifespan="off", access_log=False,
        log_level="warning", server_header=False, backlog=2048,
    )  # fmt: skip
