"""How long the till lets its next batch fill: not at all when little happens, some milliseconds under load."""

from __future__ import annotations

import time
from collections.abc import Callable

# After a batch this large the next one is given time to fill: looked at every LINGER seconds, until nothing came for
# LINGER_LOOKS looks, and MAX_LINGER seconds at most.
BUSY_BATCH = 8
LINGER = 0.0005
LINGER_LOOKS = 8
MAX_LINGER = 0.020


def let_it_fill(waiting: Callable[[], int], last_batch: int, most: int) -> None:
    """Under load, waits while more commands keep coming; `waiting` says how many there are, `most` fit into a batch.

    One large batch costs far less than two that overlap: the event loop has nothing to do while it runs, and does not
    pull Python's lock away from the till at every step of the database (measured: a third of a decision's time).
    """
    if last_batch < BUSY_BATCH:
        return
    now = waiting()
    # Who begins to wait with few knows how many usually come; who finds many waiting may be one of two crowds that take
    # turns, and makes one of them.
    enough = last_batch if now < last_batch // 2 else most
    until, quiet = time.monotonic() + MAX_LINGER, 0
    while now < enough and quiet < LINGER_LOOKS and time.monotonic() < until:
        time.sleep(LINGER)
        before, now = now, waiting()
        quiet = quiet + 1 if now == before else 0
