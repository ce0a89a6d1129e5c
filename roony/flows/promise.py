"""What keeping any promise needs: the rows it is about as they are now, and putting it off with a doubling wait."""

from __future__ import annotations

import asyncio

import structlog
from sqlalchemy import select

from roony.core.card import Card
from roony.core.connection import Connection
from roony.flows.card import PutOff
from roony.flows.connection import RevokeConnection
from roony.flows.context import FlowContext
from roony.gateway.errors import StripeForbidden, StripeUncertain
from roony.store import tables
from roony.store.tables import OutboxPromise

log = structlog.get_logger("roony.promises")

SECOND = 1_000_000
# Waits between tries: doubling from one second to five minutes.
MAX_DELAY = 300 * SECOND
# What a create may still take at Stripe after we stopped waiting for it.
LOOK_UP_DELAY = 10 * SECOND
# After this many unsure tries the same key is taken to replay a stored failure: look first, then use a new one.
UNSURE_TRIES = 3
LOOK_UP = "look_up"
UNSURE = "unsure "


def is_unsure(promise: OutboxPromise) -> bool:
    """True if some try may have had its effect at Stripe: it said so, or it ended without a word, as in a crash."""
    said = promise.last_error or ""
    return said == LOOK_UP or said.startswith(UNSURE) or promise.generation > promise.tries + 1


async def put_off(context: FlowContext, promise: OutboxPromise, error: Exception, *, effect: bool = False) -> None:
    """Due again later with the same key. `effect`: this failure leaves open whether Stripe did it.

    For a card to be made: after several unsure answers, and where the key only replays, the next try looks first.
    An account that Stripe no longer lets us act for is revoked (design section 5).
    """
    unsure = effect or isinstance(error, StripeUncertain) or is_unsure(promise)
    word = f"{UNSURE if unsure else ''}{type(error).__name__}"
    delay = min(MAX_DELAY, SECOND * 2 ** min(promise.tries, 10))
    if promise.kind == "make_card" and isinstance(error, StripeUncertain) and _look_next(promise, error):
        # A create that was not waited for may still be under way: "none found" is no proof before it is over.
        word, delay = LOOK_UP, max(delay, LOOK_UP_DELAY)
    log.warning(
        "promise.put_off", promise=promise.id, kind=promise.kind, error=str(error)[:300], seconds=delay // SECOND
    )
    await context.till.submit(PutOff(promise.organization_id, promise, promise.key, promise.attempt, delay, word))


def _look_next(promise: OutboxPromise, error: StripeUncertain) -> bool:
    """Where the key only replays the same answer, and after every third unsure try."""
    return not error.failure.same_key_may_help or (promise.tries + 1) % UNSURE_TRIES == 0


async def revoke_if_cut_off(context: FlowContext, connection: Connection, error: Exception) -> None:
    """Ends the connection when Stripe says that we may no longer act for its account (design section 9)."""
    cut_off = isinstance(error, StripeForbidden) and error.account_access_revoked
    if cut_off and connection.status in ("active", "restricted"):
        await context.till.submit(
            RevokeConnection(
                organization_id=connection.organization_id, connection_id=connection.id, actor="stripe",
                reason="Stripe no longer gives access to the account", promise_id=context.new_id("out"),
            )
        )  # fmt: skip


async def read_card(context: FlowContext, promise: OutboxPromise) -> Card:
    """The card a promise is about, as it is now."""
    statement = select(tables.cards).where(
        tables.cards.c.organization_id == promise.organization_id, tables.cards.c.id == promise.subject
    )
    rows = await asyncio.to_thread(context.database.read, statement)
    return Card(*rows[0])


async def connection_of(context: FlowContext, organization_id: str, connection_id: str) -> Connection:
    """A connection as it is now."""
    statement = select(tables.connections).where(
        tables.connections.c.organization_id == organization_id, tables.connections.c.id == connection_id
    )
    rows = await asyncio.to_thread(context.database.read, statement)
    return Connection(*rows[0])
