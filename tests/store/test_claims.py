"""Events kept once, and work claimed by exactly one: leases, generations, failures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from roony.core.errors import Refusal
from roony.store import inbox, outbox
from roony.store.inbox import InboxEvent
from roony.store.rows import EventOutcome, OutboxPromise, PromiseOutcome
from tests.support.books import NOW, ORG, Books
from tests.support.tills import Do, at_once

SECOND = 1_000_000


def event(id: str = "evt_1", **fields: Any) -> InboxEvent:
    """An event that has just arrived."""
    return inbox.new_event(id, "acct_1", False, "some.type", "obj_1", NOW // SECOND, b"{}", NOW)._replace(**fields)


def promise(id: str = "out_1", **fields: Any) -> OutboxPromise:
    """Work that is due."""
    row = OutboxPromise(ORG, id, "make_card", "x", "{}", "key", 1, "promised", 0, NOW, 0, 0, None, NOW, None)
    return row._replace(**fields)


def do(books: Books, work: Callable[[Any], Any]) -> Any:
    """Runs one write."""
    return books.till.write_and_wait(work)


def finish_event(books: Books, claimed: InboxEvent, status: str = "applied") -> None:
    """Ends an event's handling the way a command does."""
    outcome = EventOutcome(status, None, ORG, int(status == "failed"), NOW, NOW, claimed.id, claimed.generation)
    assert not isinstance(books.run(Do(lambda book, now: book.finish_event(outcome))), Refusal)


def finish_promise(books: Books, claimed: OutboxPromise, status: str = "done", due_at: int = NOW) -> None:
    """Ends the doing of a promise the way a command does."""
    outcome = PromiseOutcome(
        status, claimed.key, 2, 1, due_at, None, NOW, claimed.organization_id, claimed.id, claimed.generation
    )
    assert not isinstance(books.run(Do(lambda book, now: book.finish_promise(outcome))), Refusal)


class TestKeeping:
    """P3: an event is kept once, however often and from wherever it comes."""

    def test_twenty_deliveries_at_once_keep_one_row(self, books: Books) -> None:
        found = at_once([lambda: do(books, inbox.keep(event()))] * 20)
        assert sorted(found) == [False] * 19 + [True]
        assert len(books.rows(InboxEvent)) == 1

    def test_a_second_delivery_changes_nothing(self, books: Books) -> None:
        do(books, inbox.keep(event()))
        [claimed] = do(books, inbox.claim(NOW))
        finish_event(books, claimed)
        before = books.row(InboxEvent)
        assert do(books, inbox.keep(event(payload=b"other"))) is False
        assert books.row(InboxEvent) == before

    def test_an_event_kept_by_a_command_does_not_overwrite_one_kept_before(self, books: Books) -> None:
        do(books, inbox.keep(event(payload=b"first")))
        books.run(Do(lambda book, now: book.put(event(payload=b"second", status="applied"))))
        assert (books.row(InboxEvent).payload, books.row(InboxEvent).status) == (b"first", "received")


class TestEvents:
    """Claims of the inbox."""

    def test_a_claim_is_a_lease_under_a_new_generation(self, books: Books) -> None:
        do(books, inbox.keep(event()))
        [claimed] = do(books, inbox.claim(NOW))
        assert (claimed.generation, claimed.lease_until) == (1, NOW + inbox.LEASE)
        assert books.row(InboxEvent) == claimed
        assert do(books, inbox.claim(NOW + inbox.LEASE - 1)) == []
        [again] = do(books, inbox.claim(NOW + inbox.LEASE))
        assert again.generation == 2

    def test_what_is_not_due_is_left(self, books: Books) -> None:
        do(books, inbox.keep(event(due_at=NOW + 1)))
        assert do(books, inbox.claim(NOW)) == []
        assert len(do(books, inbox.claim(NOW + 1))) == 1

    def test_two_claimers_never_hold_the_same_row(self, books: Books) -> None:
        for number in range(100):
            do(books, inbox.keep(event(f"evt_{number:03}")))
        claims = at_once([lambda: do(books, inbox.claim(NOW))] * 4)
        held = [claimed.id for claim in claims for claimed in claim]
        assert sorted(held) == [f"evt_{number:03}" for number in range(100)]

    @pytest.mark.parametrize("status", ["applied", "ignored", "dead"])
    def test_what_is_finished_is_not_claimed(self, books: Books, status: str) -> None:
        do(books, inbox.keep(event()))
        [claimed] = do(books, inbox.claim(NOW))
        finish_event(books, claimed, status)
        assert do(books, inbox.claim(NOW + 10 * inbox.LEASE)) == []
        assert books.row(InboxEvent).status == status

    def test_the_holder_of_an_old_generation_changes_nothing(self, books: Books) -> None:
        do(books, inbox.keep(event()))
        [old] = do(books, inbox.claim(NOW))
        [new] = do(books, inbox.claim(NOW + inbox.LEASE))
        before = books.row(InboxEvent)
        finish_event(books, old)
        do(books, inbox.fail(old, "late", NOW))
        do(books, inbox.ignore(old, "late", NOW))
        assert books.row(InboxEvent) == before
        finish_event(books, new)
        assert books.row(InboxEvent).status == "applied"

    def test_failures_put_it_off_and_in_the_end_it_is_dead(self, books: Books) -> None:
        do(books, inbox.keep(event()))
        now = NOW
        for failure in range(1, inbox.MAX_FAILURES + 1):
            [claimed] = do(books, inbox.claim(now))
            assert claimed.failures == failure - 1
            now += 60 * SECOND
            do(books, inbox.fail(claimed, f"failure {failure}", now))
            row = books.row(InboxEvent)
            assert (row.failures, row.reason, row.due_at, row.lease_until) == (failure, f"failure {failure}", now, 0)
            assert do(books, inbox.claim(now - 1)) == []
        assert books.row(InboxEvent).status == "dead"
        assert do(books, inbox.claim(now + 10**12)) == []

    def test_the_longest_due_come_first(self, books: Books) -> None:
        for number in range(3):
            do(books, inbox.keep(event(f"evt_{number}", due_at=NOW - number)))
        assert [claimed.id for claimed in do(books, inbox.claim(NOW))] == ["evt_2", "evt_1", "evt_0"]

    def test_one_claim_takes_no_more_than_its_limit(self, books: Books) -> None:
        for number in range(inbox.CLAIM_LIMIT + 5):
            do(books, inbox.keep(event(f"evt_{number:03}")))
        assert len(do(books, inbox.claim(NOW))) == inbox.CLAIM_LIMIT
        assert len(do(books, inbox.claim(NOW))) == 5

    def test_an_event_that_is_nobodys_is_ignored_with_a_reason(self, books: Books) -> None:
        do(books, inbox.keep(event()))
        [claimed] = do(books, inbox.claim(NOW))
        do(books, inbox.ignore(claimed, "unknown account", NOW + 5))
        row = books.row(InboxEvent)
        assert (row.status, row.reason, row.finished_at) == ("ignored", "unknown account", NOW + 5)
        assert do(books, inbox.claim(NOW + inbox.LEASE)) == []


class TestPromises:
    """The same for the outbox."""

    def test_a_claim_is_a_lease_under_a_new_generation(self, books: Books) -> None:
        books.put(promise())
        [claimed] = do(books, outbox.claim(NOW))
        assert (claimed.generation, claimed.lease_until) == (1, NOW + outbox.LEASE)
        assert books.row(OutboxPromise) == claimed
        assert do(books, outbox.claim(NOW + outbox.LEASE - 1)) == []
        [again] = do(books, outbox.claim(NOW + outbox.LEASE))
        assert again.generation == 2

    def test_two_claimers_never_hold_the_same_row(self, books: Books) -> None:
        books.put(*(promise(f"out_{number:03}") for number in range(60)))
        claims = at_once([lambda: do(books, outbox.claim(NOW))] * 4)
        held = [claimed.id for claim in claims for claimed in claim]
        assert sorted(held) == [f"out_{number:03}" for number in range(60)]

    def test_the_holder_of_an_old_generation_changes_nothing(self, books: Books) -> None:
        books.put(promise())
        [old] = do(books, outbox.claim(NOW))
        [new] = do(books, outbox.claim(NOW + outbox.LEASE))
        before = books.row(OutboxPromise)
        finish_promise(books, old, "dead")
        assert books.row(OutboxPromise) == before
        finish_promise(books, new)
        assert books.row(OutboxPromise).status == "done"
        assert do(books, outbox.claim(NOW + 10 * outbox.LEASE)) == []

    def test_what_is_put_off_comes_back_when_it_is_due(self, books: Books) -> None:
        books.put(promise())
        [claimed] = do(books, outbox.claim(NOW))
        finish_promise(books, claimed, "promised", NOW + 5)
        assert books.row(OutboxPromise).lease_until == 0
        assert do(books, outbox.claim(NOW + 4)) == []
        [again] = do(books, outbox.claim(NOW + 5))
        assert (again.generation, again.tries, again.attempt) == (2, 1, 2)

    def test_a_first_lease_keeps_others_away(self, books: Books) -> None:
        """Who committed the promise does it at once, so others leave it for a while."""
        made = books.ask().promise
        assert made is not None
        assert books.row(OutboxPromise).lease_until > books.row(OutboxPromise).created_at
        assert do(books, outbox.claim(made.created_at)) == []
        assert len(do(books, outbox.claim(made.lease_until))) == 1
