"""A card as Stripe tells it: its status recorded, and one that was given up here adopted to be canceled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from roony.core.card import Card
from roony.flows.card import MadeCard, RecordCard, left_open_row, note_stripe_status
from roony.flows.event_outcome import finished, later
from roony.flows.fraud_warning import note_fraud_warning, warning_row
from roony.flows.unknown_card import LOOK_AGAIN, WAITING, unknown_card_rows
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs
from roony.store.linked import StripeCardNeed
from roony.store.rows import InboxEvent


@dataclass(frozen=True, slots=True)
class BookCard(Command[str]):
    """A card as Stripe tells it, by an event or when asked for.

    One that names a card of ours still in the making waits for its promise (`received`).
    """

    organization_id: str
    connection_id: str
    made: MadeCard
    roony_card_id: str | None
    event: InboxEvent | None
    cancel_promise_id: str

    def needs(self, now: int) -> Needs:
        """The card by Stripe's id, and by the id in its metadata."""
        org = self.organization_id
        rows: list[tuple[Any, ...]] = unknown_card_rows(org, self.connection_id, self.made.stripe_card_id)
        rows.append(warning_row(org, self.made.stripe_card_id))
        if self.roony_card_id:
            rows += [(Card, org, self.roony_card_id), left_open_row(org, self.roony_card_id)]
        return Needs(
            rows=tuple(rows), stripe_cards=(StripeCardNeed(org, self.connection_id, self.made.stripe_card_id),)
        )

    def apply(self, book: Book, now: int) -> str:
        """Records the status of a card of ours; a card of nobody is only noted."""
        org = self.organization_id
        card_id = book.stripe_cards[(org, self.connection_id, self.made.stripe_card_id)]
        if card_id is not None:
            card = note_stripe_status(book, book.need(Card, org, card_id), self.made.status, now)
            note_fraud_warning(book, card, self.made.fraud_warning, now)
            finished(book, self.event, org, "applied", None, now)
            return "applied"
        named = book.get(Card, org, self.roony_card_id) if self.roony_card_id else None
        if named is not None and named.status == "creating":
            # Its promise records it, after comparing what Stripe made with what was asked for.
            later(book, self.event, org, WAITING, LOOK_AGAIN, now)
            return "received"
        # One that was given up here: recording it promises its cancel, so that no live card is left behind.
        if named is not None and named.stripe_card_id is None and named.connection_id == self.connection_id:
            RecordCard(org, named.id, self.made, self.cancel_promise_id).apply(book, now)
            finished(book, self.event, org, "applied", "adopted", now)
            return "applied"
        finished(book, self.event, org, "ignored", "a card Roony did not make", now)
        return "ignored"
