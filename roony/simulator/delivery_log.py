"""What was sent to webhook endpoints lately, and what they said: for people who look, not for the simulation itself."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass
from typing import Any

from roony.simulator.clock import Clock

MAX_ENTRIES = 500


@dataclass(frozen=True)
class Sending:
    """One try to hand one event to one endpoint.

    `outcome` is the HTTP status, or what went wrong instead of one, or the reason a real-time request led to; `tries`
    counts this one; `at` is Unix seconds of the simulated clock, when the try ended.
    """

    event: str
    type: str
    endpoint: str
    url: str
    outcome: int | str
    tries: int
    milliseconds: int
    at: int


class DeliveryLog:
    """The last sendings, real-time requests among them; the oldest fall out. Not kept in the state file."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: deque[Sending] = deque(maxlen=MAX_ENTRIES)
        self.seen = 0  # all there ever were, so that a reader notices news

    def add(
        self, *, event: str, kind: str, endpoint: str, url: str, outcome: int | str, tries: int, seconds: float
    ) -> None:
        """Note one try that took `seconds`; `kind` is the type of the event."""
        took = round(seconds * 1000)
        self._entries.append(Sending(event, kind, endpoint, url, outcome, tries, took, self._clock.now()))
        self.seen += 1

    def newest_first(self) -> list[dict[str, Any]]:
        """Return the entries as plain dicts."""
        return [asdict(entry) for entry in reversed(self._entries)]

    def clear(self) -> None:
        """Forget all entries, as a reset does."""
        self._entries.clear()
