"""The owner freezes one card, and lets it go: declined from the next batch on, inactive at Stripe by a promise.

A card frozen by its owner stays frozen when a scope above it is let go, and the other way round.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from roony.core.card import Card
from roony.core.errors import Refusal, not_found
from roony.core.purchase import Purchase
from roony.flows.ending import promise_card_status
from roony.flows.movement import audit, follow
from roony.flows.scope import frozen_above
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs


class CardFrozen(NamedTuple):
    """A card after its owner froze it or let it go; `changed` is False when it already was so."""

    card: Card
    changed: bool


@dataclass(frozen=True, slots=True)
class FreezeCard(Command[CardFrozen | Refusal]):
    """Stops every new authorization on one card, and more money on those it has, until it is let go."""

    organization_id: str
    card_id: str
    actor: str
    promise_id: str

    def needs(self, now: int) -> Needs:
        """The card with its purchase and the chain above it."""
        return Needs(rows=((Card, self.organization_id, self.card_id),))

    def apply(self, book: Book, now: int) -> CardFrozen | Refusal:
        """A card still being made is frozen when it is recorded. One that is over cannot be frozen."""
        card = book.get(Card, self.organization_id, self.card_id)
        if card is None:
            return not_found("card", self.card_id)
        if card.frozen_at is not None:
            return CardFrozen(card, False)
        if card.status in ("expired", "canceled"):
            return Refusal("card_over", f"The card is {card.status}: there is nothing left to freeze.", 409, id=card.id)
        before = card
        card = card._replace(frozen_at=now, status="frozen" if card.status == "active" else card.status, updated_at=now)
        book.put(card)
        if card.stripe_status not in (None, "canceled"):
            promise_card_status(book, card, "inactive", self.promise_id, now)
        _record(book, before, card, self.actor, "card.frozen", now)
        return CardFrozen(card, True)


@dataclass(frozen=True, slots=True)
class UnfreezeCard(Command[CardFrozen | Refusal]):
    """Lets a card go that its owner froze: it works again, unless a scope above it is frozen or it is over."""

    organization_id: str
    card_id: str
    actor: str
    promise_id: str

    def needs(self, now: int) -> Needs:
        """The card with its purchase and the chain above it."""
        return Needs(rows=((Card, self.organization_id, self.card_id),))

    def apply(self, book: Book, now: int) -> CardFrozen | Refusal:
        """A card past its time, or of an ended purchase, is left to its end."""
        card = book.get(Card, self.organization_id, self.card_id)
        if card is None:
            return not_found("card", self.card_id)
        if card.frozen_at is None:
            return CardFrozen(card, False)
        purchase = book.need(Purchase, self.organization_id, card.purchase_id)
        before = card
        card = card._replace(frozen_at=None, updated_at=now)
        comes_back = frozen_above(book, purchase) is None and purchase.ended_at is None and now < card.expires_at
        if comes_back and card.status == "frozen":
            card = card._replace(status="active")
        book.put(card)
        if comes_back and card.status in ("active", "used") and card.stripe_status not in (None, "canceled"):
            promise_card_status(book, card, "active", self.promise_id, now)
        _record(book, before, card, self.actor, "card.unfrozen", now)
        return CardFrozen(card, True)


def _record(book: Book, before: Card, after: Card, actor: str, action: str, now: int) -> None:
    """Brings the purchase in line, and writes down how the card was and is."""
    purchase = book.need(Purchase, after.organization_id, after.purchase_id)
    purchase = follow(book, purchase, action.removeprefix("card."), now)
    states = {
        word: {"status": card.status, "frozen_at": card.frozen_at}
        for word, card in (("before", before), ("after", after))
    }
    audit(book, purchase, actor, action, now, card=after.id, **states)
