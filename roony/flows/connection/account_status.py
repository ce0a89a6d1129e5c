"""What a Stripe account may do follows from the account itself: asked for when an event hints that something changed.

An event is only a hint: it may come late, twice or out of order. So it promises to ask, and what the account says then
is recorded. The look that was asked for last counts; every change is followed by an event, and so by a later look.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import Select, select, tuple_

from roony.core.audit import ROONY
from roony.core.confirmation import OTHER_CARDS, Confirmation
from roony.core.connection import PERSONAL, STANDING, Connection, Seen, as_seen, lift, restrictions_of
from roony.core.duration import HOUR, MINUTE, SECOND
from roony.core.errors import Refusal, not_found
from roony.core.hashing import derived_id
from roony.flows.card import FinishPromise, PutOff, done
from roony.flows.connection.access import ask_stripe, own_account
from roony.flows.connection.restriction import RestrictConnection, follow_restrictions, restriction_rows
from roony.flows.connection.routing import read_connection
from roony.flows.context import FlowContext
from roony.flows.event_outcome import finished
from roony.gateway import issuing
from roony.gateway.client import ConnectionAccess
from roony.gateway.errors import (
    FailureKind,
    StripeCallFailed,
    StripeFailure,
    StripeForbidden,
    StripeRefused,
    StripeUnauthorized,
)
from roony.gateway.pool import GatewayBusy
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs
from roony.store.outbox import new_promise
from roony.store.rows import InboxEvent, OutboxPromise
from roony.store.tables import connections

log = structlog.get_logger("roony.connections")

CHECK_ACCOUNT = "check_account"
CHECK_BALANCE = "check_balance"
PREFLIGHT = "preflight"
ACCOUNT_TYPES = ("account.updated", "capability.updated")
# A look that finds no answer is tried again, with a doubling wait; then the next timed look has its turn.
MAX_TRIES = 8
MAX_DELAY = 300 * SECOND
# How often the worker looks for restricted connections, in microseconds.
LOOK_PACE = 20 * SECOND
# Most looks of one kind begun at once, and most connections read for them; the next round goes on behind the last one.
MAX_LOOKS = 100
PAGE = 500
# Reads are metered (facts 7.3): a restriction younger than the first is looked at that often, then ever less.
PACES = ((10 * MINUTE, MINUTE), (2 * HOUR, 5 * MINUTE))
SLOWEST = 30 * MINUTE

_RESTRICTED = (
    select(connections)
    .where(connections.c.status == "restricted", connections.c.stripe_account.is_not(None))
    .order_by(connections.c.organization_id, connections.c.id)
)
_STANDING = (
    select(connections)
    .where(connections.c.status.in_(STANDING), connections.c.stripe_account.is_not(None))
    .order_by(connections.c.organization_id, connections.c.id)
)


def at_start(livemode: bool) -> Select[Any]:
    """Connections for the first looks of a process, whose key is of this mode: the key comes with the start, so that is
    when it may be of another account or mode than before."""
    foreign = (connections.c.kind == "direct") | (connections.c.livemode != int(livemode))
    wanted = (connections.c.status == "restricted") | (connections.c.status.in_(STANDING) & foreign)
    order = (connections.c.organization_id, connections.c.id)
    return select(connections).where(wanted, connections.c.stripe_account.is_not(None)).order_by(*order)


def check_id(kind: str, connection_id: str, cause: str) -> str:
    """The id of one look, so that the same cause leads to one."""
    return derived_id("out", kind, connection_id, cause)


def preflight_id(connection: Connection) -> str:
    """The id of the look that was promised when the connection became active."""
    return check_id(PREFLIGHT, connection.id, str(connection.activated_at))


@dataclass(frozen=True, slots=True)
class PromiseCheck(Command[bool]):
    """Somebody wants the account, or its balance, to be looked at: an event that hints at a change, or the time for it.

    Once for each cause.
    """

    organization_id: str
    connection_id: str
    cause: str
    event: InboxEvent | None = None
    kind: str = CHECK_ACCOUNT

    def needs(self, now: int) -> Needs:
        """The connection and the promise, which may be there."""
        org, id = self.organization_id, self.connection_id
        return Needs(rows=((Connection, org, id), (OutboxPromise, org, check_id(self.kind, id, self.cause))))

    def apply(self, book: Book, now: int) -> bool:
        """True when it was promised here."""
        org, id = self.organization_id, check_id(self.kind, self.connection_id, self.cause)
        finished(book, self.event, org, "applied", None, now)
        connection = book.get(Connection, org, self.connection_id)
        if connection is None or connection.status not in STANDING:
            return False
        if book.get(OutboxPromise, org, id) is not None:
            return False
        book.promise(new_promise(org, id, self.kind, self.connection_id, {"cause": self.cause}, now))
        return True


@dataclass(frozen=True, slots=True)
class RecordAccount(Command[Connection | Refusal | None]):
    """The account as it was seen. `works` are the restrictions that this look shows to be over; `promise` ends with it.
    `platform_account` is whose key it was seen with, for a connection of which that is not known.

    None when a later look was recorded before: look again.
    """

    organization_id: str
    connection_id: str
    seen: Seen
    works: tuple[str, ...] = ()
    promise: OutboxPromise | None = None
    platform_account: str | None = None

    def needs(self, now: int) -> Needs:
        """The connection and its alert, and whether other cards were decided on."""
        org = self.organization_id
        return Needs(rows=(*restriction_rows(org, self.connection_id), (Confirmation, org, org, OTHER_CARDS)))

    def apply(self, book: Book, now: int) -> Connection | Refusal | None:
        """Restricted or active again, as the account says; what only a person can clear stays."""
        org = self.organization_id
        connection = book.get(Connection, org, self.connection_id)
        if connection is None:
            return not_found("connection", self.connection_id)
        if self.seen.asked_at < connection.account_seen_at:
            return None
        if connection.status in STANDING:
            chosen = book.get(Confirmation, org, org, OTHER_CARDS) is not None
            after = as_seen(lift(connection, self.works, self.seen.asked_at), self.seen, chosen, now)
            after = after._replace(platform_account=connection.platform_account or self.platform_account)
            connection = follow_restrictions(book, connection, after, ROONY, now)
        if self.promise is not None:
            book.finish_promise(done(self.promise, now))
        return connection


async def keep_check_account(context: FlowContext, promise: OutboxPromise) -> None:
    """1 ask for the account; a 401 or 403 has restricted the connection already · 2 try what was refused before
    · 3 record. Where the answer is unsure it is asked again, at most `MAX_TRIES` times."""
    org = promise.organization_id
    connection = await read_connection(context, org, promise.subject)
    if connection is None or connection.status not in STANDING:
        await context.till.submit(FinishPromise(org, promise, connection.status if connection else "unknown"))
        return
    try:
        answer = await look_at_account(context, connection, promise)
    except (StripeRefused, StripeForbidden, StripeUnauthorized) as error:
        await context.till.submit(FinishPromise(org, promise, error.failure.code or error.failure.kind.value))
        return
    except (StripeCallFailed, GatewayBusy) as error:
        log.warning("connection.account_not_read", connection=connection.id, error=str(error)[:300])
        await _again(context, promise, type(error).__name__)
        return
    if answer is None:
        await _again(context, promise, "overtaken")


async def look_at_account(
    context: FlowContext, connection: Connection, promise: OutboxPromise | None = None
) -> Connection | Refusal | None:
    """Asks for the account and records what it says; None when a later look was faster. Raises as `ask_stripe`, and
    KeyOfAnother when the answer is another account.

    Where a permission was missing, everything Roony needs is tried as well, without effect.
    """
    asked_at = context.clock()
    account = await ask_stripe(context, connection, issuing.retrieve_account)
    if account["id"] != connection.stripe_account:
        raise await _of_another(context, connection, str(account["id"]))
    held = {item.code for item in restrictions_of(connection)}
    works = ["key_refused", "key_missing"]
    if "permission_missing" in held:
        await ask_stripe(context, connection, issuing.try_permissions)
        works.append("permission_missing")
    other, more = None, False
    if "other_cards_undecided" in held:
        other, more = await ask_stripe(context, connection, issuing.count_other_cards)
    platform = None
    if connection.kind == "connect" and connection.platform_account is None:
        # Stripe did not say when it was connected, or an earlier release did not ask.
        platform = await own_account(context)
    seen = Seen(issuing_capability(account), other, more, asked_at)
    return await context.till.submit(
        RecordAccount(connection.organization_id, connection.id, seen, tuple(works), promise, platform)
    )


class KeyOfAnother(StripeUnauthorized):
    """The key works, for an account that is not the connection's: nothing it answers is about the connection."""


async def _of_another(context: FlowContext, connection: Connection, found: str) -> KeyOfAnother:
    """Restricts it: the installation's key was exchanged, perhaps for one of another company."""
    words = f"Roony's Stripe key is of {found}, not of {connection.stripe_account}."
    org, id = connection.organization_id, connection.id
    await context.till.submit(RestrictConnection(org, id, "key_refused", words, asked_for=connection))
    return KeyOfAnother(StripeFailure(FailureKind.UNAUTHORIZED, None, "key_of_another", words, None))


async def see(context: FlowContext, access: ConnectionAccess) -> tuple[dict[str, Any], Seen]:
    """The account of a connection that is just being made, and how it looks. Raises StripeCallFailed, GatewayBusy."""
    asked_at = context.clock()
    account = await context.pool.run(issuing.retrieve_account, context.gateway, access)
    other, more = None, False
    try:
        other, more = await context.pool.run(issuing.count_other_cards, context.gateway, access)
    except (StripeCallFailed, GatewayBusy) as error:
        log.warning("connection.cards_not_counted", account=account.get("id"), error=str(error)[:300])
    return account, Seen(issuing_capability(account), other, more, asked_at)


def issuing_capability(account: dict[str, Any]) -> str | None:
    """`capabilities.card_issuing` of an account; None when it is not named (facts 6.1)."""
    found = (account.get("capabilities") or {}).get("card_issuing")
    return found if isinstance(found, str) else None


async def _again(context: FlowContext, promise: OutboxPromise, why: str) -> None:
    if promise.tries + 1 >= MAX_TRIES:
        await context.till.submit(FinishPromise(promise.organization_id, promise, why))
        return
    delay = min(MAX_DELAY, SECOND * 2 ** min(promise.tries, 10))
    await context.till.submit(PutOff(promise.organization_id, promise, promise.key, promise.attempt, delay, why))


# The organization and id of the connection that a round ended with.
Place = tuple[str, str] | None


class AccountDuty:
    """Looks at restricted connections whose reasons can pass by themselves, and hourly at every account's balance.

    One for each worker; at its start it looks also at what a key that was exchanged may no longer be good for. The id
    of a look follows from its time, so of many processes that find it due one begins it. Every round reads the next
    connections, and after the last one begins again: none waits for ever.
    """

    def __init__(self, context: FlowContext) -> None:
        """The first look comes at once."""
        self._context = context
        self._looked: int | None = None
        self._first = True
        self._restricted: Place = None
        self._standing: Place = None
        self._hours: dict[str, int] = {}

    async def due(self, now: int) -> list[PromiseCheck]:
        """The looks to begin now."""
        if self._looked is not None and abs(now - self._looked) < LOOK_PACE:
            return []
        self._looked = now
        return [*await self._accounts(now), *await self._balances(now)]

    async def _accounts(self, now: int) -> list[PromiseCheck]:
        """The next connections that may work again, or at the start no more, at most `MAX_LOOKS` of them."""
        found: list[PromiseCheck] = []
        statement = at_start(self._context.gateway.livemode) if self._first else _RESTRICTED
        rows = await self._page(statement, self._restricted)
        self._restricted = _place_behind(rows)
        for connection in rows:
            if connection.status == "restricted" and not can_pass(connection):
                continue
            if len(found) == MAX_LOOKS:
                self._restricted = (found[-1].organization_id, found[-1].connection_id)
                break
            org, id = connection.organization_id, connection.id
            found.append(PromiseCheck(org, id, f"timed|{slot_of(connection, now, self._first)}"))
        self._first = self._first and self._restricted is not None
        return found

    async def _balances(self, now: int) -> list[PromiseCheck]:
        """The next balances whose hour has begun since the last look, at most `MAX_LOOKS` of them."""
        found: list[PromiseCheck] = []
        self._hours = {id: hour for id, hour in self._hours.items() if hour >= now // HOUR}
        rows = await self._page(_STANDING, self._standing)
        self._standing = _place_behind(rows)
        for connection in rows:
            if now - (connection.activated_at or 0) < HOUR:
                # The preflight of its beginning has looked.
                continue
            hour = (now + spread_of(connection)) // HOUR
            if self._hours.get(connection.id) == hour:
                continue
            if len(found) == MAX_LOOKS:
                self._standing = (found[-1].organization_id, found[-1].connection_id)
                break
            self._hours[connection.id] = hour
            org, id = connection.organization_id, connection.id
            found.append(PromiseCheck(org, id, f"hour|{hour}", kind=CHECK_BALANCE))
        return found

    async def _page(self, statement: Select[Any], behind: Place) -> list[Connection]:
        if behind is not None:
            key = tuple_(connections.c.organization_id, connections.c.id)
            statement = statement.where(key > tuple_(*behind))
        rows = await asyncio.to_thread(self._context.database.read, statement.limit(PAGE))
        return [Connection(*row) for row in rows]


def _place_behind(rows: list[Connection]) -> Place:
    """Where the next round goes on; None after the last page: at the beginning."""
    return (rows[-1].organization_id, rows[-1].id) if len(rows) == PAGE else None


def spread_of(connection: Connection) -> int:
    """Where in an hour a connection has its turn, in microseconds: not all at the same moment."""
    return int.from_bytes(hashlib.sha256(connection.id.encode()).digest()[:4]) % 3600 * SECOND


def can_pass(connection: Connection) -> bool:
    """True when a look may find that the connection works again; some reasons only a person can clear."""
    return any(item.code not in PERSONAL for item in restrictions_of(connection))


def slot_of(connection: Connection, now: int, first: bool) -> str:
    """The stretch of time a look belongs to, of which there is one in each: longer ones the older the restriction."""
    age = now - max((item.since for item in restrictions_of(connection)), default=0)
    pace = MINUTE if first else next((pace for until, pace in PACES if age < until), SLOWEST)
    return f"{pace // SECOND}|{now // pace}"
