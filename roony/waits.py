"""What may last only so long: one timer for all of a kind, since one for each costs every request some microseconds."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)

# Between two looks there are at least this many seconds: so late may one be told.
SOONEST = 0.002


class Waits(Generic[Key]):
    """Waits under way, the one that began first in front, each with its end. For one event loop."""

    def __init__(self, over: Callable[[Key], None]) -> None:
        """`over` is called with each whose time is over, and then waits no more."""
        self._over = over
        self._until: OrderedDict[Key, float] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None
        self._at = float("inf")

    def __len__(self) -> int:
        """How many there are."""
        return len(self._until)

    def begin(self, key: Key, until: float) -> None:
        """One more, until this time of `time.monotonic()`."""
        self._until[key] = until
        if until < self._at:
            self._look_at(until)

    def end(self, key: Key) -> None:
        """It has what it waited for, or does not wait."""
        self._until.pop(key, None)

    def first_end(self) -> float | None:
        """The end of the one that began first; None where there is none."""
        return next(iter(self._until.values()), None)

    def end_first(self) -> Key:
        """The one that began first; it waits no more. Raises KeyError where there is none."""
        return self._until.popitem(last=False)[0]

    def _look_at(self, at: float) -> None:
        # Nearly always the first of many, of which none is over before it: timers are few.
        if self._timer is not None:
            self._timer.cancel()
        self._at = at
        pause = max(SOONEST, at - time.monotonic())
        self._timer = asyncio.get_running_loop().call_later(pause, self._look)

    def _look(self) -> None:
        self._timer, self._at = None, float("inf")
        now = time.monotonic()
        over = [key for key, until in self._until.items() if until <= now]
        for key in over:
            del self._until[key]
        if self._until:
            self._look_at(min(self._until.values()))
        for key in over:
            self._over(key)
