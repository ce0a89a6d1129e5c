"""How often the till looks for a database that is away, for how long, and whether it is the same that comes back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import structlog

from roony.store.database import why_failed
from roony.store.writer import AnotherDatabase, ConnectionLost, Writer

log = structlog.get_logger("roony.till")

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


def in_place(writer: Writer, place: str | None) -> Writer:
    """The same, if its database lies where the one before did; one without tables, as while it is restored, is away.

    Raises AnotherDatabase where somebody put a copy there meanwhile: only a start marks a copy as one, and nothing may
    be approved by what it remembers. Raises ConnectionLost where it is away.
    """
    if writer.place == place:
        return writer
    writer.close()
    if writer.place is None:
        raise ConnectionLost("there are no tables")
    log.critical("till.another_database", was=place, now=writer.place)
    raise AnotherDatabase


def tell_away(error: Exception) -> None:
    """One line in the log for each try that failed: why, and what whoever reads it can do."""
    log.warning(
        "till.database_away", error=why_failed(error),
        next="see that it answers at ROONY_DATABASE_URL and takes writes; Roony then goes on by itself",
    )  # fmt: skip
