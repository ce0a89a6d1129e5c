"""The promise to lift a card's limit at Stripe: look, set all controls, compare what comes back."""

from __future__ import annotations

import json
from typing import Any

import structlog

from roony.core.card import Card, is_raised, raised_controls
from roony.core.connection import Connection
from roony.core.errors import Refusal
from roony.core.purchase import Purchase
from roony.flows.card import FinishPromise
from roony.flows.connection import ask_stripe
from roony.flows.context import FlowContext
from roony.flows.inline import finish_in_time
from roony.flows.promise import connection_of, put_off, read_card
from roony.flows.raising import GiveBackRaise, RecordRaise
from roony.flows.stripe_failure import Told, seen_at_stripe, told_refused
from roony.gateway import issuing
from roony.gateway.errors import StripeCallFailed, StripeRefused
from roony.gateway.pool import GatewayBusy
from roony.store.rows import OutboxPromise

log = structlog.get_logger("roony.cards")

_ENDED = Told("card_over", "The card was over before Stripe had the new limit.", False)
_WEAKER = Told(
    "card_weaker", "Stripe's card came back with less control than asked, so it was canceled. Ask for a new one.", True
)


async def raise_card(context: FlowContext, promise: OutboxPromise, timeout: float) -> Refusal | None:
    """Keeps a promise just made, as its first holder. The refusal when Stripe said no for good within `timeout` s."""
    purchase = await finish_in_time(keep_raise_card(context, promise), timeout)
    if purchase is None or purchase.failure is None:
        return None
    why = json.loads(purchase.failure)
    message = f"{why['message']} The purchase stays at the amount before."
    return Refusal("raise_refused", message, 409, id=purchase.id, reasons=((why["code"], why["message"], None),))


async def keep_raise_card(context: FlowContext, promise: OutboxPromise) -> Purchase | None:
    """Lifts the limit and records it, or gives the raise back. None when it must be tried again, or nothing is to do.

    1 over already? · 2 look at the card, which an earlier try may have raised · 3 set all its controls · 4 compare ·
    5 record. Bounded by the card's time: one that is over needs no other limit.
    """
    card = await read_card(context, promise)
    org = promise.organization_id
    connection = await connection_of(context, org, card.connection_id)
    if card.limit_at_stripe is None or card.status in ("expired", "canceled") or _is_gone(connection):
        await context.till.submit(FinishPromise(org, promise))
        return None
    wanted = json.loads(promise.params)["card"]
    try:
        sent, found, refused = await _set_limit(context, connection, card, wanted, promise.key)
    except (StripeCallFailed, GatewayBusy) as error:
        await put_off(context, promise, error)
        return None
    over = found["status"] == "canceled"
    if over and _limit_of(found) != _limit_of(sent):
        return await _give_back(context, promise, _ENDED, refused)
    # Of a card that is over only the limit still matters: it may have been paid with at the new one.
    if over or is_raised(sent, found):
        answer = await context.till.submit(RecordRaise(org, card.id, promise))
        return None if isinstance(answer, Refusal) else answer
    if refused is not None and _limit_of(found) == card.limit_at_stripe:
        return await _give_back(context, promise, told_refused(refused.failure), refused)
    log.error("card.weaker", card=card.id)
    return await _give_back(context, promise, _WEAKER, refused, end=True)


def _is_gone(connection: Connection) -> bool:
    return connection.status in ("revoked", "expired")


async def _set_limit(
    context: FlowContext, connection: Connection, card: Card, wanted: dict[str, Any], key: str
) -> tuple[dict[str, Any], dict[str, Any], StripeRefused | None]:
    """What the card should be, what it is at Stripe afterwards, and Stripe's refusal if there was one.

    After a refusal the card is looked at again: a try whose answer was lost may have raised it before.
    """
    id = card.stripe_card_id or ""
    found = await ask_stripe(context, connection, issuing.retrieve_card, id)
    sent = {**wanted, "spending_controls": raised_controls(wanted, found)}
    if found["status"] == "canceled" or is_raised(sent, found):
        return sent, found, None
    try:
        made = await ask_stripe(context, connection, issuing.update_card_controls, id, sent["spending_controls"], key)
    except StripeRefused as refused:
        log.error("card.raise_refused", card=card.id, error=str(refused))
        return sent, await ask_stripe(context, connection, issuing.retrieve_card, id), refused
    return sent, made, None


def _limit_of(found: dict[str, Any]) -> int | None:
    """The limit over the card's life that Stripe has."""
    limits = (found.get("spending_controls") or {}).get("spending_limits") or []
    return next((int(limit["amount"]) for limit in limits if limit["interval"] == "all_time"), None)


async def _give_back(
    context: FlowContext, promise: OutboxPromise, why: Told, refused: StripeRefused | None, *, end: bool = False
) -> Purchase | None:
    seen = tuple(seen_at_stripe(refused.failure).items()) if refused is not None else ()
    command = GiveBackRaise(
        promise.organization_id, promise.subject, promise, *why, seen=seen, end=end,
        cancel_promise_id=context.new_id("out"),
    )  # fmt: skip
    answer = await context.till.submit(command)
    return None if isinstance(answer, Refusal) else answer
