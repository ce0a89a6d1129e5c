"""What the till counts of its own work, and what waits for it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

from roony.measures import BATCH_BOUNDS, COMMIT_BOUNDS, Histogram
from roony.store.command import Counters, Ticket
from roony.store.database import no_room, why_failed
from roony.store.lanes import Lanes


class Failure(NamedTuple):
    """A batch that could not be written: when by the monotonic clock, why, and how many commands were by then."""

    at: float
    why: str
    commands: int


class Tally:
    """Counted on the till's thread, but for what is refused before it gets there."""

    def __init__(self, lanes: Lanes) -> None:
        """Nothing yet."""
        self.counts = dict.fromkeys(Counters._fields, 0)
        self.batches = Histogram(BATCH_BOUNDS)
        self.commits = Histogram(COMMIT_BOUNDS)
        self.failure: Failure | None = None
        # When a write last found the database's disk full, by the monotonic clock.
        self.full_at: float | None = None
        self._lanes = lanes

    def committed(self, commands: Sequence[Ticket], others: Sequence[Ticket], seconds: float) -> None:
        """One batch more; `seconds` is what its commit took. Of `others`, its other writes, each may have failed."""
        self.counts["commits"] += 1
        self.counts["commands"] += len(commands)
        self.counts["authorizations"] += sum(1 for ticket in commands if ticket.asked.urgent)
        self.batches.count(len(commands))
        self.commits.count(seconds)
        if any(no_room(ticket.answer) for ticket in others):
            self.full_at = time.monotonic()

    def failed(self, error: Exception) -> None:
        """One batch that could not be written, and why."""
        self.counts["failed_batches"] += 1
        self.failure = Failure(time.monotonic(), why_failed(error), self.counts["commands"])
        if no_room(error):
            self.full_at = self.failure.at

    def waiting(self) -> dict[str, int]:
        """How many wait in each lane now."""
        return self._lanes.depths()
