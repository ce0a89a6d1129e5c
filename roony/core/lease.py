"""A lease: for a while one process does what is to be done once, however many there are."""

from __future__ import annotations

from typing import NamedTuple


class Lease(NamedTuple):
    """Who does what is called `name`, until when. `generation` rises each time it changes hands.

    `since`: from when on it was always held by somebody, in microseconds as `until`; None where an older Roony took it.
    """

    name: str
    holder: str
    until: int
    generation: int
    since: int | None
