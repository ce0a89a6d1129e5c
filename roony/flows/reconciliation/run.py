"""The promise to reconcile, kept in portions: whatever crashes or fails, the run goes on from the place on its row.

1 read the row · 2 one step: a page or some objects · 3 save the place, with a fresh lease · 4 again, or go on later ·
5 add up and finish. A step that is done twice does nothing new: events and objects are booked once.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from roony.core.audit import ROONY
from roony.core.connection import STANDING, Connection
from roony.core.duration import SECOND
from roony.core.reconciliation import Place, Reconciliation, next_phase, totals
from roony.flows.card import FinishPromise, done
from roony.flows.connection.routing import read_connection
from roony.flows.context import FlowContext
from roony.flows.promise import put_off
from roony.flows.reconciliation.cards import cards_page
from roony.flows.reconciliation.listing import authorizations_page, events_page, transactions_page
from roony.flows.reconciliation.unseen import open_cards_step, open_step, settle_step, unlisted_step
from roony.flows.reconciliation.work import LeaseLost, Work
from roony.store import outbox
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs
from roony.store.queries.paging import find
from roony.store.queries.reconciliations import sums_between
from roony.store.rows import OutboxPromise, PromiseOutcome
from roony.store.statements import write_row
from roony.store.tables import reconciliations
from roony.store.writer import Writer

log = structlog.get_logger("roony.reconciliation")

KIND = "reconcile"
# Steps of one claim; then the promise is given back, so that a stop of the process never waits long.
STEPS_PER_CLAIM = 10
# Tries of one step, some four minutes in all. A connection that catches up is tried for ever: nothing is approved yet.
MAX_TRIES = 8
# GETs of one run; half a million objects. What is more has to be asked for in shorter pieces.
MAX_READS = 5_000

_STEPS: dict[str, Callable[[Work], Awaitable[None]]] = {
    "events": events_page,
    "cards": cards_page,
    "authorizations": authorizations_page,
    "transactions": transactions_page,
    "open": open_step,
    "unlisted": unlisted_step,
    "open_cards": open_cards_step,
}


async def keep_reconcile(context: FlowContext, promise: OutboxPromise) -> None:
    """Works on a run for one claim. What goes wrong is tried again from the place saved last, a few times."""
    run = await _look(context, promise)
    connection = await read_connection(context, promise.organization_id, run.connection_id) if run else None
    if run is None or run.status != "running":
        await context.till.submit(FinishPromise(promise.organization_id, promise))
        return
    if connection is None or connection.status not in STANDING:
        await _end(context, promise, run, "failed", "The connection has ended.")
        return
    work = Work(context, promise, connection, run, Place.read(run.place), json.loads(run.detail))
    try:
        await _work_on(work, promise)
    except LeaseLost:
        log.warning("reconciliation.lease_lost", run=run.id)
    except Exception as error:
        await _not_now(work, promise, error)


async def _work_on(work: Work, promise: OutboxPromise) -> None:
    """Steps, each saved before the next."""
    context = work.context
    for _ in range(STEPS_PER_CLAIM):
        if work.run.reads >= MAX_READS:
            await _end(context, promise, work.row(context.clock()), "failed", f"More than {MAX_READS} reads.")
            return
        delay = await _step(work)
        if delay is None:
            await _add_up(work)
            await _end(context, promise, work.row(context.clock()), "finished", None)
            return
        now = context.clock()
        if not await context.till.write(_save(promise, work.row(now)._replace(error=None), now)):
            raise LeaseLost(work.run.id)
        if delay:
            break
    await context.till.submit(GoOn(promise.organization_id, promise, delay or 0))


async def _step(work: Work) -> int | None:
    """One step; returns microseconds to wait before the next one, None when there is no next one."""
    phase = work.place.phase
    if phase == "settle":
        delay = await settle_step(work)
        if delay:
            return delay
    else:
        await _STEPS[phase](work)
        if work.place.after is not None:
            return 0
    following = next_phase(work.run.kind, phase)
    if following is None:
        return None
    work.place = Place(following, stripe=work.place.stripe)
    return 0


async def _add_up(work: Work) -> None:
    """Stripe's totals beside ours. A sum that differs although no object is missing is a difference as well."""
    if work.run.kind == "events":
        return
    first, last = work.since * SECOND, work.until * SECOND + SECOND - 1
    lines = totals(work.place.stripe, await work.look(sums_between, work.connection, first, last))
    work.detail["totals"] = lines
    if not any(work.detail.get(name) for name in ("missing_here", "missing_at_stripe", "resolved")):
        work.count(differences=sum(line["stripe"] != line["here"] for line in lines))


def _save(promise: OutboxPromise, run: Reconciliation, now: int) -> Callable[[Writer], bool]:
    """A write that keeps how far a run is; False for one who does not hold the promise any more."""

    def save_run(writer: Writer) -> bool:
        if not outbox.renew(promise, now)(writer):
            return False
        writer.run(write_row(reconciliations, writer.backend), run)
        return True

    return save_run


async def _not_now(work: Work, promise: OutboxPromise, error: Exception) -> None:
    """The place saved last holds; the reads count. Due again with a doubling wait, or given up."""
    context, now = work.context, work.context.clock()
    log.warning("reconciliation.put_off", run=work.run.id, phase=work.place.phase, error=f"{error}"[:300])
    kept = await _look(context, promise)
    if kept is None:
        return
    kept = kept._replace(reads=work.run.reads, error=f"{type(error).__name__}: {error}"[:300], updated_at=now)
    if promise.tries + 1 >= MAX_TRIES and kept.cause != "gap":
        await _end(context, promise, kept, "failed", kept.error)
    elif await context.till.write(_save(promise, kept, now)):
        await put_off(context, promise, error)


async def _look(context: FlowContext, promise: OutboxPromise) -> Reconciliation | None:
    return await asyncio.to_thread(find, context.database, Reconciliation, promise.organization_id, promise.subject)


async def _end(
    context: FlowContext, promise: OutboxPromise, run: Reconciliation, status: str, error: str | None
) -> None:
    ended = run._replace(status=status, error=error)
    await context.till.submit(EndRun(promise.organization_id, promise, ended))
    log.info(
        "reconciliation.ended", run=run.id, kind=run.kind, cause=run.cause, status=status, error=error, reads=run.reads,
        events=run.events, booked=run.booked, differences=run.differences,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class GoOn(Command[None]):
    """The run has come further: due again after `delay` microseconds, with its tries counted from zero."""

    organization_id: str
    promise: OutboxPromise
    delay: int

    def needs(self, now: int) -> Needs:
        """Nothing: the row is updated only for the holder of its lease."""
        return Needs()

    def apply(self, book: Book, now: int) -> None:
        """Gives the lease back."""
        due_at = now + self.delay if self.delay else 0
        book.finish_promise(PromiseOutcome.of(self.promise, tries=0, due_at=due_at, last_error=None))


@dataclass(frozen=True, slots=True)
class EndRun(Command[None]):
    """The run is over, as `run` says. One that covered what a connection had to catch up lets it approve again."""

    organization_id: str
    promise: OutboxPromise
    run: Reconciliation

    def needs(self, now: int) -> Needs:
        """The connection, and the promise, which another process may have taken over."""
        org = self.organization_id
        return Needs(rows=((Connection, org, self.run.connection_id), (OutboxPromise, org, self.promise.id)))

    def apply(self, book: Book, now: int) -> None:
        """Writes how it ended, once."""
        org, run = self.organization_id, self.run
        held = book.get(OutboxPromise, org, self.promise.id)
        if held is None or held.status != "promised" or held.generation != self.promise.generation:
            return
        book.put(run._replace(updated_at=now, finished_at=now))
        book.finish_promise(done(self.promise, now))
        connection = book.get(Connection, org, run.connection_id)
        since = connection.catching_up_since if connection is not None else None
        caught_up = run.status == "finished" and run.kind == "full" and since is not None and run.since <= since
        if connection is not None and caught_up:
            book.put(connection._replace(catching_up_since=None, updated_at=now))
            book.record(org, ROONY, "connection.caught_up", connection.id, {"reconciliation": run.id}, now)
        if run.cause != "timed":
            body = {"status": run.status, "booked": run.booked, "differences": run.differences, "reads": run.reads}
            book.record(org, ROONY, "reconciliation.ended", run.id, body, now)
