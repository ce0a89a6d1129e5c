"""How often the till looks for a database that is away, and for how long."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

# Pauses between two tries, in seconds: doubled from the first to the longest.
FIRST_PAUSE = 0.05
LONGEST_PAUSE = 1.0
# A database that was away for so many seconds may not come back to this process: it ends, and its supervisor starts
# another, which reads its settings again. Until then everything is refused at once, and nothing owed is forgotten.
AWAY_LIMIT = 3_600.0


def pauses(clock: Callable[[], float] = time.monotonic) -> Iterator[float]:
    """The pause after each try that failed, until `AWAY_LIMIT` is over; `clock` gives seconds."""
    until, pause = clock() + AWAY_LIMIT, FIRST_PAUSE
    while clock() < until:
        yield pause
        pause = min(pause * 2, LONGEST_PAUSE)
