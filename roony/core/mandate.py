"""A mandate: a purchase that is paid again in every interval; its payments, what each holds and which of them count."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from roony.core.authorization import Authorization
from roony.core.budget import period_start
from roony.core.duration import HOUR, SECOND
from roony.core.hashing import derived_id
from roony.core.ledger import Position, position
from roony.core.purchase import RECURRING, Purchase, is_open
from roony.core.settlement import StripeTransaction

MIN_PAYMENTS = 2
# A mandate ends before its card does, which Stripe makes for about three years.
MOST_PAYMENTS = {"day": 120, "week": 120, "month": 36, "year": 3}
MAX_PAYMENTS = max(MOST_PAYMENTS.values())
# From the start of any interval this leads into the one after it, whatever the clocks and the calendar do.
_INTO_THE_NEXT = {"day": 30, "week": 8 * 24, "month": 45 * 24, "year": 400 * 24}


class Payment(NamedTuple):
    """One payment of a mandate: a hold of its own in the periods in which it came, and what became of it.

    `hold_amount` is what was set aside, `held` and `spent` what its entries sum to, `loose_captured` what was captured
    on it without an authorization, `refunded` what came back of it. Minor units; `interval_start` is when the interval
    began in which it was paid. The first is placed at the ask, every other one by the answer that needs it or by what
    Stripe made alone, for which nothing was set aside. `sequence` is its place among them, in the order in which they
    became known. One that came to nothing stays as a row that holds and has spent nothing.
    """

    organization_id: str
    purchase_id: str
    sequence: int
    hold_id: str
    hold_amount: int
    interval_start: int
    held: int
    spent: int
    loose_captured: int
    refunded: int
    created_at: int


class Alone(NamedTuple):
    """A payment Stripe made without an answer of ours: when it began, and its authorization's or capture's id."""

    at: int
    id: str


def next_start(interval: str, time_zone: str, now: int) -> int:
    """When the interval after the one of `now` begins; microseconds UTC, both ways."""
    start = period_start(interval, time_zone, now)
    return period_start(interval, time_zone, start + _INTO_THE_NEXT[interval] * HOUR)


def mandate_end(interval: str, payments: int, time_zone: str, now: int) -> int:
    """When a mandate made now ends: after as many intervals as it has payments, the running one included."""
    for _ in range(payments):
        now = next_start(interval, time_zone, now)
    return now


def card_end(purchase: Purchase, time_zone: str, now: int, exp_year: int, exp_month: int) -> int:
    """When a mandate ends whose card was promised at `now`: with its last interval, never after the card's month."""
    year, month = divmod(exp_year * 12 + exp_month, 12)  # the first day of the month after the printed one
    printed = int(datetime(year, month + 1, 1, tzinfo=UTC).timestamp()) * SECOND
    return min(printed, mandate_end(purchase.interval or "", purchase.payments, time_zone, now))


def payment_of(known: Authorization, payments: Sequence[Payment]) -> Payment:
    """The payment an authorization was put on; while that is not known, the newest there was when it began."""
    if known.payment:
        return payments[abs(known.payment) - 1]
    return payment_at(payments, began(known))


def payment_at(payments: Sequence[Payment], at: int) -> Payment:
    """The newest payment of that time; the first for what is older than all."""
    old = (payment for payment in payments if payment.created_at <= at)
    return max(old, key=lambda payment: (payment.created_at, payment.sequence), default=payments[0])


def began(known: Authorization) -> int:
    """When an authorization began at Stripe, or while that is not told, when it became known; microseconds UTC."""
    return known.began_at or known.created_at


def made_alone(authorizations: Sequence[Authorization], transactions: Iterable[StripeTransaction]) -> list[Alone]:
    """What Stripe approved or captured without an answer of ours that put it on a payment, oldest first.

    An authorization of which only a capture is known is left out until Stripe says when it began.
    """
    captures = [row for row in transactions if row.type != "refund"]
    captured = {row.authorization_id for row in captures}
    ids = {known.id for known in authorizations}
    found = [Alone(row.created_at, row.id) for row in captures if row.authorization_id not in ids and row.amount > 0]
    found += [
        Alone(known.began_at, known.id)
        for known in authorizations
        if known.payment <= 0 and known.began_at and (known.approved or known.id in captured)
    ]
    return sorted(found)


def takes_first(
    payments: Sequence[Payment], authorizations: Sequence[Authorization], transactions: Sequence[StripeTransaction]
) -> tuple[Alone | None, list[Authorization]]:
    """What uses that which was set aside at the ask: the oldest of all that was answered with it or made alone.

    A payment Stripe made alone where that is the oldest, and the authorizations answered with that hold, oldest first,
    also those that have one of their own by now. Where it is None the first of these uses it. Card checks do not use
    it before they are captured. A function of all that is known, so what is told later can change it back.
    """
    captured = {row.authorization_id for row in transactions if row.type != "refund"}
    using = {a.id for a in authorizations if a.id in captured or (a.approved and not a.is_check)}
    checks = {a.id for a in authorizations} - using
    first = next((each for each in made_alone(authorizations, transactions) if each.id not in checks), None)
    answered = [a for a in authorizations if a.id in using and _answered_with_first(a, payments)]
    answered.sort(key=lambda a: (began(a), a.created_at, a.id))
    if first is None or (answered and began(answered[0]) <= first.at):
        return None, answered
    return first, answered


def _answered_with_first(known: Authorization, payments: Sequence[Payment]) -> bool:
    """Whether an answer put it on what was set aside at the ask. A hold of its own that it got since tells it.

    Nothing was set aside for what Stripe made alone, and the hold that an answer places is not named for it.
    """
    if known.payment <= 1:
        return known.payment == 1
    payment = payments[known.payment - 1]
    return payment.hold_amount > 0 and payment.hold_id == hold_id_alone(known.id)


def hold_id_alone(id: str) -> str:
    """The hold of a payment that no answer placed, by what it is for: booking it twice gives the same rows."""
    return derived_id("hold", "alone", id)


def by_payment(
    payments: Sequence[Payment], authorizations: Iterable[Authorization]
) -> Iterator[tuple[Payment, list[Authorization]]]:
    """Each payment with the authorizations that belong to it."""
    found: dict[int, list[Authorization]] = defaultdict(list)
    for known in authorizations:
        found[payment_of(known, payments).sequence].append(known)
    for payment in payments:
        yield payment, found[payment.sequence]


def waits(payment: Payment, authorizations: Iterable[Authorization]) -> bool:
    """True for the payment held at the ask while nothing was captured on it and nothing approved but card checks.

    What was captured without an approval has used its hold all the same: the next payment gets one of its own.
    """
    known = list(authorizations)
    if payment.sequence != 1 or captured_on(payment, known) > 0:
        return False
    return not any(a.approved and not a.is_check for a in known)


def captured_on(payment: Payment, authorizations: Iterable[Authorization]) -> int:
    """All that was captured on one payment, with or without an authorization."""
    return payment.loose_captured + sum(a.captured for a in authorizations)


def part_of(purchase: Purchase, payment: Payment, authorizations: Iterable[Authorization]) -> Purchase:
    """The purchase as if this one payment were all of it, for the rules that both kinds of purchases share."""
    return purchase._replace(
        hold_amount=payment.hold_amount,
        held=payment.held,
        spent=payment.spent,
        captured=captured_on(payment, authorizations),
        loose_captured=payment.loose_captured,
        refunded=payment.refunded,
    )


def payment_position(
    purchase: Purchase, card_status: str | None, payment: Payment, authorizations: Sequence[Authorization]
) -> Position:
    """Held and spent of one payment, as those of a purchase: only one that waits may get a new authorization."""
    status = card_status if waits(payment, authorizations) else "used"
    return position(part_of(purchase, payment, authorizations), status, authorizations)


def paid_intervals(
    purchase: Purchase, payments: Sequence[Payment], authorizations: Iterable[Authorization], time_zone: str
) -> dict[int, bool]:
    """The intervals in which a payment counts, by their start, and whether it was captured.

    A declined, reversed or expired authorization does not count, a card check only once it is captured. What Stripe
    made alone counts where it began; while only a capture on an authorization is known, nobody can say where that was.
    """
    found = {payment.interval_start: True for payment in payments if payment.loose_captured > 0}
    for known in authorizations:
        counts = known.captured > 0 or (is_open(known) and not known.is_check)
        if counts and (known.payment or known.began_at):
            start = _interval_of(purchase, payments, known, time_zone)
            found[start] = found.get(start, False) or known.captured > 0
    return found


def _interval_of(purchase: Purchase, payments: Sequence[Payment], known: Authorization, time_zone: str) -> int:
    # A payment after a card check may use the same hold in another interval.
    if known.payment > 0 and not (known.is_check and known.began_at):
        return payments[known.payment - 1].interval_start
    return period_start(purchase.interval or "", time_zone, known.began_at)


def with_count(purchase: Purchase, paid: dict[int, bool], time_zone: str) -> Purchase:
    """The mandate with how often it was paid and from when on it can be paid again; None: at once."""
    following = next_start(purchase.interval or "", time_zone, max(paid)) if paid else None
    return purchase._replace(payments_made=len(paid), next_payment_from=following)


def is_complete(purchase: Purchase, paid: dict[int, bool]) -> bool:
    """All its payments were made and captured. What was captured stays so, whatever is told later."""
    return purchase.kind == RECURRING and sum(paid.values()) >= purchase.payments


def mandate_status(purchase: Purchase) -> str:
    """The state of a mandate in one word: pending until its card is made, active, then how it ended."""
    if purchase.status == "declined":
        return "declined"
    if purchase.ended_at is not None:
        reason = purchase.ended_reason or ""
        return reason if reason in ("completed", "expired", "failed", "declined") else "canceled"
    return "pending" if purchase.status in ("awaiting_approval", "issuing") else "active"


def shares(
    payments: Sequence[Payment], authorizations: Sequence[Authorization], transactions: Iterable[StripeTransaction]
) -> list[Payment]:
    """The payments with what was captured on each without an authorization, and what was given back of each.

    A refund belongs to the payment of the captures on its authorization, else of those with its network id, else to the
    newest of its time; what that one cannot take, the newest of the others take, so that no refund is lost. A function
    of all that is known: the order in which it became known does not matter.
    """
    home = {known.id: payment_of(known, payments).sequence for known in authorizations}
    captured, loose = [0] * len(payments), [0] * len(payments)
    by_id: dict[str, set[int]] = defaultdict(set)
    rows = sorted(transactions, key=lambda row: (row.created_at, row.id))
    first, _ = takes_first(payments, authorizations, rows)
    for row in rows:
        if row.type != "refund":
            at = home.get(row.authorization_id or "") or _home_of_loose(row, first, payments)
            captured[at - 1] += row.amount
            if row.authorization_id not in home:
                loose[at - 1] += row.amount
            for id in filter(None, (row.authorization_id, row.network_transaction_id)):
                by_id[id].add(at)
    newest = _newest(payments, authorizations, rows)
    # What came to nothing gives nothing back.
    taken = [payment for payment in newest if captured[payment.sequence - 1] > 0]
    order = [payment.sequence for payment in newest]
    refunded = [0] * len(payments)
    for row in rows:
        if row.type == "refund":
            _give_back(row, (_home_of(row, by_id, taken), *order), captured, refunded)
    return [payment._replace(loose_captured=loose[at], refunded=refunded[at]) for at, payment in enumerate(payments)]


def _home_of_loose(row: StripeTransaction, first: Alone | None, payments: Sequence[Payment]) -> int:
    """The payment of a capture without an authorization: the first where it used that, else its own."""
    if first is not None and row.id == first.id:
        return 1
    own = hold_id_alone(row.id)
    found = next((payment for payment in payments if payment.hold_id == own), None)
    return (found or payment_at(payments, row.created_at)).sequence


def _newest(
    payments: Sequence[Payment], authorizations: Iterable[Authorization], transactions: Iterable[StripeTransaction]
) -> list[Payment]:
    """The payments, newest first. Of those in one second the first is the oldest, the others go by what they are for.

    Their numbers, which say when they became known, say nothing here: Stripe tells of them in any order.
    """
    loose = {hold_id_alone(row.id): row.id for row in transactions if row.type != "refund"}
    named = {payment.sequence: loose.get(payment.hold_id, "") for payment in payments}
    for known in authorizations:
        if known.payment:
            named[abs(known.payment)] = max(named[abs(known.payment)], known.id)

    def age(payment: Payment) -> tuple[int, bool, str]:
        return payment.created_at // SECOND, payment.sequence > 1, named[payment.sequence]

    return sorted(payments, key=age, reverse=True)


def _home_of(row: StripeTransaction, by_id: dict[str, set[int]], newest: Sequence[Payment]) -> int:
    """The payment a refund belongs to; without any that was captured in its time it goes on the first."""
    for id in (row.authorization_id, row.network_transaction_id):
        # The network numbers one payment once: an id that leads to two says nothing.
        if len(same := by_id.get(id or "", set())) == 1:
            return next(iter(same))
    times = ((payment.created_at // SECOND, payment.sequence) for payment in newest)
    return next((sequence for second, sequence in times if second <= row.created_at // SECOND), 1)


def _give_back(row: StripeTransaction, order: Sequence[int], captured: list[int], refunded: list[int]) -> None:
    """Spreads one refund over the payments in this order; what is left over goes on the first of them."""
    left = row.amount
    for sequence in order:
        part = min(left, max(0, captured[sequence - 1] - refunded[sequence - 1]))
        refunded[sequence - 1] += part
        left -= part
    refunded[order[0] - 1] += left
