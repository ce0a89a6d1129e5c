"""A card that cannot be made yet: the promise is put off, and the purchase says why for as long as it waits."""

from __future__ import annotations

import json
from dataclasses import dataclass

from roony.core.audit import ROONY
from roony.core.card import Card
from roony.core.purchase import Purchase
from roony.flows.card import PutOff
from roony.flows.movement import audit
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs


@dataclass(frozen=True, slots=True)
class CardWaits(Command[None]):
    """`later` puts the promise off; the rest is what the agent is told while it waits."""

    organization_id: str
    later: PutOff
    code: str
    message: str
    retry_can_help: bool

    def needs(self, now: int) -> Needs:
        """The card with its purchase."""
        return Needs(rows=((Card, self.organization_id, self.later.promise.subject),))

    def apply(self, book: Book, now: int) -> None:
        """Says it once for each cause; held and status stay."""
        self.later.apply(book, now)
        card = book.need(Card, self.organization_id, self.later.promise.subject)
        purchase = book.need(Purchase, self.organization_id, card.purchase_id)
        failure = json.dumps({"code": self.code, "message": self.message, "retry_can_help": self.retry_can_help})
        if card.status != "creating" or purchase.ended_at is not None or purchase.failure == failure:
            return
        purchase = purchase._replace(failure=failure, updated_at=now)
        book.put(purchase)
        audit(book, purchase, ROONY, "card.waits", now, card=card.id, code=self.code)
