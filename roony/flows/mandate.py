"""A mandate's payments: where a request belongs, the hold it needs, the person asked for a new price, and the end."""

from __future__ import annotations

import json

from roony.core.agent import Organization
from roony.core.approval import RENEWAL_LIFETIME, Approval, approval_lifetime, is_waiting
from roony.core.audit import ROONY
from roony.core.authorization import (
    Authorization,
    AuthorizationRequest,
    MandateFacts,
    is_card_check,
    is_increment,
    renewal_hold,
)
from roony.core.card import Card
from roony.core.control import hold_amount, strictest
from roony.core.decision import Reason
from roony.core.duration import SECOND
from roony.core.hashing import derived_id
from roony.core.ledger import committed_on
from roony.core.mandate import by_payment, card_end, is_complete, paid_intervals, part_of, payment_of, waits
from roony.core.money import format_amount
from roony.core.purchase import RECURRING, Purchase, is_open
from roony.core.settlement import AuthorizationStatement
from roony.flows.ending import end_card
from roony.flows.merchant import is_merchant_of
from roony.flows.movement import audit, interval_start, payments_of, place_payment
from roony.flows.rules import budgets_of, controls_above
from roony.flows.snapshot import snapshot
from roony.store.book import Book


def mandate_facts(
    book: Book, purchase: Purchase, request: AuthorizationRequest, known: Authorization | None, now: int
) -> tuple[MandateFacts, int]:
    """What a verdict on a mandate's card depends on, and what other authorizations of that payment have committed.

    An increment belongs to the payment of its authorization; anything else to the one held at the ask while that
    waits, and then to a new one.
    """
    payments = payments_of(book, purchase)
    authorizations = book.group(Authorization, purchase.organization_id, purchase.id)
    budgets = budgets_of(book, purchase.chain, now)
    others = [a for a in authorizations if a.id != request.authorization_id]
    start = interval_start(book, purchase, now)
    checks = [a for a in others if a.approved and a.is_check]
    facts = MandateFacts(
        payment=None,
        part=purchase,
        budgets=budgets,
        committed=sum(p.loose_captured for p in payments) + sum(committed_on(a) for a in others),
        checks=sum(a.created_at >= start for a in checks),
        open_check=any(is_open(a) and a.amount > 0 for a in checks),
    )
    increased = known is not None and is_increment(request, known)
    for payment, members in by_payment(payments, authorizations):
        mine = payment_of(known, payments) == payment if known is not None and increased else waits(payment, members)
        if mine:
            committed = payment.loose_captured + sum(committed_on(a) for a in members if a in others)
            return facts._replace(payment=payment, part=part_of(purchase, payment, members)), committed
    return facts, 0


def book_payment(
    book: Book, purchase: Purchase, facts: MandateFacts, request: AuthorizationRequest, decision_id: str, now: int
) -> tuple[Purchase, int]:
    """Gives an approved request its payment: the one there is, or a new one with a hold in the periods of now.

    Returns the purchase and the payment's number. A payment that waited counts in the interval in which its
    authorization began.
    """
    payments = payments_of(book, purchase)
    payment = facts.payment
    if payment is None:
        sequence, hold = len(payments) + 1, renewal_hold(request, purchase)
        purchase = place_payment(book, purchase, hold_id_of(decision_id), hold, sequence, now, "renewal")
        return purchase, sequence
    members = dict(by_payment(payments, book.group(Authorization, purchase.organization_id, purchase.id)))[payment]
    if waits(payment, members) and not is_card_check(request, purchase):
        began = request.created * SECOND or now
        book.put(payment._replace(interval_start=interval_start(book, purchase, began)))
    return purchase, payment.sequence


def ask_for_price(book: Book, purchase: Purchase, amount: int, decision_id: str, now: int) -> Purchase:
    """Asks a person whether a mandate may go on at another price; one question at a time is open."""
    org = purchase.organization_id
    asked = book.get(Approval, org, purchase.approval_id) if purchase.approval_id else None
    if asked is not None and is_waiting(asked, now):
        return purchase
    id = derived_id("apr", decision_id)
    rules = strictest([scoped for _, scoped in controls_above(book, purchase.chain)])
    old, new = (format_amount(value, purchase.currency) for value in (purchase.amount, amount))
    message = f"The price for each {purchase.interval} was {old}, the merchant asks for {new} now."
    shown = snapshot(
        book, purchase._replace(amount=amount, hold_amount=hold_amount(amount, rules)),
        [Reason("PRICE_CHANGED", message)],
        budgets_of(book, purchase.chain, now), rules.second_approval_threshold,
        purchase.amount,
    )  # fmt: skip
    until = now + approval_lifetime("renewal", rules.approval_expiry_seconds)
    approval = Approval(org, id, purchase.id, "pending", shown, until, None, None, "", now, "renewal", amount)
    book.put(approval)
    purchase = purchase._replace(approval_id=id, updated_at=now)
    book.put(purchase)
    audit(
        book, purchase, ROONY, "approval.asked", now, approval=id, amount=amount, before=purchase.amount,
        currency=purchase.currency, merchant=json.loads(purchase.merchant)["name"],
    )  # fmt: skip
    return purchase


def with_end_of_mandate(book: Book, card: Card, purchase: Purchase) -> Card:
    """A card just made: that of a mandate lives to its end; until then it had the time in which a card is made."""
    if purchase.kind != RECURRING:
        return card
    time_zone = book.need(Organization, purchase.organization_id).time_zone
    year, month = card.exp_year or 0, card.exp_month or 0
    return card._replace(expires_at=card_end(purchase, time_zone, card.created_at, year, month))


def end_if_canceled(book: Book, purchase: Purchase, stripe_status: str, now: int) -> Purchase:
    """A mandate's card that is canceled at Stripe will not be paid with again: Stripe has no reason of its own to."""
    if purchase.kind != RECURRING or purchase.ended_at is not None or stripe_status != "canceled":
        return purchase
    purchase = end_card(book, purchase, "canceled", "", now)
    audit(book, purchase, ROONY, "mandate.canceled_at_stripe", now)
    return purchase


def ask_if_over_its_limit(book: Book, purchase: Purchase, said: AuthorizationStatement, now: int) -> Purchase:
    """A dearer renewal that Stripe declined by the card's own limit, before Roony was asked (facts 1.4).

    The question for a person is the same: the price went beyond what is set aside, at the right merchant, when a
    payment was due. Of one told much later, as by a reconciliation, nobody is asked any more.
    """
    last, began = (said.history or (None,))[-1], said.began * SECOND or now
    if purchase.kind != RECURRING or purchase.ended_at is not None or said.approved or last is None:
        return purchase
    due = (purchase.next_payment_from or 0) <= began and now - began < RENEWAL_LIFETIME
    if not due or last.reason != "spending_controls" or last.amount <= purchase.hold_amount:
        return purchase
    authorizations = book.group(Authorization, purchase.organization_id, purchase.id)
    if any(waits(payment, members) for payment, members in by_payment(payments_of(book, purchase), authorizations)):
        return purchase
    places = tuple(word for word in (said.city, said.state, said.merchant.country) if word)
    if said.currency != purchase.currency or not is_merchant_of(book, purchase, said.merchant, places):
        return purchase
    return ask_for_price(book, purchase, last.amount, said.id, now)


def end_if_complete(book: Book, purchase: Purchase, now: int) -> Purchase:
    """Ends a mandate whose last payment is captured, and its card at Stripe."""
    if purchase.kind != RECURRING or purchase.ended_at is not None:
        return purchase
    authorizations = book.group(Authorization, purchase.organization_id, purchase.id)
    time_zone = book.need(Organization, purchase.organization_id).time_zone
    if not is_complete(purchase, paid_intervals(purchase, payments_of(book, purchase), authorizations, time_zone)):
        return purchase
    # Its last payment is made once, so the promise to cancel its card has one id, whichever event tells of it.
    purchase = end_card(book, purchase, "completed", derived_id("out", "completed", purchase.id), now)
    audit(book, purchase, ROONY, "mandate.completed", now, payments=purchase.payments_made)
    return purchase


def hold_id_of(decision_id: str) -> str:
    """The hold that one answer placed, so that applying it twice gives the same rows."""
    return derived_id("hold", decision_id)
