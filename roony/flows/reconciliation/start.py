"""How a run begins: by the clock, by a person, or because Roony was away; once, whoever thinks of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import bindparam, delete, select, tuple_

from roony.core.audit import ROONY
from roony.core.connection import STANDING, Connection
from roony.core.duration import DAY, HOUR, SECOND
from roony.core.errors import Refusal, not_found
from roony.core.reconciliation import (
    ALLOWANCE_PERIOD,
    EVENTS_OVERLAP,
    EVENTS_PACE,
    GAP,
    PHASES,
    Due,
    Place,
    Reconciliation,
    Standing,
    broken_off,
    next_due,
    run_id,
    since_of,
)
from roony.flows.context import FlowContext
from roony.flows.duty_lease import DutyLease
from roony.flows.listening import listened_since
from roony.flows.reconciliation.run import KIND
from roony.flows.reconciliation.work import NotTaken
from roony.store.authority import Authority
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs
from roony.store.other_writes import by_organization
from roony.store.outbox import new_promise
from roony.store.queries.reconciliations import heard_until, running_runs, standing_of, watched_connections
from roony.store.tables import reconciliations
from roony.store.writer import Writer

log = structlog.get_logger("roony.reconciliation")

# How often the connections are looked at, in microseconds; each of them only when its next run is due.
LOOK_PACE = 2 * SECOND
RUNNING_PACE = 60 * SECOND
# Connections read at one look, and timed runs begun: with more of them the others come a little later. Few runs at
# once, since they share the threads that make cards.
MAX_LOOKS = 200
MAX_STARTS = 8
# Runs of one connection that may be under way at the same time because people asked for them.
MAX_RUNNING = 4
# Timed runs that found nothing are kept as long as their reads count, and a little longer.
KEPT = ALLOWANCE_PERIOD + 5 * DAY
PRUNED_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class StartReconciliation(Command[Reconciliation | Refusal]):
    """Begins a run, unless one with this id has begun. With the cause `gap` nothing is approved until it ends.

    `over` are runs under way that cover nothing of the gap: they are ended, since they would take the mark away.
    """

    organization_id: str
    id: str
    connection_id: str
    kind: str
    cause: str
    since: int
    actor: str
    detail: str = "{}"
    over: tuple[str, ...] = ()

    def needs(self, now: int) -> Needs:
        """The run, those that are over, and its connection."""
        org = self.organization_id
        runs = tuple((Reconciliation, org, id) for id in (self.id, *self.over))
        return Needs(rows=(*runs, (Connection, org, self.connection_id)))

    def apply(self, book: Book, now: int) -> Reconciliation | Refusal:
        """Writes the run and the promise to do it; refuses for a connection that has ended."""
        org = self.organization_id
        known = book.get(Reconciliation, org, self.id)
        if known is not None:
            return known
        connection = book.get(Connection, org, self.connection_id)
        if connection is None:
            return not_found("connection", self.connection_id)
        if connection.status not in STANDING:
            return _ended(connection)
        for id in self.over:
            book.put(broken_off(book.need(Reconciliation, org, id), "Roony was away meanwhile.", now))
        since = max(0, min(self.since, now))
        run = Reconciliation(
            org, self.id, self.connection_id, self.kind, self.cause, "running", since, now,
            Place(PHASES[self.kind][0]).to_json(), 0, 0, 0, 0, 0, 0, 0, self.detail, None, self.actor, now, now, None,
        )  # fmt: skip
        book.put(run)
        book.promise(new_promise(org, f"out_{self.id}", KIND, self.id, {}, now))
        if self.cause == "gap" and connection.catching_up_since is None:
            book.put(connection._replace(catching_up_since=since, updated_at=now))
            book.record(org, ROONY, "connection.catching_up", connection.id, {"reconciliation": run.id}, now)
        if self.cause != "timed":
            body = {"kind": self.kind, "cause": self.cause, "connection": self.connection_id, "since": since}
            book.record(org, self.actor, "reconciliation.started", run.id, body, now)
        return run


async def start_by_hand(
    context: FlowContext,
    organization_id: str,
    since: int | None,
    connection_id: str | None,
    actor: str,
    by: Authority | None = None,
) -> list[Reconciliation] | Refusal:
    """Begins a run for one connection or for all of the organization's. With `since` (microseconds) all events from
    then on are fetched, without it the undelivered ones; the lists either way."""
    every = await asyncio.to_thread(watched_connections, context.database)
    mine = [row for row in every if row.organization_id == organization_id]
    wanted = [row for row in mine if connection_id in (None, row.id)]
    if not wanted:
        if connection_id is not None:
            return not_found("connected Stripe account", connection_id)
        return Refusal("no_connection", "No Stripe account is connected: there is nothing to compare with.", 409)
    runs: list[Reconciliation] = []
    for connection in wanted:
        under_way = await asyncio.to_thread(running_runs, context.database, connection)
        if len(under_way) >= MAX_RUNNING:
            return Refusal("already_running", "Wait for the runs that are under way.", 409, id=under_way[-1].id)
        standing = await asyncio.to_thread(standing_of, context.database, connection, context.clock())
        kind = "lists" if since is None else "full"
        detail = json.dumps({"reads_in_30_days": standing.reads})
        command = StartReconciliation(
            organization_id, context.new_id("rec"), connection.id, kind, "person",
            since_of(kind, standing, context.clock()) if since is None else since, actor, detail,
        )  # fmt: skip
        answer = await context.till.submit(command, by=by)
        if isinstance(answer, Refusal):
            return answer
        runs.append(answer)
    return runs


async def begin_catch_up(context: FlowContext) -> None:
    """At a start: connections that nothing was heard of for too long are caught up before they approve anything.

    Roony was not running, or its database is an older copy. Only a start is judged: while Roony runs it listens. So
    what a process before this one listened to, up to now, is no gap, even where no run could be finished since: Stripe
    may be slow for an hour, and a process be started again meanwhile. Runs that began before a gap are ended: what they
    had read by then tells nothing of it.
    Raises NotTaken when the database did not take the mark.
    """
    heard = await asyncio.to_thread(heard_until, context.database)
    now = context.clock()
    listened = await asyncio.to_thread(listened_since, context.database, now)
    deaf_until = now if listened is None else listened
    for connection in await asyncio.to_thread(watched_connections, context.database):
        until, since = heard.get((connection.organization_id, connection.id)), connection.catching_up_since
        if since is None and (until is None or deaf_until - until <= GAP):
            continue
        runs = await asyncio.to_thread(running_runs, context.database, connection)
        over = tuple(run.id for run in runs if run.kind == "full" and deaf_until - run.until > GAP)
        if since is None:
            since = (until or 0) - EVENTS_OVERLAP
        elif not over:
            continue
        standing = await asyncio.to_thread(standing_of, context.database, connection, now)
        log.warning("reconciliation.gap", connection=connection.id, seconds=(now - since) // SECOND)
        answer = await context.till.submit(_catch_up(connection, standing, since, over))
        if isinstance(answer, Refusal) and answer.status == 503:
            # Without the mark it would approve: rather no start than one in doubt.
            raise NotTaken(answer.code)


def _catch_up(
    connection: Connection, standing: Standing, since: int, over: tuple[str, ...] = ()
) -> StartReconciliation:
    id = run_id(connection.id, "gap", standing.last_events)
    return StartReconciliation(connection.organization_id, id, connection.id, "full", "gap", since, ROONY, over=over)


def _ended(connection: Connection) -> Refusal:
    return Refusal("connection_inactive", f"The connection is {connection.status}.", 409, id=connection.id)


class ReconciliationDuty:
    """Knows when the next timed run of each connection is due; one for each worker. Rows decide, this only waits."""

    def __init__(self, context: FlowContext, lease: DutyLease) -> None:
        """Nothing is known yet: the first look reads it. Who holds the lease forgets old runs."""
        self._context, self._lease = context, lease
        self._looked = -LOOK_PACE
        self._pruned = 0
        self._due: dict[tuple[str, str], int] = {}

    async def due(self, now: int) -> list[StartReconciliation]:
        """The runs to begin now, at most `MAX_STARTS`. Of many processes that begin the same one, one does."""
        if abs(now - self._looked) < LOOK_PACE:
            return []
        self._looked = now
        connections = await asyncio.to_thread(watched_connections, self._context.database)
        watched = {(c.organization_id, c.id) for c in connections}
        self._due = {key: at for key, at in self._due.items() if key in watched}
        waiting = [c for c in connections if self._due.get((c.organization_id, c.id), 0) <= now]
        commands: list[StartReconciliation] = []
        for connection in waiting[:MAX_LOOKS]:
            command = await self._next(connection, now)
            commands += [command] if command is not None else []
            if len(commands) >= MAX_STARTS:
                break
        await self._prune(now)
        return commands

    async def _next(self, connection: Connection, now: int) -> StartReconciliation | None:
        """What is to begin for a connection, and when to look at it again."""
        database, key = self._context.database, (connection.organization_id, connection.id)
        standing = await asyncio.to_thread(standing_of, database, connection, now)
        due = next_due(standing, now)
        self._due[key] = now + RUNNING_PACE if standing.running else due.at
        if connection.catching_up_since is not None:
            runs = await asyncio.to_thread(running_runs, database, connection)
            if not any(run.cause == "gap" for run in runs):
                self._due[key] = now + EVENTS_PACE
                return _catch_up(connection, standing, connection.catching_up_since)
        if standing.running or due.at > now:
            return None
        self._due[key] = now + EVENTS_PACE
        return _timed(connection, standing, due, now)

    async def _prune(self, now: int) -> None:
        """Forgets old runs that found nothing, once an hour."""
        if abs(now - self._pruned) < HOUR or not await self._lease.held():
            return
        self._pruned = now
        await self._context.till.write(self._lease.fenced(_forget(now - KEPT)))


def _timed(connection: Connection, standing: Standing, due: Due, now: int) -> StartReconciliation:
    detail: dict[str, Any] = {}
    if due.saving:
        log.warning("reconciliation.saving_reads", connection=connection.id, reads=standing.reads)
        detail["saving_reads"] = standing.reads
    id = run_id(connection.id, "timed", standing.last_events)
    return StartReconciliation(
        connection.organization_id, id, connection.id, due.kind, "timed", since_of(due.kind, standing, now), ROONY,
        json.dumps(detail),
    )  # fmt: skip


_RUN = reconciliations.c
_IS_OLD = (
    _RUN.cause == "timed",
    _RUN.status != "running",
    _RUN.differences == 0,
    _RUN.created_at < bindparam("before"),
)
_OLD = select(_RUN.organization_id, _RUN.id).where(*_IS_OLD).limit(PRUNED_AT_ONCE)
_FORGET = delete(reconciliations).where(tuple_(_RUN.organization_id, _RUN.id).in_(_OLD))
# On a database spread over machines.
_FORGET_OF = delete(reconciliations).where(
    _RUN.organization_id == bindparam("org"), _RUN.id.in_(bindparam("ids", expanding=True)), *_IS_OLD
)


def _forget(before: int) -> Callable[[Writer], None]:
    def forget_runs(writer: Writer) -> None:
        if not writer.spread:
            writer.execute(_FORGET, before=before)
            return
        for org, ids in by_organization(writer.execute(_OLD, before=before).fetchall()).items():
            writer.execute(_FORGET_OF, org=org, ids=ids, before=before)

    return forget_runs
