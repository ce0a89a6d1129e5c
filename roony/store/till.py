"""The till: the one queue of a process through which all money moves (design section 3).

Commands wait in two lanes. One thread takes what waits, locks the organizations involved, loads all facts with one
query for each table, applies every command in memory, writes what changed, commits once, and only then answers.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import structlog

from roony.core.agent import Organization
from roony.core.errors import BrokenCaller, Refusal
from roony.stop_points import reach
from roony.store.authority import AgentAuthority, Authority
from roony.store.batch_size import MAX_BATCH, BatchSize
from roony.store.book import Book
from roony.store.command import AWAY, FAILED, LATE, UNKNOWN_OUTCOME, Command, Counters, Ticket, TillClosed
from roony.store.database import why_failed
from roony.store.facts import ConfigCache, FactLoader
from roony.store.lanes import Lanes
from roony.store.other_writes import do_other_writes
from roony.store.reconnect import in_place, pauses, tell_away
from roony.store.tally import Tally
from roony.store.writer import AnotherDatabase, ConnectionLost, Writer

Answer = TypeVar("Answer")
log = structlog.get_logger("roony.till")

# How long an organization that a stranger holds is left alone before the next look.
PROBE_PAUSE = 0.050
# What must be left of a deadline when a command is applied, so that its commit still fits in front of it.
COMMIT_MARGIN = 0.300
# How often a compensation that could not be committed is tried again.
MAX_COMPENSATION_TRIES = 10


class Till:
    """The queue and its writer thread. One for each process."""

    def __init__(
        self,
        open_writer: Callable[[], Writer],
        clock: Callable[[], int],
        new_version: Callable[[], str],
        on_dead: Callable[[BaseException], None] | None = None,
    ) -> None:
        """`clock` gives microseconds UTC; `new_version` a random text; `on_dead` is called when the thread dies."""
        self._open_writer = open_writer
        self._clock = clock
        self._new_version = new_version
        self._on_commit: Callable[[set[str]], None] = lambda _organization_ids: None
        self._on_dead = on_dead or (lambda _error: os._exit(70))
        self._lanes = Lanes()
        self._cache = ConfigCache()
        self._writer: Writer | None = None
        self._place: str | None = None
        self._begun = False
        self._skipped = False
        # Organizations whose rows a stranger held when they were last wanted, and when to look again.
        self._held: dict[str, float] = {}
        self._size = BatchSize()
        self._last_batch = 0
        self.tally = Tally(self._lanes)
        self._counts = self.tally.counts
        self._thread = threading.Thread(target=self._serve, name="till", daemon=True)

    def start(self) -> None:
        """Opens the writing connection and begins to serve."""
        self._writer = self._open_writer()
        self._place = self._writer.place
        self._thread.start()

    def stop(self, timeout: float = 10.0) -> None:
        """Serves what waits, then ends; new commands are refused. `timeout` in seconds."""
        self._lanes.close()
        if self._thread.is_alive():
            self._thread.join(timeout)
        if self._writer is not None and not self._thread.is_alive():
            self._writer.close()

    def listen(self, on_commit: Callable[[set[str]], None]) -> None:
        """`on_commit` is called on the writer's thread with the organizations of each batch, after its answers."""
        self._on_commit = on_commit

    def counters(self) -> Counters:
        """A copy of the counters."""
        return Counters(**self._counts)

    @property
    def away(self) -> bool:
        """True while the database does not answer: everything is refused at once."""
        return self._lanes.away

    # Callers

    async def submit(
        self, command: Command[Answer], deadline: float | None = None, by: Authority | AgentAuthority | None = None
    ) -> Answer | Refusal:
        """Applies one command; answers after its commit. `deadline` in seconds of `time.monotonic()`.

        `by` is who asked for it: without the right to it any more when its turn comes, it is refused unapplied.
        """
        ticket = self.enqueue(command, deadline, asyncio.get_running_loop(), by)
        return await ticket.future  # type: ignore[no-any-return]

    def submit_and_wait(self, command: Command[Answer]) -> Answer | Refusal:
        """Like `submit`, for a thread that may block."""
        return self.enqueue(command, None, None).future.result()  # type: ignore[no-any-return]

    async def write(self, work: Callable[[Writer], Answer]) -> Answer:
        """Runs `work` on the writing connection, in a savepoint after the commands of a batch; answers after commit.

        For small writes of no organization's money: sessions, inbox, claims. What `work` raises is raised here.
        """
        ticket = self._enqueue_work(work, asyncio.get_running_loop())
        return await ticket.future  # type: ignore[no-any-return]

    def write_and_wait(self, work: Callable[[Writer], Answer]) -> Answer:
        """Like `write`, for a thread that may block."""
        return self._enqueue_work(work, None).future.result()  # type: ignore[no-any-return]

    def enqueue(
        self, command: Command[Any], deadline: float | None, loop: asyncio.AbstractEventLoop | None,
        by: Authority | AgentAuthority | None = None,
    ) -> Ticket:  # fmt: skip
        """Puts a command into its lane and returns its ticket; the queue being full resolves it with BUSY at once."""
        ticket = Ticket(command, None, deadline, loop, by=by)
        refused = self._lanes.add(ticket)
        if refused is not None:
            self._counts["refused_busy"] += 1
            ticket.answer = refused
            ticket.resolve()
        return ticket

    def give_up(self, ticket: Ticket) -> None:
        """The caller answered without this ticket; if it committed all the same, it is taken back."""
        ticket.given_up = True
        if ticket.future.done() and not ticket.future.cancelled():
            self._take_back(ticket)

    def expire(self, ticket: Ticket) -> None:
        """The caller's patience is over: answered LATE; what still commits is taken back. On its loop only."""
        ticket.given_up = True
        if not ticket.future.done():
            ticket.future.set_result(LATE)

    def _enqueue_work(self, work: Callable[[Writer], Any], loop: asyncio.AbstractEventLoop | None) -> Ticket:
        ticket = Ticket(None, work, None, loop)
        refused = self._lanes.add(ticket)
        if refused is not None:
            ticket.answer = TillClosed(refused.message)
            ticket.resolve()
        return ticket

    # The writer thread

    def _serve(self) -> None:
        try:
            while True:
                commands, work = self._lanes.take(self._last_batch, self._size.room(), MAX_BATCH, self._held)
                self._last_batch = len(commands)
                if not commands and not work:
                    return
                self._run(commands, work)
                if self._lanes.away:  # Asked to stop while the database was away.
                    return
        except BaseException as error:  # Nothing may wait for a thread that is gone: another process is started.
            log.critical("till.dead", error=why_failed(error))
            self._on_dead(error)

    def _run(self, commands: list[Ticket], work: list[Ticket]) -> None:
        try:
            answered, unlocked = self._commit(commands, work)
        except ConnectionLost as error:
            self._after_lost_connection(commands, work, error)
            return
        except Exception as error:  # Anything the write raised: nothing was committed.
            log.error("till.write_failed", error=why_failed(error), commands=len(commands))
            self.tally.failed(error)
            if self._begun:
                self._one_by_one(commands, work)
            else:
                self._refuse([*commands, *work], error)
            return
        # Who is late anyway must not keep a place that others could use.
        late = [ticket for ticket in unlocked if self._is_late(ticket)]
        self._lanes.put_back([ticket for ticket in unlocked if ticket not in late])
        self._answer([*answered, *late])
        self._on_commit({ticket.command.organization_id for ticket in answered if ticket.command is not None})

    def _commit(self, commands: list[Ticket], work: list[Ticket]) -> tuple[list[Ticket], list[Ticket]]:
        """One transaction. Returns the tickets that have their answer, and those whose organization was not free."""
        writer = self._opened
        self._begun = False
        try:
            asked = time.monotonic()
            organizations = self._begin(writer, sorted({t.asked.organization_id for t in commands}))
            self._begun = True
            began = time.monotonic()
            self._size.locked(began - asked)
            book = Book(self._new_version)
            present = [t for t in commands if t.asked.organization_id in organizations or not self._skipped]
            unlocked = [t for t in commands if t not in present] if self._skipped else []
            clocks = self._clocks(writer, organizations)
            if present:
                needs = [need for t in present for need in t.needs(clocks.get(t.asked.organization_id, 0))]
                FactLoader(writer, self._cache).load(book, organizations.values(), needs, clocks)
                self._apply(book, present, organizations, clocks)
                book.write(writer, clocks)
                self._size.done(len(present), time.monotonic() - began)
            done = do_other_writes(writer, work)
            names = [ticket.name for ticket in (*present, *done)]
            reach("before_commit", names)
            committing = time.monotonic()
            writer.commit()
        except BaseException:
            writer.rollback()
            raise
        reach("after_commit", names)
        self.tally.committed(present, done, time.monotonic() - committing)
        return [*present, *done], [*unlocked, *work[len(done) :]]

    @property
    def _opened(self) -> Writer:
        if self._writer is None:
            raise BrokenCaller("the till was not started")
        return self._writer

    def _begin(self, writer: Writer, ids: list[str]) -> dict[str, Organization]:
        """Locks the organizations, or those of them that no stranger holds: the others are not waited for again."""
        held = self._held.keys() & (set(ids) - {self._lanes.alone})
        # Nobody free waits for one that was held the time before.
        self._skipped = bool(held) and len(held) < len(ids)
        try:
            rows = writer.begin(ids, skip_locked=self._skipped, probing=bool(held))
        except TimeoutError:
            writer.rollback()
            self._skipped = True
            held = set(ids)
            rows = writer.begin(ids, skip_locked=True)
        for id in {row.id for row in rows} if self._skipped else ids:
            held.discard(id)
            self._held.pop(id, None)
        self._held |= dict.fromkeys(held, time.monotonic() + PROBE_PAUSE)
        return {row.id: row for row in rows}

    def _clocks(self, writer: Writer, organizations: dict[str, Organization]) -> dict[str, int]:
        """The time of this batch for each organization: one reading, and never before what it has already seen."""
        now = writer.database_now() if organizations else None
        now = self._clock() if now is None else now
        return {id: max(now, organization.clock) for id, organization in organizations.items()}

    def _apply(
        self, book: Book, tickets: list[Ticket], organizations: dict[str, Organization], clocks: dict[str, int]
    ) -> None:
        for ticket in tickets:
            command = ticket.asked
            if self._is_late(ticket):
                continue
            if command.organization_id not in organizations:
                ticket.answer = Refusal("not_found", "No such organization.", 404)
                continue
            book.start_command(time.monotonic())
            try:
                ticket.answer = ticket.applied(book, clocks[command.organization_id])
            except Exception as error:  # One broken command loses only its own changes.
                book.undo_command()
                log.exception("till.command_failed", command=type(command).__name__, **ticket.about)
                ticket.answer = error

    def _is_late(self, ticket: Ticket) -> bool:
        """True, with its answer, for a command whose caller is gone or would be before its commit."""
        in_time = ticket.deadline is None or time.monotonic() <= ticket.deadline - COMMIT_MARGIN
        if in_time and not ticket.given_up:
            return False
        ticket.answer = LATE
        self._counts["refused_late"] += 1
        return True

    def _one_by_one(self, commands: list[Ticket], work: list[Ticket]) -> None:
        """After a failed write: each ticket once more in a transaction of its own; who fails alone is refused."""
        self._cache.drop()
        tickets = sorted([*commands, *work], key=lambda t: t.command is None or not t.command.urgent)
        for place, ticket in enumerate(tickets):
            alone = ([], [ticket]) if ticket.command is None else ([ticket], [])
            try:
                answered, unlocked = self._commit(*alone)
            except ConnectionLost as error:
                # Those not yet tried wait in their lanes, where they are refused if the database stays away.
                self._lanes.put_back(tickets[place + 1 :])
                self._after_lost_connection(*alone, error)
                return
            except Exception as error:
                log.error("till.command_not_written", error=why_failed(error), command=ticket.name, **ticket.about)
                self._cache.drop()
                if not self._begun:
                    self._refuse(tickets[place:], error)
                    return
                self._refuse([ticket], error)
                continue
            self._lanes.put_back(unlocked)
            self._answer(answered)
            self._on_commit({ticket.command.organization_id for ticket in answered if ticket.command is not None})

    def _refuse(self, tickets: list[Ticket], error: Exception) -> None:
        """Says of each that it changed nothing. Where not even a begin was possible, none of them is to blame."""
        for ticket in tickets:
            ticket.answer = FAILED if ticket.command is not None else error
        self._answer(self._without_owed(tickets))

    def _without_owed(self, tickets: list[Ticket]) -> list[Ticket]:
        """Compensations are tried again, each a few times; returns the tickets that somebody waits for."""
        owed = [ticket for ticket in tickets if ticket.tries]
        for ticket in owed:
            ticket.tries -= 1
        self._lanes.put_back(owed)
        return [ticket for ticket in tickets if ticket not in owed]

    def _after_lost_connection(self, commands: list[Ticket], work: list[Ticket], error: ConnectionLost) -> None:
        """Whether the batch was committed is unknown: nobody is told yes, and what may have committed is withdrawn."""
        self._cache.drop()
        self.tally.failed(error)
        log.error("till.connection_lost", error=why_failed(error), commands=len(commands))
        for ticket in (*commands, *work):
            if ticket.command is not None and ticket.answer is not None:
                self._take_back(ticket)
            ticket.answer = UNKNOWN_OUTCOME if ticket.command is not None else ConnectionLost("outcome unknown")
        self._answer(self._without_owed([*commands, *work]))
        self._reconnect()

    def _reconnect(self) -> None:
        """Until the database is back or the till stops. From the first failed try on, callers are refused at once."""
        with suppress(Exception):
            self._opened.close()
        for pause in pauses():
            try:
                self._writer = in_place(self._open_writer(), self._place)
                self._lanes.away = False
                return
            except AnotherDatabase:
                raise
            except Exception as error:
                tell_away(error)
                self._refuse_waiting()
                if self._lanes.pause(pause):
                    return
        raise ConnectionLost("the database did not come back")

    def _refuse_waiting(self) -> None:
        """Nobody waits for a database that is away."""
        tickets = self._lanes.shut_out()
        for ticket in tickets:
            ticket.answer = AWAY if ticket.command is not None else TillClosed(AWAY.message)
        self._answer(tickets)

    def _answer(self, tickets: list[Ticket]) -> None:
        """Tells every caller, each event loop with one call."""
        loops: dict[asyncio.AbstractEventLoop, list[Ticket]] = {}
        for ticket in tickets:
            if ticket.is_abandoned:
                # Now, not when its loop comes to it: a loop that ends never does.
                self._take_back(ticket)
            if ticket.loop is None:
                self._resolve_all([ticket])
            else:
                loops.setdefault(ticket.loop, []).append(ticket)
        for loop, waiting in loops.items():
            try:
                loop.call_soon_threadsafe(self._resolve_all, waiting)
            except RuntimeError:
                # The loop is closed: its callers are gone, and what they were promised is taken back.
                for ticket in waiting:
                    self._take_back(ticket)

    def _resolve_all(self, tickets: list[Ticket]) -> None:
        for ticket in tickets:
            ticket.resolve()
            # After resolving: a caller that gives up meanwhile on another thread sees either the answer or this check.
            if ticket.is_abandoned:
                self._take_back(ticket)

    def _take_back(self, ticket: Ticket) -> None:
        """Queues the compensation of an answer that its caller could not use, ahead of everything else."""
        if ticket.command is None or ticket.taken_back or isinstance(ticket.answer, (BaseException, Refusal)):
            return
        ticket.taken_back = True
        if (command := ticket.command.compensation(ticket.answer)) is None:
            return
        self._counts["withdrawn"] += 1
        self._lanes.add_first(Ticket(command, None, None, None, tries=MAX_COMPENSATION_TRIES))
