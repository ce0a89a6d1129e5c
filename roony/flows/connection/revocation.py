"""The end of a connection: by Stripe's word or the owner's. No new money from that commit on; then its cards end."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass

import structlog
from sqlalchemy import bindparam, select

from roony.core.card import Card
from roony.core.connection import Connection
from roony.core.errors import Refusal, not_found
from roony.core.purchase import Purchase
from roony.core.settlement import Discrepancy
from roony.flows.card import PutOff, done
from roony.flows.connection.activation import TOKENS
from roony.flows.connection.routing import access_of, read_connection
from roony.flows.context import FlowContext
from roony.flows.discrepancy import discrepancy_id, flag
from roony.flows.ending import end_card
from roony.flows.movement import ROONY, audit
from roony.gateway import connect, issuing
from roony.gateway.errors import OAuthRefused, StripeCallFailed
from roony.gateway.pool import GatewayBusy
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs
from roony.store.tables import ConnectionSecret, OutboxPromise, cards

log = structlog.get_logger("roony.connections")

KIND = "end_cards_of_connection"
SECOND = 1_000_000
MAX_DELAY = 60 * SECOND
# The owner's disconnect waits for Stripe's cancels this often, some five minutes in all; then it goes through anyway.
MAX_TRIES = 10
PAGE = 100
# A statement that the access ended, older than this before the connection became active, is about the time before.
STATEMENT_MARGIN = 60 * SECOND

_CARDS = (
    select(cards)
    .where(
        cards.c.organization_id == bindparam("org"),
        cards.c.connection_id == bindparam("connection"),
        cards.c.status.in_(("creating", "active", "frozen")),
        cards.c.id > bindparam("after"),
    )
    .order_by(cards.c.id)
    .limit(PAGE)
)


def revocation_needs(organization_id: str, connection_id: str) -> Needs:
    """The facts `revoke` reads."""
    secrets = tuple((ConnectionSecret, organization_id, connection_id, name) for name in TOKENS)
    return Needs(rows=((Connection, organization_id, connection_id), *secrets))


def revoke(
    book: Book, connection: Connection, reason: str, actor: str, promise_id: str, now: int, access_left: bool = False
) -> Connection:
    """Revokes a connection inside a command that named `revocation_needs`; a revoked one stays as it is.

    The tokens are overwritten in this commit, asks and authorizations are refused from it on, and the end of the
    cards is promised. `access_left` says that Stripe still lets us cancel them, and that it is then to be given back.
    """
    if connection.status == "revoked":
        return connection
    was = connection.status
    connection = connection._replace(status="revoked", status_reason=reason, updated_at=now)
    book.put(connection)
    for name in TOKENS:
        secret = book.get(ConnectionSecret, connection.organization_id, connection.id, name)
        if secret is not None:
            book.put(secret._replace(sealed="", updated_at=now))
    if connection.stripe_account is not None:
        book.promise(
            OutboxPromise(
                connection.organization_id,
                promise_id,
                KIND,
                connection.id,
                json.dumps({"access_left": access_left}),
                f"{promise_id}:1",
                1,
                "promised",
                0,
                now,
                0,
                0,
                None,
                now,
                None,
            )
        )
    book.record(
        connection.organization_id,
        actor,
        "connection.revoked",
        connection.id,
        {"reason": reason, "was": was, "stripe_account": connection.stripe_account},
        now,
    )
    return connection


@dataclass(frozen=True, slots=True)
class RevokeConnection(Command[Connection | Refusal]):
    """The access ended: `account.application.deauthorized`, Stripe's account-access error, or the owner's wish.

    `stated_at` is when Stripe said so (microseconds): an event that was on its way while the owner connected again
    must not end the new connection. None means now.
    """

    organization_id: str
    connection_id: str
    reason: str
    actor: str
    promise_id: str
    stated_at: int | None = None
    access_left: bool = False

    def needs(self, now: int) -> Needs:
        """The connection and its tokens."""
        return revocation_needs(self.organization_id, self.connection_id)

    def apply(self, book: Book, now: int) -> Connection | Refusal:
        """Revokes it once."""
        connection = book.get(Connection, self.organization_id, self.connection_id)
        if connection is None:
            return not_found("connection", self.connection_id)
        if self.stated_at is not None and self.stated_at < connection.updated_at - STATEMENT_MARGIN:
            return connection
        return revoke(book, connection, self.reason, self.actor, self.promise_id, now, self.access_left)


async def disconnect(
    context: FlowContext, organization_id: str, connection_id: str, actor: str
) -> Connection | Refusal:
    """The owner's disconnect: asks are refused at once; the worker then cancels the cards and gives the access back."""
    return await context.till.submit(
        RevokeConnection(
            organization_id,
            connection_id,
            "disconnected by the owner",
            actor,
            context.new_id("out"),
            None,
            True,
        )
    )


async def keep_end_cards(context: FlowContext, promise: OutboxPromise) -> None:
    """Ends the cards of a revoked connection.

    1. With access left, each card is canceled at Stripe; those not confirmed are tried again, a bounded time long.
    2. A card that is over loses its right to a new authorization; a hold with one open stays (section 4).
    3. A card not confirmed canceled opens `card_left_open`. While we had the access to cancel it, it keeps its hold;
       where Stripe has taken the access away nothing more can be done about it, so the hold is voided.
    4. With access left, it is given back. Then the promise is done.
    """
    connection = await read_connection(context, promise.organization_id, promise.subject)
    access_left = bool(json.loads(promise.params)["access_left"])
    if connection is not None and connection.status == "revoked":
        last_try = promise.tries + 1 >= MAX_TRIES
        if not await _end_all(context, connection, access_left, last_try):
            await _put_off(context, promise, "cards_not_canceled")
            return
        if access_left and connection.kind == "connect" and not await _give_back(context, connection) and not last_try:
            await _put_off(context, promise, "not_deauthorized")
            return
    await context.till.submit(FinishEndCards(promise.organization_id, promise))


async def _end_all(context: FlowContext, connection: Connection, access_left: bool, last_try: bool) -> bool:
    """Ends the cards page by page; False when some cancel is to be tried again."""
    after, complete = "", True
    while True:
        rows = await asyncio.to_thread(
            context.database.read,
            _CARDS,
            {"org": connection.organization_id, "connection": connection.id, "after": after},
        )
        for row in rows:
            card = Card(*row)
            after = card.id
            canceled = card.stripe_status == "canceled"
            if access_left and card.stripe_card_id is not None and not canceled:
                canceled = await _cancel(context, connection, card.id, card.stripe_card_id)
                if not canceled and not last_try:
                    complete = False
                    continue
            answer = await context.till.submit(
                EndCardOfConnection(connection.organization_id, card.id, canceled, access_left, context.new_id("out"))
            )
            if isinstance(answer, Refusal):
                complete = False
        if len(rows) < PAGE:
            return complete


async def _cancel(context: FlowContext, connection: Connection, card_id: str, stripe_card_id: str) -> bool:
    """Cancels one card at Stripe; True when Stripe says that it is canceled."""
    try:
        answer = await context.pool.run(
            issuing.cancel_card,
            context.gateway,
            access_of(context, connection),
            stripe_card_id,
            f"{card_id}:disconnect",
        )
    except (StripeCallFailed, GatewayBusy) as error:
        log.warning("connection.card_not_canceled", card=card_id, error=str(error)[:300])
        return False
    return bool(answer.get("status") == "canceled")


async def _give_back(context: FlowContext, connection: Connection) -> bool:
    """Deauthorizes at Stripe; True when it is done, or can never be."""
    if connection.stripe_account is None or not context.gateway.connect_client_id:
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


async def _put_off(context: FlowContext, promise: OutboxPromise, error: str) -> None:
    delay = min(MAX_DELAY, SECOND * 2 ** min(promise.tries, 10))
    await context.till.submit(PutOff(promise.organization_id, promise, promise.key, promise.attempt, delay, error))


@dataclass(frozen=True, slots=True)
class EndCardOfConnection(Command[Purchase | None]):
    """Ends one card of a revoked connection. `canceled` is what Stripe confirmed, `access_left` whether it could be
    asked at all."""

    organization_id: str
    card_id: str
    canceled: bool
    access_left: bool
    promise_id: str

    def needs(self, now: int) -> Needs:
        """The card with its purchase, and the discrepancy it may have opened before."""
        return Needs(
            rows=(
                (Card, self.organization_id, self.card_id),
                (Discrepancy, self.organization_id, discrepancy_id("card_left_open", self.card_id)),
            )
        )

    def apply(self, book: Book, now: int) -> Purchase | None:
        """Ends it; None when it is over already or the connection came back meanwhile."""
        card = book.get(Card, self.organization_id, self.card_id)
        if card is None or card.status not in ("creating", "active", "frozen"):
            return None
        purchase = book.need(Purchase, self.organization_id, card.purchase_id)
        if book.need(Connection, self.organization_id, card.connection_id).status != "revoked":
            return None
        if self.canceled and card.stripe_status != "canceled":
            card = card._replace(stripe_status="canceled", updated_at=now)
            book.put(card)
        if card.stripe_card_id is not None and not self.canceled:
            flag(
                book,
                self.organization_id,
                "card_left_open",
                card.id,
                purchase,
                "canceled",
                card.stripe_status or "unknown",
                now,
                card.id,
            )
            if self.access_left:
                return purchase
        purchase = end_card(book, purchase, "revoked", self.promise_id, now)
        audit(book, purchase, ROONY, "card.revoked", now, card=card.id, canceled_at_stripe=self.canceled)
        return purchase


@dataclass(frozen=True, slots=True)
class FinishEndCards(Command[None]):
    """All cards of the connection were seen to."""

    organization_id: str
    promise: OutboxPromise

    def needs(self, now: int) -> Needs:
        """Nothing: the row is updated only for the holder of its lease."""
        return Needs()

    def apply(self, book: Book, now: int) -> None:
        """Ends the promise."""
        book.finish_promise(done(self.promise, now))
