"""How many commands the till puts into a batch: what fits into a time, longer where nobody else wants the rows."""

from __future__ import annotations

import time

MAX_BATCH = 64
# Whoever wants a row that a batch has locked waits no longer than this, and its flush to the disk.
MAX_BATCH_SECONDS = 0.020
# While no other process was met at the rows: fewer commits, fewer questions to the database. Another one that comes all
# the same waits within its own limit for a lock (`LOCK_TIMEOUT_MS`), and is met then.
ALONE_BATCH_SECONDS = 0.040
# Locks that took longer than this were somebody else's, and nobody is taken for gone before so long, in seconds.
MET_SECONDS, GONE_SECONDS = 0.005, 10.0
# Always: one slow moment would make batches small, each command in them dear, and batches smaller still.
LEAST_ROOM = 16


class BatchSize:
    """What recent commands took, and when another process was met last; used on the till's thread alone."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self.seconds_each = 0.0002
        self._met = time.monotonic()

    def room(self) -> int:
        """How many commands the next batch may have."""
        alone = time.monotonic() - self._met > GONE_SECONDS
        seconds = ALONE_BATCH_SECONDS if alone else MAX_BATCH_SECONDS
        return max(LEAST_ROOM, min(MAX_BATCH, int(seconds / self.seconds_each)))

    def locked(self, waited: float) -> None:
        """The rows of a batch were locked after so many seconds."""
        if waited > MET_SECONDS:
            self._met = time.monotonic()

    def done(self, commands: int, seconds: float) -> None:
        """So many commands took so long.

        Waiting for locks and for the disk costs a batch the same whatever its size: it is not counted.
        """
        self.seconds_each += (seconds / commands - self.seconds_each) * 0.1
