"""What Stripe says afterwards, booked: statements merged, captures and refunds counted once, differences flagged.

Each is one command: matched to connection, card and purchase; recorded; compared with what was approved; held and
spent follow from the facts; the inbox row is finished in the same commit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from roony.core.agent import chain
from roony.core.authorization import Authorization, AuthorizationDecision, currency_passes
from roony.core.card import Card
from roony.core.control import category_passes, country_passes
from roony.core.merchant import Merchant
from roony.core.purchase import Purchase
from roony.core.settlement import (
    AuthorizationStatement,
    Discrepancy,
    TransactionStatement,
    honoured,
    is_newer,
    merge,
    with_history,
)
from roony.flows.discrepancy import discrepancy_id, flag
from roony.flows.merchant import is_merchant_of, pin_network_id
from roony.flows.movement import STRIPE, audit, follow
from roony.flows.purchase import scoped_controls
from roony.flows.stripe_transaction import book_transaction, compare_captures, known_authorization, transaction_rows
from roony.store.book import Book, EventOutcome
from roony.store.command import Command
from roony.store.facts import Needs, StripeCardNeed
from roony.store.tables import InboxEvent

# An event about a card we do not know waits this long for our own commit of that card, in microseconds (section 8).
UNKNOWN_CARD_PATIENCE = 60_000_000

_AUTHORIZATION_KINDS = [
    "merchant_mismatch",
    "category_mismatch",
    "country_mismatch",
    "currency_mismatch",
    "approved_without_roony",
    "answer_not_honoured",
    "over_capture",
    "late_capture",
    "extra_capture",
]


def finished(event: InboxEvent, organization_id: str, status: str, reason: str | None, now: int) -> EventOutcome:
    """The handling of an event ended."""
    return EventOutcome(status, reason, organization_id, 0, now, now, event.id, event.generation)


def later(event: InboxEvent, organization_id: str, now: int) -> EventOutcome:
    """Looked at again soon, until the patience for an unknown card is over; not a failure."""
    due_at = now + UNKNOWN_CARD_PATIENCE // 20
    return EventOutcome(
        "received", "waiting for its card", organization_id, 0, due_at, None, event.id, event.generation
    )


@dataclass(frozen=True, slots=True)
class BookAuthorization(Command[str]):
    """An authorization as Stripe tells it, with the transactions it carries. Answers the inbox row's new status."""

    organization_id: str
    connection_id: str
    statement: AuthorizationStatement
    event: InboxEvent

    def needs(self, now: int) -> Needs:
        """The card with its purchase, what is known of the authorization, our decisions, and findings about it."""
        org, said = self.organization_id, self.statement
        rows: list[tuple[Any, ...]] = [(Authorization, org, said.id)]
        rows += [(Discrepancy, org, discrepancy_id(kind, said.id)) for kind in _AUTHORIZATION_KINDS]
        rows.append((Discrepancy, org, discrepancy_id("unknown_card", said.stripe_card_id)))
        if said.roony_card_id is not None:
            rows.append((Card, org, said.roony_card_id))
        for transaction in said.transactions:
            rows += transaction_rows(org, transaction)
        return Needs(
            rows=tuple(rows),
            stripe_cards=(StripeCardNeed(org, self.connection_id, said.stripe_card_id),),
            groups=((AuthorizationDecision, org, said.id),),
        )

    def apply(self, book: Book, now: int) -> str:
        """1 find the card · 2 book its transactions · 3 merge the statement · 4 compare · 5 follow."""
        org, said = self.organization_id, self.statement
        card_id = book.stripe_cards[(org, self.connection_id, said.stripe_card_id)]
        purchase = book.need(Purchase, org, book.need(Card, org, card_id).purchase_id) if card_id else None
        if purchase is None:
            named = book.get(Card, org, said.roony_card_id) if said.roony_card_id else None
            return _without_card(book, self, said.stripe_card_id, said.merchant, said.amount, now, named)
        known = book.get(Authorization, org, said.id)
        book.put(
            known_authorization(book, self.connection_id, purchase, said.id, said.stripe_card_id, said.currency, now)
        )
        for transaction in said.transactions:
            purchase = book_transaction(book, self.connection_id, purchase, transaction, now)
        newer = is_newer(said, known)
        after = book.need(Authorization, org, said.id)
        after = merge(after, said, now) if newer else with_history(after, said)
        book.put(after)
        if newer:
            self._compare(book, purchase, after, now)
        pin_network_id(book, purchase, said, book.group(AuthorizationDecision, org, said.id), now)
        purchase = follow(book, purchase, "statement", now)
        if after != known:
            audit(
                book,
                purchase,
                STRIPE,
                "authorization.stated",
                now,
                authorization=said.id,
                stripe_status=said.status,
                approved=said.approved,
                amount=said.amount,
                captured=after.captured,
                newer=newer,
                event=self.event.id,
            )
        compare_captures(book, purchase, book.need(Authorization, org, said.id), now)
        book.finish_event(finished(self.event, org, "applied", None, now))
        return "applied"

    def _compare(self, book: Book, purchase: Purchase, after: Authorization, now: int) -> None:
        """Flags what differs from what was approved, and answers Stripe did not honour."""
        said = self.statement
        self._compare_answers(book, purchase, now)
        if not said.approved:
            return
        places = tuple(word for word in (said.city, said.state, said.merchant.country) if word)
        controls = [
            scoped_controls(book, purchase.organization_id, scope_id)
            for _, scope_id in chain(purchase.organization_id, purchase.project_id, purchase.agent_id)
        ]
        found = {
            "merchant_mismatch": is_merchant_of(book, purchase, said.merchant, places),
            "category_mismatch": all(category_passes(c, said.merchant.category) for c in controls),
            "country_mismatch": all(country_passes(c, said.merchant.country) for c in controls),
            "currency_mismatch": after.currency == purchase.currency
            and currency_passes(controls, said.merchant_currency, purchase.currency),
        }
        for kind, fits in found.items():
            if not fits:
                flag(
                    book,
                    purchase.organization_id,
                    kind,
                    said.id,
                    purchase,
                    purchase.merchant,
                    said.merchant.to_json(),
                    now,
                )

    def _compare_answers(self, book: Book, purchase: Purchase, now: int) -> None:
        org, said = self.organization_id, self.statement
        ours = {d.ordinal: d for d in book.group(AuthorizationDecision, org, said.id) if d.code != "STALE"}
        for ordinal, entry in enumerate(said.history):
            decision = ours.get(ordinal)
            if decision is None:
                if entry.approved:
                    flag(
                        book, org, "approved_without_roony", said.id, purchase, "a decision of Roony", entry.reason, now
                    )
            elif not honoured(bool(decision.approved) and decision.answered == "approved", entry):
                flag(book, org, "answer_not_honoured", said.id, purchase, decision.code, entry.reason, now)


@dataclass(frozen=True, slots=True)
class BookTransaction(Command[str]):
    """A capture or refund as Stripe tells it, booked once by its id. Answers the inbox row's new status."""

    organization_id: str
    connection_id: str
    statement: TransactionStatement
    event: InboxEvent

    def needs(self, now: int) -> Needs:
        """The card with its purchase, the transaction and its authorization."""
        org, said = self.organization_id, self.statement
        rows = [*transaction_rows(org, said), (Discrepancy, org, discrepancy_id("unknown_card", said.stripe_card_id))]
        return Needs(rows=tuple(rows), stripe_cards=(StripeCardNeed(org, self.connection_id, said.stripe_card_id),))

    def apply(self, book: Book, now: int) -> str:
        """1 find the card · 2 book it once · 3 compare · 4 follow."""
        org, said = self.organization_id, self.statement
        card_id = book.stripe_cards[(org, self.connection_id, said.stripe_card_id)]
        if card_id is None:
            return _without_card(book, self, said.stripe_card_id, said.merchant, said.amount, now)
        purchase = book.need(Purchase, org, book.need(Card, org, card_id).purchase_id)
        purchase = book_transaction(book, self.connection_id, purchase, said, now)
        purchase = follow(book, purchase, said.type, now)
        if said.authorization_id is not None and said.type == "capture":
            compare_captures(book, purchase, book.need(Authorization, org, said.authorization_id), now)
        book.finish_event(finished(self.event, org, "applied", None, now))
        return "applied"


def _without_card(
    book: Book,
    command: BookAuthorization | BookTransaction,
    stripe_card_id: str,
    merchant: Merchant,
    amount: int,
    now: int,
    named: Card | None = None,
) -> str:
    """A card that is not ours: waited for, then flagged once. What it spent moves no budget.

    `named` is the card of ours that its metadata names; while that one is being made there is nothing to flag.
    """
    event, org = command.event, command.organization_id
    if now < event.received_at + UNKNOWN_CARD_PATIENCE or (named is not None and named.status == "creating"):
        book.finish_event(later(event, org, now))
        return "received"
    flag(
        book,
        org,
        "unknown_card",
        stripe_card_id,
        None,
        "a card made by Roony",
        f"{stripe_card_id} at {merchant.name} for {amount}",
        now,
    )
    book.finish_event(finished(event, org, "applied", "unknown card", now))
    return "applied"
