"""Promises about the status of a card at Stripe: frozen, brought back, canceled."""

from __future__ import annotations

import json
from typing import Literal

from roony.core.card import wanted_at_stripe
from roony.core.connection import Connection
from roony.flows.card import FinishPromise, LeaveCardOpen, RecordCardStatus
from roony.flows.connection import ask_stripe
from roony.flows.context import FlowContext
from roony.flows.promise import connection_of, put_off, read_card
from roony.gateway import issuing
from roony.gateway.errors import StripeCallFailed, StripeForbidden, StripeRefused, StripeUnauthorized
from roony.gateway.pool import GatewayBusy
from roony.store.rows import OutboxPromise

# Tries before a person is told: about a day of them, the later ones five minutes apart.
STATUS_TRIES = 300


async def keep_card_status(context: FlowContext, promise: OutboxPromise) -> None:
    """Sets a card's status at Stripe to what is wanted by now, and records it. A canceled card needs no more.

    It is set even where we believe it to be so already: what we know may be an old event.
    """
    card = await read_card(context, promise)
    asked = json.loads(promise.params)["status"]
    wanted = wanted_at_stripe(card) or asked
    if card.status == "used" and asked == "canceled":
        # Its purchase has ended: that its owner froze it before does not keep it open.
        wanted = "canceled"
    if card.stripe_card_id is None or card.stripe_status == "canceled":
        await _record_status(context, promise, card.stripe_status or wanted)
        return
    connection = await connection_of(context, card.organization_id, card.connection_id)
    if connection.status == "expired":
        # Our key is another account's by now: there is nobody left to tell.
        await context.till.submit(LeaveCardOpen(promise.organization_id, card.id, promise))
        return
    try:
        found = await _set_status(context, connection, card.stripe_card_id, wanted, promise.key)
    except (StripeCallFailed, GatewayBusy) as error:
        if connection.status == "revoked" and isinstance(error, (StripeForbidden, StripeUnauthorized)):
            await context.till.submit(LeaveCardOpen(promise.organization_id, card.id, promise))
            return
        if promise.tries + 1 >= STATUS_TRIES:
            await context.till.submit(LeaveCardOpen(promise.organization_id, card.id, promise, "stripe_refuses"))
            return
        await put_off(context, promise, error)
        return
    await _record_status(context, promise, found)


async def keep_cancel_card(context: FlowContext, promise: OutboxPromise) -> None:
    """Cancels a card at Stripe that should not be there, beside the one we recorded."""
    params = json.loads(promise.params)
    connection = await connection_of(context, promise.organization_id, params["connection_id"])
    if connection.status == "expired":
        # The card was flagged when it was found.
        await context.till.submit(FinishPromise(promise.organization_id, promise, "connection_expired"))
        return
    try:
        await _set_status(context, connection, params["stripe_card_id"], "canceled", promise.key)
    except (StripeCallFailed, GatewayBusy) as error:
        if promise.tries + 1 >= STATUS_TRIES:
            # The card was flagged when it was found.
            await context.till.submit(FinishPromise(promise.organization_id, promise, "stripe_refuses"))
            return
        await put_off(context, promise, error)
        return
    await context.till.submit(FinishPromise(promise.organization_id, promise))


async def _set_status(context: FlowContext, connection: Connection, card_id: str, wanted: str, key: str) -> str:
    """The card's status at Stripe after setting it; refused because of what it already is, what it is decides."""
    key = f"{key}:{wanted}"
    try:
        if wanted == "canceled":
            found = await ask_stripe(context, connection, issuing.cancel_card, card_id, key)
        else:
            status: Literal["active", "inactive"] = "active" if wanted == "active" else "inactive"
            found = await ask_stripe(context, connection, issuing.update_card_status, card_id, status, key)
    except StripeRefused:
        found = await ask_stripe(context, connection, issuing.retrieve_card, card_id)
        if found["status"] not in (wanted, "canceled"):
            raise
    return str(found["status"])


async def _record_status(context: FlowContext, promise: OutboxPromise, status: str) -> None:
    await context.till.submit(
        RecordCardStatus(promise.organization_id, promise.subject, status, promise, context.new_id("out"))
    )
