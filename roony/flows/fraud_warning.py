"""What Stripe says of a card that is a reason to worry: a fraud warning ends the card, a wallet token is told of.

A card that Stripe calls compromised is to be canceled (facts section 1.3), also a used one: money may still come on it.
An agent's card is typed into web shops; in a wallet on a telephone it has no business.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from roony.core.audit import STRIPE
from roony.core.card import Card
from roony.core.hashing import derived_id
from roony.core.purchase import Purchase
from roony.flows.alert import alert_row, raise_alert
from roony.flows.ending import end_card
from roony.flows.event_outcome import finished
from roony.flows.movement import audit
from roony.flows.unknown_card import unknown_card_rows, without_card
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs
from roony.store.linked import StripeCardNeed
from roony.store.rows import InboxEvent

FRAUD_WARNING = "card_fraud_warning"
IN_WALLET = "card_wallet_token"


def warning_row(organization_id: str, stripe_card_id: str) -> tuple[Any, ...]:
    """What a command names in `needs` that may note a fraud warning about this card."""
    return alert_row(organization_id, FRAUD_WARNING, stripe_card_id)


def note_fraud_warning(book: Book, card: Card, warning: str | None, now: int) -> Card:
    """The first warning about a card counts, and stays: canceled at Stripe, nothing new on it, everyone told.

    An older statement without it takes nothing back, so the order in which they come does not matter. The command
    named `warning_row`, and the card.
    """
    if warning is None or card.fraud_warning is not None or card.stripe_card_id is None:
        return card
    org = card.organization_id
    book.put(card._replace(fraud_warning=warning, updated_at=now))
    purchase = book.need(Purchase, org, card.purchase_id)
    purchase = end_card(book, purchase, "fraud_warning", derived_id("out", FRAUD_WARNING, card.id), now)
    audit(book, purchase, STRIPE, "card.fraud_warning", now, card=card.id, warning=warning)
    told = (
        f"Stripe warns of fraud with card {card.id} •••• {card.last4} of purchase {purchase.id}: {warning}. The card is"
        " canceled. Look at its authorizations, and dispute at Stripe what the agent did not buy."
    )
    raise_alert(book, org, FRAUD_WARNING, card.stripe_card_id, told, now)
    return book.need(Card, org, card.id)


@dataclass(frozen=True, slots=True)
class BookToken(Command[str]):
    """A card was put into a wallet. Answers `applied`, or `received` while the event waits for its card."""

    organization_id: str
    connection_id: str
    token_id: str
    stripe_card_id: str
    wallet: str
    event: InboxEvent | None

    def needs(self, now: int) -> Needs:
        """The card with its purchase, and the alert about this token."""
        org, card = self.organization_id, self.stripe_card_id
        rows = [*unknown_card_rows(org, self.connection_id, card), alert_row(org, IN_WALLET, self.token_id)]
        return Needs(rows=tuple(rows), stripe_cards=(StripeCardNeed(org, self.connection_id, card),))

    def apply(self, book: Book, now: int) -> str:
        """Tells of it, once for each token. A card of nobody here is its owner's own business."""
        org = self.organization_id
        card_id = book.stripe_cards[(org, self.connection_id, self.stripe_card_id)]
        if card_id is None:
            seen = f"{self.stripe_card_id} in {self.wallet}"
            return without_card(
                book, org, self.connection_id, self.stripe_card_id, self.event, seen, now, flagged=False
            )
        card = book.need(Card, org, card_id)
        purchase = book.need(Purchase, org, card.purchase_id)
        audit(book, purchase, STRIPE, "card.wallet_token", now, card=card.id, token=self.token_id, wallet=self.wallet)
        told = (
            f"Card {card.id} •••• {card.last4} of purchase {purchase.id} was put into a wallet ({self.wallet}), which"
            f" an agent has no need for. If nobody here did: roony card freeze {card.id}"
        )
        raise_alert(book, org, IN_WALLET, self.token_id, told, now)
        finished(book, self.event, org, "applied", None, now)
        return "applied"
