"""The payments of a mandate that Stripe made without asking: each counts in the periods in which it began."""

from __future__ import annotations

from roony.core.authorization import Authorization
from roony.core.mandate import Payment, hold_id_alone, made_alone, takes_first
from roony.core.purchase import RECURRING, Purchase
from roony.core.settlement import StripeTransaction
from roony.flows.movement import interval_start, new_hold, payments_of
from roony.store.book import Book


def place_alone(book: Book, purchase: Purchase) -> bool:
    """Gives what Stripe approved or captured alone on a mandate's card its payments; True where that changed anything.

    The oldest one uses the hold placed at the ask, where no answer had used it by then: an answer that came later and
    did, since this was not known, gets a hold of its own in the periods of its time. Every other one gets a payment
    for which nothing was set aside. Held, spent and count are to follow. Needs the budgets, see `Needs.renewals`.
    """
    payments = payments_of(book, purchase) if purchase.kind == RECURRING else []
    if not payments:
        return False
    known = book.group(Authorization, purchase.organization_id, purchase.id)
    rows = book.group(StripeTransaction, purchase.organization_id, purchase.id)
    first, answered = takes_first(known, rows)
    amount = payments[0].hold_amount
    late = answered if first is not None else []
    changed = [_put_on(book, a, _own(book, purchase, a.id, a.began_at or a.created_at, amount)) for a in late]
    at = first.at if first is not None else _began_with_checks(answered)
    if at is not None:
        start = interval_start(book, purchase, at)
        changed.append(start != payments[0].interval_start)
        book.put(payments[0]._replace(interval_start=start))
    by_id = {a.id: a for a in known}
    for each in made_alone(known, rows):
        sequence = 1 if each == first else _own(book, purchase, each.id, each.at, 0)
        if each.id in by_id:
            changed.append(_put_on(book, by_id[each.id], -sequence))
    return any(changed)


def _began_with_checks(answered: list[Authorization]) -> int | None:
    """When what was set aside at the ask was used by captured card checks alone: no answer told its interval."""
    if not all(a.is_check for a in answered):
        return None
    return min((a.began_at or a.created_at for a in answered), default=None)


def _own(book: Book, purchase: Purchase, id: str, at: int, amount: int) -> int:
    """The number of the payment that is for this authorization or capture alone; placed where there is none yet."""
    payments, hold_id = payments_of(book, purchase), hold_id_alone(id)
    for payment in payments:
        if payment.hold_id == hold_id:
            return payment.sequence
    new_hold(book, purchase, hold_id, amount, at)
    org, sequence = purchase.organization_id, len(payments) + 1
    start = interval_start(book, purchase, at)
    book.put(Payment(org, purchase.id, sequence, hold_id, amount, start, 0, 0, 0, 0, at))
    return sequence


def _put_on(book: Book, known: Authorization, payment: int) -> bool:
    if known.payment == payment:
        return False
    book.put(known._replace(payment=payment))
    return True
