"""Who waits for an answer and hangs up: their waiting ends then, and not when its time is over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from starlette.types import Receive


@asynccontextmanager
async def noticing_hang_up(receive: Receive, then: Callable[[], object]) -> AsyncIterator[None]:
    """Calls `then` if the caller goes while the block runs. For what waits alone: it costs a task of the loop.

    The body was read, or is for nobody: what else comes of it is thrown away.
    """

    async def listen() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        then()

    listening = asyncio.create_task(listen(), name="hang-up")
    try:
        yield
    finally:
        listening.cancel()
