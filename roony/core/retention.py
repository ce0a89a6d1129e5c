"""How long what may name people is kept in Stripe's events and in receipts, and how it is said that it is gone."""

from __future__ import annotations

from typing import NamedTuple

from roony.core.duration import DAY, local_time

# Nothing younger is removed: Stripe lists events for 30 days, and takes captures of an authorization for 31.
MIN_DAYS = 45


class Retention(NamedTuple):
    """Days after which the payload of an event, and the content of a receipt, is removed; 0: never."""

    event_days: int = 0
    receipt_days: int = 0


def before(days: int, now: int) -> int:
    """What is older than this may go; microseconds UTC."""
    return now - days * DAY


def removed_words(at: int) -> str:
    """What stands in the place of what was removed at this time."""
    return f"removed by retention on {local_time(at):%Y-%m-%d}"
