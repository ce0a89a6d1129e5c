"""What every movement of a purchase ends with: held, spent and both life cycles follow from the facts."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from roony.core.agent import Organization
from roony.core.authorization import Authorization
from roony.core.budget import period_start
from roony.core.card import Card, derive_card_status, derive_mandate_card_status
from roony.core.json_text import to_text
from roony.core.ledger import Entry, Hold, position
from roony.core.mandate import Payment, by_payment, paid_intervals, payment_position, with_count
from roony.core.purchase import BOUGHT, RECURRING, Purchase, derive_status
from roony.flows.rules import keep_task_budgets
from roony.flows.scope import frozen_above
from roony.store.book import Book
from roony.store.facts import budgets_above
from roony.store.rows import KnownMerchant


def card_of(book: Book, purchase: Purchase) -> Card | None:
    """The purchase's card, if one was promised."""
    return book.get(Card, purchase.organization_id, purchase.card_id) if purchase.card_id else None


def place_hold(book: Book, purchase: Purchase, hold_id: str, now: int) -> Purchase:
    """Sets `purchase.hold_amount` aside in every budget of the chain, in the periods of now; all of them at once."""
    if purchase.kind == RECURRING:
        return place_payment(book, purchase, hold_id, purchase.hold_amount, 1, now)
    hold = new_hold(book, purchase, hold_id, purchase.hold_amount, now)
    return _enter(book, purchase, hold, "hold", hold.amount, 0, now, hold_id=hold_id)


def place_payment(
    book: Book, purchase: Purchase, hold_id: str, amount: int, sequence: int, now: int, kind: str = "hold"
) -> Purchase:
    """Sets `amount` aside for one payment of a mandate, as `place_hold` does for a purchase that is paid once."""
    hold = new_hold(book, purchase, hold_id, amount, now)
    org = purchase.organization_id
    book.take_group(Payment, (org, purchase.id), ())
    start = interval_start(book, purchase, now)
    book.put(Payment(org, purchase.id, sequence, hold_id, amount, start, amount, 0, 0, 0, now))
    return _enter(book, purchase, hold, kind, amount, 0, now, hold_id=hold_id)


def interval_start(book: Book, purchase: Purchase, at: int) -> int:
    """When the interval of a mandate began that holds `at`; microseconds UTC, both ways."""
    time_zone = book.need(Organization, purchase.organization_id).time_zone
    return period_start(purchase.interval or "", time_zone, at)


def payments_of(book: Book, purchase: Purchase) -> list[Payment]:
    """The payments of a mandate, in the order in which they became known."""
    found = book.group(Payment, purchase.organization_id, purchase.id)
    return sorted(found, key=lambda payment: payment.sequence)


def new_hold(book: Book, purchase: Purchase, hold_id: str, amount: int, at: int) -> Hold:
    """A hold in the periods of `at` of every budget of the chain; a budget counts from its creation (section 4)."""
    budgets = [
        budget
        for budget in budgets_above(book, purchase.chain)
        if budget.currency == purchase.currency and budget.created_at <= at
    ]
    keep_task_budgets(book, purchase.chain, budgets, at)
    periods = [(budget.id, period_start(budget.period, budget.time_zone, at)) for budget in budgets]
    hold = Hold(
        purchase.organization_id,
        hold_id,
        purchase.id,
        amount,
        purchase.currency,
        to_text(periods),
        at,
    )
    book.put(hold)
    return hold


def void_hold(book: Book, purchase: Purchase, now: int) -> Purchase:
    """Takes back all that the purchase's hold still sets aside, to place another one in the same commit."""
    hold = _hold_of(book, purchase)
    if hold is None:
        return purchase
    if purchase.kind == RECURRING:
        # Only ever before the first payment: there is no other yet.
        book.put(payments_of(book, purchase)[0]._replace(held=0))
    return _enter(book, purchase, hold, "void", -purchase.held, 0, now)


def follow(book: Book, purchase: Purchase, kind: str, now: int) -> Purchase:
    """Brings card, held, spent and status in line with the facts in the book, appends the entry, writes the purchase.

    Call it after every fact that changed. `kind` names the cause on the entry.
    """
    if purchase.kind == RECURRING:
        return _follow_mandate(book, purchase, kind, now)
    authorizations = book.group(Authorization, purchase.organization_id, purchase.id)
    card = card_of(book, purchase)
    if card is not None:
        frozen = frozen_above(book, purchase) is not None
        status = derive_card_status(card, authorizations, purchase.ended_at is not None, frozen)
        if status != card.status:
            card = card._replace(status=status, updated_at=now)
            book.put(card)
    card_status = card.status if card is not None else None
    target = position(purchase, card_status, authorizations)
    moved = (target.held, target.spent) != (purchase.held, purchase.spent)
    hold = _hold_of(book, purchase) if moved else None
    if hold is not None:
        purchase = _enter(book, purchase, hold, kind, target.held - purchase.held, target.spent - purchase.spent, now)
    return _come_into(book, purchase, derive_status(purchase, card_status, authorizations), now)


def _follow_mandate(book: Book, purchase: Purchase, kind: str, now: int) -> Purchase:
    """`follow` for a mandate: each payment by its own authorizations and captures, the purchase is the sum of them."""
    authorizations = book.group(Authorization, purchase.organization_id, purchase.id)
    payments = payments_of(book, purchase)
    time_zone = book.need(Organization, purchase.organization_id).time_zone
    purchase = with_count(purchase, paid_intervals(purchase, payments, authorizations, time_zone), time_zone)
    card = card_of(book, purchase)
    if card is not None:
        status = derive_mandate_card_status(card, purchase, frozen_above(book, purchase) is not None)
        if status != card.status:
            card = card._replace(status=status, updated_at=now)
            book.put(card)
    card_status = card.status if card is not None else None
    for payment, known in by_payment(payments, authorizations):
        target = payment_position(purchase, card_status, payment, known)
        if target != (payment.held, payment.spent):
            hold = book.need(Hold, purchase.organization_id, payment.hold_id)
            purchase = _enter(book, purchase, hold, kind, target.held - payment.held, target.spent - payment.spent, now)
            book.put(payment._replace(held=target.held, spent=target.spent))
    return _come_into(book, purchase, derive_status(purchase, card_status, authorizations), now)


def _come_into(book: Book, purchase: Purchase, status: str, now: int) -> Purchase:
    """The purchase in this status. One that is over and was not paid counts no more as bought at its merchant."""
    if (status in BOUGHT) != (purchase.status in BOUGHT):
        count_at_merchant(book, purchase, 1 if status in BOUGHT else -1, now)
    purchase = purchase._replace(status=status, updated_at=now)
    book.put(purchase)
    return purchase


def count_at_merchant(book: Book, purchase: Purchase, more: int, now: int) -> None:
    """Counts a purchase at its merchant, with its price, or takes that back: where its price was the last, none is."""
    org, key = purchase.organization_id, purchase.merchant_key
    known = book.get(KnownMerchant, org, key) or KnownMerchant(
        org, key, json.loads(purchase.merchant)["name"], "[]", "[]", 0, now
    )
    if more > 0:
        known = known._replace(
            first_at=known.first_at if known.purchases > 0 else now,
            last_at=now, last_amount=purchase.amount, last_currency=purchase.currency,
        )  # fmt: skip
    elif (card := card_of(book, purchase)) is not None and card.created_at == known.last_at:
        known = known._replace(last_at=None, last_amount=None, last_currency=None)
    book.put(known._replace(purchases=max(known.purchases + more, 0)))


def audit(book: Book, purchase: Purchase, actor: str, action: str, now: int, **body: Any) -> None:
    """Writes down what happened to a purchase, with its state afterwards."""
    book.record(
        purchase.organization_id,
        actor,
        action,
        purchase.id,
        {"agent": purchase.agent_id, "status": purchase.status, "held": purchase.held, "spent": purchase.spent, **body},
        now,
    )


def periods_of(hold: Hold) -> Iterable[tuple[str, int]]:
    """The budget periods a hold was placed in, as (budget id, start in microseconds)."""
    return _periods(hold.periods)


@lru_cache(maxsize=1_024)
def _periods(text: str) -> tuple[tuple[str, int], ...]:
    return tuple((budget_id, start) for budget_id, start in json.loads(text))


def _hold_of(book: Book, purchase: Purchase) -> Hold | None:
    return book.get(Hold, purchase.organization_id, purchase.hold_id) if purchase.hold_id else None


def _enter(
    book: Book, purchase: Purchase, hold: Hold, kind: str, held: int, spent: int, now: int, **changed: Any
) -> Purchase:
    """Appends the entry and moves the periods; returns the purchase with them, and with what else `changed`."""
    sequence = purchase.entry_count + 1
    book.put(Entry(purchase.organization_id, purchase.id, sequence, hold.id, kind, held, spent, now))
    book.move(hold, periods_of(hold), held, spent)
    return purchase._replace(held=purchase.held + held, spent=purchase.spent + spent, entry_count=sequence, **changed)
