"""Waits that share a timer: each is over at its own time, whichever began first, and none that has ended."""

from __future__ import annotations

import asyncio
import time

import pytest

from roony.waits import Waits

LIMIT = 30.0


class Ends:
    """Waits, and which of them were over, in order."""

    def __init__(self) -> None:
        self.waits: Waits[str] = Waits(self._over)
        self.over: list[str] = []
        self._changed = asyncio.Event()

    def _over(self, name: str) -> None:
        self.over.append(name)
        self._changed.set()

    def begin(self, **seconds: float) -> None:
        """Each for so long from now."""
        for name, pause in seconds.items():
            self.waits.begin(name, time.monotonic() + pause)

    async def seen(self, count: int) -> list[str]:
        """Those that were over, once they are so many."""
        async with asyncio.timeout(LIMIT):
            while len(self.over) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.over


@pytest.mark.anyio
async def test_each_is_over_at_its_own_time() -> None:
    """Also one that began later and may last less long, or began after the others were over."""
    ends = Ends()
    ends.begin(long=0.05, short=0.01, forgotten=0.03, longest=0.1)
    ends.waits.end("forgotten")
    ends.waits.end("never begun")
    assert len(ends.waits) == 3
    assert await ends.seen(3) == ["short", "long", "longest"]
    ends.begin(again=0.01)
    assert await ends.seen(4) == ["short", "long", "longest", "again"]
    assert len(ends.waits) == 0


@pytest.mark.anyio
async def test_who_is_over_may_begin_again() -> None:
    ends = Ends()

    def once_more(name: str) -> None:
        ends.over.append(name)
        if len(ends.over) < 3:
            ends.waits.begin(name, 0.0)
        else:
            done.set()

    done = asyncio.Event()
    ends.waits = Waits(once_more)
    ends.begin(one=0.0)
    async with asyncio.timeout(LIMIT):
        await done.wait()
    assert ends.over == ["one"] * 3


@pytest.mark.anyio
async def test_the_first_is_the_one_that_began_first() -> None:
    ends = Ends()
    ends.begin(first=LIMIT, second=LIMIT / 2)
    assert (ends.waits.end_first(), len(ends.waits)) == ("first", 1)
    ends.waits.end("second")
    with pytest.raises(KeyError):
        ends.waits.end_first()
