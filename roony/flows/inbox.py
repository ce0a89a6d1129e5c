"""A kept Stripe event is handled: read, routed to its connection, turned into the command that books it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import structlog

from roony.core.dispute import read_dispute
from roony.core.duration import MINUTE, SECOND
from roony.core.errors import Refusal
from roony.core.preflight import REALTIME
from roony.core.settlement import read_authorization, read_transaction
from roony.core.text import readable
from roony.flows.card import card_facts
from roony.flows.card_event import BookCard
from roony.flows.cardholder_event import BookCardholder
from roony.flows.connection import ACCOUNT_TYPES, PromiseCheck, RevokeConnection, routes_of
from roony.flows.connection.cardholder import stated
from roony.flows.connection.routing import read_connection
from roony.flows.context import FlowContext
from roony.flows.dispute import BookDispute
from roony.flows.event_outcome import finished
from roony.flows.event_purchase import about_event
from roony.flows.fraud_warning import BookToken
from roony.flows.settlement import BookAuthorization, BookTransaction
from roony.flows.tracing import trace_event
from roony.log_ids import about, learn
from roony.store import inbox
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs
from roony.store.rows import AccountRoute, InboxEvent

log = structlog.get_logger("roony.inbox")

MAX_DELAY = 5 * MINUTE

# Accepted and recorded as what they are: money this account takes in, never agent spend (facts section 3.2).
ACQUIRING = "acquiring side: not agent spend"
ACQUIRING_TYPES = frozenset({"charge.succeeded", "charge.captured", "charge.refunded", "charge.updated"})

DISPUTE_TYPES = frozenset(
    f"issuing_dispute.{what}"
    for what in ("created", "updated", "submitted", "closed", "funds_reinstated", "funds_rescinded")
)


class FinishEvent(Command[None]):
    """Ends the handling of an event that changes no money."""

    def __init__(self, organization_id: str, event: InboxEvent, status: str, reason: str | None) -> None:
        self.organization_id = organization_id
        self.event = event
        self.status = status
        self.reason = reason

    def needs(self, now: int) -> Needs:
        """Nothing but the organization."""
        return Needs()

    def apply(self, book: Book, now: int) -> None:
        """Writes how it ended."""
        finished(book, self.event, self.organization_id, self.status, self.reason, now)


Builder = Callable[[FlowContext, AccountRoute, InboxEvent, dict[str, Any]], Command[Any]]


def _authorization(_context: FlowContext, route: AccountRoute, event: InboxEvent, body: dict[str, Any]) -> Command[Any]:
    statement = read_authorization(body["data"]["object"], event.created)
    return BookAuthorization(route.organization_id, route.connection_id, statement, event)


def _transaction(_context: FlowContext, route: AccountRoute, event: InboxEvent, body: dict[str, Any]) -> Command[Any]:
    statement = read_transaction(body["data"]["object"])
    return BookTransaction(route.organization_id, route.connection_id, statement, event)


def _card(context: FlowContext, route: AccountRoute, event: InboxEvent, body: dict[str, Any]) -> Command[Any]:
    card = body["data"]["object"]
    named = (card.get("metadata") or {}).get("roony_card")
    return BookCard(route.organization_id, route.connection_id, card_facts(card), named, event, context.new_id("out"))


def _token(_context: FlowContext, route: AccountRoute, event: InboxEvent, body: dict[str, Any]) -> Command[Any]:
    token = body["data"]["object"]
    card = token["card"] if isinstance(token["card"], str) else token["card"]["id"]
    wallet = str(token.get("wallet_provider") or "unknown")
    return BookToken(route.organization_id, route.connection_id, token["id"], card, wallet, event)


def _cardholder(_context: FlowContext, route: AccountRoute, event: InboxEvent, body: dict[str, Any]) -> Command[Any]:
    holder, org = body["data"]["object"], route.organization_id
    scope_id = str((holder.get("metadata") or {}).get("roony_scope") or org)
    return BookCardholder(org, route.connection_id, scope_id, stated(holder, event.created), event)


def _dispute(context: FlowContext, route: AccountRoute, event: InboxEvent, body: dict[str, Any]) -> Command[Any]:
    org, item = route.organization_id, body["data"]["object"]
    said = read_dispute(item, event.type, event.created, org, route.connection_id, context.clock())
    return BookDispute(org, said, event)


def _account(_context: FlowContext, route: AccountRoute, event: InboxEvent, _body: dict[str, Any]) -> Command[Any]:
    # Only a hint, whatever it says: events come late and in any order, so the account itself is asked.
    return PromiseCheck(route.organization_id, route.connection_id, event.id, event)


def _acquiring(_context: FlowContext, route: AccountRoute, event: InboxEvent, _body: dict[str, Any]) -> Command[Any]:
    return FinishEvent(route.organization_id, event, "applied", ACQUIRING)


_BUILDERS: dict[str, Builder] = {
    "issuing_authorization.created": _authorization,
    "issuing_authorization.updated": _authorization,
    "issuing_transaction.created": _transaction,
    "issuing_transaction.updated": _transaction,
    "issuing_card.created": _card,
    "issuing_card.updated": _card,
    "issuing_token.created": _token,
    "issuing_cardholder.created": _cardholder,
    "issuing_cardholder.updated": _cardholder,
    **dict.fromkeys(ACCOUNT_TYPES, _account),
    **dict.fromkeys(DISPUTE_TYPES, _dispute),
    **dict.fromkeys(ACQUIRING_TYPES, _acquiring),
}
DEAUTHORIZED = "account.application.deauthorized"
HANDLED_TYPES = frozenset({*_BUILDERS, DEAUTHORIZED})
# Answered live or not at all: one that comes by backfill or is handled again is over, and Stripe has decided.
LATE_REQUEST = "late request"


async def handle_events(context: FlowContext, events: Sequence[InboxEvent]) -> None:
    """Handles claimed events at the same time; whose each account is, is looked up once for all of them."""
    accounts = {(event.account, bool(event.livemode)) for event in events}
    try:
        routes = await asyncio.to_thread(routes_of, context, accounts)
    except Exception as error:
        for event in events:
            await _failed(context, event, error)
        return
    work = (_handle(context, event, routes.get((event.account, bool(event.livemode)))) for event in events)
    for ended in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(ended, BaseException):
            # Not even its failure could be written down; its lease ends, and it is claimed again.
            raise ended


async def _handle(context: FlowContext, event: InboxEvent, route: AccountRoute | None) -> None:
    """Booked, ignored with a reason, or counted as failed and due again (P12)."""
    with about(event_id=event.id, **({"organization_id": route.organization_id} if route is not None else {})):
        await _handle_it(context, event, route)


async def _handle_it(context: FlowContext, event: InboxEvent, route: AccountRoute | None) -> None:
    began = time.time_ns()
    try:
        if route is None:
            await context.till.write(inbox.ignore(event, "unknown account", context.clock()))
            return
        if event.type == DEAUTHORIZED:
            await _revoke(context, route, event)
            return
        builder = _BUILDERS.get(event.type)
        if builder is None:
            reason = LATE_REQUEST if event.type == REALTIME else "not an event Roony needs"
            await context.till.submit(FinishEvent(route.organization_id, event, "ignored", reason))
            return
        answer = await context.till.submit(builder(context, route, event, json.loads(readable(event.payload))))
        _demand(answer)
        # One that waits for its card is handled again: it has one span, of the time it was booked.
        if answer != "received":
            await trace_event(context, route, event, began)
    except Exception as error:
        if route is not None:
            await _learn_purchase(context, route, event)
        await _failed(context, event, error)


async def _learn_purchase(context: FlowContext, route: AccountRoute, event: InboxEvent) -> None:
    """For the log lines about what failed."""
    with suppress(Exception):
        found = await about_event(context, route, event)
        if found is not None:
            learn(purchase_id=found.purchase_id)


class HandlingFailed(Exception):
    """The till did not take the command of an event."""


def _demand(answer: object) -> None:
    """Raises HandlingFailed when the till refused for now; every other answer ends the event."""
    if isinstance(answer, Refusal) and answer.status == 503:
        raise HandlingFailed(answer.code)


async def _revoke(context: FlowContext, route: AccountRoute, event: InboxEvent) -> None:
    named, ours, other = await _applications(context, route, event)
    if named is not None and named != ours:
        # Of a third application this installation knows nothing: the account itself is asked whether it is still ours.
        command: Command[Any] = PromiseCheck(route.organization_id, route.connection_id, event.id, event)
        if named == other:
            command = FinishEvent(route.organization_id, event, "ignored", "of another application")
        _demand(await context.till.submit(command))
        return
    answer = await context.till.submit(
        RevokeConnection(
            organization_id=route.organization_id,
            connection_id=route.connection_id,
            actor="stripe",
            reason="deauthorized at Stripe",
            stated_at=event.created * SECOND,
            promise_id=context.new_id("out"),
        )
    )
    _demand(answer)
    status, reason = "applied", None
    if isinstance(answer, Refusal) and answer.code == "already_reconnected":
        status, reason = "ignored", "before the connection became active"
    await context.till.submit(FinishEvent(route.organization_id, event, status, reason))


async def _applications(
    context: FlowContext, route: AccountRoute, event: InboxEvent
) -> tuple[str | None, str | None, str | None]:
    """Client ids: the one the event names, the one the account is connected by, and our other one."""
    connection = await read_connection(context, route.organization_id, route.connection_id)
    ours, other = context.gateway.connect_client_id, context.gateway.app_client_id
    if connection is not None and connection.kind == "stripe_app":
        ours, other = other, ours
    told = json.loads(readable(event.payload)).get("data") or {}
    return (told.get("object") or {}).get("id"), ours, other


async def _failed(context: FlowContext, event: InboxEvent, error: Exception) -> None:
    """Visible as failed, due again with a doubling wait; after `inbox.MAX_FAILURES` it is dead."""
    now = context.clock()
    reason = f"{type(error).__name__}: {error}"[:300]
    log.warning("event.failed", type=event.type, failures=event.failures + 1, reason=reason)
    context.measures.retries["event"] += 1
    due_at = now + min(MAX_DELAY, SECOND * 2 ** min(event.failures, 10))
    await context.till.write(inbox.fail(event, reason, due_at))
