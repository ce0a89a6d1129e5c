"""A process's share of what Stripe lets an account ask in a second, kept before a call is sent (facts 7.3).

One bucket for each account and one for each operation of an account. A call takes a token of both, waits for them a
bounded time, and is not sent at all when its turn does not come. A 429 halves the rate of the bucket it was about; the
rate comes back slowly. Stripe publishes no number for calls at the same time: the pool's threads bound those, and a 429
for that reason slows the same buckets.
"""

from __future__ import annotations

import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

from roony.core.hashing import text_hash
from roony.gateway.pool import THREADS, GatewayBusy

# Requests in a second for an account, live and test, and for each operation of it (facts 7.3).
LIVE_RATE, TEST_RATE, OPERATION_RATE = 100.0, 25.0, 25.0
# Longest wait for a turn, in seconds; then nothing is sent.
MAX_WAIT = 2.0
# Most calls that wait at the same time, each on a thread of the pool: the others are left to calls whose turn is now.
MAX_WAITING = THREADS // 2
# A halved rate doubles again in this time, in seconds.
REGAIN_SECONDS = 60.0
# However often Stripe says no, this much is tried, in requests in a second.
LOWEST_RATE = 0.5
# Buckets kept; the ones used longest ago are forgotten, full.
MAX_BUCKETS = 10_000

# A path's part that is an id, and the words of paths that look like one.
_ID = re.compile(r"[a-z]+_(?:(?:test|live)_)?[A-Za-z0-9]{6,}")
_WORDS = frozenset({"test_helpers", "webhook_endpoints", "ephemeral_keys", "balance_transactions"})


class PaceCounts(NamedTuple):
    """How often a call waited for its turn, was not sent, and how often Stripe said that it was too much."""

    waited: int
    turned_away: int
    slowed: int


@dataclass
class _Bucket:
    """`rate` tokens come in a second, `full` when nothing slows it; at most a second's worth is kept."""

    full: float
    rate: float
    tokens: float
    at: float

    def refill(self, now: float) -> None:
        """Brings tokens and rate to `now`."""
        gone = max(0.0, now - self.at)
        self.rate = min(self.full, self.rate * 2 ** (gone / REGAIN_SECONDS))
        self.tokens = min(max(1.0, self.rate), self.tokens + gone * self.rate)
        self.at = now


class Pace:
    """Safe to share between threads. `clock` gives seconds, `sleep` waits so many on the calling thread."""

    def __init__(
        self, account_rate: float, operation_rate: float = OPERATION_RATE, *,
        clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep,
    ) -> None:  # fmt: skip
        self._account_rate, self._operation_rate = account_rate, operation_rate
        self._clock, self._sleep = clock, sleep
        self._processes = 1
        self._buckets: OrderedDict[tuple[str, str], _Bucket] = OrderedDict()
        self._lock = threading.Lock()
        self._waiting = self._waited = self._turned_away = self._slowed = 0

    def share_with(self, processes: int) -> None:
        """From now on the limits are shared by so many processes."""
        with self._lock:
            if processes != self._processes:
                self._processes = max(1, processes)
                self._buckets.clear()

    def take_turn(self, account: str, operation: str) -> None:
        """Waits until this call may be sent. Raises GatewayBusy when that is more than MAX_WAIT away, or MAX_WAITING
        calls wait already.

        The tokens are taken at once, for the moment they are there: calls wait in the order in which they came.
        """
        with self._lock:
            now = self._clock()
            buckets = (self._bucket(account, "", now), self._bucket(account, operation, now))
            wait = max((1 - bucket.tokens) / bucket.rate for bucket in buckets)
            if wait > MAX_WAIT:
                self._turned_away += 1
                raise GatewayBusy("Stripe's rate limit for this account is used up by calls that wait already")
            if wait > 0 and self._waiting >= MAX_WAITING:
                self._turned_away += 1
                raise GatewayBusy("as many calls as may wait for Stripe's rate limits do so already")
            for bucket in buckets:
                bucket.tokens -= 1
            if wait <= 0:
                return
            self._waited += 1
            self._waiting += 1
        try:
            self._sleep(wait)
        finally:
            with self._lock:
                self._waiting -= 1

    def slow_down(self, account: str, operation: str, reason: str) -> None:
        """Stripe answered 429 for `reason`: half the rate for what it was about, and no token left."""
        with self._lock:
            self._slowed += 1
            now = self._clock()
            bucket = self._bucket(account, "" if reason.startswith("global") else operation, now)
            bucket.rate = max(LOWEST_RATE, bucket.rate / 2)
            bucket.tokens = min(bucket.tokens, 0.0)

    def counts(self) -> PaceCounts:
        """Since the process began."""
        with self._lock:
            return PaceCounts(self._waited, self._turned_away, self._slowed)

    def _bucket(self, account: str, operation: str, now: float) -> _Bucket:
        """The bucket of an account (no operation) or of one of its operations, as of `now`."""
        key = (account, operation)
        found = self._buckets.get(key)
        if found is None:
            full = (self._operation_rate if operation else self._account_rate) / self._processes
            found = self._buckets[key] = _Bucket(full, full, max(1.0, full), now)
            if len(self._buckets) > MAX_BUCKETS:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(key)
        found.refill(now)
        return found


def account_of(headers: Mapping[str, str] | None) -> str:
    """Whose limit a request counts against: the connected account, else that of the key, which is not kept."""
    given = {name.lower(): value for name, value in (headers or {}).items()}
    named = given.get("stripe-account")
    return named or text_hash(given.get("authorization", ""))[:16]


def operation_of(method: str, url: str) -> str:
    """Method and path of a request with its ids left out, as Stripe counts them."""
    parts = urlsplit(url).path.split("/")
    named = ["{id}" if part not in _WORDS and _ID.fullmatch(part) else part for part in parts]
    return f"{method.upper()} {'/'.join(named)}"
