"""The one cardholder of a connection: what it is made with, making it at most once, and recording it."""

from __future__ import annotations

import asyncio
import json
import unicodedata
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import bindparam, select

from roony.core.agent import Organization
from roony.core.connection import STANDING, Connection, lift, restrict
from roony.core.errors import Refusal, not_found
from roony.flows.card import PutOff, dead, done
from roony.flows.connection.access import ask_stripe
from roony.flows.connection.restriction import follow_restrictions, restriction_rows
from roony.flows.connection.routing import read_connection
from roony.flows.context import FlowContext
from roony.flows.movement import ROONY
from roony.gateway import issuing
from roony.gateway.errors import StripeCallFailed, StripeRefused
from roony.gateway.pool import GatewayBusy
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs
from roony.store.tables import OutboxPromise, outbox

log = structlog.get_logger("roony.connections")

KIND = "make_cardholder"
SECOND = 1_000_000
MAX_DELAY = 300 * SECOND
# Letters that fit on a card (facts 1.1).
LONGEST_NAME = 24
FALLBACK_NAME = "Roony Cardholder"
# Test mode only: Stripe wants a billing address, and there nobody checks it. Stripe's own office.
TEST_ADDRESS = {
    "line1": "510 Townsend Street",
    "city": "San Francisco",
    "state": "CA",
    "postal_code": "94103",
    "country": "US",
}

_PROMISES = (
    select(outbox)
    .where(
        outbox.c.organization_id == bindparam("org"), outbox.c.kind == KIND, outbox.c.subject == bindparam("connection")
    )
    .order_by(outbox.c.attempt.desc())
    .limit(1)
)


def cardholder_params(organization: Organization, connection_id: str, livemode: bool) -> dict[str, Any] | Refusal:
    """Stripe's parameters for the cardholder of a connection (facts 1.1), or why they are not complete.

    The organization's settings may hold any of them under `cardholder`. Without, it is a company with the
    organization's name; the billing address is made up in test mode only, because merchants check it.
    """
    given: dict[str, Any] = json.loads(organization.settings).get("cardholder") or {}
    billing = given.get("billing") or (None if livemode else {"address": TEST_ADDRESS})
    if billing is None:
        return Refusal(
            "billing_address_missing",
            "Merchants check the billing address of cards: set it in the organization's settings first.",
            422,
            "cardholder",
        )
    return {
        "type": "company",
        **given,
        "name": card_name(given.get("name") or organization.name),
        "billing": billing,
        "metadata": {"roony_organization": organization.id, "roony_connection": connection_id},
    }


def card_name(name: str) -> str:
    """A name as Stripe prints it: at most 24 letters and spaces, no digits, no special characters (facts 1.1)."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    words = "".join(letter if letter.isalpha() else " " for letter in plain).split()
    kept = ""
    for word in words:
        longer = f"{kept} {word}".strip()
        if len(longer) > LONGEST_NAME:
            break
        kept = longer
    return kept or (words[0][:LONGEST_NAME] if words else FALLBACK_NAME)


def cardholder_key(connection_id: str, attempt: int) -> str:
    """The idempotency key of one attempt; the attempt rises only after a definite refusal."""
    return f"{connection_id}:cardholder:{attempt}"


async def next_attempt(context: FlowContext, organization_id: str, connection_id: str) -> int | None:
    """The attempt a new promise begins with, past those that ended; None while one is still to be kept."""
    promise = await _newest(context, organization_id, connection_id)
    if promise is None:
        return 1
    return promise.attempt + 1 if promise.finished_at is not None else None


async def ensure_cardholder(context: FlowContext, connection: Connection) -> str:
    """The cardholder's id at Stripe, made now if there is none yet; however often it is called, there is one.

    Raises StripeCallFailed and GatewayBusy. After a definite refusal the connection is restricted: no card can be
    made there until the owner connects again.
    """
    known = connection.stripe_cardholder_id
    if known is None:
        fresh = await read_connection(context, connection.organization_id, connection.id)
        connection = fresh or connection
        known = connection.stripe_cardholder_id
    if known is not None:
        return known
    promise = await _newest(context, connection.organization_id, connection.id)
    return await _make(context, connection, promise)


async def keep_make_cardholder(context: FlowContext, promise: OutboxPromise) -> None:
    """Keeps the promise of an activation. A card maker may have been faster; then there is nothing left to do."""
    connection = await read_connection(context, promise.organization_id, promise.subject)
    if connection is None or connection.status in ("revoked", "expired"):
        code = connection.status if connection is not None else "unknown"
        await context.till.submit(DropCardholder(promise.organization_id, promise.subject, promise, code, False))
        return
    if connection.stripe_cardholder_id is not None:
        await context.till.submit(
            RecordCardholder(promise.organization_id, promise.subject, connection.stripe_cardholder_id, promise)
        )
        return
    try:
        await _make(context, connection, promise)
    except StripeRefused:
        return
    except (StripeCallFailed, GatewayBusy) as error:
        delay = min(MAX_DELAY, SECOND * 2 ** min(promise.tries, 10))
        log.warning("cardholder.put_off", connection=connection.id, error=str(error)[:300], seconds=delay // SECOND)
        await context.till.submit(
            PutOff(promise.organization_id, promise, promise.key, promise.attempt, delay, type(error).__name__)
        )


async def _make(context: FlowContext, connection: Connection, promise: OutboxPromise | None) -> str:
    """Calls Stripe with the parameters and the key of the promise, then records the answer."""
    params = json.loads(promise.params if promise else connection.cardholder)
    key = promise.key if promise else cardholder_key(connection.id, 1)
    try:
        made = await ask_stripe(context, connection, issuing.create_cardholder, params, key)
    except StripeRefused as refused:
        code = refused.failure.code or refused.failure.kind.value
        log.warning("cardholder.refused", connection=connection.id, code=code, request_id=refused.failure.request_id)
        await context.till.submit(DropCardholder(connection.organization_id, connection.id, promise, code, True))
        raise
    answer = await context.till.submit(RecordCardholder(connection.organization_id, connection.id, made["id"], promise))
    # Not recorded (the till is full or stopping): the same key gives the same cardholder next time.
    return str(made["id"]) if isinstance(answer, Refusal) else str(answer.stripe_cardholder_id)


async def _newest(context: FlowContext, organization_id: str, connection_id: str) -> OutboxPromise | None:
    rows = await asyncio.to_thread(
        context.database.read, _PROMISES, {"org": organization_id, "connection": connection_id}
    )
    return OutboxPromise(*rows[0]) if rows else None


@dataclass(frozen=True, slots=True)
class RecordCardholder(Command[Connection | Refusal]):
    """The cardholder exists at Stripe. The first one recorded counts."""

    organization_id: str
    connection_id: str
    stripe_cardholder_id: str
    promise: OutboxPromise | None

    def needs(self, now: int) -> Needs:
        """The connection and its alert."""
        return Needs(rows=restriction_rows(self.organization_id, self.connection_id))

    def apply(self, book: Book, now: int) -> Connection | Refusal:
        """Records it and ends the promise."""
        connection = book.get(Connection, self.organization_id, self.connection_id)
        if connection is None:
            return not_found("connection", self.connection_id)
        if self.promise is not None:
            book.finish_promise(done(self.promise, now))
        if connection.stripe_cardholder_id is not None:
            return connection
        connection = connection._replace(stripe_cardholder_id=self.stripe_cardholder_id, updated_at=now)
        book.put(connection)
        book.record(
            self.organization_id,
            ROONY,
            "connection.cardholder_made",
            connection.id,
            {"stripe_cardholder": self.stripe_cardholder_id},
            now,
        )
        return follow_restrictions(book, connection, lift(connection, ("cardholder_refused",)), ROONY, now)


@dataclass(frozen=True, slots=True)
class DropCardholder(Command[Connection | Refusal]):
    """The cardholder will not be made under this promise: refused by Stripe for good, or no longer wanted."""

    organization_id: str
    connection_id: str
    promise: OutboxPromise | None
    code: str
    refused: bool

    def needs(self, now: int) -> Needs:
        """The connection and its alert."""
        return Needs(rows=restriction_rows(self.organization_id, self.connection_id))

    def apply(self, book: Book, now: int) -> Connection | Refusal:
        """Ends the promise. Without a cardholder no card can be made: a refusal restricts the connection."""
        connection = book.get(Connection, self.organization_id, self.connection_id)
        if self.promise is not None:
            book.finish_promise(dead(self.promise, self.code, now))
        if connection is None:
            return not_found("connection", self.connection_id)
        if not self.refused or connection.status not in STANDING or connection.stripe_cardholder_id is not None:
            return connection
        after = restrict(connection, "cardholder_refused", f"Stripe refused the cardholder: {self.code}.", now)
        return follow_restrictions(book, connection, after, ROONY, now)
