"""The payments of a mandate that Stripe made without asking: each counts in the periods in which it began."""

from __future__ import annotations

from roony.core.authorization import Authorization
from roony.core.mandate import Payment, began, hold_id_alone, made_alone, takes_first
from roony.core.purchase import RECURRING, Purchase
from roony.core.settlement import StripeTransaction
from roony.flows.movement import interval_start, new_hold, payments_of
from roony.store.book import Book


def place_alone(book: Book, purchase: Purchase) -> bool:
    """Gives what Stripe approved or captured alone on a mandate's card its payments; True where that changed anything.

    The oldest of all uses the hold placed at the ask, and counts in the interval in which it began. An answer that used
    that hold, since something older was not known or a card check before it not yet captured, gets a hold of its own in
    the periods of its time. Every other one that Stripe made alone gets a payment for which nothing was set aside.
    Held, spent and count are to follow. Needs the budgets, see `Needs.renewals`.
    """
    payments = payments_of(book, purchase) if purchase.kind == RECURRING else []
    if not payments:
        return False
    known = book.group(Authorization, purchase.organization_id, purchase.id)
    rows = book.group(StripeTransaction, purchase.organization_id, purchase.id)
    first, answered = takes_first(payments, known, rows)
    amount = payments[0].hold_amount
    changed = [
        _put_on(book, a, 1 if first is None and a is answered[0] else _own(book, purchase, a.id, began(a), amount))
        for a in answered
    ]
    if first is not None or answered:
        start = interval_start(book, purchase, first.at if first is not None else began(answered[0]))
        changed.append(start != payments[0].interval_start)
        book.put(payments[0]._replace(interval_start=start))
    by_id = {a.id: a for a in known}
    for each in made_alone(known, rows):
        sequence = 1 if each == first else _own(book, purchase, each.id, each.at, 0)
        if each.id in by_id:
            changed.append(_put_on(book, by_id[each.id], -sequence))
    return any(changed)


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
