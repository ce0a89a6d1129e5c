"""What a process counts of its own work, cheap enough for every step: numbers in memory, nothing else.

They begin at 0 with the process and are read for `/metrics`. Labels are words of the code, never of a caller.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable

# Codes of authorizations that Roony declined because it was too slow or too full, or failed at them.
OUR_FAILURES = ("LATE", "BUSY", "UNREADABLE")
# Upper bounds in seconds. For calls to Stripe: they end after eleven at the latest.
CALL_BOUNDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
# A flush of the disk, or of a database across a network.
COMMIT_BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.010, 0.025, 0.050, 0.100, 0.250, 0.500, 1.0)
# Commands in one commit; none where it carries other writes only.
BATCH_BOUNDS = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)


class Histogram:
    """How often a value was at most each of the bounds, and the sum of all. For one thread that counts."""

    __slots__ = ("bounds", "buckets", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        """Empty. `bounds` rise."""
        self.bounds = bounds
        self.buckets = [0] * (len(bounds) + 1)
        self.total = 0.0

    def count(self, value: float) -> None:
        """One more."""
        self.buckets[bisect_left(self.bounds, value)] += 1
        self.total += value


class Measures:
    """What one process decided and tried again, on its event loop. `heard_at` is when the worker last began a round.

    Authorizations by outcome and code; asks by verdict, and by verdict and reason; retries by what was tried again.
    """

    def __init__(self) -> None:
        """Nothing yet. Who watches sees a rise only from a number that was there: our own failures begin at 0."""
        self.authorizations: Counter[tuple[str, str]] = Counter({("declined", code): 0 for code in OUR_FAILURES})
        self.verdicts: Counter[str] = Counter()
        self.reasons: Counter[tuple[str, str]] = Counter()
        self.retries: Counter[str] = Counter()
        self.began_at = time.time()
        # Seconds of `time.monotonic()`; None where no worker runs.
        self.heard_at: float | None = None

    def asked(self, verdict: str, reasons: tuple[str, ...]) -> None:
        """An ask was decided, or refused without a purchase."""
        self.verdicts[verdict] += 1
        for reason in reasons:
            self.reasons[verdict, reason] += 1


class CallCounts:
    """Calls to Stripe by operation and outcome, and their time. For any thread."""

    def __init__(self) -> None:
        """None yet."""
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.seconds = Histogram(CALL_BOUNDS)
        self._lock = threading.Lock()
        # Told of each call, on its thread.
        self.heard: Callable[[str, str, float], None] = lambda _operation, _outcome, _seconds: None

    def count(self, operation: str, outcome: str, seconds: float) -> None:
        """One call more. `operation` is the function that makes it, `outcome` what came of it."""
        with self._lock:
            self.outcomes[operation, outcome] += 1
            self.seconds.count(seconds)
        self.heard(operation, outcome, seconds)

    def copy(self) -> dict[tuple[str, str], int]:
        """The outcomes as they are now."""
        with self._lock:
            return dict(self.outcomes)
