"""What Roony asks Stripe again: an authorization in question, a card nobody here knows, events that were left out."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from sqlalchemy import Table, select

from roony.core.authorization import Authorization
from roony.core.connection import STANDING, Connection
from roony.core.duration import SECOND
from roony.core.errors import Refusal
from roony.core.settlement import awaits_capture, read_authorization
from roony.flows.card import FinishPromise, PutOff, card_facts
from roony.flows.card_event import BookCard
from roony.flows.connection import ask_stripe
from roony.flows.context import FlowContext
from roony.flows.promise import connection_of, put_off
from roony.flows.settlement import BookAuthorization
from roony.flows.unknown_card import LOOK_AGAIN, UNKNOWN_CARD, ReplayCardEvents
from roony.gateway import issuing
from roony.gateway.errors import StripeCallFailed, StripeRefused
from roony.gateway.pool import GatewayBusy
from roony.store import archive, tables
from roony.store.queries.paging import find
from roony.store.rows import OutboxPromise

# After this many tries a question stays open; the hourly and daily looks of reconciliation go on.
MAX_TRIES = 12
# Events looked through for those of one card: pages of so many, and so many pages.
EVENTS_PAGE = 50
MAX_EVENT_PAGES = 200
TOO_MANY = "too_many_events"
# Whose card such an event was about nobody can say any more.
PAYLOAD_REMOVED = "payload_removed_by_retention"


async def keep_retrieve_authorization(context: FlowContext, promise: OutboxPromise) -> None:
    """Retrieves an authorization and books it like a statement. An answer that says nothing new ends it, too."""
    params = json.loads(promise.params)
    connection = await connection_of(context, promise.organization_id, params["connection_id"])
    org = promise.organization_id
    known = await asyncio.to_thread(find, context.database, Authorization, org, promise.subject)
    if params["unless_captured"] and known is not None and not awaits_capture(known):
        await context.till.submit(FinishPromise(org, promise))
        return
    called = context.clock() // SECOND
    item = await _ask(context, promise, connection, issuing.retrieve_authorization, promise.subject)
    if item is None:
        return
    command = BookAuthorization(org, connection.id, read_authorization(item, called))
    answer = await context.till.submit(command)
    await _finish(context, promise, answer)


async def keep_look_at_card(context: FlowContext, promise: OutboxPromise) -> None:
    """Looks at Stripe whose a card is. One that names a card of ours goes the way of a card's event."""
    params = json.loads(promise.params)
    connection = await connection_of(context, promise.organization_id, params["connection_id"])
    item = await _ask(context, promise, connection, issuing.retrieve_card, params["stripe_card_id"])
    if item is None:
        return
    named = (item.get("metadata") or {}).get("roony_card")
    command = BookCard(promise.organization_id, connection.id, card_facts(item), named, None, context.new_id("out"))
    answer = await context.till.submit(command)
    await _finish(context, promise, answer)


async def keep_replay_card_events(context: FlowContext, promise: OutboxPromise) -> None:
    """Takes up again the events that were left out because their card was unknown, a page at a time.

    The archive after the inbox: what is archived meanwhile is found in one of them.
    """
    left = None
    for table in (tables.inbox, tables.inbox_archive):
        answer = await _replay_from(context, promise, table)
        if isinstance(answer, Refusal):
            await _finish(context, promise, answer)
            return
        left = answer or left
    await context.till.submit(FinishPromise(promise.organization_id, promise, left))


async def _replay_from(context: FlowContext, promise: OutboxPromise, table: Table) -> str | Refusal | None:
    """Looks through one table; a word where it was not looked through to its end."""
    params, org = json.loads(promise.params), promise.organization_id
    after, left = (params["since"], ""), None
    for _ in range(MAX_EVENT_PAGES):
        rows = await asyncio.to_thread(_left_out, context, org, table, after)
        ids = tuple(id for id, _, payload in rows if _card_of(payload) == params["stripe_card_id"])
        if ids and table is tables.inbox_archive:
            await context.till.write(archive.bring_back(org, ids, UNKNOWN_CARD, context.clock()))
        if ids:
            answer: Any = await context.till.submit(ReplayCardEvents(org, ids))
            if isinstance(answer, Refusal):
                return answer
        if not all(payload for _, _, payload in rows):
            left = PAYLOAD_REMOVED
        if len(rows) < EVENTS_PAGE:
            return left
        after = (rows[-1][1], rows[-1][0])
    return TOO_MANY


async def _ask(
    context: FlowContext, promise: OutboxPromise, connection: Connection, call: Any, id: str
) -> dict[str, Any] | None:
    """Stripe's answer, or None when there is none: then the promise is ended or put off."""
    ended = None
    if connection.status not in STANDING:
        ended = f"connection_{connection.status}"
    elif promise.tries >= MAX_TRIES:
        ended = promise.last_error or "no answer"
    if ended is not None:
        await context.till.submit(FinishPromise(promise.organization_id, promise, ended))
        return None
    try:
        found: dict[str, Any] = await ask_stripe(context, connection, call, id)
    except StripeRefused as refused:
        code = refused.failure.code or refused.failure.kind.value
        await context.till.submit(FinishPromise(promise.organization_id, promise, code))
        return None
    except (StripeCallFailed, GatewayBusy) as error:
        await put_off(context, promise, error)
        return None
    return found


async def _finish(context: FlowContext, promise: OutboxPromise, answer: str | Refusal) -> None:
    """Kept; or due again while the card is still being made, or when the till took nothing."""
    org = promise.organization_id
    if answer == "received" or isinstance(answer, Refusal):
        word = answer.code if isinstance(answer, Refusal) else "waiting for its card"
        delay = LOOK_AGAIN if promise.tries < MAX_TRIES // 2 else 20 * LOOK_AGAIN
        await context.till.submit(PutOff(org, promise, promise.key, promise.attempt, delay, word))
        return
    await context.till.submit(FinishPromise(org, promise))


def _left_out(context: FlowContext, organization_id: str, table: Table, after: tuple[int, str]) -> list[Any]:
    event = table.c
    at, id = after
    statement = (
        select(event.id, event.received_at, event.payload)
        .where(event.organization_id == organization_id, event.received_at >= at)
        .where((event.received_at > at) | (event.id > id), event.status == "applied", event.reason == UNKNOWN_CARD)
        .order_by(event.received_at, event.id)
        .limit(EVENTS_PAGE)
    )
    return list(context.database.read(statement))


def _card_of(payload: bytes) -> str | None:
    """The card an event was about, expanded or not; None where its payload was removed."""
    if not payload:
        return None
    card: Any = json.loads(payload)["data"]["object"].get("card")
    found: str | None = card.get("id") if isinstance(card, dict) else card
    return found
