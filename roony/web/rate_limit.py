"""How often a key may call: a moving window of a minute for each, in this process."""

from __future__ import annotations

import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

# Keys whose windows are kept at the same time; the one that called longest ago is forgotten first.
MAX_KEYS = 10_000
# The highest limit a key may have: it bounds what one window holds.
MOST_A_MINUTE = 60_000


class Windows(MemoryStorage):
    """The times of the calls of the last minute.

    In place of the windows that `limits` brings: those are swept by a thread that is started up to a hundred times a
    second and looks at every key. Here a window is swept by the next call of its key, and forgotten by a call of any
    key once all of it is over: what is kept are calls of the last minute. For one thread only.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` gives seconds and never goes back."""
        super().__init__()
        self._clock = clock
        self._calls: OrderedDict[str, deque[float]] = OrderedDict()

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Counts `amount` calls, unless there would be more than `limit` within `expiry` seconds."""
        calls = self._swept(key, expiry)
        if len(calls) + amount > limit:
            return False
        calls.extend([self._clock()] * amount)
        self._calls.move_to_end(key)
        self._forget(self._clock() - expiry)
        return True

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:  # noqa: ARG002
        """The time of the oldest call that counts, or now, and how many count. Whoever never called leaves nothing."""
        calls = self._swept(key, expiry) if key in self._calls else deque()
        return (calls[0] if calls else self._clock()), len(calls)

    def _forget(self, since: float) -> None:
        """Drops the windows in front, which called longest ago, where no call counts any more or there are too many."""
        while True:
            key, calls = next(iter(self._calls.items()))
            if len(self._calls) <= MAX_KEYS and calls and calls[-1] > since:
                return
            del self._calls[key]

    def _swept(self, key: str, expiry: int) -> deque[float]:
        calls = self._calls.setdefault(key, deque())
        since = self._clock() - expiry
        while calls and calls[0] <= since:
            calls.popleft()
        return calls


class RateLimit:
    """Calls a minute for each key."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Nobody has called yet."""
        self._clock = clock
        self._limiter = MovingWindowRateLimiter(Windows(clock))

    def wait_after(self, key: str, a_minute: int) -> int:
        """Counts a call; 0 if it may be made, else in how many seconds the next one may."""
        limit = RateLimitItemPerMinute(a_minute)
        return 0 if self._limiter.hit(limit, key) else self._seconds(limit, key)

    def wait_before(self, key: str, a_minute: int) -> int:
        """The same without counting one."""
        limit = RateLimitItemPerMinute(a_minute)
        return 0 if self._limiter.test(limit, key) else self._seconds(limit, key)

    def _seconds(self, limit: RateLimitItemPerMinute, key: str) -> int:
        return max(1, math.ceil(self._limiter.get_window_stats(limit, key).reset_time - self._clock()))
