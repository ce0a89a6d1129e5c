"""What becomes of a card on our side: recorded, failed, expired, its status at Stripe."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, NamedTuple

from roony.core.audit import ROONY
from roony.core.card import Card, wanted_at_stripe
from roony.core.connection import Connection
from roony.core.purchase import Purchase
from roony.core.settlement import Discrepancy
from roony.flows.discrepancy import discrepancy_id, explain, flag
from roony.flows.ending import end_card, promise_card_status
from roony.flows.fraud_warning import note_fraud_warning, warning_row
from roony.flows.mandate import end_if_canceled, with_end_of_mandate
from roony.flows.movement import audit, follow
from roony.flows.scope import frozen_above
from roony.flows.unknown_card import card_became_known
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs
from roony.store.outbox import new_promise
from roony.store.rows import OutboxPromise, PromiseOutcome

# Why a finding that a card was left open is closed.
CANCELED_AT_STRIPE = "Stripe says that it is canceled."


class MadeCard(NamedTuple):
    """What is kept of a card that Stripe made; never its number. `fraud_warning` is the type of Stripe's warning."""

    stripe_card_id: str
    status: str
    last4: str
    exp_month: int
    exp_year: int
    fraud_warning: str | None = None


def done(promise: OutboxPromise, now: int) -> PromiseOutcome:
    """The promise was kept."""
    return PromiseOutcome.of(promise, status="done", last_error=None, finished_at=now)


def dead(promise: OutboxPromise, error: str, now: int) -> PromiseOutcome:
    """The promise can never be kept; `error` says why."""
    return PromiseOutcome.of(promise, status="dead", tries=promise.tries + 1, last_error=error, finished_at=now)


@dataclass(frozen=True, slots=True)
class RecordCard(Command[Purchase]):
    """The card exists at Stripe. Recording it twice, by the promise and by an event, is the same as once."""

    organization_id: str
    card_id: str
    made: MadeCard
    cancel_promise_id: str
    promise: OutboxPromise | None = None

    def needs(self, now: int) -> Needs:
        """The card with its purchase and the chain above it, and what was found about it before."""
        org = self.organization_id
        found = [discrepancy_id(kind, self.made.stripe_card_id) for kind in ("unknown_card", "card_left_open")]
        rows = ((Card, org, self.card_id), warning_row(org, self.made.stripe_card_id))
        return Needs(rows=(*rows, *((Discrepancy, org, id) for id in found)))

    def apply(self, book: Book, now: int) -> Purchase:
        """1 record the card · 2 look again whether it is still wanted (section 5) · 3 end, freeze or open it."""
        card = book.need(Card, self.organization_id, self.card_id)
        purchase = book.need(Purchase, self.organization_id, card.purchase_id)
        if self.promise is not None:
            book.finish_promise(done(self.promise, now))
        if card.stripe_card_id is not None:
            if card.stripe_card_id != self.made.stripe_card_id:
                self._end_twin(book, purchase, card, now)
            return purchase
        late = now >= card.expires_at
        card = card._replace(
            stripe_card_id=self.made.stripe_card_id,
            stripe_status=self.made.status,
            status="active",
            last4=self.made.last4,
            exp_month=self.made.exp_month,
            exp_year=self.made.exp_year,
            updated_at=now,
        )
        card = with_end_of_mandate(book, card, purchase)
        book.put(card)
        card_became_known(book, card, self.made.stripe_card_id, now)
        if purchase.ended_reason != "failed":
            # What it waited for is over. Why one was given up stays, also when its card turns up after all.
            purchase = purchase._replace(failure=None)
        connection = book.need(Connection, self.organization_id, card.connection_id)
        over = connection.status in ("revoked", "expired")
        if purchase.ended_at is not None or over or late:
            reason = purchase.ended_reason or ("expired" if late else "revoked")
            purchase = end_card(book, purchase, reason, self.cancel_promise_id, now)
        elif card.frozen_at is not None or frozen_above(book, purchase) is not None:
            card = card._replace(status="frozen")
            book.put(card)
            promise_card_status(book, card, "inactive", self.cancel_promise_id, now)
            purchase = follow(book, purchase, "frozen", now)
        else:
            purchase = follow(book, purchase, "card", now)
        audit(book, purchase, ROONY, "card.made", now, card=card.id, stripe_card=card.stripe_card_id, last4=card.last4)
        note_fraud_warning(book, book.need(Card, card.organization_id, card.id), self.made.fraud_warning, now)
        return book.need(Purchase, self.organization_id, purchase.id)

    def _end_twin(self, book: Book, purchase: Purchase, card: Card, now: int) -> None:
        """A second card at Stripe for the same purchase (P2): canceled there, and a person is told."""
        twin = {"stripe_card_id": self.made.stripe_card_id, "connection_id": card.connection_id}
        book.promise(new_promise(self.organization_id, self.cancel_promise_id, "cancel_card", card.id, twin, now))
        flag(
            book, self.organization_id, "card_left_open", self.made.stripe_card_id, purchase,
            f"{card.stripe_card_id} alone", self.made.stripe_card_id, now,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class FailCard(Command[Purchase]):
    """Stripe refused the card for good: the hold is voided and the agent is told whether asking again can help.

    `seen` is what Stripe said in names and numbers, for the owner: it goes into the audit record.
    """

    organization_id: str
    card_id: str
    code: str
    message: str
    retry_can_help: bool
    promise: OutboxPromise
    cancel_promise_id: str
    maybe_made: bool = False
    seen: tuple[tuple[str, str], ...] = ()

    def needs(self, now: int) -> Needs:
        """The card with its purchase, and whether it was found open before."""
        return _left_open_needs(self.organization_id, self.card_id)

    def apply(self, book: Book, now: int) -> Purchase:
        """Ends the card and the purchase; nothing was charged."""
        card = book.need(Card, self.organization_id, self.card_id)
        purchase = book.need(Purchase, self.organization_id, card.purchase_id)
        book.finish_promise(dead(self.promise, self.code, now))
        if card.status != "creating":
            return purchase
        book.put(card._replace(status="canceled", updated_at=now))
        if self.maybe_made:
            flag(
                book, self.organization_id, "card_left_open", card.id, purchase, "no card",
                "Stripe may have made one; the account cannot be asked", now,
            )  # fmt: skip
        failure = {"code": self.code, "message": self.message, "retry_can_help": self.retry_can_help}
        purchase = purchase._replace(failure=json.dumps(failure))
        purchase = end_card(book, purchase, "failed", self.cancel_promise_id, now)
        audit(book, purchase, ROONY, "card.failed", now, card=card.id, code=self.code, **dict(self.seen))
        return purchase


@dataclass(frozen=True, slots=True)
class RecordCardStatus(Command[Card]):
    """What Stripe says a card's status is after we set it."""

    organization_id: str
    card_id: str
    stripe_status: str
    promise: OutboxPromise
    next_promise_id: str

    def needs(self, now: int) -> Needs:
        """The card with its purchase, and whether it was found open before."""
        return _left_open_needs(self.organization_id, self.card_id)

    def apply(self, book: Book, now: int) -> Card:
        """Records it; `canceled` at Stripe is final. What is wanted by now, if it differs, is promised again.

        A freeze and an unfreeze on each other's heels may reach Stripe in either order: this is where that ends.
        """
        card = book.need(Card, self.organization_id, self.card_id)
        book.finish_promise(done(self.promise, now))
        card = note_stripe_status(book, card, self.stripe_status, now)
        wanted = wanted_at_stripe(card)
        if card.status == "used" and wanted is None:
            wanted = _wanted_of_used(book, card, now)
        if wanted is not None and card.stripe_status not in (wanted, "canceled"):
            promise_card_status(book, card, wanted, self.next_promise_id, now)
        return card


def _wanted_of_used(book: Book, card: Card, now: int) -> str | None:
    """The status a used card should have at Stripe: it may be asked for more while its purchase goes on."""
    purchase = book.need(Purchase, card.organization_id, card.purchase_id)
    if purchase.ended_at is not None:
        return None
    if frozen_above(book, purchase) is not None:
        return "inactive"
    return "active" if now < card.expires_at else None


def note_stripe_status(book: Book, card: Card, stripe_status: str, now: int) -> Card:
    """Records Stripe's status of a card; its own cancel of a used card must not free the hold (section 4).

    The caller named `left_open_row`.
    """
    if stripe_status == "canceled":
        # Also where that is no news: the finding may be younger than what an event told.
        explain(book, card.organization_id, "card_left_open", card.id, CANCELED_AT_STRIPE, now)
    if card.stripe_status in (stripe_status, "canceled"):
        return card
    card = card._replace(stripe_status=stripe_status, updated_at=now)
    book.put(card)
    purchase = book.need(Purchase, card.organization_id, card.purchase_id)
    end_if_canceled(book, follow(book, purchase, "card", now), stripe_status, now)
    book.record(card.organization_id, ROONY, "card.status_at_stripe", card.id, {"stripe_status": stripe_status}, now)
    return book.need(Card, card.organization_id, card.id)


@dataclass(frozen=True, slots=True)
class ExpireCard(Command[Purchase | None]):
    """A card's time to live is over: no new authorization, canceled at Stripe, hold voided unless one is open."""

    organization_id: str
    card_id: str
    promise_id: str

    def needs(self, now: int) -> Needs:
        """The card with its purchase."""
        return Needs(rows=((Card, self.organization_id, self.card_id),))

    def apply(self, book: Book, now: int) -> Purchase | None:
        """Ends it if it is still unused and its time is over; None when there was nothing to do."""
        card = book.get(Card, self.organization_id, self.card_id)
        if card is None or card.status not in ("active", "frozen") or now < card.expires_at:
            return None
        purchase = book.need(Purchase, self.organization_id, card.purchase_id)
        purchase = end_card(book, purchase, "expired", self.promise_id, now)
        audit(book, purchase, ROONY, "card.expired", now, card=card.id)
        return purchase


@dataclass(frozen=True, slots=True)
class FinishPromise(Command[None]):
    """A promise with nothing else to record: kept, or with `error` one that never can be."""

    organization_id: str
    promise: OutboxPromise
    error: str | None = None

    def needs(self, now: int) -> Needs:
        """Nothing: the row is updated only for the holder of its lease."""
        return Needs()

    def apply(self, book: Book, now: int) -> None:
        """Ends it, as done or visibly as dead."""
        book.finish_promise(dead(self.promise, self.error, now) if self.error else done(self.promise, now))


@dataclass(frozen=True, slots=True)
class LeaveCardOpen(Command[None]):
    """A card that could not be ended at Stripe, most often because we may no longer act for it: a person is told."""

    organization_id: str
    card_id: str
    promise: OutboxPromise
    error: str = "connection_revoked"

    def needs(self, now: int) -> Needs:
        """The card with its purchase, and whether it was found open before."""
        return _left_open_needs(self.organization_id, self.card_id)

    def apply(self, book: Book, now: int) -> None:
        """Ends the promise as dead and flags the card."""
        card = book.need(Card, self.organization_id, self.card_id)
        purchase = book.need(Purchase, self.organization_id, card.purchase_id)
        book.finish_promise(dead(self.promise, self.error, now))
        flag(
            book, self.organization_id, "card_left_open", card.id, purchase, wanted_at_stripe(card) or "canceled",
            card.stripe_status or "unknown", now,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class PutOff(Command[None]):
    """A promise could not be kept now: due again later, with the key it must be tried with."""

    organization_id: str
    promise: OutboxPromise
    key: str
    attempt: int
    delay: int
    error: str

    def needs(self, now: int) -> Needs:
        """Nothing: the row is updated only for the holder of its lease."""
        return Needs()

    def apply(self, book: Book, now: int) -> None:
        """Counts the try and sets when the next one is due, `delay` microseconds from now."""
        book.finish_promise(
            PromiseOutcome.of(
                self.promise, key=self.key, attempt=self.attempt, tries=self.promise.tries + 1,
                due_at=now + self.delay, last_error=self.error,
            )
        )  # fmt: skip


def card_facts(card: dict[str, Any]) -> MadeCard:
    """What is kept of Stripe's card object."""
    warning = (card.get("latest_fraud_warning") or {}).get("type")
    return MadeCard(card["id"], card["status"], card["last4"], card["exp_month"], card["exp_year"], warning)


def left_open_row(organization_id: str, card_id: str) -> tuple[type[Discrepancy], str, str]:
    """The finding that this card was not canceled at Stripe."""
    return Discrepancy, organization_id, discrepancy_id("card_left_open", card_id)


def _left_open_needs(organization_id: str, card_id: str) -> Needs:
    return Needs(rows=((Card, organization_id, card_id), left_open_row(organization_id, card_id)))
