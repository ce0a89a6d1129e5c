"""The till: one commit for all that waits, one command's failure is its own, and nothing is half written."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from roony.core.agent import Organization, Project
from roony.core.audit import AuditRecord
from roony.core.budget import Budget, BudgetPeriod
from roony.core.errors import BrokenCaller, Refusal
from roony.core.ledger import Entry, Hold
from roony.core.purchase import Velocity
from roony.log_ids import about
from roony.store import inbox, other_writes, till
from roony.store.batch_size import GONE_SECONDS, LEAST_ROOM, MAX_BATCH, MET_SECONDS, BatchSize
from roony.store.book import Book
from roony.store.command import FAILED
from roony.store.facts import Needs
from roony.store.rows import EventOutcome, InboxEvent, KnownMerchant, OutboxPromise, PromiseOutcome
from roony.store.statements import write_row
from roony.store.tables import TABLE_OF
from roony.store.writer import Writer
from tests.support.books import NOW, ORG, PROJECT, Books
from tests.support.log_lines import logged
from tests.support.tills import PATIENCE, Do, answers, held, merchant, note, poison, together


def names(books: Books) -> list[str]:
    """What commands left behind."""
    return sorted(row.merchant_key for row in books.rows(KnownMerchant))


def expect_quick_commands(books: Books) -> None:
    """Sets the till's estimate of one command, so that a slow machine's own does not cut batches short."""
    books.till._size.seconds_each = 0.0001


class TestBatch:
    """What waits together is committed together."""

    def test_all_that_waits_ends_in_one_commit(self, books: Books) -> None:
        books.run(note("first"))
        expect_quick_commands(books)
        before = books.till.counters()
        tickets = together(books.till, [note(f"m{number:02}") for number in range(40)])
        assert answers(tickets) == [f"m{number:02}" for number in range(40)]
        after = books.till.counters()
        # One for the write that held the till, one for all of them.
        assert after.commits - before.commits == 2
        assert after.commands - before.commands == 40
        assert len(names(books)) == 41

    def test_at_most_64_commands_share_a_commit(self, books: Books) -> None:
        books.run(note("first"))
        expect_quick_commands(books)
        sizes: list[int] = []

        def counted(number: int) -> Do:
            def action(book: Book, now: int) -> None:
                if not sizes or number == 0 or seen[-1] is not book:
                    sizes.append(0)
                seen.append(book)
                sizes[-1] += 1

            return Do(action)

        seen: list[Book] = []
        answers(together(books.till, [counted(number) for number in range(MAX_BATCH * 2 + 5)]))
        assert sizes[0] == MAX_BATCH
        assert max(sizes) == MAX_BATCH
        assert sum(sizes) == MAX_BATCH * 2 + 5

    def test_after_a_slow_moment_batches_grow_again(self, books: Books) -> None:
        """A batch of one, on a slow database, must not teach the till that only one fits."""
        books.run(note("first"))
        books.till._size.seconds_each = 1.0
        before = books.till.counters().commits
        assert len(answers(together(books.till, [note(f"m{number:02}") for number in range(LEAST_ROOM)]))) == LEAST_ROOM
        assert books.till.counters().commits - before == 2

    def test_batches_are_longer_where_nobody_else_was_met(self) -> None:
        size = BatchSize()
        size.seconds_each = 0.001
        assert size.room() == 20
        size._met -= GONE_SECONDS + 1
        assert size.room() == 40
        size.locked(MET_SECONDS / 2)
        assert size.room() == 40
        size.locked(MET_SECONDS * 2)
        assert size.room() == 20
        size.done(10, 1.0)
        assert size.seconds_each == pytest.approx(0.0109)

    def test_authorizations_go_first(self, books: Books) -> None:
        order: list[str] = []

        def step(name: str, urgent: bool) -> Do:
            return Do(lambda book, now: order.append(name), urgent=urgent)

        tickets = together(
            books.till, [step("a", False), step("U", True), step("b", False), step("V", True), step("c", False)]
        )
        answers(tickets)
        assert order == ["U", "V", "a", "b", "c"]

    def test_authorizations_fill_the_next_batch_before_anything_else(self, books: Books) -> None:
        batches: dict[int, list[str]] = {}
        kept: list[Book] = []

        def step(kind: str) -> Do:
            def action(book: Book, now: int) -> None:
                kept.append(book)
                batches.setdefault(id(book), []).append(kind)

            return Do(action, urgent=kind == "urgent")

        expect_quick_commands(books)
        commands = [step("ordinary") for _ in range(30)] + [step("urgent") for _ in range(MAX_BATCH)]
        answers(together(books.till, commands))
        assert next(iter(batches.values())) == ["urgent"] * MAX_BATCH
        assert sum(len(kinds) for kinds in batches.values()) == MAX_BATCH + 30

    def test_a_long_wait_for_a_lock_does_not_make_later_batches_small(self, sqlite_books: Books) -> None:
        """What a batch pays once, such as waiting for the file or the disk, says nothing about one command."""
        books = sqlite_books
        stranger = books.database.open_writer()
        stranger.begin([])
        waiting = books.till.enqueue(note("waits"), None, None)
        # The wait itself is what is tested: half a second in which the file belongs to somebody else.
        threading.Event().wait(0.5)
        stranger.commit()
        stranger.close()
        assert answers([waiting]) == ["waits"]
        before = books.till.counters().commits
        answers(together(books.till, [note(f"m{number}") for number in range(8)]))
        assert books.till.counters().commits - before == 2

    def test_writes_run_after_the_commands_in_the_same_commit(self, books: Books) -> None:
        before = books.till.counters().commits
        seen: list[bool] = []

        def look(writer: Writer) -> None:
            found = writer.run("SELECT count(*) FROM known_merchants WHERE merchant_key = 'a'").fetchone()
            seen.append(found[0] == 1)

        async def both() -> None:
            loop = asyncio.get_running_loop()
            with held(books.till):
                write = loop.create_task(books.till.write(look))
                await asyncio.sleep(0)  # lets the task put its write into the queue
                command = books.till.enqueue(note("a"), None, loop)
            await asyncio.gather(write, command.future)

        asyncio.run(both())
        assert seen == [True]
        assert books.till.counters().commits - before == 2

    def test_answers_come_only_after_the_commit(self, books: Books) -> None:
        asked = books.till.submit_and_wait(note("durable"))
        assert asked == "durable"
        assert names(books) == ["durable"]  # read on another connection

    def test_a_command_for_an_unknown_organization_is_refused(self, books: Books) -> None:
        refused = books.run(Do(lambda book, now: "applied", organization_id="org_nobody"))
        assert isinstance(refused, Refusal)
        assert refused.code == "not_found"


class TestReadingThrough:
    """A command reads what the commands before it in the batch did, and only what it named."""

    def test_an_unnamed_row_raises(self, books: Books) -> None:
        with pytest.raises(BrokenCaller, match="was not named"):
            books.run(Do(lambda book, now: book.get(Project, ORG, PROJECT)))

    def test_an_unnamed_group_raises(self, books: Books) -> None:
        with pytest.raises(BrokenCaller, match="were not named"):
            books.run(Do(lambda book, now: book.group(Budget, ORG, ORG)))

    def test_an_unnamed_period_raises(self, books: Books) -> None:
        with pytest.raises(BrokenCaller, match="was not named"):
            books.run(Do(lambda book, now: book.period(ORG, "bud_agent_month", 0)))

    def test_a_missing_row_is_a_fact_but_not_one_that_may_be_needed(self, books: Books) -> None:
        needs = Needs(rows=((Project, ORG, "prj_none"),))
        assert books.run(Do(lambda book, now: book.get(Project, ORG, "prj_none"), needs)) is None
        with pytest.raises(BrokenCaller, match="does not exist"):
            books.run(Do(lambda book, now: book.need(Project, ORG, "prj_none"), needs))

    def test_rows_are_read_as_the_command_before_left_them(self, books: Books) -> None:
        hour = 5
        needs = Needs(rows=((Velocity, ORG, "agt_1", hour),))

        def count(book: Book, now: int) -> int:
            before = book.get(Velocity, ORG, "agt_1", hour)
            after = Velocity(ORG, "agt_1", hour, (before.purchases if before else 0) + 1, 0)
            book.put(after)
            return after.purchases

        assert answers(together(books.till, [Do(count, needs) for _ in range(20)])) == list(range(1, 21))
        assert books.run(Do(count, needs)) == 21
        assert books.row(Velocity, hour=hour).purchases == 21

    def test_groups_show_rows_of_earlier_commands(self, books: Books) -> None:
        needs = Needs(groups=((Budget, ORG, "scope_x"),))

        def add(number: int) -> Do:
            def action(book: Book, now: int) -> list[str]:
                book.put(Budget(ORG, f"bud_{number}", "task", "scope_x", f"c{number}", "day", "UTC", 1, now))
                return sorted(budget.id for budget in book.group(Budget, ORG, "scope_x"))

            return Do(action, needs)

        assert answers(together(books.till, [add(1), add(2)])) == [["bud_1"], ["bud_1", "bud_2"]]
        assert books.run(add(3)) == ["bud_1", "bud_2", "bud_3"]

    def test_periods_show_what_the_batch_already_moved(self, books: Books) -> None:
        needs = Needs(rows=((BudgetPeriod, ORG, "bud_agent_month", 7),))
        hold = Hold(ORG, "hold_x", "pur_x", 1, "usd", "[]", NOW)

        def move(book: Book, now: int) -> tuple[int, int]:
            book.move(hold, [("bud_agent_month", 7)], 100, 1)
            return book.period(ORG, "bud_agent_month", 7)[3:]

        assert answers(together(books.till, [Do(move, needs)] * 3)) == [(100, 1), (200, 2), (300, 3)]
        assert books.run(Do(move, needs)) == (400, 4)
        assert books.row(BudgetPeriod, period_start=7)[3:] == (400, 4)


class Broken(Exception):
    """Raised by commands on purpose."""


def everything(book: Book, now: int) -> None:
    """Changes one of everything a command can change."""
    hold = Hold(ORG, "hold_b", "pur_b", 1, "usd", "[]", now)
    book.put(hold)
    book.put(Entry(ORG, "pur_b", 1, "hold_b", "hold", 1, 0, now))
    book.put(merchant("shared", name="broken"))
    book.put(merchant("broken"))
    book.put(Budget(ORG, "bud_b", "task", "scope_b", "usd", "day", "UTC", 1, now))
    book.move(hold, [("bud_agent_month", 7)], 5, 5)
    book.record(ORG, "tester", "broken", "b", {}, now)
    book.promise(OutboxPromise(ORG, "out_b", "make_card", "x", "{}", "k", 1, "promised", 0, now, 0, 0, None, now, None))
    book.finish_event(EventOutcome("applied", "broken", ORG, 0, now, now, "evt_1", 0))
    book.finish_promise(PromiseOutcome("done", "k", 1, 1, now, "broken", now, ORG, "out_1", 0))
    book.reconfigure(ORG)


class TestUndo:
    """A command that raises takes back all that it changed, and nothing of its neighbours."""

    def test_a_failing_command_is_logged_with_what_it_is_about(self, books: Books) -> None:
        """The till's thread serves many requests at a time."""

        def bad(_book: Book, _now: int) -> None:
            raise Broken("on purpose")

        with logged(till) as lines, about(request_id="req_1", purchase_id="pur_1"), pytest.raises(Broken):
            books.run(Do(bad))
        [line] = [line for line in lines if line["event"] == "till.command_failed"]
        assert (line["request_id"], line["purchase_id"], line["command"]) == ("req_1", "pur_1", "Do")

    def test_a_failing_command_loses_only_its_own_changes(self, books: Books) -> None:
        books.till.write_and_wait(inbox.keep(inbox.new_event("evt_1", None, False, "x", None, 1, b"{}", NOW)))
        books.put(
            OutboxPromise(ORG, "out_1", "make_card", "x", "{}", "k", 1, "promised", 0, NOW, 0, 0, None, NOW, None)
        )
        version = books.row(Organization, id=ORG).config_version
        needs = Needs(groups=((Budget, ORG, "scope_b"),), rows=((KnownMerchant, ORG, "shared"),))

        def good(number: int) -> Do:
            def action(book: Book, now: int) -> tuple[Any, ...]:
                shared = book.get(KnownMerchant, ORG, "shared")
                book.put(merchant("shared", purchases=number))
                book.move(Hold(ORG, "h", "p", 1, "usd", "[]", now), [("bud_agent_month", 7)], number, 0)
                book.record(ORG, "tester", "good", str(number), {}, now)
                return (shared.purchases if shared else None), len(book.group(Budget, ORG, "scope_b"))

            return Do(action, needs)

        def bad(book: Book, now: int) -> None:
            everything(book, now)
            raise Broken("on purpose")

        found = answers(together(books.till, [good(1), Do(bad, needs), good(2), Do(bad, needs)]))
        assert isinstance(found[1], Broken)
        assert isinstance(found[3], Broken)
        assert (found[0], found[2]) == ((None, 0), (1, 0))
        shared = books.row(KnownMerchant)
        assert (shared.merchant_key, shared.name, shared.purchases) == ("shared", "shared", 2)
        assert books.rows(Hold) == books.rows(Entry) == books.rows(Budget, id="bud_b") == []
        assert books.row(BudgetPeriod, period_start=7)[3:] == (3, 0)
        assert [record.action for record in books.rows(AuditRecord)] == ["good", "good"]
        assert books.row(InboxEvent).status == "received"
        assert [(row.id, row.status) for row in books.rows(OutboxPromise)] == [("out_1", "promised")]
        assert books.row(Organization, id=ORG).config_version == version

    def test_what_everything_changes_is_written_when_it_does_not_raise(self, books: Books) -> None:
        """So that the test above looks at changes that would be there."""
        books.till.write_and_wait(inbox.keep(inbox.new_event("evt_1", None, False, "x", None, 1, b"{}", NOW)))
        books.put(
            OutboxPromise(ORG, "out_1", "make_card", "x", "{}", "k", 1, "promised", 0, NOW, 0, 0, None, NOW, None)
        )
        version = books.row(Organization, id=ORG).config_version
        books.run(Do(everything))
        assert names(books) == ["broken", "shared"]
        assert len(books.rows(Hold)) == len(books.rows(Entry)) == len(books.rows(Budget, id="bud_b")) == 1
        assert books.row(BudgetPeriod, period_start=7)[3:] == (5, 5)
        assert books.row(InboxEvent).status == "applied"
        assert [(row.id, row.status) for row in books.rows(OutboxPromise)] == [("out_1", "done"), ("out_b", "promised")]
        assert books.row(Organization, id=ORG).config_version != version

    def test_an_exception_no_future_can_carry_still_answers_everybody(self, books: Books) -> None:
        """`next()` on nothing is an easy mistake; asyncio refuses its exception."""

        async def ask() -> list[Any]:
            loop = asyncio.get_running_loop()
            with held(books.till):
                tickets = [
                    books.till.enqueue(command, None, loop)
                    for command in (Do(lambda book, now: next(iter(()))), note("after"))
                ]
            async with asyncio.timeout(PATIENCE):
                return await asyncio.gather(*(ticket.future for ticket in tickets), return_exceptions=True)

        broken, after = asyncio.run(ask())
        assert isinstance(broken, RuntimeError)
        assert after == "after"


class TestFailedWrite:
    """One poisoned command costs its neighbours a transaction of their own, never their answer."""

    def test_neighbours_of_a_poisoned_command_are_committed_once(self, books: Books) -> None:
        before = books.till.counters()
        found = answers(together(books.till, [note("a"), note("b"), poison(), note("c")]))
        assert found == ["a", "b", FAILED, "c"]
        assert names(books) == ["a", "b", "c"]
        assert [record.subject for record in books.rows(AuditRecord)] == ["a", "b", "c"]
        after = books.till.counters()
        assert after.failed_batches - before.failed_batches == 1
        assert after.commits - before.commits == 1 + 3  # the write that held the till, and one for each good command

    def test_a_second_row_with_the_key_of_an_entry_is_an_error(self, books: Books) -> None:
        entry = Entry(ORG, "pur_x", 1, "hold_x", "hold", 5, 0, NOW)
        books.run(Do(lambda book, now: book.put(entry)))
        found = answers(together(books.till, [note("a"), Do(lambda book, now: book.put(entry._replace(held=9)))]))
        assert found == ["a", FAILED]
        assert books.row(Entry).held == 5

    def test_a_record_that_cannot_be_written_down_poisons_only_its_own_command(self, books: Books) -> None:
        def action(book: Book, now: int) -> None:
            book.record(ORG, "tester", "noted", "x", {"amount": float("nan")}, now)

        assert answers(together(books.till, [note("a"), Do(action), note("b")])) == ["a", FAILED, "b"]

    def test_needs_that_raise_cost_only_their_own_command(self, books: Books) -> None:
        class Unsure(Do):
            def needs(self, now: int) -> Needs:
                raise Broken("cannot say what it needs")

        found = answers(together(books.till, [note("a"), Unsure(lambda book, now: None), note("b")]))
        assert found == ["a", FAILED, "b"]
        assert names(books) == ["a", "b"]

    def test_authorizations_are_served_first_after_a_failed_write(self, books: Books) -> None:
        order: list[str] = []

        def step(name: str, urgent: bool) -> Do:
            def action(book: Book, now: int) -> str:
                order.append(name)
                return name

            return Do(action, urgent=urgent)

        # The poisoned one is urgent too, and fails when the whole batch is written.
        answers(together(books.till, [step("a", False), poison(urgent=True), step("U", True), step("V", True)]))
        assert order[:3] == ["U", "V", "a"]
        assert order[3:] == ["U", "V", "a"]

    def test_a_write_beside_a_poisoned_command_runs_once_in_effect(self, books: Books) -> None:
        async def both() -> None:
            loop = asyncio.get_running_loop()
            with held(books.till):
                statement = write_row(TABLE_OF[KnownMerchant], books.till._writer.backend)
                write = loop.create_task(books.till.write(lambda w: w.run(statement, merchant("w")) and None))
                await asyncio.sleep(0)  # lets the task put its write into the queue
                command = books.till.enqueue(poison(), None, loop)
            assert await asyncio.gather(write, command.future) == [None, FAILED]

        asyncio.run(both())
        assert names(books) == ["w"]

    def test_a_write_that_raises_loses_only_its_own_changes(self, books: Books) -> None:
        statement = write_row(TABLE_OF[KnownMerchant], books.till._writer.backend)

        def bad(writer: Writer) -> None:
            writer.run(statement, merchant("lost"))
            raise Broken("on purpose")

        def worse(writer: Writer) -> None:
            writer.run(statement, merchant("lost"))
            writer.run("SELECT no_such_column FROM known_merchants")

        async def all_of_them() -> list[Any]:
            loop = asyncio.get_running_loop()
            with held(books.till):
                writes = [
                    loop.create_task(books.till.write(work))
                    for work in (bad, lambda w: w.run(statement, merchant("kept")) and None, worse)
                ]
                await asyncio.sleep(0)  # lets the tasks put their writes into the queue
                command = books.till.enqueue(note("a"), None, loop)
            return await asyncio.gather(*writes, command.future, return_exceptions=True)

        before = books.till.counters()
        first, second, third, command = asyncio.run(all_of_them())
        assert isinstance(first, Broken)
        assert second is None
        assert "no_such_column" in str(third)
        assert command == "a"
        assert names(books) == ["a", "kept"]
        assert books.till.counters().failed_batches == before.failed_batches


class TestOtherWrites:
    """Writes that are no commands have a part of a batch, and no more."""

    def test_what_does_not_fit_into_a_batch_waits_for_the_next(
        self, books: Books, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(other_writes, "MAX_WRITES_SECONDS", 0.0)
        places: list[int] = []

        def place(_writer: Writer) -> int:
            places.append(books.till.counters().commits)
            return len(places)

        with held(books.till):
            first = books.till._enqueue_work(place, None)
            ask = books.till.enqueue(note("between"), None, None)
            rest = [books.till._enqueue_work(place, None) for _ in range(3)]
        assert answers([first, *rest]) == [1, 2, 3, 4]
        assert answers([ask]) == ["between"]
        # One for each batch, in the order they came.
        assert places == sorted(set(places))
