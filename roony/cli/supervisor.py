"""`roony serve` with several processes: binds the sockets, starts the processes, starts again those that end.

All processes of one kind accept from one listening socket, which the supervisor keeps open: a connection that arrives
while one of them ends waits for another, and none is lost. Nothing else is shared; the supervisor answers nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import structlog

from roony.cli.output import FAILED

if TYPE_CHECKING:
    import socket

log = structlog.get_logger("roony.serve")

# How long a process may take until it answers, and until it has ended: more than all that its stop waits for, once it
# has answered on for its `drain_seconds`.
READY_SECONDS = 60.0
STOP_SECONDS = 75.0
# And until one that has said its last word has ended.
ENDING_SECONDS = 5.0
# A process that ended is started again after a pause that doubles up to the longer one. After so many failures in a
# row, some forty minutes, the supervisor ends too. One that lived for so long begins to count anew.
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
MAX_FAILURES = 500
STEADY_SECONDS = 60.0


class ChildFailed(Exception):
    """A process did not come to answer; its own words are in the log."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Place:
    """What one of the processes is: its role, its number among all, and the socket it accepts from.

    `watch` is its alone: whoever watches it asks there.
    """

    role: str
    number: int
    listener: socket.socket
    url: str
    drain_seconds: float
    watch: socket.socket | None = None

    @property
    def sockets(self) -> list[socket.socket]:
        """All that are handed to it."""
        return [self.listener, *([self.watch] if self.watch is not None else [])]


class Child:
    """One process that answers. Made by `start`."""

    def __init__(self, process: asyncio.subprocess.Process, drain_seconds: float) -> None:
        self._process = process
        self._stop_seconds = STOP_SECONDS + drain_seconds
        self._began = time.monotonic()
        self.ready: dict[str, Any] = {}

    @classmethod
    async def start(cls, place: Place, first_run: bool = False) -> Self:
        """Starts a process and waits until it answers. Raises ChildFailed.

        `first_run`: its ready line says where the first organization is made, while there is none.
        """
        process = await _run_child(place, ["--first-run"] if first_run else [])
        child = cls(process, place.drain_seconds)
        line = b""
        try:
            if process.stdout is not None:
                with contextlib.suppress(TimeoutError):
                    line = await asyncio.wait_for(process.stdout.readline(), READY_SECONDS)
        except BaseException:
            child.kill()
            raise
        if not line:
            # Its output ends a moment before it does; one that does not end in that moment answers nothing either.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), ENDING_SECONDS)
            child.kill()
            raise ChildFailed(await process.wait())
        child.ready = json.loads(line)
        return child

    async def ended(self) -> tuple[int, float]:
        """Waits for its end; returns the exit code and how long it answered, in seconds."""
        code = await self._process.wait()
        return code, time.monotonic() - self._began

    async def stop(self, at_once: bool = False) -> None:
        """Asks it to go and waits; kills it if it does not.

        `at_once`: by the end of its standard input, so without answering on for its `drain_seconds`, and without a
        "not ready" that a SIGTERM before it would bring.
        """
        if at_once and self._process.stdin is not None:
            self._process.stdin.close()
        else:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), self._stop_seconds)
        except TimeoutError:
            log.error("serve.child_killed", pid=self._process.pid)
            self.kill()
            await self._process.wait()

    def kill(self) -> None:
        """Ends it at once."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()


async def _run_child(place: Place, more: list[str]) -> asyncio.subprocess.Process:
    """Raises ChildFailed where the system gives no process, such as one that is short of memory: that may pass."""
    numbers = [each.fileno() for each in place.sockets]
    watch = ["--metrics-socket", str(numbers[1])] if place.watch is not None else []
    try:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "roony.cli.child", place.role, "--number", str(place.number),
            "--socket", str(numbers[0]), "--url", place.url, "--drain-seconds", str(place.drain_seconds), *watch, *more,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, pass_fds=numbers,
            # Ctrl-C is for the supervisor, which tells the others.
            start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        log.error("serve.no_process", role=place.role, reason=error.strerror)
        raise ChildFailed(FAILED) from None


class Supervisor:
    """Keeps one process at each place."""

    def __init__(self, places: Sequence[Place]) -> None:
        self._places = places
        self._children: dict[int, Child] = {}
        self._locks = [asyncio.Lock() for _ in places]
        # Replaced by others and told to go.
        self._leaving: set[Child] = set()
        # Places whose process began to start before everything was to be replaced.
        self._outdated: set[int] = set()

    async def run(self, stop: asyncio.Event, anew: asyncio.Event, greet: Callable[[dict[str, Any]], None]) -> bool:
        """Serves until `stop` is set: then True; False when a process could not be kept. None is left after it.

        `greet` is given the ready line of the first process once all answer. Each time `anew` is set, every process is
        replaced, one after the other, by one that answers already. Closes the sockets of the places. Raises ChildFailed
        when one does not start at all.
        """
        try:
            await self._start(stop)
            if stop.is_set():
                return True
            greet(self._children[0].ready)
            await self._watch(stop, anew)
            return stop.is_set()
        finally:
            # Theirs alone from now on: who connects once none of them accepts any more is refused, and does not wait.
            for each in [each for place in self._places for each in place.sockets]:
                each.close()
            await asyncio.gather(*(child.stop() for child in {*self._children.values(), *self._leaving}))

    async def _start(self, stop: asyncio.Event) -> None:
        """All at once, or as many as are there when `stop` is set or one fails."""
        starts: dict[asyncio.Task[Any], int] = {
            asyncio.create_task(Child.start(place, first_run=not number)): number
            for number, place in enumerate(self._places)
        }
        stopping = asyncio.create_task(stop.wait())
        waiting = set(starts)
        try:
            while waiting and not stop.is_set():
                done, _ = await asyncio.wait({*waiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
                waiting -= done
                self._children |= {starts[start]: start.result() for start in done if start is not stopping}
        finally:
            for task in (*waiting, stopping):
                task.cancel()
            await asyncio.wait({*starts, stopping})
            late = (start for start in starts if not start.cancelled() and start.exception() is None)
            self._children |= {starts[start]: start.result() for start in late}

    async def _watch(self, stop: asyncio.Event, anew: asyncio.Event) -> None:
        tasks: list[asyncio.Task[Any]] = [
            asyncio.create_task(self._keep(number)) for number in range(len(self._places))
        ]
        tasks += [asyncio.create_task(self._renew(anew)), asyncio.create_task(stop.wait())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def _keep(self, number: int) -> None:
        """Starts a process again each time it ends; returns when that has failed too often."""
        failures = 0
        while failures < MAX_FAILURES:
            child = self._children[number]
            code, seconds = await child.ended()
            async with self._locks[number]:
                if self._children[number] is child:
                    log.error("serve.child_ended", role=self._places[number].role, number=number, code=code)
                    failures = await self._start_again(number, 0 if seconds > STEADY_SECONDS else failures)

    async def _start_again(self, number: int, failures: int) -> int:
        """Tries until it answers, at most `MAX_FAILURES` times; returns how often it has failed in a row."""
        while failures < MAX_FAILURES:
            await asyncio.sleep(min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(failures, 10)))
            failures += 1
            self._outdated.discard(number)
            try:
                self._children[number] = await Child.start(self._places[number])
            except ChildFailed as error:
                log.error("serve.child_not_started", number=number, code=error.code, failures=failures)
                continue
            if number in self._outdated and (old := await self._swap(number)) is not None:
                await self._let_go(old)
            return failures
        return failures

    async def _renew(self, anew: asyncio.Event) -> None:
        while True:
            await anew.wait()
            anew.clear()
            for number in range(len(self._places)):
                if not await self._replace(number):
                    break
            else:
                log.info("serve.replaced")

    async def _replace(self, number: int) -> bool:
        """A fresh process first, then the end of the old one; False, with the old one kept, if that does not start.

        Nobody waits for a place whose process does not start: the next one to start there is a fresh one anyway.
        """
        if self._locks[number].locked():
            self._outdated.add(number)
            return True
        async with self._locks[number]:
            old = await self._swap(number)
        if old is not None:
            await self._let_go(old)
        return old is not None

    async def _swap(self, number: int) -> Child | None:
        """Puts a fresh process in a place, whose lock is held; returns the old one, None where it was kept."""
        old = self._children[number]
        try:
            self._children[number] = await Child.start(self._places[number])
        except ChildFailed as error:
            log.error("serve.child_not_replaced", role=self._places[number].role, number=number, code=error.code)
            return None
        self._leaving.add(old)
        return old

    async def _let_go(self, old: Child) -> None:
        """Waits for the end of one that was replaced. Until then it is among those a stop waits for.

        At the same port it would say "not ready" to a proxy that asks for all of them.
        """
        await old.stop(at_once=True)
        self._leaving.discard(old)
