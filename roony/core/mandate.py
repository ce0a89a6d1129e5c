"""A mandate: a purchase that is paid again in every interval; its payments, what each holds and which of them count."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from roony.core.authorization import Authorization
from roony.core.budget import period_start
from roony.core.ledger import Position, position
from roony.core.purchase import RECURRING, Purchase, is_open
from roony.core.settlement import StripeTransaction

INTERVALS = ("day", "week", "month", "year")
MIN_PAYMENTS = 2
# A mandate ends before its card does, which Stripe makes for about three years.
MOST_PAYMENTS = {"day": 120, "week": 120, "month": 36, "year": 3}
MAX_PAYMENTS = max(MOST_PAYMENTS.values())
# From the start of any interval this leads into the one after it, whatever the clocks and the calendar do.
_INTO_THE_NEXT = {"day": 30, "week": 8 * 24, "month": 45 * 24, "year": 400 * 24}
_HOUR = 3_600_000_000


class Payment(NamedTuple):
    """One payment of a mandate: a hold of its own in the periods in which it came, and what became of it.

    `hold_amount` is what was set aside, `held` and `spent` what its entries sum to, `loose_captured` what was captured
    without an authorization while it was the newest, `refunded` what came back of it. Minor units; `interval_start` is
    when the interval began in which it was approved. The first is placed at the ask, every other one by the
    authorization that needs it, so one that came to nothing stays as a row that holds and has spent nothing.
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


def next_start(interval: str, time_zone: str, now: int) -> int:
    """When the interval after the one of `now` begins; microseconds UTC, both ways."""
    start = period_start(interval, time_zone, now)
    return period_start(interval, time_zone, start + _INTO_THE_NEXT[interval] * _HOUR)


def mandate_end(interval: str, payments: int, time_zone: str, now: int) -> int:
    """When a mandate made now ends: after as many intervals as it has payments, the running one included."""
    for _ in range(payments):
        now = next_start(interval, time_zone, now)
    return now


def card_end(purchase: Purchase, time_zone: str, now: int, exp_year: int, exp_month: int) -> int:
    """When a mandate ends whose card was promised at `now`: with its last interval, never after the card's month."""
    year, month = divmod(exp_year * 12 + exp_month, 12)  # the first day of the month after the printed one
    printed = int(datetime(year, month + 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
    return min(printed, mandate_end(purchase.interval or "", purchase.payments, time_zone, now))


def payment_of(known: Authorization, payments: Sequence[Payment]) -> Payment:
    """The payment an authorization belongs to: the one its answer placed, else the newest there was when it began."""
    if known.payment:
        return payments[known.payment - 1]
    return payment_at(payments, known.began_at or known.created_at)


def payment_at(payments: Sequence[Payment], at: int) -> Payment:
    """The newest payment of that time; the first for what is older than all."""
    return next((payment for payment in reversed(payments) if payment.created_at <= at), payments[0])


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

    A declined, reversed or expired authorization does not count, a card check only once it is captured. One that
    Stripe approved alone counts where it began; while only its capture is known, nobody can say where that was.
    """
    found: dict[int, bool] = {}
    for known in authorizations:
        counts = known.captured > 0 or (is_open(known) and not known.is_check)
        if counts and (known.payment or known.began_at):
            start = _interval_of(purchase, payments, known, time_zone)
            found[start] = found.get(start, False) or known.captured > 0
    return found


def _interval_of(purchase: Purchase, payments: Sequence[Payment], known: Authorization, time_zone: str) -> int:
    if known.payment:
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
    payments: Sequence[Payment], authorizations: Iterable[Authorization], transactions: Iterable[StripeTransaction]
) -> list[Payment]:
    """The payments with what was captured on each without an authorization, and what was given back of each.

    A refund belongs to the payment of its authorization, else of the capture with its network id, else to the newest
    of its time; what that one cannot take, the newest of the others take, so that no refund is lost. A function of all
    that is known: the order in which it became known does not matter.
    """
    home = {known.id: payment_of(known, payments).sequence for known in authorizations}
    captured, loose = [0] * len(payments), [0] * len(payments)
    by_network: dict[str, set[int]] = defaultdict(set)
    rows = sorted(transactions, key=lambda row: (row.created_at, row.id))
    for row in rows:
        if row.type != "refund":
            at = home.get(row.authorization_id or "") or payment_at(payments, row.created_at).sequence
            captured[at - 1] += row.amount
            if row.authorization_id not in home:
                loose[at - 1] += row.amount
            if row.network_transaction_id is not None:
                by_network[row.network_transaction_id].add(at)
    refunded = [0] * len(payments)
    for row in rows:
        if row.type == "refund":
            _give_back(row, _home_of(row, home, by_network, payments), captured, refunded)
    return [payment._replace(loose_captured=loose[at], refunded=refunded[at]) for at, payment in enumerate(payments)]


def _home_of(
    row: StripeTransaction, home: dict[str, int], by_network: dict[str, set[int]], payments: Sequence[Payment]
) -> int:
    if row.authorization_id in home:
        return home[row.authorization_id]
    same = by_network.get(row.network_transaction_id or "", set())
    # The network numbers one payment once: an id that leads to two says nothing.
    return next(iter(same)) if len(same) == 1 else payment_at(payments, row.created_at).sequence


def _give_back(row: StripeTransaction, first: int, captured: list[int], refunded: list[int]) -> None:
    """Spreads one refund over the payments: `first`, then the newest, and what is left over on `first` again."""
    left = row.amount
    for at in (first - 1, *reversed(range(len(captured)))):
        part = min(left, max(0, captured[at] - refunded[at]))
        refunded[at] += part
        left -= part
    refunded[first - 1] += left
