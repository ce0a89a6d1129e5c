"""A database that was put back to an earlier moment: nothing is approved until what happened since is fetched.

1. Every connection that Stripe still answers for is marked as catching up, from what was last heard of it.
2. Runs that were under way in the copy are ended: they cover a time that ends before it was put back, and must not
   take the mark away.
3. Each audit chain says so, which goes on from the copy's head.
The worker of the next start begins the catch-up; until it ends every ask and every authorization is refused (P11).

`roony restore` does this. Where somebody put a copy in the place without it, the next start sees that and does it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog
from sqlalchemy import select

from roony.core.audit import ROONY
from roony.core.connection import Connection
from roony.core.errors import Refusal
from roony.core.reconciliation import EVENTS_OVERLAP, Reconciliation, broken_off
from roony.flows.context import FlowContext
from roony.store.book import Book
from roony.store.command import Command
from roony.store.database import Database
from roony.store.facts import Needs
from roony.store.place import place_of, write_place, written_place
from roony.store.queries.reconciliations import heard_until, running_runs, watched_connections
from roony.store.tables import organizations
from roony.store.till import Till

log = structlog.get_logger("roony.restoring")

OPERATOR = "roony restore"


class NotMarked(Exception):
    """The database did not take a mark; `code` is the till's word. Nothing may serve it as it is."""

    def __init__(self, code: str) -> None:
        super().__init__(f"The restored database could not be marked ({code}): run the command again.")
        self.code = code


@dataclass(frozen=True, slots=True)
class MarkRestored(Command[int]):
    """One organization, or the installation, was put back; returns how many connections have to catch up.

    `since` says from when on for each connection's id, in microseconds; `runs` are those under way. `taken_at` is the
    time of the copy, None where nobody knows it. `actor` is who noticed.
    """

    organization_id: str
    taken_at: int | None
    since: tuple[tuple[str, int], ...]
    runs: tuple[str, ...]
    actor: str = OPERATOR

    def needs(self, now: int) -> Needs:
        """The connections and the runs."""
        org = self.organization_id
        connections = tuple((Connection, org, id) for id, _ in self.since)
        return Needs(rows=(*connections, *((Reconciliation, org, id) for id in self.runs)))

    def apply(self, book: Book, now: int) -> int:
        """A connection that was catching up before goes on from the earlier moment."""
        org = self.organization_id
        for id, since in self.since:
            connection = book.need(Connection, org, id)
            before = connection.catching_up_since
            earlier = since if before is None else min(before, since)
            book.put(connection._replace(catching_up_since=max(0, earlier), updated_at=now))
        for id in self.runs:
            book.put(broken_off(book.need(Reconciliation, org, id), "The database was restored meanwhile.", now))
        body = {"taken_at": self.taken_at, "connections": [id for id, _ in self.since]}
        book.record(org, self.actor, "database.restored", org, body, now)
        return len(self.since)


def mark_restored(till: Till, database: Database, taken_at: int | None, actor: str = OPERATOR) -> int:
    """Marks all there is; returns how many connections have to catch up. No server may run on the database.

    A second call changes nothing but the chains. Blocks. Raises NotMarked, and what the till raises.
    """
    heard = heard_until(database)
    watched: dict[str, list[Connection]] = {}
    for connection in watched_connections(database):
        watched.setdefault(connection.organization_id, []).append(connection)
    marked = 0
    for row in database.read(select(organizations.c.id).order_by(organizations.c.id)):
        org = str(row[0])
        since = tuple((c.id, _since(c, heard, taken_at)) for c in watched.get(org, []))
        runs = tuple(run.id for c in watched.get(org, []) for run in running_runs(database, c))
        answer = till.submit_and_wait(MarkRestored(org, taken_at, since, runs, actor))
        if isinstance(answer, Refusal):
            raise NotMarked(answer.code)
        marked += answer
    # Last: until then the next start would do it again.
    till.write_and_wait(write_place(place_of(database)))
    return marked


async def notice_copy(context: FlowContext) -> None:
    """At a start: a database that did not lie here when it was last served is a copy, which is marked as one.

    Before anything is answered, in every process. Raises NotMarked, with which nothing may be served.
    """
    here = await asyncio.to_thread(place_of, context.database)
    written = await asyncio.to_thread(written_place, context.database)
    if written not in (None, here):
        log.warning("database.copy_noticed", was=written, now=here)
        await asyncio.to_thread(mark_restored, context.till, context.database, None, ROONY)
    else:
        await context.till.write(write_place(here))


def _since(connection: Connection, heard: dict[tuple[str, str], int], taken_at: int | None) -> int:
    """From when on something may be missing: what was heard by then is in the copy."""
    until = heard.get((connection.organization_id, connection.id), connection.created_at)
    return (until if taken_at is None else min(until, taken_at)) - EVENTS_OVERLAP
