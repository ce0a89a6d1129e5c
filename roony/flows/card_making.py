"""The promise to make a card, kept at Stripe: made once whatever crashes, and looked for before a second try.

The order is always: the promise is committed → Stripe is called with the stored parameters and key → the result is
committed. A crash between any two steps is resumed from the row.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, NamedTuple

import structlog

from roony.core.card import Card, is_weaker
from roony.core.connection import Connection
from roony.core.duration import HOUR, SECOND
from roony.core.errors import Refusal
from roony.core.purchase import Purchase
from roony.flows.card import (
    FailCard,
    MadeCard,
    RecordCard,
    card_facts,
)
from roony.flows.connection import CardholderRefused, KeyOfAnother, ask_stripe, cardholder_at_stripe, look_at_account
from roony.flows.context import FlowContext
from roony.flows.delivery import fetch_details, record_delivery
from roony.flows.inline import finish_in_time
from roony.flows.promise import (
    LOOK_UP,
    connection_of,
    is_unsure,
    put_off,
)
from roony.flows.stripe_failure import ISSUING_NOT_ACTIVE, REVOKED, Told, seen_at_stripe, told_refused
from roony.flows.tracing import tracing_card
from roony.gateway import issuing
from roony.gateway.errors import StripeCallFailed, StripeForbidden, StripeRefused, StripeUnauthorized
from roony.gateway.issuing import CardDetails
from roony.gateway.paging import PageLimitReached
from roony.gateway.pool import GatewayBusy
from roony.log_ids import learn
from roony.store.queries.cards import card_to_make
from roony.store.rows import OutboxPromise

log = structlog.get_logger("roony.cards")

# A try of this age is only made after a look-up: Stripe may forget a key after 24 h (facts section 7.1).
LOOK_UP_AFTER = 20 * HOUR
# What Stripe may take to make a card after the last moment we asked for it, in seconds.
LOOK_UP_MARGIN_SECONDS = 60
# Tries, once no card may be made any more, before a person is told: about a day of them, five minutes apart.
LOOK_TRIES = 300
# As many to cancel a card that came back weaker.
CANCEL_TRIES = 300


async def make_card(context: FlowContext, promise: OutboxPromise, timeout: float) -> Purchase | None:
    """Keeps a promise just made, as its first holder; None when the card is not there within `timeout` seconds."""
    return await finish_in_time(keep_make_card(context, promise), timeout)


class CardInHand(NamedTuple):
    """A card that an agent gets with the answer to its ask: purchase and card as of the commit that counted it."""

    purchase: Purchase
    card: Card
    details: CardDetails


async def make_card_now(context: FlowContext, promise: OutboxPromise, timeout: float) -> CardInHand | None:
    """Makes the card of an ask and fetches its details for the agent; None when that took longer than `timeout` s.

    Only where they are delivered in clear: an ask says no other way, and none is ever made weaker.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + timeout
    purchase = await make_card(context, promise, timeout)
    if purchase is None or purchase.status != "ready":
        return None
    recorded = await record_delivery(context, purchase, "raw", "asked", purchase.agent_id)
    if isinstance(recorded, Refusal):
        return None
    details = await fetch_details(context, recorded.card, until - loop.time(), recorded.connection)
    return CardInHand(recorded.purchase, recorded.card, details) if isinstance(details, CardDetails) else None


async def keep_make_card(context: FlowContext, promise: OutboxPromise) -> Purchase | None:
    """Makes the promised card, or finds it, and records it. None when it must be tried again later."""
    with tracing_card(context, promise) as ended:
        purchase = await _make(context, promise)
        ended(purchase)
        return purchase


async def _make(context: FlowContext, promise: OutboxPromise) -> Purchase | None:
    """One try.

    1 recorded already? · 2 no longer possible: end, after a look-up where a try may have worked · 3 look up where the
    key could mislead · 4 create with the stored key · 5 compare · 6 record.
    """
    params = json.loads(promise.params)
    # A promise of an earlier release names no scope.
    scope_id = params.get("cardholder", promise.organization_id)
    card, connection, holder = await asyncio.to_thread(
        card_to_make, context.database, promise.organization_id, promise.subject, scope_id
    )
    learn(purchase_id=card.purchase_id)
    if card.stripe_card_id is not None:
        known = MadeCard(card.stripe_card_id, "active", card.last4 or "", card.exp_month or 0, card.exp_year or 0)
        return await _record(context, promise, known)
    over = _is_over(context, connection, card)
    if over is not None and not is_unsure(promise):
        return await _end(context, promise, over)
    if connection.status == "expired":
        # Our key is another account's by now: there is nobody left to ask.
        return await _end(context, promise, _REVOKED, maybe_made=True)
    creating = False
    try:
        params["cardholder"] = await cardholder_at_stripe(context, connection, scope_id, holder)
        made = None
        if over is not None or _must_look(promise, context.clock()):
            made = await _find(context, connection, promise, card, params["cardholder"])
        if made is None and over is not None:
            return await _end(context, promise, over)
        if made is None:
            promise, creating = _next_attempt(promise), True
            made = await ask_stripe(context, connection, issuing.create_card, params, promise.key)
    except CardholderRefused as none:
        again = none.code == "cardholder_removed"
        return await _end(
            context,
            promise,
            Ending(none.code, f"{none.message} {NOTHING_CHARGED}", again),
            maybe_made=is_unsure(promise),
        )
    except StripeRefused as refused:
        if not creating and is_unsure(promise):
            # The look was refused, not the card: an earlier try may have made one, so the hold stays.
            return await _not_now(context, connection, promise, refused, over, creating)
        return await _fail(context, connection, promise, refused)
    except (StripeCallFailed, GatewayBusy, PageLimitReached) as error:
        return await _not_now(context, connection, promise, error, over, creating)
    weaker = is_weaker(params, made)
    if weaker is not None:
        return await _refuse_weak(context, connection, promise, made, weaker)
    return await _record(context, promise, card_facts(made))


class Ending(NamedTuple):
    """Why a card will not be made: a code, a sentence for the agent, and whether asking again can help."""

    code: str
    message: str
    retry_can_help: bool


NOTHING_CHARGED = "Nothing was charged."


def _ending(why: Told) -> Ending:
    return Ending(why.code, f"{why.message} {NOTHING_CHARGED}", why.retry_can_help)


_REVOKED = _ending(REVOKED)
_TOO_LATE = Ending(
    "card_not_made_in_time", f"Stripe did not make the card in time. {NOTHING_CHARGED} It can be asked for again.", True
)


def _is_over(context: FlowContext, connection: Connection, card: Card) -> Ending | None:
    """Why no card may be made any more, or None. A card past its time is never made, only found."""
    if connection.status in ("revoked", "expired"):
        return _REVOKED
    return _TOO_LATE if context.clock() >= card.expires_at else None


async def _not_now(
    context: FlowContext, connection: Connection, promise: OutboxPromise, error: Exception, over: Ending | None,
    creating: bool,
) -> Purchase | None:  # fmt: skip
    """Put off; or ended, when nobody can look any more whether a card was made: the account is gone, or the card's time
    is over and every look fails.
    """
    refused_to_us = isinstance(error, (StripeForbidden, StripeUnauthorized))
    if connection.status == "revoked" and refused_to_us:
        return await _end(context, promise, _REVOKED, maybe_made=True)
    if over is not None and promise.tries + 1 >= LOOK_TRIES:
        return await _end(context, promise, over, maybe_made=True)
    await put_off(context, promise, error, look_up=not creating and promise.last_error == LOOK_UP)
    return None


async def _find(
    context: FlowContext, connection: Connection, promise: OutboxPromise, card: Card, cardholder: str
) -> dict[str, Any] | None:
    """The card of this promise at Stripe, told by our id in its metadata, if one was made."""
    since, until = promise.created_at // SECOND, card.expires_at // SECOND + LOOK_UP_MARGIN_SECONDS
    found = await ask_stripe(context, connection, issuing.find_cards, cardholder, since, until)
    return next((made for made in found if made["metadata"].get("roony_card") == promise.subject), None)


def _must_look(promise: OutboxPromise, now: int) -> bool:
    return promise.last_error == LOOK_UP or now - promise.created_at > LOOK_UP_AFTER


def _next_attempt(promise: OutboxPromise) -> OutboxPromise:
    """After a look-up found nothing the next key is used; before one, the same key again (section 10)."""
    if promise.last_error != LOOK_UP:
        return promise
    purchase_id = promise.key.rpartition(":")[0]
    return promise._replace(attempt=promise.attempt + 1, key=f"{purchase_id}:{promise.attempt + 1}")


async def _record(context: FlowContext, promise: OutboxPromise, made: MadeCard) -> Purchase | None:
    answer = await context.till.submit(
        RecordCard(promise.organization_id, promise.subject, made, context.new_id("out"), promise)
    )
    if isinstance(answer, Refusal):
        # The card exists and the row still says so: the lease runs out and the look-up by key finds it again.
        log.warning("card.not_recorded", card=promise.subject, code=answer.code)
        return None
    return answer


async def _fail(
    context: FlowContext, connection: Connection, promise: OutboxPromise, refused: StripeRefused
) -> Purchase | None:
    """A definite refusal: Stripe's words go into the log only, its code and request id to the owner."""
    failure = refused.failure
    log.error("card.refused", card=promise.subject, error=str(refused))
    why = told_refused(failure)
    try:
        if await _issuing_is_off(context, connection):
            why = ISSUING_NOT_ACTIVE
    except KeyOfAnother as other:
        # Another account refused it. In the connection's own an earlier try may have made the card: the hold stays.
        return await _not_now(context, connection, promise, other, None, creating=True)
    return await _end(context, promise, _ending(why), seen=seen_at_stripe(failure))


async def _issuing_is_off(context: FlowContext, connection: Connection) -> bool:
    """Whether the account has lost the capability that cards need: Stripe's refusal has no code for it (facts 6.1).

    What the look finds restricts the connection at once: the event about it may be late, or lost. Raises KeyOfAnother
    where our key is of another account by now.
    """
    try:
        seen = await look_at_account(context, connection)
    except KeyOfAnother:
        raise
    except (StripeCallFailed, GatewayBusy):
        return False
    # A later look was faster: what it found is in the books.
    seen = seen or await connection_of(context, connection.organization_id, connection.id)
    return isinstance(seen, Connection) and seen.card_issuing not in (None, "active")


async def _refuse_weak(
    context: FlowContext, connection: Connection, promise: OutboxPromise, made: dict[str, Any], weaker: str
) -> Purchase | None:
    """A card that came back with less than was asked is never handed out: canceled at Stripe, the purchase fails.

    One that Stripe does not cancel is left to a person after `CANCEL_TRIES` (`card_left_open`).
    """
    log.error("card.weaker", card=promise.subject, stripe_card=made["id"], control=weaker)
    left_open = False
    try:
        if made["status"] != "canceled":
            # Each try has its own key: a card canceled twice is canceled once, and a kept 500 is not asked for again.
            key = f"{promise.key}:{promise.tries}:weak"
            await ask_stripe(context, connection, issuing.cancel_card, made["id"], key)
    except (StripeCallFailed, GatewayBusy) as error:
        if promise.tries + 1 < CANCEL_TRIES:
            await put_off(context, promise, error, effect=True)
            return None
        left_open = True
    became = "and did not cancel it" if left_open else "so it was canceled"
    message = f"Stripe made the card without {weaker}, {became}. {NOTHING_CHARGED} The owner has to look."
    seen = {"stripe_card": str(made["id"])}
    return await _end(context, promise, Ending("card_weaker", message, False), maybe_made=left_open, seen=seen)


async def _end(
    context: FlowContext, promise: OutboxPromise, ending: Ending, *, maybe_made: bool = False,
    seen: dict[str, str] | None = None,
) -> Purchase | None:  # fmt: skip
    """The card will not be made: the purchase fails, its hold is voided, and the agent is told why."""
    failed = FailCard(
        promise.organization_id, promise.subject, *ending, promise=promise, cancel_promise_id=context.new_id("out"),
        maybe_made=maybe_made, seen=tuple((seen or {}).items()),
    )  # fmt: skip
    answer = await context.till.submit(failed)
    return None if isinstance(answer, Refusal) else answer
