"""What keeping any promise needs: the rows it is about as they are now, and putting it off with a doubling wait."""

from __future__ import annotations

import asyncio

import structlog
from sqlalchemy import bindparam, select

from roony.core.card import Card
from roony.core.connection import Connection
from roony.core.duration import SECOND
from roony.flows.card import PutOff
from roony.flows.card_waiting import CardWaits
from roony.flows.context import FlowContext
from roony.flows.stripe_failure import told
from roony.gateway.errors import StripeCallFailed, StripeUncertain
from roony.log_ids import learn
from roony.store import tables
from roony.store.rows import OutboxPromise

log = structlog.get_logger("roony.promises")

# Waits between tries: doubling from one second to five minutes.
MAX_DELAY = 300 * SECOND
# What a create may still take at Stripe after we stopped waiting for it.
LOOK_UP_DELAY = 10 * SECOND
# After this many unsure tries the same key is taken to replay a stored failure: look first, then use a new one.
UNSURE_TRIES = 3
LOOK_UP = "look_up"
UNSURE = "unsure "
# Setting a card to what it is already changes nothing: such a call may be sent again under another key without a look.
SAFE_AGAIN = frozenset({"set_card_status", "cancel_card", "raise_card", "set_card_limits"})


def is_unsure(promise: OutboxPromise) -> bool:
    """True if some try may have had its effect at Stripe: it said so, or it ended without a word, as in a crash."""
    said = promise.last_error or ""
    return said == LOOK_UP or said.startswith(UNSURE) or promise.generation > promise.tries + 1


def wait_before(tries: int, error: Exception | None, jitter: float) -> int:
    """Microseconds to wait after `tries` tries and one that ended with `error`; `jitter` is a number from 0 to 1.

    None: the next try is another call than the one that failed.

    1 doubling with a cap · 2 half of it at least, the rest by chance, so that those turned away together do not come
    back together · 3 never sooner than Stripe hinted · 4 where Stripe says not to try again, as late as ever (7.2).
    """
    whole = min(MAX_DELAY, SECOND * 2 ** min(tries, 10))
    failure = error.failure if isinstance(error, StripeCallFailed) else None
    if failure is not None and failure.stripe_should_retry is False:
        whole = MAX_DELAY
    hint = failure.retry_after_hint if failure is not None else None
    return max(int(whole * (1 + jitter) / 2), int((hint or 0) * SECOND))


async def put_off(
    context: FlowContext, promise: OutboxPromise, error: Exception, *, effect: bool = False, look_up: bool = False
) -> None:
    """Due again later with the same key. `effect`: this failure leaves open whether Stripe did it.

    `look_up`: a look is what failed, so the next try still looks first.

    For a card to be made: after several unsure answers, and where the key only replays, the next try looks first. What
    may safely be sent again gets a new key then.
    """
    unsure = effect or isinstance(error, StripeUncertain) or is_unsure(promise)
    word = LOOK_UP if look_up else f"{UNSURE if unsure else ''}{_word(error)}"
    delay, key, attempt = wait_before(promise.tries, error, context.jitter()), promise.key, promise.attempt
    if isinstance(error, StripeUncertain) and _key_is_spent(promise, error):
        if promise.kind == "make_card":
            # A create that was not waited for may still be under way: "none found" is no proof before it is over.
            word, delay = LOOK_UP, max(wait_before(promise.tries, None, context.jitter()), LOOK_UP_DELAY)
        elif promise.kind in SAFE_AGAIN:
            delay = wait_before(promise.tries, None, context.jitter())
            key, attempt = f"{promise.id}:{promise.attempt + 1}", promise.attempt + 1
    context.measures.retries["promise"] += 1
    log.warning(
        "promise.put_off", promise=promise.id, kind=promise.kind, error=str(error)[:300], seconds=delay / SECOND
    )
    later = PutOff(promise.organization_id, promise, key, attempt, delay, word)
    if promise.kind == "make_card":
        await context.till.submit(CardWaits(promise.organization_id, later, *told(error)))
        return
    await context.till.submit(later)


def _key_is_spent(promise: OutboxPromise, error: StripeUncertain) -> bool:
    """Where the key only replays the same answer, and after every third unsure try."""
    return not error.failure.same_key_may_help or (promise.tries + 1) % UNSURE_TRIES == 0


def _word(error: Exception) -> str:
    """What the row says of a failed try: our own name for it."""
    return error.failure.kind.value if isinstance(error, StripeCallFailed) else type(error).__name__


# Made once: making one of so many columns costs more than running it.
_CARD = select(tables.cards).where(
    tables.cards.c.organization_id == bindparam("org"), tables.cards.c.id == bindparam("card")
)
_CONNECTION = select(tables.connections).where(
    tables.connections.c.organization_id == bindparam("org"), tables.connections.c.id == bindparam("connection")
)


async def read_card(context: FlowContext, promise: OutboxPromise) -> Card:
    """The card a promise is about, as it is now."""
    named = {"org": promise.organization_id, "card": promise.subject}
    rows = await asyncio.to_thread(context.database.read, _CARD, named)
    card = Card(*rows[0])
    learn(purchase_id=card.purchase_id)
    return card


async def connection_of(context: FlowContext, organization_id: str, connection_id: str) -> Connection:
    """A connection as it is now."""
    named = {"org": organization_id, "connection": connection_id}
    rows = await asyncio.to_thread(context.database.read, _CONNECTION, named)
    return Connection(*rows[0])
