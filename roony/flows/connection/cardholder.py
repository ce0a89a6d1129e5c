"""The cardholders of a connection: what each is made with, and making it at most once.

The organization's is promised when an account is connected. A project's or agent's own is made when the first card
asks for it: its parameters and its key are fixed by a commit before Stripe is called, like those of any promise.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import structlog
from sqlalchemy import bindparam, select

from roony.core.cardholder import DROPPED, REFUSED, WANTED, Cardholder, Stated
from roony.core.connection import Connection
from roony.core.duration import SECOND
from roony.core.errors import Refusal
from roony.flows.card import FinishPromise, PutOff
from roony.flows.connection.access import ask_stripe
from roony.flows.connection.cardholder_rows import DropCardholder, RecordCardholder, WantCardholder
from roony.flows.connection.routing import read_connection
from roony.flows.context import FlowContext
from roony.flows.promise import wait_before
from roony.gateway import issuing
from roony.gateway.errors import FailureKind, StripeCallFailed, StripeRefused, StripeUncertain
from roony.gateway.paging import PageLimitReached
from roony.gateway.pool import GatewayBusy
from roony.store.rows import OutboxPromise
from roony.store.tables import cardholders

log = structlog.get_logger("roony.connections")

# Tries of a promise, about a day of them, the later ones five minutes apart. Then the first card makes the cardholder.
MAKE_TRIES = 300

_ROW = select(cardholders).where(
    cardholders.c.organization_id == bindparam("org"),
    cardholders.c.connection_id == bindparam("connection"),
    cardholders.c.scope_id == bindparam("scope_id"),
)


class CardholderRefused(Exception):
    """No card can be made for this scope before its owner changes something: a code, and a sentence that says what."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


async def read_cardholder(
    context: FlowContext, organization_id: str, connection_id: str, scope_id: str
) -> Cardholder | None:
    """A cardholder as it is now, from a cold read."""
    given = {"org": organization_id, "connection": connection_id, "scope_id": scope_id}
    rows = await asyncio.to_thread(context.database.read, _ROW, given)
    return Cardholder(*rows[0]) if rows else None


async def cardholder_of(context: FlowContext, promise: OutboxPromise) -> Cardholder | None:
    """The cardholder a promise is about, see `Cardholder.subject`."""
    connection_id, _, scope_id = promise.subject.partition(":")
    return await read_cardholder(context, promise.organization_id, connection_id, scope_id or promise.organization_id)


async def ensure_cardholder(context: FlowContext, connection: Connection, scope_id: str) -> str:
    """The id at Stripe of a scope's cardholder, made now if there is none yet; however often it is called, one is made.

    Raises CardholderRefused, StripeCallFailed and GatewayBusy. After a definite refusal of the organization's own the
    connection is restricted; one of a project or an agent stops cards of that scope alone.
    """
    row = await read_cardholder(context, connection.organization_id, connection.id, scope_id)
    return await cardholder_at_stripe(context, connection, scope_id, row)


async def cardholder_at_stripe(
    context: FlowContext, connection: Connection, scope_id: str, row: Cardholder | None
) -> str:
    """`ensure_cardholder` for who has just read its row."""
    organization_id = connection.organization_id
    if row is None:
        answer = await context.till.submit(WantCardholder(organization_id, connection.id, scope_id))
        if isinstance(answer, Refusal):
            if answer.status == 503:
                raise GatewayBusy(answer.code)
            raise CardholderRefused(answer.code, answer.message)
        row = answer
    if row.stripe_cardholder_id is not None:
        return row.stripe_cardholder_id
    if row.status in (REFUSED, DROPPED):
        raise refused_before(row)
    return await _make(context, connection, row, None)


async def keep_make_cardholder(context: FlowContext, promise: OutboxPromise) -> None:
    """Keeps a promise to make one, `MAKE_TRIES` times at most. A card maker may have been faster; then nothing is left
    to do.
    """
    row = await cardholder_of(context, promise)
    connection = await read_connection(context, promise.organization_id, promise.subject.partition(":")[0])
    if row is None or connection is None or connection.status in ("revoked", "expired"):
        code = connection.status if connection is not None else "unknown"
        await context.till.submit(drop(promise, code))
        return
    if row.stripe_cardholder_id is not None or row.status != WANTED:
        error = None if row.stripe_cardholder_id is not None else row.status
        await context.till.submit(FinishPromise(promise.organization_id, promise, error))
        return
    try:
        await _make(context, connection, row, promise)
    except CardholderRefused:
        return
    except (StripeCallFailed, GatewayBusy, PageLimitReached) as error:
        if promise.tries + 1 >= MAKE_TRIES:
            await context.till.submit(FinishPromise(promise.organization_id, promise, "given_up"))
            return
        await put_off_cardholder(context, promise, error)


async def put_off_cardholder(context: FlowContext, promise: OutboxPromise, error: Exception) -> None:
    """Due again later with the same key, after the wait of every promise (`wait_before`)."""
    delay = wait_before(promise.tries, error, context.jitter())
    log.warning("cardholder.put_off", subject=promise.subject, error=str(error)[:300], seconds=delay / SECOND)
    await context.till.submit(
        PutOff(promise.organization_id, promise, promise.key, promise.attempt, delay, type(error).__name__)
    )


async def _make(context: FlowContext, connection: Connection, row: Cardholder, promise: OutboxPromise | None) -> str:
    """Calls Stripe with the parameters and the key of the row, then records the answer."""
    try:
        made = await _create(context, connection, row)
    except StripeRefused as refused:
        code = refused.failure.code or refused.failure.kind.value
        log.warning(
            "cardholder.refused", connection=connection.id, scope=row.scope_id, code=code,
            request_id=refused.failure.request_id,
        )  # fmt: skip
        await context.till.submit(
            DropCardholder(row.organization_id, row.connection_id, row.scope_id, promise, code, True, row.attempt)
        )
        raise refused_before(row._replace(reason=code)) from refused
    answer = await context.till.submit(
        RecordCardholder(
            row.organization_id, row.connection_id, row.scope_id, stated(made, int(made.get("created") or 0)), promise
        )
    )
    # Not recorded (the till is full or stopping): the same key gives the same cardholder next time.
    return str(made["id"]) if isinstance(answer, Refusal) else str(answer.stripe_cardholder_id)


async def _create(context: FlowContext, connection: Connection, row: Cardholder) -> dict[str, Any]:
    """The cardholder at Stripe. After a 500 it is looked for by what its metadata says: the key only replays that 500.

    Where none is found, the next try is under the next key. A create that is late all the same leaves a cardholder in
    whose name no card is made. Without an answer the same key brings back what was made (facts 7.1).
    """
    params = json.loads(row.params)
    try:
        return await ask_stripe(context, connection, issuing.create_cardholder, params, row.key)
    except StripeUncertain as unsure:
        if unsure.failure.kind is not FailureKind.SERVER_ERROR and unsure.failure.same_key_may_help:
            raise
        for found in await ask_stripe(context, connection, issuing.list_cardholders, row.created_at // SECOND):
            if found.get("metadata") == params["metadata"]:
                return found
        await context.till.submit(
            WantCardholder(row.organization_id, row.connection_id, row.scope_id, spent=row.attempt)
        )
        raise


def refused_before(row: Cardholder) -> CardholderRefused:
    """What is said of a scope whose cardholder Stripe did not take."""
    whose = "organization" if row.scope == "organization" else f"{row.scope} {row.scope_id}"
    message = (
        f"Stripe did not take the cardholder of the {whose}, so no card can be made. Its owner finds Stripe's reason"
        " in the alert, and has to set it anew: roony cardholder set."
    )
    return CardholderRefused("cardholder_refused", message)


def drop(promise: OutboxPromise, code: str) -> DropCardholder:
    """The promise is over with nothing made under it; `code` says why."""
    connection_id, _, scope_id = promise.subject.partition(":")
    return DropCardholder(
        promise.organization_id, connection_id, scope_id or promise.organization_id, promise, code, False, None
    )


def stated(cardholder: Mapping[str, Any], at: int) -> Stated:
    """What Stripe's cardholder object says of it, at `at` in seconds (facts 1.1)."""
    due = cardholder.get("requirements") or {}
    return Stated(
        cardholder["id"], str(cardholder.get("status") or "active"), tuple(due.get("past_due") or ()),
        due.get("disabled_reason"), at,
    )  # fmt: skip
