"""What a random company stands on: the same till and flows over SQLite, PostgreSQL, or rows in memory.

A database's ground can be struck: its process ends before or after a commit, or its connection breaks there. Nothing
of the process survives, a new till opens the same database. In memory a blow only loses the command or its answer.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from pathlib import Path
from typing import Any, NamedTuple, cast

from sqlalchemy import Table

from roony.core.agent import Agent, Organization, Project
from roony.core.audit import AuditRecord
from roony.core.budget import PERIODS, Budget
from roony.core.control import Control
from roony.core.errors import Refusal
from roony.core.ledger import Entry
from roony.flows import inbox as flow_inbox
from roony.flows.archive import Archived, move_to_archive
from roony.flows.context import FlowContext
from roony.flows.inbox import FinishEvent, handle_events
from roony.store import inbox, tables
from roony.store.command import LATE, Command
from roony.store.database import Database
from roony.store.postgres_writer import PostgresWriter
from roony.store.rows import AccountRoute, InboxEvent, OutboxPromise
from roony.store.tables import TABLE_OF
from roony.store.till import Till
from roony.store.writer import ConnectionLost, SqliteWriter, Writer
from roony.wiring import _free_leases
from tests.random.network import Event
from tests.support.books import (
    ACCOUNT,
    AGENT,
    CONNECTION,
    NOW,
    ORG,
    PATIENT,
    PROJECT,
    Books,
    Clock,
    build_tables,
    seed,
)  # fmt: skip
from tests.support.memory import MemoryBooks
from tests.support.promises import MONEY

START = NOW
PATIENCE = 60.0  # seconds after which something that was waited for has failed
AGENTS = {AGENT: PROJECT, "agt_2": PROJECT, "agt_3": "prj_2"}
TOLERANCE = 300  # minor units the rules of the second project add to a hold
LIMITS = {
    (AGENT, "day"): 60_000, ("agt_2", "month"): 40_000, ("agt_3", "lifetime"): 120_000,
    (PROJECT, "week"): 90_000, ("prj_2", "day"): 50_000, (ORG, "lifetime"): 400_000,
}  # fmt: skip
NO_ANSWER = object()
# The blows: the process dies, or only the connection breaks; before the commit, or right after it.
BLOWS = ("die_before", "die_after", "break_before", "break_after")

Snapshot = dict[type, list[Any]]
# What is read after every step; the audit chain and the inbox are read apart.
WATCHED = (*MONEY, Budget, Organization, OutboxPromise)


def company() -> list[tuple[Any, ...]]:
    """Two projects, three agents, limits of several scopes and periods, rules that ask for a person."""
    rows = [row for row in seed() if not isinstance(row, Budget | Agent | Project | Organization)]
    organization = next(row for row in seed() if isinstance(row, Organization))
    rows.append(organization._replace(clock=START, created_at=START))
    rows += [Project(ORG, project, project, None, START) for project in (PROJECT, "prj_2")]
    rows += [Agent(ORG, id, project, "[]", id, "", None, None, START) for id, project in AGENTS.items()]
    scopes = [("organization", ORG), *(("project", p) for p in (PROJECT, "prj_2")), *(("agent", a) for a in AGENTS)]
    rows += [
        Budget(ORG, f"bud_{id}_{period}", scope, id, "usd", period, "UTC", LIMITS.get((id, period)), START)
        for scope, id in scopes
        for period in PERIODS
    ]
    said = {AGENT: {"approval_threshold": 8_000, "velocity_count": 200}, "prj_2": {"tolerance_amount": TOLERANCE}}
    rows += [
        Control(ORG, f"ctl_{id}", "agent" if id == AGENT else "project", id, 1, json.dumps(fields), START)
        for id, fields in said.items()
    ]
    return rows


class MemoryGround:
    """Rows in memory: by far the fastest, so that many more histories fit into the time."""

    name = "memory"

    def begin(self) -> None:
        """A fresh company."""
        self.books: Books = MemoryBooks()
        cast(MemoryBooks, self.books).writer.rows = {row: {} for row in TABLE_OF}
        self.books.clock.now = START
        self.books.put(*company())

    def end(self) -> None:
        """Nothing to give back."""

    def submit(self, command: Command[Any], blow: str | None = None) -> Any:
        """The answer of a command; NO_ANSWER where its caller never had one."""
        if blow in ("die_before", "break_before"):
            return NO_ANSWER
        answer = self.books.run(command)
        if blow == "break_after":
            self._take_back(command, answer)
        return answer if blow is None else NO_ANSWER

    def give_up(self, command: Command[Any]) -> None:
        """The caller answers without the command, which commits all the same."""
        self._take_back(command, self.books.run(command))

    def late(self, command: Command[Any]) -> Any:
        """A command past its deadline."""
        return LATE

    def together(self, commands: Sequence[Command[Any]]) -> list[Any]:
        """Answers of commands that came at the same time."""
        return [self.books.run(command) for command in commands]

    def deliver(self, event: Event, blow: str | None = None) -> None:
        """An event arrives: kept once, and handled."""
        if not self.books.rows(InboxEvent, id=event.id):
            self.books.put(kept(event, self.books.clock()))
        self.work_inbox(blow)

    def work_inbox(self, blow: str | None = None) -> None:
        """Handles every event that is due."""
        now = self.books.clock()
        for event in self.books.rows(InboxEvent):
            if event.status in ("received", "failed") and event.due_at <= now:
                self.submit(command_of(event, self.books), blow)

    def restart(self) -> None:
        """There is no process."""

    def advance(self, seconds: int) -> None:
        """Time goes on."""
        self.books.clock.advance(seconds)

    def snapshot(self, records_after: int) -> tuple[Snapshot, list[AuditRecord], list[InboxEvent]]:
        """All rows; audit records after that sequence."""
        rows = cast(MemoryBooks, self.books).writer.rows
        records = [record for record in rows[AuditRecord].values() if record.sequence > records_after]
        snapshot = {row: [item for _, item in sorted(rows[row].items())] for row in WATCHED}
        return snapshot, sorted(records, key=lambda record: record.sequence), list(rows[InboxEvent].values())

    def _take_back(self, command: Command[Any], answer: Any) -> None:
        undo = None if isinstance(answer, Refusal) else command.compensation(answer)
        if undo is not None:
            self.books.run(undo)


def kept(event: Event, now: int) -> InboxEvent:
    """The inbox row of an event that arrives now."""
    return inbox.new_event(event.id, ACCOUNT, False, event.kind, event.object_id, event.created, event.body, now)


def command_of(event: InboxEvent, books: Books) -> Command[Any]:
    """The command of an event, as `handle_events` builds it."""
    builder = flow_inbox._BUILDERS.get(event.type)
    if builder is None:
        return FinishEvent(ORG, event, "ignored", "not an event Roony needs")
    context = cast(FlowContext, _Surroundings(books.new_id, books.clock))
    return builder(context, AccountRoute(ACCOUNT, 0, ORG, CONNECTION), event, json.loads(event.payload))


class _Surroundings(NamedTuple):
    """Of a context, what building a command needs."""

    new_id: Callable[[str], str]
    clock: Callable[[], int]


class Killed(BaseException):
    """This process is gone; nothing of it runs any more."""


class Plan:
    """The blow that the next commit gets."""

    def __init__(self) -> None:
        self.blow: str | None = None

    def take(self) -> str | None:
        blow, self.blow = self.blow, None
        return blow


class _Fragile(Writer):
    """A writing connection that a blow can hit at its commit."""

    plan: Plan
    broken = False
    _connection: Any

    def commit(self) -> None:
        blow = self.plan.take()
        if blow in ("die_after", "break_after"):
            super().commit()
        if blow is not None:
            self.broken = True
            self._connection.close()
            raise Killed if blow.startswith("die") else ConnectionLost("broken by the test")
        super().commit()

    def rollback(self) -> None:
        if not self.broken:
            super().rollback()


class FragileSqlite(_Fragile, SqliteWriter):
    """SQLite whose process may end at a commit."""


class FragilePostgres(_Fragile, PostgresWriter):
    """PostgreSQL whose process or connection may end at a commit."""


class DatabaseGround:
    """A till over a database, with the flows that handle events."""

    name = ""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.loop = asyncio.new_event_loop()
        self.plan = Plan()
        # By all restarts so far.
        self.archived = Archived()

    def begin(self) -> None:
        """A fresh company on a fresh database."""
        self.clock = Clock(START)
        self._start()
        self.books = Books(self.database, self.till, self.clock)
        self.books.put(*company())

    def end(self) -> None:
        """Ends the till; the database goes with the next example."""
        self.till.stop(PATIENCE)

    def close(self) -> None:
        """Gives back what all examples shared."""
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()
        self.database.close()

    def open_writer(self) -> Writer:
        """A fragile writing connection."""
        raise NotImplementedError

    def _start(self) -> None:
        death: Future[BaseException] = Future()
        self.death = death
        # A till that was replaced may not speak for the new one.
        self.till = Till(self.open_writer, self.clock, lambda: uuid.uuid4().hex, death.set_result)
        self.till.start()

    def restart(self) -> None:
        """The process ends between two commits, and the next one begins; all that is over is archived."""
        if not self.death.done():
            self.till.stop(PATIENCE)
        self._start()
        self.books.till = self.till
        if self.database.is_sqlite:
            self.till.write_and_wait(_free_leases)
        else:
            self.advance(inbox.LEASE // 1_000_000 + 1)
        self._archive()

    def _archive(self) -> None:
        """Far younger than an operator may: whatever comes from now on finds what it needs, or knows it again."""
        moved = move_to_archive(self.till, self.database, self.clock() + 1, lambda _done: None)
        self.archived = self.archived.plus(moved)

    def _revive(self) -> bool:
        """True after a death, with the next process running."""
        if not self.death.done():
            return False
        killed = self.death.result()
        if not isinstance(killed, Killed):
            raise killed
        self.till._thread.join(PATIENCE)
        self.restart()
        return True

    def submit(self, command: Command[Any], blow: str | None = None) -> Any:
        """The answer of a command; NO_ANSWER where its caller never had one."""
        self.plan.blow = blow
        ticket = self.till.enqueue(command, None, None)
        wait([ticket.future, self.death], PATIENCE, FIRST_COMPLETED)
        self.plan.blow = None
        if self._revive():
            return NO_ANSWER
        answer = ticket.future.result(0)
        if blow is not None:
            self._quiet()
            return NO_ANSWER
        return answer

    def give_up(self, command: Command[Any]) -> None:
        """The caller answers without the command, which commits all the same."""
        ticket = self.till.enqueue(command, None, None)
        wait([ticket.future], PATIENCE)
        self.till.give_up(ticket)
        self._quiet()

    def late(self, command: Command[Any]) -> Any:
        """A command past its deadline."""
        return self.till.enqueue(command, 0.0, None).future.result(PATIENCE)

    def _quiet(self) -> None:
        """Until what the till owes itself is done: compensations go ahead of everything else."""
        self.till.write_and_wait(lambda _writer: None)

    def together(self, commands: Sequence[Command[Any]]) -> list[Any]:
        """Answers of commands that came at the same time, in one batch."""
        from tests.support.tills import together  # Imports pytest, which the soak's progress does without.

        return [ticket.future.result(PATIENCE) for ticket in together(self.till, commands)]

    def deliver(self, event: Event, blow: str | None = None) -> None:
        """An event arrives: kept once, and handled."""
        self.till.write_and_wait(inbox.keep(kept(event, self.clock())))
        self.work_inbox(blow)

    def work_inbox(self, blow: str | None = None) -> None:
        """Claims and handles every event that is due, as the worker does."""
        context = FlowContext(
            self.till, self.database, cast(Any, None), cast(Any, None), cast(Any, None), self.clock,
            self.books.new_id, lambda: "http://localhost",
        )  # fmt: skip
        while claimed := self.till.write_and_wait(inbox.claim(self.clock())):
            for event in claimed:
                self.plan.blow, blow = blow, None
                self.loop.run_until_complete(self._handle(context, event))
                self.plan.blow = None
                if self._revive():
                    return
            self._quiet()

    async def _handle(self, context: FlowContext, event: InboxEvent) -> None:
        work = asyncio.ensure_future(handle_events(context, [event]))
        dead = asyncio.wrap_future(self.death)
        await asyncio.wait({work, dead}, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            work.result()
            return
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)

    def advance(self, seconds: int) -> None:
        """Time goes on, and all that is over by then is archived."""
        self.clock.advance(seconds)
        self._archive()

    def snapshot(self, records_after: int) -> tuple[Snapshot, list[AuditRecord], list[InboxEvent]]:
        """All rows as they are durably; audit records after that sequence; events without their payload."""
        wanted = [(TABLE_OF[row], "") for row in WATCHED]
        mine = f"WHERE organization_id = '{ORG}' AND sequence > {records_after}"
        wanted += [(table, "") for table in (tables.entries_archive, tables.inbox, tables.inbox_archive)]
        wanted.append((tables.audit_records, mine))
        found = self._read([_select(table, where) for table, where in wanted])
        rows = [[table.info["row"](*item) for item in found[at]] for at, (table, _) in enumerate(wanted)]
        *_, archived, events, old_events, records = rows
        snapshot = dict(zip(WATCHED, rows, strict=False))
        snapshot[Entry] = sorted([*snapshot[Entry], *archived])
        return snapshot, records, [*events, *old_events]

    def _read(self, queries: list[str]) -> list[list[Any]]:
        """The rows of each query, on a connection of their own; PostgreSQL gets all of them at once."""
        connection = self.database.engine.raw_connection()
        try:
            cursor = cast(Any, connection.cursor())
            if self.database.is_sqlite:
                return [cursor.execute(query).fetchall() for query in queries]
            cursor.execute("; ".join(queries))
            found = [cursor.fetchall()]
            while cursor.nextset():
                found.append(cursor.fetchall())
            return found
        finally:
            connection.close()


def _select(table: Table, where: str) -> str:
    names = ", ".join("''" if column.name == "payload" else column.name for column in table.columns)
    return f"SELECT {names} FROM {table.name} {where} ORDER BY {', '.join(table.info['key'])}"  # noqa: S608


class SqliteGround(DatabaseGround):
    """A file, copied from an empty one for each example."""

    name = "sqlite"

    def __init__(self, folder: Path) -> None:
        self.file, self.empty = folder / "roony.db", folder / "empty.db"
        empty = Database(f"sqlite:///{self.empty}")
        build_tables(empty)
        empty.close()
        super().__init__(Database(f"sqlite:///{self.file}"))

    def begin(self) -> None:
        """A fresh file."""
        self.database.engine.dispose()
        for left in self.file.parent.glob("roony.db-*"):
            left.unlink()
        shutil.copyfile(self.empty, self.file)
        super().begin()

    def open_writer(self) -> Writer:
        """A fragile writing connection."""
        writer = FragileSqlite(self.file)
        writer.plan = self.plan
        # The machine may lose its power elsewhere (tests/store); here thousands of commits need not wait for the disk.
        writer.run("PRAGMA synchronous = OFF")
        return writer


class PostgresGround(DatabaseGround):
    """A database whose rows are deleted for each example."""

    name = "postgresql"

    def __init__(self, url: str) -> None:
        super().__init__(Database(url, own_clock=True))
        build_tables(self.database)

    def begin(self) -> None:
        """Empty tables."""
        writer = self.open_writer()
        try:
            for table in tables.metadata.tables:
                writer.run(f"DELETE FROM {table}")  # noqa: S608
        finally:
            writer.close()
        super().begin()

    def open_writer(self) -> Writer:
        """A fragile writing connection."""
        address = self.database.url.set(drivername="postgresql").render_as_string(hide_password=False)
        writer = FragilePostgres(address, own_clock=True)
        writer.plan = self.plan
        # No commit need wait for the disk here, and a busy machine is no fault.
        writer.run(f"SET synchronous_commit = off; {PATIENT}")
        return writer


Ground = MemoryGround | SqliteGround | PostgresGround
