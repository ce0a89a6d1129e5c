"""Looking at everything an account needs before agents can buy on it: when it is connected, on demand, and by doctor.

Nothing here restricts for what only helps: a key that may not read balances or webhook endpoints buys as well. What an
account lacks for buying restricts it by the calls themselves (`connection.access`) and by what the account says; the
first look also for cards Roony did not make, while nobody has chosen what becomes of payments with them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import select

from roony.core.agent import Organization
from roony.core.audit import ROONY
from roony.core.authorization import STRIPE_VERSION
from roony.core.cardholder import REFUSED, Cardholder
from roony.core.confirmation import OTHER_CARDS, Confirmation, Evidence
from roony.core.connection import NEXT, STANDING, Connection, Seen, as_seen
from roony.core.errors import Refusal, not_found
from roony.core.money import format_amount
from roony.core.preflight import MISSING, OK, UNKNOWN, WARNING, Check, Facts, Preflight, look, to_json
from roony.flows.alert import alert_row, close_alert, raise_alert
from roony.flows.card import FinishPromise, done
from roony.flows.connection import PREFLIGHT, KeyOfAnother, ask_gently, look_at_account, preflight_id
from roony.flows.connection.confirmation import confirmation_rows, note_evidence
from roony.flows.connection.restriction import follow_restrictions
from roony.flows.connection.routing import read_connection, read_organization
from roony.flows.context import FlowContext
from roony.flows.inline import finish_in_time
from roony.flows.organization_settings import low_balance_amount
from roony.flows.webhook_endpoint import NEEDED, webhook_url
from roony.gateway import events, issuing
from roony.gateway.client import ConnectionAccess, PlainObject, StripeGateway
from roony.gateway.errors import StripeCallFailed
from roony.gateway.pool import GatewayBusy
from roony.store.authority import Authority
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs
from roony.store.queries.connections import about_connections
from roony.store.rows import OutboxPromise
from roony.store.tables import outbox

P = ParamSpec("P")
T = TypeVar("T")

BALANCE_LOW = "issuing_balance_low"
# It is made beside the first look. No more than a warning, for it settles itself: what an owner has to do comes first.
_BEING_MADE = Check(
    "cardholder", WARNING, "The cardholder is still being made: it is not known yet whether Stripe wants more of it.",
    "Look again in a moment.",
)  # fmt: skip


async def run_preflight(
    context: FlowContext, connection: Connection, actor: str, promise: OutboxPromise | None = None,
    by: Authority | None = None,
) -> Preflight | Refusal:  # fmt: skip
    """Looks at everything and keeps the result; a restricted connection that works again is active at once.

    What Stripe does not answer is `unknown`, never missing. Some six reads. `by` is the person who asked for it.
    """
    refused = foreign = None
    try:
        await look_at_account(context, connection)
    except (StripeCallFailed, GatewayBusy) as error:
        refused = _words(error)
        foreign = refused if isinstance(error, KeyOfAnother) else None
    connection = await read_connection(context, connection.organization_id, connection.id) or connection
    facts = await _facts(context, connection, refused, foreign)
    checks = look(facts)
    org = connection.organization_id
    if isinstance(facts.balance, int):
        await context.till.submit(RecordBalance(org, connection.id, facts.balance))
    counted = None if promise is None or isinstance(facts.other, str) else (facts.other, facts.more)
    return await context.till.submit(
        RecordPreflight(org, connection.id, PREFLIGHT, to_json(checks), actor, promise, counted=counted), by=by
    )


async def _facts(context: FlowContext, connection: Connection, refused: str | None, foreign: str | None) -> Facts:
    """`foreign`: our key is of another account, in words; that one's balance, cards and endpoints are not shown."""
    org = connection.organization_id
    about = (await asyncio.to_thread(about_connections, context.database, org, [connection.id]))[connection.id]
    organization = await read_organization(context, org)
    if foreign is None:
        balance, endpoints, other, cardholder = await asyncio.gather(
            _seen(context, connection, issuing.issuing_balance, connection.currency),
            _endpoints(context, connection),
            _seen(context, connection, issuing.count_other_cards),
            _cardholder(context, connection, about.cardholder),
        )
    else:
        balance = endpoints = other = foreign
        cardholder = Check("cardholder", UNKNOWN, f"The cardholder cannot be read: {foreign}", NEXT["key_refused"])
    return Facts(
        connection=connection,
        key_livemode=context.gateway.livemode,
        public_url=context.public_url(),
        webhook_url=webhook_url(context),
        version=STRIPE_VERSION,
        needed=NEEDED,
        refused=refused,
        balance=balance,
        threshold=low_balance_amount(organization) if organization is not None else 0,
        endpoints=endpoints,
        other=other if isinstance(other, str) else other[0],
        more=not isinstance(other, str) and other[1],
        confirmations=about.confirmations,
        cardholder=cardholder,
    )


async def _seen(
    context: FlowContext,
    connection: Connection,
    call: Callable[Concatenate[StripeGateway, ConnectionAccess, P], T],
    *args: P.args,
    **kwargs: P.kwargs,
) -> T | str:
    """The answer of a read that only helps, or in words why there is none: a missing permission restricts nothing."""
    try:
        return await ask_gently(context, connection, call, *args, **kwargs)
    except (StripeCallFailed, GatewayBusy) as error:
        return _words(error)


async def _endpoints(context: FlowContext, connection: Connection) -> list[PlainObject] | str:
    """The account's own endpoints and those of the platform that hear of it (facts section 5)."""
    own = await _seen(context, connection, events.list_webhook_endpoints)
    if connection.kind == "direct":
        return own
    platform: list[PlainObject] | str
    try:
        access = ConnectionAccess("direct", None, context.gateway.livemode)
        found = await context.pool.run(events.list_webhook_endpoints, context.gateway, access)
        platform = [one for one in found if one.get("application") is not None]
    except (StripeCallFailed, GatewayBusy) as error:
        platform = _words(error)
    if isinstance(own, str) and isinstance(platform, str):
        return own
    return [*(own if not isinstance(own, str) else ()), *(platform if not isinstance(platform, str) else ())]


async def _cardholder(context: FlowContext, connection: Connection, row: Cardholder | None) -> Check:
    """What Stripe still wants of the organization's cardholder (facts 1.1): past due, its cards are declined."""
    if row is not None and row.status == REFUSED:
        after = "Correct it: roony cardholder set. It is then made anew."
        return Check("cardholder", MISSING, f"Stripe refused the cardholder: {row.reason}", after)
    if row is None or row.stripe_cardholder_id is None:
        return _BEING_MADE
    found = await _seen(context, connection, issuing.retrieve_cardholder, row.stripe_cardholder_id)
    if isinstance(found, str):
        return Check("cardholder", UNKNOWN, f"The cardholder cannot be read: {found}", "Try again in a moment.")
    due: Mapping[str, Any] = found.get("requirements") or {}
    past_due = due.get("past_due") or []
    if past_due or due.get("disabled_reason") or found.get("status") != "active":
        words = ", ".join(past_due) or due.get("disabled_reason") or f"it is {found.get('status')}"
        after = "Give it to Stripe in the Dashboard (Issuing, cardholders)."
        return Check("cardholder", MISSING, f"Stripe still wants of the cardholder: {words}.", after)
    return Check("cardholder", OK, "Nothing is missing of the cardholder.")


def _words(error: Exception) -> str:
    if isinstance(error, StripeCallFailed):
        return error.failure.message
    return "too many calls to Stripe are waiting"


@dataclass(frozen=True, slots=True)
class RecordPreflight(Command[Preflight | Refusal]):
    """The result of a preflight or probe, kept so that pages can show it; `evidence` is what a probe showed.

    `counted` are the cards Roony did not make, and whether there are more: given by the first look at a connection,
    since they may not have been counted when it became active.
    """

    organization_id: str
    connection_id: str
    kind: str
    checks: str
    actor: str
    promise: OutboxPromise | None = None
    evidence: tuple[Evidence, ...] = ()
    shown_by: str = ""
    counted: tuple[int, bool] | None = None

    def needs(self, now: int) -> Needs:
        """The connection, what was confirmed of it, the choice about other cards, and the result before."""
        org, id = self.organization_id, self.connection_id
        choice = (Confirmation, org, org, OTHER_CARDS)
        return Needs(rows=((Preflight, org, id, self.kind), choice, *confirmation_rows(org, id)))

    def apply(self, book: Book, now: int) -> Preflight | Refusal:
        """Writes it in place of the one before; only a change is audited."""
        org, id = self.organization_id, self.connection_id
        connection = book.get(Connection, org, id)
        if connection is None:
            return not_found("connection", id)
        before = book.get(Preflight, org, id, self.kind)
        after = Preflight(org, id, self.kind, self.checks, self.actor, now)
        book.put(after)
        if before is None or before.checks != after.checks:
            found = {check["id"]: check["status"] for check in json.loads(self.checks)}
            book.record(org, self.actor, f"connection.{self.kind}", id, found, now)
        if self.counted is not None and connection.status in STANDING:
            chosen = book.get(Confirmation, org, org, OTHER_CARDS) is not None
            seen = Seen(connection.card_issuing, *self.counted, connection.account_seen_at)
            follow_restrictions(book, connection, as_seen(connection, seen, chosen, now), ROONY, now)
        note_evidence(book, org, id, self.evidence, self.shown_by, now)
        if self.promise is not None:
            book.finish_promise(done(self.promise, now))
        return after


@dataclass(frozen=True, slots=True)
class RecordBalance(Command[None]):
    """The Issuing balance as it was just read, in minor units: an alert is open while it is at the owner's threshold
    or under it."""

    organization_id: str
    connection_id: str
    available: int
    promise: OutboxPromise | None = None

    def needs(self, now: int) -> Needs:
        """The alert and the connection."""
        org, id = self.organization_id, self.connection_id
        return Needs(rows=((Connection, org, id), alert_row(org, BALANCE_LOW, id)))

    def apply(self, book: Book, now: int) -> None:
        """Opens or closes it."""
        org, id = self.organization_id, self.connection_id
        connection = book.get(Connection, org, id)
        threshold = low_balance_amount(book.need(Organization, org))
        if connection is not None and self.available <= threshold:
            there, least = (format_amount(amount, connection.currency) for amount in (self.available, threshold))
            words = f"The Issuing balance of {connection.stripe_account} is {there}, no more than {least}:"
            words = f"{words} payments may be declined."
            raise_alert(book, org, BALANCE_LOW, id, f"{words} Add funds in the Stripe Dashboard.", now)
        else:
            close_alert(book, org, BALANCE_LOW, id, now)
        if self.promise is not None:
            book.finish_promise(done(self.promise, now))


async def keep_preflight(context: FlowContext, promise: OutboxPromise) -> None:
    """The first look at an account that was connected; what could not be seen is shown so, and not tried again."""
    connection = await read_connection(context, promise.organization_id, promise.subject)
    if connection is None or connection.status not in STANDING:
        await context.till.submit(FinishPromise(promise.organization_id, promise, "over"))
        return
    await run_preflight(context, connection, ROONY, promise)


async def keep_check_balance(context: FlowContext, promise: OutboxPromise) -> None:
    """One look at the account and its Issuing balance; the next hour looks again, whatever came of it.

    The account comes first: an event about it may be lost, and our own key may be of another one by now, whose balance
    says nothing.
    """
    connection = await read_connection(context, promise.organization_id, promise.subject)
    found: int | str | None = None
    if connection is not None and connection.status in STANDING:
        found = await _balance_of_account(context, connection)
    if isinstance(found, int):
        await context.till.submit(RecordBalance(promise.organization_id, promise.subject, found, promise))
    else:
        await context.till.submit(FinishPromise(promise.organization_id, promise, found or "no Issuing balance"))


async def _balance_of_account(context: FlowContext, connection: Connection) -> int | str | None:
    """In minor units, None when the account has none, or in words why it could not be seen."""
    try:
        await look_at_account(context, connection)
    except (StripeCallFailed, GatewayBusy) as error:
        return _words(error)
    return await _seen(context, connection, issuing.issuing_balance, connection.currency)


async def first_preflight(context: FlowContext, connection: Connection, seconds: float) -> Preflight | None:
    """Keeps the promise of a connection that was just made, as its first holder, and waits so long for the result."""
    id = preflight_id(connection)
    statement = select(outbox).where(outbox.c.organization_id == connection.organization_id, outbox.c.id == id)
    rows = await asyncio.to_thread(context.database.read, statement)
    if rows and OutboxPromise(*rows[0]).status == "promised":
        await finish_in_time(keep_preflight(context, OutboxPromise(*rows[0])), seconds)
    about = await asyncio.to_thread(about_connections, context.database, connection.organization_id, [connection.id])
    kept = about[connection.id].checks.get(PREFLIGHT)
    return kept if kept is not None and kept.checked_at >= (connection.activated_at or 0) else None
