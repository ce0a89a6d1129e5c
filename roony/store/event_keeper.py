"""Events on their way into the inbox: those that come while others are being written are written together.

One statement and one place in the till's queue for many events cost far less than one for each.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import NamedTuple

from roony.store import inbox
from roony.store.command import TillClosed
from roony.store.lanes import MAX_WAITING
from roony.store.rows import InboxEvent
from roony.store.till import Till

# Events written together.
MOST_TOGETHER = 64
# After so many the next ones are given time to come: until as many more have, or none came for LINGER seconds, and
# MAX_LINGER at most.
BUSY = 8
LINGER, MAX_LINGER = 0.002, 0.020


class _Waiting(NamedTuple):
    event: InboxEvent
    kept: asyncio.Future[bool]


class EventKeeper:
    """One for each door, used on its event loop."""

    def __init__(self, till: Till) -> None:
        """Writes through the till."""
        self._till = till
        self._waiting: list[_Waiting] = []
        self._writing: asyncio.Task[None] | None = None
        # How many must wait for the next write to begin at once, while it is given time to fill, and what tells it.
        self._enough = 0
        self._full = asyncio.Event()

    @property
    def waiting(self) -> int:
        """How many events wait to be written."""
        return len(self._waiting)

    async def keep(self, event: InboxEvent) -> bool:
        """Keeps it durably; True when its id is new. Raises TillClosed when it is not taken, or what the write did."""
        if len(self._waiting) >= MAX_WAITING:
            raise TillClosed("Too many events wait to be kept. Send it again.")
        waiting = _Waiting(event, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if len(self._waiting) == self._enough:
            self._full.set()
        if self._writing is None:
            self._writing = asyncio.create_task(self._write(), name="event keeper")
        return await waiting.kept

    async def _write(self) -> None:
        """Until nothing waits any more."""
        try:
            while self._waiting:
                some, self._waiting = self._waiting[:MOST_TOGETHER], self._waiting[MOST_TOGETHER:]
                await self._write_together(some)
                if len(some) >= BUSY:
                    await self._let_it_fill(min(len(some) + len(self._waiting), MOST_TOGETHER))
        finally:
            self._writing = None

    async def _let_it_fill(self, enough: int) -> None:
        """Those who were answered send their next ones now: written with those that came meanwhile, not beside them."""
        until, before = time.monotonic() + MAX_LINGER, -1
        self._enough = enough
        self._full.clear()
        while before < len(self._waiting) < enough and time.monotonic() < until:
            before = len(self._waiting)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._full.wait(), LINGER)
        self._enough = 0

    async def _write_together(self, some: list[_Waiting]) -> None:
        events = [each.event for each in some]
        try:
            if len(events) == 1:
                new = {events[0].id} if await self._till.write(inbox.keep(events[0])) else set()
            else:
                new = await self._till.write(inbox.keep_all(events))
        except Exception as error:
            if len(some) == 1 or isinstance(error, TillClosed):
                for each in some:
                    _fail(each, error)
                return
            # One of them may have spoiled it for the others.
            for each in some:
                await self._write_together([each])
            return
        for each in some:
            if not each.kept.done():
                each.kept.set_result(each.event.id in new)
            # Of two that came together with one id, the first was new.
            new.discard(each.event.id)


def _fail(each: _Waiting, error: Exception) -> None:
    if not each.kept.done():
        each.kept.set_exception(error)
