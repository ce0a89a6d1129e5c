"""A lease: for a while one process does what is to be done once, however many there are."""

from __future__ import annotations

from typing import NamedTuple


class Lease(NamedTuple):
    """Who does what is called `name`, until when (microseconds). `generation` rises each time it changes hands."""

    name: str
    holder: str
    until: int
    generation: int
