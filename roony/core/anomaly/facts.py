"""What the rules about unusual patterns look at, an agent's asks and payments in order, and what they find."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from datetime import datetime, time, timedelta
from functools import lru_cache
from operator import itemgetter
from typing import NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from roony.core.duration import EPOCH, HOUR, local_time

QUARTER = HOUR // 4

# In the order of the documentation (docs/patterns.md).
PATTERNS = (
    "card_testing", "many_declines", "burst", "under_threshold", "new_country", "off_hours", "new_merchants",
    "repeated_text", "price_drift",
)  # fmt: skip
# Of an ask that was declined for one of these, nothing follows: whatever it was, it would have been declined.
STOPPED = frozenset({"ORGANIZATION_FROZEN", "AGENT_SUSPENDED", "CONNECTION_INACTIVE"})
# As little of a payment that we declined for one of these. What Stripe declined by itself counts for `TELLING_REASONS`.
STOPPED_PAYMENT = frozenset({"FROZEN", "CONNECTION_INACTIVE", "LATE", "BUSY", "STALE", "UNREADABLE"})
TELLING_REASONS = frozenset({
    "card_canceled", "card_expired", "insecure_authorization_method", "not_allowed", "pin_blocked", "spending_controls",
    "suspected_fraud", "verification_failed",
})  # fmt: skip
# Characters of a description that are compared.
MAX_WORDING = 200

_NUMBER = re.compile(r"\d+")


class Ask(NamedTuple):
    """One purchase an agent asked for. `amount` in minor units, `at` microseconds UTC, `merchant` the comparable key.

    `wording` is what it wrote, made comparable; `declined` says that rules or a person said no.
    """

    at: int
    amount: int
    currency: str
    merchant: str
    country: str
    wording: str
    declined: bool


class Payment(NamedTuple):
    """One authorization on a card of the agent's, as the network told of it. Units as in `Ask`.

    `declined` leaves out what was declined whatever it was: see `is_telling`.
    """

    at: int
    amount: int
    currency: str
    country: str
    declined: bool


One = TypeVar("One", Ask, Payment)
_AT = itemgetter(0)


class Facts(NamedTuple):
    """Asks and payments of one agent, each the oldest first."""

    asks: tuple[Ask, ...]
    payments: tuple[Payment, ...]

    def between(self, since: int, until: int) -> Facts:
        """Those after `since`, up to and including `until`."""
        return Facts(between(self.asks, since, until), between(self.payments, since, until))

    def before(self, until: int) -> Facts:
        """Those earlier than `until`."""
        at = itemgetter(0)
        asks, paid = self.asks, self.payments
        return Facts(asks[: bisect_left(asks, until, key=at)], paid[: bisect_left(paid, until, key=at)])


class Finding(NamedTuple):
    """A rule spoke. `seen` reached `threshold`; `usual` is what it learned, None where it knows too little.

    `since` is the first and `at` the last of what it saw, microseconds UTC. `what` and `usually` are sentences.
    """

    pattern: str
    at: int
    since: int
    seen: int
    usual: int | None
    threshold: int
    what: str
    usually: str


def between(those: tuple[One, ...], since: int, until: int) -> tuple[One, ...]:
    """Of asks or payments, the oldest first, those after `since`, up to and including `until`."""
    return those[bisect_right(those, since, key=_AT) : bisect_right(those, until, key=_AT)]


def in_order(asks: Iterable[Ask], payments: Iterable[Payment]) -> Facts:
    """Facts from rows in any order."""
    return Facts(tuple(sorted(asks)), tuple(sorted(payments)))


def is_telling(code: str | None, reason: str | None) -> bool:
    """Whether a declined payment says something of the agent: by our `code`, without one by Stripe's `reason`.

    An account without money, a freeze, or a Roony that is late would decline the payments of everybody.
    """
    return code not in STOPPED_PAYMENT if code is not None else reason in TELLING_REASONS


def wording(text: str) -> str:
    """A description as it is compared: without capitals, with one sign for every number, with single spaces."""
    return " ".join(_NUMBER.sub("#", text[:MAX_WORDING].casefold()).split())


def hour_of(at: int, zone: ZoneInfo) -> int:
    """The hour of the day in the organization's zone."""
    return _hour(at // QUARTER, zone)


@lru_cache(maxsize=16_384)
def _hour(quarter: int, zone: ZoneInfo) -> int:
    """Of a quarter of an hour, since no zone of today begins its hours anywhere else."""
    return local_time(quarter * QUARTER, zone).hour


def cut_of(now: int, zone: ZoneInfo) -> int:
    """Where the past that teaches ends: the beginning of yesterday, so that nothing of the last 24 hours teaches."""
    yesterday = local_time(now, zone).date() - timedelta(days=1)
    return (datetime.combine(yesterday, time(), zone) - EPOCH) // timedelta(microseconds=1)
