"""Callers of the till: deadlines, callers who leave, full lanes, closing, and a thread that dies."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from roony.core.audit import AuditRecord
from roony.core.authorization import Authorization, AuthorizationDecision
from roony.core.budget import BudgetPeriod
from roony.core.errors import Refusal
from roony.core.purchase import Purchase
from roony.flows.authorization import AnswerAuthorization
from roony.store import lanes
from roony.store.book import Book
from roony.store.command import BUSY, CLOSING, LATE, Ticket, TillClosed
from roony.store.lanes import MAX_WAITING
from roony.store.rows import KnownMerchant
from roony.store.till import COMMIT_MARGIN, Till
from tests.support.books import Books, Clock
from tests.support.tills import PATIENCE, Do, answers, at_once, held, note, together


def settle(books: Books) -> None:
    """Returns when all that waited, compensations too, is committed."""
    books.run(Do(lambda book, now: None))
    books.run(Do(lambda book, now: None))


def expect_taken_back(books: Books, purchase: Purchase) -> None:
    """The book knows that this approval was never heard: declined, nothing committed, the hold as before it."""
    settle(books)
    assert books.row(AuthorizationDecision).answered == "declined"
    known = books.row(Authorization)
    assert (known.approved, known.amount) == (0, 0)
    after = books.row(Purchase, id=purchase.id)
    assert (after.held, after.spent) == (purchase.held, purchase.spent)
    assert {row.held for row in books.rows(BudgetPeriod)} == {purchase.held}
    assert [row.action for row in books.rows(AuditRecord)][-1] == "authorization.withdrawn"
    assert books.till.counters().withdrawn == 1


def expect_approved(books: Books) -> None:
    """The book says what was answered: yes."""
    settle(books)
    assert books.row(AuthorizationDecision).answered == "approved"
    assert books.row(Authorization).approved == 1
    assert books.till.counters().withdrawn == 0


class TestDeadline:
    """Judged once, just before a command is applied, with room for the commit."""

    @pytest.mark.parametrize("left", [-1.0, 0.0, COMMIT_MARGIN * 0.9])
    def test_a_command_too_close_to_its_deadline_is_not_applied(self, books: Books, left: float) -> None:
        late = books.till.enqueue(note("late"), time.monotonic() + left, None)
        assert answers([late]) == [LATE]
        assert books.rows(KnownMerchant) == []
        assert books.till.counters().refused_late == 1

    def test_a_command_with_time_left_is_applied(self, books: Books) -> None:
        ticket = books.till.enqueue(note("early"), time.monotonic() + COMMIT_MARGIN + PATIENCE, None)
        assert answers([ticket]) == ["early"]

    def test_only_the_late_ones_of_a_batch_are_refused(self, books: Books) -> None:
        with held(books.till):
            tickets = [
                books.till.enqueue(note(name), deadline, None)
                for name, deadline in (("a", None), ("late", time.monotonic()), ("b", time.monotonic() + PATIENCE))
            ]
        assert answers(tickets) == ["a", LATE, "b"]
        assert [row.merchant_key for row in books.rows(KnownMerchant)] == ["a", "b"]

    def test_the_deadline_is_judged_again_when_a_failed_batch_is_repeated(self, books: Books) -> None:
        """A command that was in time for the batch may be late for the transaction of its own."""
        runs: list[str] = []

        def slow_poison(book: Book, now: int) -> None:
            runs.append("poison")
            # Uses up the other's time, as a slow database would.
            while time.monotonic() <= deadline - COMMIT_MARGIN:
                threading.Event().wait(0.01)
            book.put(KnownMerchant("org_1", "p", None, "[]", "[]", 1, 1))  # type: ignore[arg-type]

        with held(books.till):
            deadline = time.monotonic() + COMMIT_MARGIN + 0.5
            poisoned = books.till.enqueue(Do(slow_poison), None, None)
            ticket = books.till.enqueue(note("a", urgent=True), deadline, None)
        assert answers([ticket]) == [LATE]
        assert isinstance(answers([poisoned])[0], Refusal)
        assert books.rows(KnownMerchant) == []


class TestGivingUp:
    """What was committed for a caller who had left is taken back; what was not yet applied is left alone."""

    def test_given_up_before_it_was_applied(self, books: Books) -> None:
        with held(books.till):
            ticket = books.till.enqueue(note("gone"), None, None)
            books.till.give_up(ticket)
        assert answers([ticket]) == [LATE]
        assert books.rows(KnownMerchant) == []
        assert books.till.counters().withdrawn == 0

    def test_given_up_after_its_answer(self, books: Books) -> None:
        purchase = books.ready()
        ticket = books.till.enqueue(books.authorization_command(purchase), None, None)
        assert answers([ticket])[0].approved
        books.till.give_up(ticket)
        expect_taken_back(books, purchase)

    def test_given_up_while_it_is_committed(self, books: Books) -> None:
        purchase = books.ready()
        paused = Paused(books.till)
        ticket = books.till.enqueue(books.authorization_command(purchase), None, None)
        with paused:
            books.till.give_up(ticket)
        assert answers([ticket])[0].approved
        expect_taken_back(books, purchase)

    def test_a_decline_needs_no_taking_back(self, books: Books) -> None:
        purchase = books.ready()
        ticket = books.till.enqueue(books.authorization_command(purchase, amount=999_999_999), None, None)
        assert not answers([ticket])[0].approved
        books.till.give_up(ticket)
        settle(books)
        assert books.till.counters().withdrawn == 0

    def test_giving_up_in_a_race_with_the_answer_always_agrees_with_the_book(self, books: Books) -> None:
        for number in range(20):
            purchase = books.ready(merchant=f"Shop {number}", amount=100)
            command = books.authorization_command(purchase, 100, f"SHOP {number}", authorization_id=f"iauth_{number}")
            with held(books.till):
                ticket = books.till.enqueue(command, None, None)
            # The till commits and answers while this thread gives up.
            books.till.give_up(ticket)
            answer = answers([ticket])[0]
            settle(books)
            decisions = books.rows(AuthorizationDecision, authorization_id=f"iauth_{number}")
            if answer == LATE:
                assert decisions == []
            else:
                assert [decision.answered for decision in decisions] == ["declined"]

    def test_an_approval_withdrawn_twice_is_withdrawn_once(self, books: Books) -> None:
        purchase = books.ready()
        command = books.authorization_command(purchase)
        answer = books.run(command)
        undo = command.compensation(answer)
        assert undo is not None
        assert answers(together(books.till, [undo, undo, undo])) == [None, None, None]
        assert [row.action for row in books.rows(AuditRecord)].count("authorization.withdrawn") == 1
        assert books.row(Purchase, id=purchase.id).held == purchase.held


class Paused:
    """Stops the till's thread between its commit and its answers, until the block ends."""

    def __init__(self, till: Till) -> None:
        self._committed, self._go_on, self._answered = threading.Event(), threading.Event(), threading.Event()
        answer = till._answer

        def wait_and_answer(tickets: list[Ticket]) -> None:
            till._answer = answer  # type: ignore[method-assign]
            self._committed.set()
            assert self._go_on.wait(PATIENCE)
            answer(tickets)
            self._answered.set()

        till._answer = wait_and_answer  # type: ignore[method-assign]

    def __enter__(self) -> None:
        assert self._committed.wait(PATIENCE)

    def __exit__(self, *error: object) -> None:
        self._go_on.set()
        assert self._answered.wait(PATIENCE)


async def ask_like_the_door(
    till: Till, command: AnswerAuthorization, cancel: Callable[[asyncio.Task[Any]], None]
) -> Any:
    """Waits as the webhook does: cancelled, it gives up and declines."""
    loop = asyncio.get_running_loop()
    ticket = till.enqueue(command, None, loop)

    async def wait() -> Any:
        try:
            return await ticket.future
        except asyncio.CancelledError:
            till.give_up(ticket)
            return "declined"

    task = loop.create_task(wait())
    await asyncio.sleep(0)  # lets the task begin to wait
    cancel(task)
    return await task


class TestOnAnEventLoop:
    """The same for callers that wait on a loop, in every order of the deadline and the answer."""

    def test_the_deadline_comes_between_the_commit_and_the_answer(self, books: Books) -> None:
        purchase = books.ready()
        paused = Paused(books.till)

        def cancel(task: asyncio.Task[Any]) -> None:
            with paused:
                task.cancel()

        answer = asyncio.run(ask_like_the_door(books.till, books.authorization_command(purchase), cancel))
        assert answer == "declined"
        expect_taken_back(books, purchase)

    def test_the_answer_arrives_between_the_cancelling_and_the_caller_hearing_of_it(self, books: Books) -> None:
        """The loop runs the deadline, then the answer, and only then the task that learns that it was cancelled."""
        purchase = books.ready()
        paused = Paused(books.till)

        def cancel(task: asyncio.Task[Any]) -> None:
            with paused:
                task.get_loop().call_soon(task.cancel)
            # The answer waits behind the cancelling; the cancelled task will wait behind the answer.

        answer = asyncio.run(ask_like_the_door(books.till, books.authorization_command(purchase), cancel))
        assert answer == "declined"
        expect_taken_back(books, purchase)

    def test_the_answer_comes_first_and_the_deadline_before_the_caller_reads_it(self, books: Books) -> None:
        purchase = books.ready()

        async def run() -> Any:
            loop = asyncio.get_running_loop()
            ticket = books.till.enqueue(books.authorization_command(purchase), None, loop)

            async def wait() -> Any:
                try:
                    return await ticket.future
                except asyncio.CancelledError:
                    books.till.give_up(ticket)
                    return "declined"

            task = loop.create_task(wait())
            ticket.future.add_done_callback(lambda _future: task.cancel())
            return await task

        answer = asyncio.run(run())
        if answer == "declined":
            expect_taken_back(books, purchase)
        else:
            expect_approved(books)

    def test_a_caller_that_hears_its_answer_keeps_it(self, books: Books) -> None:
        purchase = books.ready()
        assert asyncio.run(
            ask_like_the_door(books.till, books.authorization_command(purchase), lambda task: None)
        ).approved
        expect_approved(books)

    def test_a_loop_that_is_gone_before_the_answer(self, books: Books) -> None:
        purchase = books.ready()
        loop = asyncio.new_event_loop()
        paused = Paused(books.till)
        books.till.enqueue(books.authorization_command(purchase), None, loop)
        with paused:
            loop.close()
        expect_taken_back(books, purchase)

    def test_many_loops_hear_their_own_answers(self, books: Books) -> None:
        async def ask(number: int) -> list[Any]:
            return await asyncio.gather(*(books.till.submit(note(f"{number}-{each}")) for each in range(10)))

        found = at_once([lambda number=number: asyncio.run(ask(number)) for number in range(4)])  # type: ignore[misc]
        assert found == [[f"{number}-{each}" for each in range(10)] for number in range(4)]


class TestBounds:
    """The queue refuses at once when it is full or closing."""

    @pytest.mark.parametrize("urgent", [True, False])
    def test_a_full_lane_refuses_at_once_and_the_other_lane_does_not(self, sqlite_books: Books, urgent: bool) -> None:
        till = sqlite_books.till
        nothing = Do(lambda book, now: None, urgent=urgent)
        with held(till):
            tickets = [till.enqueue(nothing, None, None) for _ in range(MAX_WAITING)]
            assert not any(ticket.future.done() for ticket in tickets)
            full = till.enqueue(nothing, None, None)
            assert full.future.done()
            assert full.future.result() == BUSY
            other = till.enqueue(Do(lambda book, now: "other", urgent=not urgent), None, None)
            assert not other.future.done()
            assert till.counters().refused_busy == 1
        assert answers([tickets[-1], other]) == [None, "other"]

    def test_writes_are_bounded_too(self, sqlite_books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(lanes, "MAX_WAITING", 3)
        till = sqlite_books.till
        with held(till):
            tickets = [till._enqueue_work(lambda writer: "done", None) for _ in range(4)]
            assert [ticket.future.done() for ticket in tickets] == [False, False, False, True]
        assert answers(tickets[:3]) == ["done"] * 3
        assert isinstance(answers(tickets[3:])[0], TillClosed)

    def test_stop_serves_what_waits_and_refuses_what_comes(self, books: Books) -> None:
        till = books.till
        with held(till):
            waiting = [till.enqueue(note(f"m{number}"), None, None) for number in range(100)]
            stopping = threading.Thread(target=till.stop)
            stopping.start()
            # Refusals begin when the till has been told; it cannot end before what waits is served.
            while not till.enqueue(Do(lambda book, now: None), None, None).future.done():
                pass
            refused = till.enqueue(note("refused"), None, None)
            assert refused.future.result() == CLOSING
            with pytest.raises(TillClosed):
                till.write_and_wait(lambda writer: None)
        assert answers(waiting) == [f"m{number}" for number in range(100)]
        stopping.join(PATIENCE)
        assert not stopping.is_alive()
        assert len(books.rows(KnownMerchant)) == 100

    def test_a_thread_that_dies_says_so(self, sqlite_books: Books) -> None:
        died: list[BaseException] = []
        dead = threading.Event()

        def on_dead(error: BaseException) -> None:
            died.append(error)
            dead.set()

        class Crash(BaseException):
            pass

        def crash(book: Book, now: int) -> None:
            raise Crash

        till = Till(sqlite_books.database.open_writer, Clock(), lambda: uuid.uuid4().hex, on_dead)
        till.start()
        till.enqueue(Do(crash), None, None)
        assert dead.wait(PATIENCE)
        assert isinstance(died[0], Crash)
        till.stop()
        # Nothing is left open that would block the others.
        assert sqlite_books.run(note("after")) == "after"
