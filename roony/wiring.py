"""Builds the objects of a running Roony from settings, starts them in order and stops them in the reverse one.

The only place that does: everything else is handed what it needs.
"""

from __future__ import annotations

import asyncio
import gc
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy import Table, Update, select, update
from sqlalchemy.exc import DBAPIError

from roony import stop_points
from roony.clock import Clock, FollowedClock
from roony.config import Settings, named_files, plain
from roony.core.errors import BrokenCaller
from roony.flows.change_feed import ChangeFeed
from roony.flows.connection.app_access import finish_renewals
from roony.flows.context import FlowContext
from roony.flows.doctor.installation import Installation
from roony.flows.duty_lease import DUTIES
from roony.flows.key_rotation import warn_of_missing_keys
from roony.flows.listening import keep_listening
from roony.flows.reconciliation import begin_catch_up
from roony.flows.reconciliation.work import NotTaken
from roony.flows.restoring import NotMarked, notice_copy
from roony.flows.tracing import trace_stripe_calls
from roony.gateway.client import StripeGateway
from roony.gateway.pool import GatewayPool
from roony.identifiers import new_id, new_version
from roony.outbound.guard import Guard
from roony.outbound.messenger import Messenger
from roony.outbound.post import Poster
from roony.outbound.traces import Traces
from roony.store import tables
from roony.store.command import TillClosed
from roony.store.database import Database, why_failed
from roony.store.migrations import migrate, pending_revisions
from roony.store.other_writes import MAX_ROWS
from roony.store.till import Till
from roony.store.vault import Vault
from roony.store.writer import Writer
from roony.web.app import AppOptions, create_app, create_door
from roony.web.health import Readiness
from roony.worker import Worker

if TYPE_CHECKING:
    from roony.store.commit_word import CommitWord

log = structlog.get_logger("roony.wiring")

# New objects between two looks of the cycle collector; nearly all of ours are freed by counting.
GC_ALLOCATIONS = 50_000

# How long a stop waits for the worker's round to end; what it was doing is in its row and goes on after the restart.
WORKER_STOP_SECONDS = 15.0
# And how long for tokens that are being renewed at Stripe: a pair that is not committed is lost.
RENEWAL_STOP_SECONDS = 20.0


class DatabaseUnusable(Exception):
    """The database cannot be opened or may not be used as it is; the message says what to do."""


class Role(Enum):
    """What a process is there for: everything, or answering Stripe alone."""

    WEB = "web"
    DOOR = "door"


@dataclass
class Roony:
    """Everything one process of Roony consists of. Made by `build`."""

    settings: Settings
    clock: Clock
    database: Database
    context: FlowContext
    worker: Worker
    feed: ChangeFeed
    word: CommitWord | None
    readiness: Readiness
    app: Callable[..., Any]
    role: Role = Role.WEB
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _working: asyncio.Task[Any] | None = None

    async def start(self) -> None:
        """1 lock · 2 schema · 3 till · 4 what was left half done, and what was missed · 5 worker, unless it is a door.

        Raises DatabaseLocked, DatabaseUnusable, SchemaTooNew.
        """
        stop_points.arm(self.settings.roony_stop_at)
        open_database(self.database)
        with needed(self.database):
            await self._begin()
        _calm_collector()
        work = self.worker.run(self._stopping) if self.role is Role.WEB else self._stopping.wait()
        self._working = asyncio.create_task(work, name="worker")

    async def _begin(self) -> None:
        self.context.till.start()
        if self.context.traces is not None:
            self.context.traces.start()
        if self.word is not None:
            self.word.start(self.feed.heard)
        if self.database.is_sqlite:
            while await self.context.till.write(_free_leases):
                pass
        await warn_of_missing_keys(self.context)
        await notice_copy(self.context)
        await begin_catch_up(self.context)

    @property
    def working(self) -> asyncio.Task[Any]:
        """The worker's task; it ends only with `stop`. Call `start` first."""
        if self._working is None:
            raise BrokenCaller("start() was not called")
        return self._working

    async def listen(self) -> None:
        """Says until canceled that Stripe reaches this process. Call `start` first: it judges who listened before."""
        await keep_listening(self.context)

    async def stop(self) -> None:
        """Lets the worker end its round and the till serve what waits; then closes everything."""
        self._stopping.set()
        if self._working is not None:
            _, late = await asyncio.wait({self._working}, timeout=WORKER_STOP_SECONDS)
            if late:
                self._working.cancel()
            if not late and not self._working.cancelled() and (error := self._working.exception()) is not None:
                log.error("worker.failed", error=type(error).__name__)
        await finish_renewals(RENEWAL_STOP_SECONDS)
        await asyncio.to_thread(self.context.till.stop)
        if self.word is not None:
            await asyncio.to_thread(self.word.stop)
        # Blocks up to the timeouts of a call that has begun.
        await asyncio.to_thread(self.context.pool.close)
        self.context.gateway.close()
        if self.context.traces is not None:
            await asyncio.to_thread(self.context.traces.stop)
        self.context.poster.guard.close()
        self.database.close()


def build(settings: Settings, public_url: str, clock: Clock | None = None, role: Role = Role.WEB) -> Roony:
    """Roony as the settings want it, not started. `public_url` is where people and Stripe reach it."""
    clock = clock or Clock()
    moved, web = isinstance(clock, FollowedClock), role is Role.WEB
    database = Database(settings.roony_database_url, own_clock=moved, calls_stripe=web)
    url = public_url.rstrip("/")
    guard = Guard(settings.roony_outbound_networks)
    context = FlowContext(
        till=Till(database.open_writer, clock, new_version),
        database=database,
        gateway=StripeGateway(
            secret_key=plain(settings.stripe_secret_key),
            connect_client_id=settings.stripe_connect_client_id,
            app_client_id=settings.stripe_app_client_id,
            api_base=settings.stripe_api_base,
            connect_base=settings.stripe_connect_base,
        ),
        pool=GatewayPool(),
        vault=Vault.from_text(plain(settings.roony_secret_keys)),
        clock=clock,
        new_id=new_id,
        public_url=lambda: url,
        jitter=random.random,
        poster=Poster(guard),
        messenger=Messenger(guard),
        traces=_traces(settings),
        retention=settings.retention,
    )
    if context.traces is not None:
        context.gateway.calls.heard = trace_stripe_calls(context.traces)
    worker = Worker(context, clock, context.gateway.pace)
    word = None if database.is_sqlite else _word(database)
    feed = ChangeFeed(database, word)
    options = AppOptions(
        settings.webhook_secrets, moved, settings.trusted_proxies,
        settings.requests_per_minute, plain(settings.roony_metrics_token),
        Installation(len(settings.webhook_secrets), named_files()),
    )  # fmt: skip
    readiness = Readiness()
    if role is Role.DOOR:
        app = create_door(context, options, feed, readiness)
    else:
        app = create_app(context, options, worker, feed, readiness)
    return Roony(settings, clock, database, context, worker, feed, word, readiness, app, role)


def _traces(settings: Settings) -> Traces | None:
    endpoint = settings.otel_exporter_otlp_endpoint
    if endpoint is None:
        return None
    return Traces(endpoint, settings.trace_headers, settings.otel_service_name)


def _word(database: Database) -> CommitWord:
    from roony.store.commit_word import CommitWord  # noqa: PLC0415 - PostgreSQL's driver is large

    return CommitWord(database.dsn)


def _free(table: Table, *waiting: str) -> Update:
    some = select(table.c.id).where(table.c.status.in_(waiting), table.c.lease_until > 0).limit(MAX_ROWS // 3)
    return update(table).where(table.c.id.in_(some)).values(lease_until=0)


# What is worked at under a lease, and how such leases are ended whoever has them: for SQLite alone.
_FREE = {
    "promises": _free(tables.outbox, "promised"),
    "events": _free(tables.inbox, "received", "failed"),
    "notices": _free(tables.notice_deliveries, "pending"),
}
_FREE_DUTIES = update(tables.leases).where(tables.leases.c.name == DUTIES).values(until=0)
_FREE_RENEWALS = update(tables.app_tokens).where(tables.app_tokens.c.lease_until > 0).values(lease_until=0)


def _free_leases(writer: Writer) -> int:
    """Takes up at once what the last process was doing when it died; returns how many leases it freed, 0 at the end.

    Only on SQLite: its lock says that no other process holds a lease. Fencing by generation stays as it is.
    """
    freed = sum(writer.execute(_FREE[kind]).rowcount for kind in _FREE)
    if not freed:
        writer.execute(_FREE_DUTIES)
        # Whoever was renewing an app's tokens took the outcome along: the next one to need them says so (P11).
        writer.execute(_FREE_RENEWALS)
    return int(freed)


def open_database(database: Database) -> None:
    """Takes the lock and sees to the schema: SQLite is migrated by whoever holds its lock, PostgreSQL on command only.

    Raises DatabaseLocked, DatabaseUnusable, SchemaTooNew.
    """
    try:
        database.acquire()
        if database.is_sqlite:
            migrate(database)
            return
        behind = pending_revisions(database)
    except (OSError, DBAPIError) as error:
        raise DatabaseUnusable(
            f"The database cannot be opened ({why_failed(error)}): look at ROONY_DATABASE_URL and at who may write"
            " there."
        ) from None
    if behind:
        # Other processes may be running on this schema: a person chooses the moment.
        raise DatabaseUnusable("The database's schema is older than this Roony: run `roony migrate`, then start again.")


@contextmanager
def needed(database: Database) -> Iterator[None]:
    """For what a start needs the database for: one that does not answer, or takes no writes, raises DatabaseUnusable.

    Once Roony has started it waits for its database; before, it ends, and whatever started it tries again.
    """
    telling = database.errors
    untold: tuple[type[Exception], ...] = (TillClosed, NotTaken, NotMarked)
    try:
        yield
    except telling + untold as error:
        why = why_failed(error) if isinstance(error, telling) else "it takes no writes"
        raise DatabaseUnusable(
            f"The database cannot be used ({why}): see that it answers at ROONY_DATABASE_URL and takes writes, then"
            " start again."
        ) from None


def _calm_collector() -> None:
    """What is loaded by now stays: the cycle collector need not look at it again, nor look often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_ALLOCATIONS, 20, 50)
