"""Named points at which a test lets the process kill itself, to prove that a crash there loses nothing."""

from __future__ import annotations

import os
import signal

POINTS = [
    "before_commit",
    "after_commit",
    "after_hold",
    "before_card_call",
    "after_card_call",
    "after_card_recorded",
    "after_code_exchange",
]


_armed: dict[str, bool] = {}


def arm(name: str | None) -> None:
    """Chooses the point at which this process dies. Raises ValueError for an unknown name."""
    if name and name not in POINTS:
        raise ValueError(f"ROONY_STOP_AT must be one of {', '.join(POINTS)}; it is {name!r}")
    _armed.clear()
    if name:
        _armed[name] = True


def reach(name: str) -> None:
    """Dies here, without any clean-up, if this point was chosen."""
    if name in _armed:
        os.kill(os.getpid(), signal.SIGKILL)
