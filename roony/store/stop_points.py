"""Named points at which a test lets the process kill itself, to prove that a crash there loses nothing."""

from __future__ import annotations

import os
import signal
from typing import NamedTuple

POINTS = (
    "before_commit after_commit after_hold before_card_call after_card_call after_card_recorded"
    " after_code_exchange"
).split()


class _Armed(NamedTuple):
    name: str | None = None


_armed = _Armed()


def arm(name: str | None) -> None:
    """Chooses the point at which this process dies. Raises ValueError for an unknown name."""
    global _armed
    if name and name not in POINTS:
        raise ValueError(f"ROONY_STOP_AT must be one of {', '.join(POINTS)}; it is {name!r}")
    _armed = _Armed(name or None)


def reach(name: str) -> None:
    """Dies here, without any clean-up, if this point was chosen."""
    if _armed.name == name:
        os.kill(os.getpid(), signal.SIGKILL)
