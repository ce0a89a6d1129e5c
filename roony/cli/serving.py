"""One process that serves: starts Roony, answers until it is told to stop, lets everybody go, ends in order."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog

from roony.cli.output import FAILED
from roony.cli.server import Server, make_server
from roony.cli.watching import watched

if TYPE_CHECKING:
    import socket

    from roony.wiring import Roony

log = structlog.get_logger("roony.serve")

# How long a process that others stand in for waits for its last connections, in seconds: longer than a connection may
# be idle, so that each of them ends after an answer or by its own time, and none is cut where a request comes in.
LINGER_SECONDS = 7.0


@dataclass(frozen=True, slots=True)
class Leaving:
    """How a process goes once it is told to.

    It answers on for `drain_seconds`, saying that it is not ready, so that a proxy has time to see that; no longer once
    `at_once` is set, and not at all where that is set before: then it never says so. Where `others_answer` on the same
    socket, it takes no connection after that and waits for those it has.
    """

    drain_seconds: float = 0.0
    others_answer: bool = False
    at_once: asyncio.Event | None = None


async def serve_until(
    roony: Roony, listener: socket.socket, stop: asyncio.Event, greet: Callable[[], Awaitable[None]], *,
    others: Sequence[asyncio.Task[Any]] = (), leaving: Leaving = Leaving(), watch: socket.socket | None = None,
) -> int:  # fmt: skip
    """Serves until `stop` is set, or a part or one of `others` ends by itself; returns the exit code.

    `greet` is called once everything answers. On `watch` those who watch find this process alone. Raises what
    `Roony.start` raises, also where the database is away for `greet`.
    """
    try:
        await roony.start()
    except BaseException:
        await roony.stop()
        raise
    async with watched(roony.app, watch):
        return await _serve(roony, listener, stop, greet, others, leaving)


async def _serve(
    roony: Roony, listener: socket.socket, stop: asyncio.Event, greet: Callable[[], Awaitable[None]],
    others: Sequence[asyncio.Task[Any]], leaving: Leaving,
) -> int:  # fmt: skip
    from roony.wiring import needed

    listening = asyncio.create_task(roony.listen(), name="listening")
    server = make_server(roony.app)
    serving = asyncio.create_task(server.serve(sockets=[listener]), name="server")
    ends = [serving, roony.working, asyncio.create_task(stop.wait(), name="stop"), *others]
    try:
        await asyncio.wait({asyncio.create_task(server.answering.wait()), *ends}, return_when=asyncio.FIRST_COMPLETED)
        if not stop.is_set():
            with needed(roony.database):
                await greet()
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        return 0 if stop.is_set() else _ended_by_itself(ends)
    finally:
        if stop.is_set():
            await _leave(roony, server, leaving)
        # First, so that the server need not wait for those who wait for something to happen.
        roony.feed.close()
        server.stop()
        await asyncio.wait({serving})
        listening.cancel()
        await roony.stop()


async def _leave(roony: Roony, server: Server, leaving: Leaving) -> None:
    # At a port where another answers, a proxy would take the word of one that was replaced for both.
    roony.readiness.stopping = leaving.at_once is None or not leaving.at_once.is_set()
    server.hang_up_after_answers()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for((leaving.at_once or asyncio.Event()).wait(), leaving.drain_seconds)
    if leaving.others_answer:
        server.stop_accepting()
        roony.feed.close()
        await server.emptied(LINGER_SECONDS)


def _ended_by_itself(ends: list[asyncio.Task[Any]]) -> int:
    """Something ended that should not have: the process ends too, so that its supervisor starts all of it again."""
    for task in ends:
        if task.done():
            error = None if task.cancelled() else task.exception()
            log.critical("serve.part_ended", part=task.get_name(), error=repr(error))
    return FAILED


async def stop_with_parent(*stops: asyncio.Event) -> None:
    """Sets these when standard input closes: whoever started us has ended, however that happened."""
    loop = asyncio.get_running_loop()

    class Watcher(asyncio.Protocol):
        def eof_received(self) -> None:
            self.connection_lost(None)

        def connection_lost(self, _error: Exception | None) -> None:
            for stop in stops:
                stop.set()

    await loop.connect_read_pipe(Watcher, sys.stdin)
