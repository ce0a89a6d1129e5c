"""Durations in microseconds, the unit of every time Roony keeps, and the times people write."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEEK = 7 * DAY

_DURATION = re.compile(r"([1-9][0-9]{0,5})([mhd])")
_UNITS = {"m": MINUTE, "h": HOUR, "d": DAY}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def local_time(at: int, zone: tzinfo = UTC) -> datetime:
    """What the clocks of a zone showed at `at`, in microseconds UTC."""
    return (EPOCH + timedelta(microseconds=at)).astimezone(zone)


def parse_since(text: str, now: int) -> int | None:
    """`90m`, `2h`, `7d` before `now`, or an RFC 3339 time with its offset. None when it is neither, or not past."""
    duration = _DURATION.fullmatch(text)
    if duration is not None:
        at = now - int(duration[1]) * _UNITS[duration[2]]
    else:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            return None
        if moment.tzinfo is None:
            return None
        at = (moment - EPOCH) // timedelta(microseconds=1)
    return at if 0 <= at < now else None
