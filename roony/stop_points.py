"""Named points at which a test lets the process kill itself, to prove that a crash there loses nothing.

A point is a moment, of anything or of one thing: `after_commit`, `after_commit:AskPurchase`, `before_call:create_card`.
Commits are named for the commands in them, or for the function that made a write; calls to Stripe for the function of
the gateway. The till and the gateway reach the points by themselves, so no commit and no call can be forgotten.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterable

MOMENTS = ("before_commit", "after_commit", "before_call", "after_call")
# Short names for the points of making a card and of connecting an account.
SHORT = {
    "after_hold": "before_call:create_card",
    "before_card_call": "before_call:create_card",
    "after_card_call": "after_call:create_card",
    "after_card_recorded": "after_commit:RecordCard",
    "after_code_exchange": "after_call:exchange_code",
}
HOW = (
    f"{', '.join(MOMENTS)}, each also of one thing as in after_commit:AskPurchase, or {', '.join(SHORT)};"
    " #3 behind it waits for the third time"
)
_POINT = re.compile(rf"(?P<name>({'|'.join(MOMENTS)})(:\w+(\.\w+)?)?|{'|'.join(SHORT)})(#(?P<times>[1-9]\d{{0,5}}))?")

# How often the chosen point is still to be passed, and what happens then; empty while none is chosen.
_armed: dict[str, int] = {}
_then: list[Callable[[], None]] = []


def die() -> None:
    """Ends this process as a power cut does."""
    os.kill(os.getpid(), signal.SIGKILL)


def is_point(name: str) -> bool:
    """True for a name of the right form. Whether there is such a command or call, only reaching it shows."""
    return _POINT.fullmatch(name) is not None


def arm(name: str | None, then: Callable[[], None] = die) -> None:
    """Chooses the point at which this process dies, or does `then`; None chooses none.

    Raises ValueError for a name of no point.
    """
    _armed.clear()
    _then[:] = [then]
    if not name:
        return
    found = _POINT.fullmatch(name)
    if found is None:
        raise ValueError(f"ROONY_STOP_AT must be one of {HOW}; it is {name!r}")
    _armed[SHORT.get(found["name"], found["name"])] = int(found["times"] or 1)


def reach(moment: str, things: Iterable[str] = ()) -> None:
    """Dies here, without any clean-up, if this moment or that of one of the `things` was chosen."""
    if not _armed:
        return
    for point in (moment, *(f"{moment}:{thing}" for thing in dict.fromkeys(things))):
        if point in _armed:
            _armed[point] -= 1
            if _armed[point] == 0:
                _then[0]()
