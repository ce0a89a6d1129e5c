"""The end of a connection's cards: canceled at Stripe while we still may, flagged where Stripe does not confirm it."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from typing import Any, NamedTuple

import structlog
from sqlalchemy import bindparam, select

from roony.core.audit import ROONY
from roony.core.card import Card
from roony.core.connection import Connection
from roony.core.duration import SECOND
from roony.core.errors import Refusal
from roony.core.purchase import Purchase
from roony.flows.alert import raise_alert
from roony.flows.card import CANCELED_AT_STRIPE, PutOff, done, left_open_row
from roony.flows.connection.access import ask_stripe
from roony.flows.connection.revocation import OVER, UNINSTALL, erase_tokens, token_needs
from roony.flows.connection.routing import read_connection
from roony.flows.context import FlowContext
from roony.flows.discrepancy import explain, flag
from roony.flows.ending import end_card
from roony.flows.movement import audit
from roony.gateway import connect, issuing
from roony.gateway.errors import OAuthRefused, StripeCallFailed, StripeRefused, StripeUncertain
from roony.gateway.pool import GatewayBusy
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs
from roony.store.rows import OutboxPromise, PromiseOutcome
from roony.store.tables import cards

log = structlog.get_logger("roony.connections")

MAX_DELAY = 60 * SECOND
# When the till was too busy for a card: tried again after this long.
RETRY_DELAY = 2 * SECOND
# The owner's disconnect waits for Stripe's cancels this often, some five minutes in all; then it goes through anyway.
MAX_TRIES = 10
# A card in the making may take longer: it is looked for at Stripe first. Some fifteen minutes in all.
MAX_WAITS = 20
PAGE = 96
# Calls to Stripe at the same time: half of the threads there are.
AT_ONCE = 8
# Seconds of one claim: in which calls are begun, and after which none is waited for. A claim lasts 30.
BEGIN_FOR = 10.0
WAIT_FOR = 20.0
# How `last_error` of a promise tells the next claim where to go on.
AFTER = "after "

_OPEN = (
    cards.c.organization_id == bindparam("org"),
    cards.c.connection_id == bindparam("connection"),
    cards.c.status.in_(("creating", "active", "frozen"))
    | (cards.c.stripe_card_id.is_not(None) & cards.c.stripe_status.is_distinct_from("canceled")),
)
_CARDS = select(cards).where(*_OPEN, cards.c.id > bindparam("after")).order_by(cards.c.id).limit(PAGE)
_LEFT = select(cards.c.stripe_card_id.is_(None)).where(*_OPEN).distinct()


class _Round(NamedTuple):
    """One round over the cards. `last_cancel` and `last_wait`: cards not canceled, or still being made, are given up.

    `number` counts the rounds that were over. `begin_until` and `wait_until` are on the monotonic clock.
    """

    connection: Connection
    number: int
    access_left: bool
    last_cancel: bool
    last_wait: bool
    begin_until: float
    wait_until: float


class _Stop(NamedTuple):
    """A round that stopped behind the card `after`; the next claim, due in `delay` microseconds, goes on there."""

    after: str
    delay: int


async def keep_end_cards(context: FlowContext, promise: OutboxPromise) -> None:
    """Ends the cards of a connection that is over: all that are not canceled at Stripe as far as we know.

    1. With access left, each is canceled at Stripe, some at once; those not confirmed are tried again, a bounded time
       long, and a card still being made is waited for. A claim stops in time; the next one goes on behind its cards.
    2. A card that is over loses its right to a new authorization; a hold with one open stays (section 4).
    3. A card not confirmed canceled opens `card_left_open`. While we had the access to cancel it, it keeps its hold;
       where Stripe has taken the access away nothing more can be done about it, so the hold is voided.
    4. With access left, it is given back. Then the tokens are erased and the promise is done.
    """
    connection = await read_connection(context, promise.organization_id, promise.subject)
    if connection is not None and connection.status in OVER:
        access_left = bool(json.loads(promise.params)["access_left"])
        tries, now = promise.tries + 1, time.monotonic()
        last_cancel, last_wait = tries >= MAX_TRIES, tries >= MAX_WAITS
        work = _Round(connection, promise.tries, access_left, last_cancel, last_wait, now + BEGIN_FOR, now + WAIT_FOR)
        word = promise.last_error or ""
        stop = await _end_all(context, work, word.removeprefix(AFTER) if word.startswith(AFTER) else "")
        if stop is not None:
            await context.till.submit(GoOnLater(promise.organization_id, promise, stop.delay, stop.after))
            return
        waiting = await _waiting(context, work) if access_left else None
        if waiting is not None:
            delay = min(MAX_DELAY, SECOND * 2 ** min(promise.tries, 10))
            await context.till.submit(
                PutOff(promise.organization_id, promise, promise.key, promise.attempt, delay, waiting)
            )
            return
    await context.till.submit(FinishEndCards(promise.organization_id, promise))


async def _end_all(context: FlowContext, work: _Round, after: str) -> _Stop | None:
    """Ends the cards behind `after`, `AT_ONCE` at a time; None when it came to the last one."""
    connection = work.connection
    while True:
        rows = await asyncio.to_thread(
            context.database.read,
            _CARDS,
            {"org": connection.organization_id, "connection": connection.id, "after": after},
        )
        for start in range(0, len(rows), AT_ONCE):
            some = [Card(*row) for row in rows[start : start + AT_ONCE]]
            answers = await asyncio.gather(*(_end_one(context, work, card) for card in some))
            if any(isinstance(answer, Refusal) for answer in answers):
                return _Stop(after, RETRY_DELAY)
            after = some[-1].id
            if time.monotonic() >= work.begin_until:
                return _Stop(after, 0)
        if len(rows) < PAGE:
            return None


async def _end_one(context: FlowContext, work: _Round, card: Card) -> Purchase | Refusal | None:
    canceled = card.stripe_status == "canceled"
    if work.access_left and card.stripe_card_id is not None and not canceled:
        canceled = await _cancel(context, work, card.id, card.stripe_card_id)
        if not canceled and not work.last_cancel:
            return None
    return await context.till.submit(
        EndCardOfConnection(
            card.organization_id, card.id, canceled, work.access_left, context.new_id("out"), work.last_wait
        )
    )


async def _cancel(context: FlowContext, work: _Round, card_id: str, stripe_card_id: str) -> bool:
    """Cancels one card at Stripe; True when Stripe says that it is canceled.

    Each round has a key of its own: Stripe repeats an error it kept under a key, and canceling twice does no harm.
    """

    async def ask() -> dict[str, Any]:
        try:
            key = f"{card_id}:disconnect:{work.number}"
            return await ask_stripe(context, work.connection, issuing.cancel_card, stripe_card_id, key)
        except (StripeRefused, StripeUncertain):
            # Canceled already, it may be: what it is decides.
            return await ask_stripe(context, work.connection, issuing.retrieve_card, stripe_card_id)

    try:
        answer = await asyncio.wait_for(ask(), work.wait_until - time.monotonic())
    except (StripeCallFailed, GatewayBusy, TimeoutError) as error:
        log.warning("connection.card_not_canceled", card=card_id, error=f"{type(error).__name__} {error}"[:300])
        return False
    return bool(answer.get("status") == "canceled")


async def _waiting(context: FlowContext, work: _Round) -> str | None:
    """What the owner's disconnect still waits for after a whole round; None when it is through."""
    connection = work.connection
    rows = await asyncio.to_thread(
        context.database.read, _LEFT, {"org": connection.organization_id, "connection": connection.id}
    )
    kinds = {bool(row[0]) for row in rows}
    if False in kinds and not work.last_cancel:
        return "cards_not_canceled"
    if True in kinds and not work.last_wait:
        return "card_being_made"
    now = await read_connection(context, connection.organization_id, connection.id)
    if now is None or now.status not in OVER or connection.kind != "connect":
        return None
    return None if await _give_back(context, connection) or work.last_wait else "not_deauthorized"


async def _give_back(context: FlowContext, connection: Connection) -> bool:
    """Deauthorizes at Stripe; True when it is done, or can never be."""
    if connection.stripe_account is None or not context.gateway.connect_client_id:
        return True
    if bool(connection.livemode) != context.gateway.livemode:
        # A key of the other mode would give back what another connection has to the same account in that mode.
        log.warning("connection.not_deauthorized", connection=connection.id, error="our key is of the other mode")
        return True
    try:
        await context.pool.run(connect.deauthorize, context.gateway, connection.stripe_account)
    except OAuthRefused as refused:
        # Not connected any more, or controlled by the platform: there is nothing to give back.
        log.info("connection.not_deauthorized", connection=connection.id, error=refused.error)
    except (StripeCallFailed, GatewayBusy) as error:
        log.warning("connection.not_deauthorized", connection=connection.id, error=str(error)[:300])
        return False
    return True


@dataclass(frozen=True, slots=True)
class EndCardOfConnection(Command[Purchase | None]):
    """Ends one card of a connection that is over. `canceled` is what Stripe confirmed, `access_left` whether it could
    be asked at all, `give_up` that a card still being made is not waited for any longer."""

    organization_id: str
    card_id: str
    canceled: bool
    access_left: bool
    promise_id: str
    give_up: bool = False

    def needs(self, now: int) -> Needs:
        """The card with its purchase, and the discrepancy it may have opened before."""
        org, id = self.organization_id, self.card_id
        return Needs(rows=((Card, org, id), left_open_row(org, id)))

    def apply(self, book: Book, now: int) -> Purchase | None:
        """Ends it; None when there is no such card or the connection came back meanwhile."""
        card = book.get(Card, self.organization_id, self.card_id)
        if card is None or book.need(Connection, self.organization_id, card.connection_id).status not in OVER:
            return None
        purchase = book.need(Purchase, self.organization_id, card.purchase_id)
        # What this changes: a card that was alive, or one over already whose cancel Stripe confirms now.
        ends = card.status in ("active", "frozen") or purchase.ended_at is None
        if self.canceled and card.stripe_card_id is not None and card.stripe_status != "canceled":
            card = card._replace(stripe_status="canceled", updated_at=now)
            book.put(card)
            explain(book, card.organization_id, "card_left_open", card.id, CANCELED_AT_STRIPE, now)
            ends = True
        if self._is_left_open(card):
            found = card.stripe_status or ("being made" if card.stripe_card_id is None else "unknown")
            flag(book, self.organization_id, "card_left_open", card.id, purchase, "canceled", found, now, card.id)
            if self.access_left and card.stripe_card_id is not None:
                return purchase
        if not ends:
            return purchase
        purchase = end_card(book, purchase, "revoked", self.promise_id, now)
        audit(
            book,
            purchase,
            ROONY,
            "card.revoked",
            now,
            card=card.id,
            canceled_at_stripe=card.stripe_status == "canceled",
        )
        return purchase

    def _is_left_open(self, card: Card) -> bool:
        """True when nobody will confirm any more that the card cannot be charged."""
        if card.stripe_card_id is not None:
            return card.stripe_status != "canceled"
        return card.status == "creating" and self.access_left and self.give_up


@dataclass(frozen=True, slots=True)
class GoOnLater(Command[None]):
    """The time of this claim is over, or the till was busy: due again behind the card `after`, not counted as a try."""

    organization_id: str
    promise: OutboxPromise
    delay: int
    after: str

    def needs(self, now: int) -> Needs:
        """Nothing: the row is updated only for the holder of its lease."""
        return Needs()

    def apply(self, book: Book, now: int) -> None:
        """Gives the lease back."""
        due_at = now + self.delay if self.delay else 0
        last = f"{AFTER}{self.after}" if self.after else None
        book.finish_promise(PromiseOutcome.of(self.promise, due_at=due_at, last_error=last))


@dataclass(frozen=True, slots=True)
class FinishEndCards(Command[None]):
    """All cards of the connection were seen to: what is left of its tokens goes, unless it came back meanwhile."""

    organization_id: str
    promise: OutboxPromise

    def needs(self, now: int) -> Needs:
        """The connection and its tokens; the promise is updated only for the holder of its lease."""
        return token_needs(self.organization_id, self.promise.subject)

    def apply(self, book: Book, now: int) -> None:
        """Erases the tokens and ends the promise. An app is still installed then: only its owner can change that."""
        connection = book.get(Connection, self.organization_id, self.promise.subject)
        if connection is not None and connection.status in OVER:
            erase_tokens(book, connection, now)
            if connection.kind == "stripe_app" and json.loads(self.promise.params)["access_left"]:
                message = (
                    f"Uninstall Roony's app in the Stripe Dashboard of {connection.stripe_account}: Roony has erased"
                    " its tokens, and only the account's owner can uninstall it."
                )
                raise_alert(book, self.organization_id, UNINSTALL, connection.id, message, now)
        book.finish_promise(done(self.promise, now))
