"""What the books must say, worked out a second time from the rules themselves (design sections 4, 5, 7 and 8).

Nothing of Roony is imported. The model is told what was decided (asks, approvals, cancels, cards made or failed) and is
shown what really happened on the network; from the two it says what each purchase holds, has spent and is called, and
what every budget holds and has spent, once everything was delivered. It also knows what must never be answered yes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

SECOND = 1_000_000
CARD_LIFETIME = 3_600 * SECOND
CHECK = 100  # minor units up to which a request may be a card check
PERIODS = ("day", "week", "month", "lifetime")


class Line(NamedTuple):
    """One authorization as the network has it, as far as money goes; `check`: it was never more than a card check.

    `began` is when it began, in microseconds.
    """

    status: str
    approved: bool
    amount: int
    captured: int
    check: bool
    id: str = ""
    began: int = 0

    @property
    def is_open(self) -> bool:
        """Approved, and money is still on its way."""
        if not self.approved:
            return False
        if self.status == "closed":
            return self.captured == 0 and self.amount > 0
        return self.status not in ("reversed", "expired")

    @property
    def committed(self) -> int:
        """What it may still take or has taken."""
        if self.approved and self.status == "pending":
            return max(self.amount, self.captured)
        if self.approved and self.status == "closed" and not self.captured:
            return self.amount
        return self.captured

    @property
    def uses_card(self) -> bool:
        """True unless it is a card check that was never captured."""
        return self.approved and not (self.check and not self.captured)


class Payment(NamedTuple):
    """One payment of a mandate as it was decided: what is held for it since `at`, and the interval it counts in."""

    sequence: int
    at: int
    hold: int
    interval_start: int


class Moved(NamedTuple):
    """A capture or refund on a mandate's card. `network_id` is the network's number of the payment, if it has one."""

    id: str
    kind: str
    amount: int
    at: int
    authorization: str | None
    network_id: str | None


class Expected(NamedTuple):
    """What a purchase holds, has spent and is called."""

    held: int
    spent: int
    status: str


@dataclass
class Wish:
    """One purchase as it was decided. `card`: none, creating, live or over; `ended` says why no more may be asked.

    A mandate has an `interval` in which each of `payments` may come; `due` are those that were held so far, `placed`
    says on which of them a yes of ours put an authorization. `before`
    is amount and hold before a raise that Stripe has not confirmed.
    """

    id: str
    chain: tuple[str, str, str]
    merchant: str
    amount: int
    hold: int
    held_at: int
    waits: bool
    declined: bool = False
    card: str = "none"
    expires_at: int = 0
    ended: str | None = None
    interval: str | None = None
    payments: int = 1
    due: list[Payment] = field(default_factory=list)
    placed: dict[str, int] = field(default_factory=dict)
    promised_at: int = 0
    before: tuple[int, int] | None = None

    def promise_card(self, now: int) -> None:
        """A card is to be made; it lives from the promise on."""
        self.waits, self.card, self.promised_at, self.expires_at = False, "creating", now, now + CARD_LIFETIME

    def record_card(self, now: int) -> None:
        """The card is there; one that nobody wants any more is over at once, that of a mandate lives to its end."""
        if self.ended is None and now < self.expires_at:
            self.card = "live"
            if self.interval is not None:
                self.expires_at = mandate_end(self.interval, self.payments, self.promised_at)
            return
        self.card, self.ended = "over", self.ended or "expired"

    def end(self, reason: str) -> None:
        """No new authorization from now on. A card that is being made is still to come."""
        self.ended = self.ended or reason
        if self.card == "live":
            self.card = "over"

    def reprice(self, amount: int, hold: int) -> None:
        """Another price, from now on."""
        self.before, self.amount, self.hold = (self.amount, self.hold), amount, hold

    def give_back_raise(self) -> None:
        """Stripe refused: amount and hold are what they were, in the periods in which the higher hold was placed."""
        assert self.before is not None
        (self.amount, self.hold), self.before = self.before, None


class Model:
    """The whole company: limits, freezes and wishes."""

    def __init__(self, limits: dict[tuple[str, str], int]) -> None:
        """`limits` by (scope id, period); what is not there is not limited."""
        self.limits = limits
        self.wishes: dict[str, Wish] = {}
        self.frozen: set[str] = set()

    def expect(self, wish: Wish, lines: Iterable[Line], captured: int, refunded: int) -> Expected:
        """What the books must say about one purchase when they know everything."""
        if wish.declined:
            return Expected(0, 0, "declined")
        known = list(lines)
        loose = captured - sum(line.captured for line in known)
        committed = sum(line.committed for line in known) + loose
        used = any(line.uses_card for line in known)
        waiting = self._may_come(wish, used) or any(line.is_open for line in known)
        held = max(0, max(wish.hold, committed) - captured) if waiting else 0
        return Expected(held, max(0, captured - refunded), self._status(wish, known, captured, used))

    @staticmethod
    def _may_come(wish: Wish, used: bool) -> bool:
        """True while a new authorization may still be granted, or the card may be live without our knowing."""
        if wish.card == "creating":
            return True
        return wish.ended is None and wish.card != "over" and not used

    @staticmethod
    def _status(wish: Wish, lines: list[Line], captured: int, used: bool) -> str:
        if any(line.is_open and line.uses_card for line in lines):
            return "authorized"
        if captured > 0:
            return "settled"
        if wish.ended is not None:
            return wish.ended
        if used:
            return "canceled"
        if wish.waits:
            return "awaiting_approval"
        return "issuing" if wish.card in ("none", "creating") else "ready"

    def budgets(self, found: Iterable[tuple[Wish, int, int, int]]) -> dict[tuple[str, str, int], tuple[int, int]]:
        """Held and spent by (scope id, period, start), from (purchase, when held, held, spent); zeros left out."""
        sums: dict[tuple[str, str, int], list[int]] = defaultdict(lambda: [0, 0])
        for wish, at, held, spent in found:
            for scope in wish.chain:
                for period in PERIODS:
                    both = sums[(scope, period, begin(period, at))]
                    both[0] += held
                    both[1] += spent
        return {key: (held, spent) for key, (held, spent) in sums.items() if held or spent}

    def why_no_hold(self, wish: Wish, at: int, budgets: dict[tuple[str, str, int], tuple[int, int]]) -> str | None:
        """Why the hold of `at` must not have been placed, or None; `budgets` as they are with it (P1)."""
        if self.frozen & set(wish.chain):
            return "frozen"
        for scope in wish.chain:
            for period in PERIODS:
                held, spent = budgets.get((scope, period, begin(period, at)), (0, 0))
                limit = self.limits.get((scope, period))
                if limit is not None and held + spent > limit:
                    return f"{held + spent} of {limit} in the {period} of {scope}"
        return None

    def why_no_raise(self, wish: Wish, now: int, used: bool) -> str | None:
        """Why the price must not have been raised, or None; `used`: an authorization we approved is open."""
        if self.frozen & set(wish.chain):
            return "frozen"
        if wish.card != "live" or wish.ended is not None or now >= wish.expires_at:
            return "no card that can be used"
        if wish.interval is not None:
            return "a mandate"
        return "the card is used" if used else None

    def why_no_yes(
        self, wish: Wish | None, now: int, merchant: str, granted: int, elsewhere: int, other_use: bool, more: bool,
        hold: int | None = None,
    ) -> str | None:  # fmt: skip
        """Why a request must not be approved for `granted`, or None (P11): necessary conditions, not all of them.

        `hold` is that of a mandate's payment. `elsewhere` is what other requests we approved may still take, `granted`
        includes what this authorization was approved for before; `other_use`: another authorization has used the card,
        or paid the interval; `more`: it is an increment.
        """
        if wish is None or wish.card in ("none", "creating"):
            return "no card of ours"
        if self.frozen & set(wish.chain):
            return "frozen"
        room = wish.hold if hold is None else hold
        if granted + elsewhere > room:
            return f"{granted} and {elsewhere} elsewhere of {room}"
        if more:
            return None
        if wish.card == "over" or wish.ended is not None:
            return "the card is over"
        if now >= wish.expires_at:
            return "the card's time is over"
        if other_use:
            return "the card is used"
        return None if merchant.startswith(wish.merchant.upper()) else "another merchant"


def mandate_end(interval: str, payments: int, now: int) -> int:
    """When a mandate promised at `now` ends: as many intervals as payments later, the running one included."""
    for _ in range(payments):
        now = next_begin(interval, now)
    return now


def next_begin(interval: str, now: int) -> int:
    """When the interval after the one of `now` begins; days and weeks of UTC have one length."""
    return begin(interval, now) + {"day": 1, "week": 7}[interval] * 86_400 * SECOND


def begin(period: str, now: int) -> int:
    """When the period that holds `now` began in UTC; microseconds both ways, `lifetime` at 0."""
    if period == "lifetime":
        return 0
    day = datetime.fromtimestamp(now // SECOND, UTC).replace(hour=0, minute=0, second=0)
    if period == "week":
        day -= timedelta(days=day.weekday())
    if period == "month":
        day = day.replace(day=1)
    return int(day.timestamp()) * SECOND
