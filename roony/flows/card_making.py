"""Promises about cards, kept at Stripe: made once whatever crashes, looked for before a second try, status set.

The order is always: the promise is committed → Stripe is called with the stored parameters and key → the result is
committed. A crash between any two steps is resumed from the row.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, Literal

import structlog
from sqlalchemy import select

from roony.core.card import Card, is_weaker, wanted_at_stripe
from roony.core.connection import Connection
from roony.core.errors import Refusal
from roony.core.purchase import Purchase
from roony.flows.card import (
    DropPromise,
    FailCard,
    MadeCard,
    PutOff,
    RecordCard,
    RecordCardStatus,
    RecordDelivery,
    card_facts,
)
from roony.flows.connection import access_of, ensure_cardholder
from roony.flows.context import FlowContext
from roony.gateway import issuing
from roony.gateway.client import ConnectionAccess
from roony.gateway.errors import StripeCallFailed, StripeRefused, StripeUncertain
from roony.gateway.issuing import CardDetails
from roony.gateway.pool import GatewayBusy
from roony.store import tables
from roony.store.stop_points import reach
from roony.store.tables import OutboxPromise

log = structlog.get_logger("roony.cards")

SECOND = 1_000_000
# Waits between tries: doubling from one second to five minutes.
MAX_DELAY = 300 * SECOND
# What a create may still take at Stripe after we stopped waiting for it.
LOOK_UP_DELAY = 10 * SECOND
# A try of this age is only made after a look-up: Stripe may forget a key after 24 h (facts section 7.1).
LOOK_UP_AFTER = 20 * 3_600 * SECOND
# After this many unsure tries the same key is taken to replay a stored failure: look first, then use a new one.
UNSURE_TRIES = 3


async def make_card_now(context: FlowContext, promise: OutboxPromise, timeout: float) -> CardDetails | None:
    """Keeps the promise an ask just made and fetches the details; None when the card is not there within `timeout` s.

    The work goes on in the background when the agent stops waiting, and from the row when the process does.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + timeout
    work = asyncio.ensure_future(keep_make_card(context, promise))
    work.add_done_callback(_note_failure)
    _running.add(work)
    work.add_done_callback(_running.discard)
    done, _ = await asyncio.wait({work}, timeout=timeout)
    if not done or work.exception() is not None:
        return None
    purchase = work.result()
    if purchase is None or purchase.status != "ready":
        return None
    delivery = await deliver_card(context, purchase, "asked", purchase.agent_id, until - loop.time())
    return delivery if isinstance(delivery, CardDetails) else None


# Card makers that outlive the request that started them; held so that they are not collected half-way.
_running: set[asyncio.Future[Any]] = set()


def _note_failure(work: asyncio.Future[Any]) -> None:
    if not work.cancelled() and work.exception() is not None:
        log.error("card.making_failed", error=type(work.exception()).__name__)


async def deliver_card(
    context: FlowContext, purchase: Purchase, purpose: str, actor: str, timeout: float = 10.0
) -> CardDetails | Refusal:
    """Hands out number, CVC, expiry and billing ZIP once more: counted and audited first, then fetched, never kept."""
    command = RecordDelivery(purchase.organization_id, purchase.id, actor, "raw", purpose)
    card = await context.till.submit(command)
    if isinstance(card, Refusal):
        return card
    stripe_card_id = card.stripe_card_id or ""
    connection = await _connection(context, card.organization_id, card.connection_id)
    try:
        return await asyncio.wait_for(
            context.pool.run(
                issuing.fetch_card_details, context.gateway, access_of(context, connection), stripe_card_id
            ),
            max(0.1, timeout),
        )
    except (StripeCallFailed, GatewayBusy, TimeoutError) as error:
        log.warning("card.details_not_fetched", purchase=purchase.id, error=type(error).__name__)
        return Refusal("stripe_unavailable", "Stripe did not hand out the card's details. Ask for them again.", 503)


async def keep_make_card(context: FlowContext, promise: OutboxPromise) -> Purchase | None:
    """Makes the promised card, or finds it, and records it. None when it must be tried again later."""
    card = await _card(context, promise)
    connection = await _connection(context, promise.organization_id, card.connection_id)
    reach("after_hold")
    if connection.status == "revoked":
        return await _end(context, promise, "connection_revoked", "The Stripe account is no longer connected.", False)
    try:
        params = json.loads(promise.params)
        params["cardholder"] = await ensure_cardholder(context, connection)
        made = await _find(context, connection, promise, params["cardholder"])
        if made is None and promise.last_error == "look_up" and context.clock() >= card.expires_at:
            message = "Stripe did not make the card in time. Nothing was charged; ask again."
            return await _end(context, promise, "card_not_made_in_time", message, True)
        if made is None:
            promise = _next_attempt(promise)
            reach("before_card_call")
            made = await context.pool.run(
                issuing.create_card, context.gateway, access_of(context, connection), params, promise.key
            )
            reach("after_card_call")
    except StripeRefused as refused:
        return await _fail(context, promise, refused)
    except (StripeCallFailed, GatewayBusy) as error:
        await _put_off(context, promise, error)
        return None
    weaker = is_weaker(params, made)
    if weaker is not None:
        return await _refuse_weak(context, connection, promise, made, weaker)
    return await _record(context, promise, card_facts(made))


async def keep_card_status(context: FlowContext, promise: OutboxPromise) -> None:
    """Sets a card's status at Stripe to what is wanted by now, and records it. A canceled card needs no more."""
    card = await _card(context, promise)
    wanted = wanted_at_stripe(card) or json.loads(promise.params)["status"]
    if card.stripe_card_id is None or card.stripe_status in ("canceled", wanted):
        await _record_status(context, promise, card.stripe_status or wanted)
        return
    connection = await _connection(context, card.organization_id, card.connection_id)
    if connection.status == "revoked":
        await context.till.submit(DropPromise(promise.organization_id, promise, "connection_revoked"))
        return
    try:
        found = await _set_status(context, access_of(context, connection), card.stripe_card_id, wanted, promise.key)
    except (StripeCallFailed, GatewayBusy) as error:
        await _put_off(context, promise, error)
        return
    await _record_status(context, promise, found)


async def _set_status(context: FlowContext, access: ConnectionAccess, card_id: str, wanted: str, key: str) -> str:
    """The card's status at Stripe after setting it; refused because of what it already is, what it is decides."""
    gateway, key = context.gateway, f"{key}:{wanted}"
    try:
        if wanted == "canceled":
            found = await context.pool.run(issuing.cancel_card, gateway, access, card_id, key)
        else:
            status: Literal["active", "inactive"] = "active" if wanted == "active" else "inactive"
            found = await context.pool.run(issuing.update_card_status, gateway, access, card_id, status, key)
    except StripeRefused:
        found = await context.pool.run(issuing.retrieve_card, gateway, access, card_id)
        if found["status"] not in (wanted, "canceled"):
            raise
    return str(found["status"])


async def _record_status(context: FlowContext, promise: OutboxPromise, status: str) -> None:
    await context.till.submit(
        RecordCardStatus(promise.organization_id, promise.subject, status, promise, context.new_id("out"))
    )


async def _find(
    context: FlowContext, connection: Connection, promise: OutboxPromise, cardholder: str
) -> dict[str, Any] | None:
    """The card of this promise, if it may already exist: looked for before any try whose key could mislead."""
    if not _must_look(promise, context.clock()):
        return None
    cards = await context.pool.run(
        issuing.find_cards, context.gateway, access_of(context, connection), cardholder, promise.created_at // SECOND
    )
    for card in cards:
        if card["metadata"].get("roony_card") == promise.subject:
            return card
    return None


def _must_look(promise: OutboxPromise, now: int) -> bool:
    old = promise.tries > 0 and now - promise.created_at > LOOK_UP_AFTER
    return old or promise.last_error == "look_up"


def _next_attempt(promise: OutboxPromise) -> OutboxPromise:
    """After a look-up found nothing the next key is used; before one, the same key again (section 10)."""
    if promise.last_error != "look_up":
        return promise
    purchase_id = promise.key.rpartition(":")[0]
    return promise._replace(attempt=promise.attempt + 1, key=f"{purchase_id}:{promise.attempt + 1}")


def _look_next(promise: OutboxPromise, error: StripeUncertain) -> bool:
    """Where the key only replays the same answer, and after every third unsure try."""
    return not error.failure.same_key_may_help or (promise.tries + 1) % UNSURE_TRIES == 0


async def _put_off(context: FlowContext, promise: OutboxPromise, error: Exception) -> None:
    """Due again later with the same key; after several unsure answers, or where the key only replays, look first."""
    word = type(error).__name__
    delay = min(MAX_DELAY, SECOND * 2 ** min(promise.tries, 10))
    if promise.kind == "make_card" and isinstance(error, StripeUncertain) and _look_next(promise, error):
        # A create that was not waited for may still be under way: "none found" is no proof before it is over.
        word, delay = "look_up", max(delay, LOOK_UP_DELAY)
    log.warning(
        "promise.put_off", promise=promise.id, kind=promise.kind, error=str(error)[:300], seconds=delay // SECOND
    )
    await context.till.submit(PutOff(promise.organization_id, promise, promise.key, promise.attempt, delay, word))


async def _record(context: FlowContext, promise: OutboxPromise, made: MadeCard) -> Purchase | None:
    answer = await context.till.submit(
        RecordCard(promise.organization_id, promise.subject, made, context.new_id("out"), promise)
    )
    reach("after_card_recorded")
    if isinstance(answer, Refusal):
        # The card exists and the row still says so: the lease runs out and the look-up by key finds it again.
        log.warning("card.not_recorded", card=promise.subject, code=answer.code)
        return None
    return answer


async def _fail(context: FlowContext, promise: OutboxPromise, refused: StripeRefused) -> Purchase | None:
    failure = refused.failure
    log.error("card.refused", card=promise.subject, code=failure.code, request_id=failure.request_id)
    message = f"Stripe refused the card: {failure.message} Nothing was charged."
    return await _end(context, promise, failure.code or failure.kind.value, message, True)


async def _refuse_weak(
    context: FlowContext, connection: Connection, promise: OutboxPromise, made: dict[str, Any], weaker: str
) -> Purchase | None:
    """A card that came back with less than was asked is never handed out: canceled at Stripe, the purchase fails."""
    log.error("card.weaker", card=promise.subject, control=weaker)
    access = access_of(context, connection)
    try:
        await context.pool.run(issuing.cancel_card, context.gateway, access, made["id"], f"{promise.key}:weak")
    except (StripeCallFailed, GatewayBusy) as error:
        await _put_off(context, promise, error)
        return None
    message = f"Stripe made the card without {weaker}; it was canceled. Nothing was charged."
    return await _end(context, promise, "card_weaker", message, False)


async def _end(
    context: FlowContext, promise: OutboxPromise, code: str, message: str, retry_can_help: bool
) -> Purchase | None:
    """The card will not be made: the purchase fails, its hold is voided, and the agent is told why."""
    failed = FailCard(
        promise.organization_id, promise.subject, code, message, retry_can_help, promise, context.new_id("out")
    )
    answer = await context.till.submit(failed)
    return None if isinstance(answer, Refusal) else answer


async def _card(context: FlowContext, promise: OutboxPromise) -> Card:
    statement = select(tables.cards).where(
        tables.cards.c.organization_id == promise.organization_id, tables.cards.c.id == promise.subject
    )
    rows = await asyncio.to_thread(context.database.read, statement)
    return Card(*rows[0])


async def _connection(context: FlowContext, organization_id: str, connection_id: str) -> Connection:
    statement = select(tables.connections).where(
        tables.connections.c.organization_id == organization_id, tables.connections.c.id == connection_id
    )
    rows = await asyncio.to_thread(context.database.read, statement)
    return Connection(*rows[0])
