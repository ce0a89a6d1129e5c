"""What the till does when the database does not play along: strangers' locks, a full disk, a commit that fails."""

from __future__ import annotations

import resource
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from roony.core.agent import Organization
from roony.core.audit import AuditRecord, verify
from roony.core.authorization import AuthorizationDecision
from roony.core.errors import Refusal
from roony.core.purchase import Purchase
from roony.store import writer as writer_module
from roony.store.command import FAILED
from roony.store.rows import KnownMerchant
from roony.store.writer import Writer
from tests.support.books import ORG, Books, open_books
from tests.support.tills import PATIENCE, Do, answers, held, merchant, note, poison, together


def path_of(books: Books) -> Path:
    """The SQLite file."""
    assert books.database.path is not None
    return books.database.path


@contextmanager
def stranger(books: Books) -> Iterator[sqlite3.Connection]:
    """Another process's connection that holds the file's write lock until the block ends."""
    connection = sqlite3.connect(path_of(books), isolation_level=None, check_same_thread=False)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
    finally:
        connection.execute("ROLLBACK")
        connection.close()


class TestLockedFile:
    """A stranger holds the file."""

    def test_commands_are_answered_once_the_stranger_is_gone(self, sqlite_books: Books) -> None:
        with stranger(sqlite_books):
            tickets = [sqlite_books.till.enqueue(note(f"m{number}"), None, None) for number in range(5)]
            assert not any(ticket.future.done() for ticket in tickets)
        assert answers(tickets) == [f"m{number}" for number in range(5)]

    def test_a_stranger_who_stays_costs_one_wait_and_not_one_for_each_command(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(writer_module, "WRITE_BUSY_TIMEOUT_SECONDS", 0.4)
        waits, begin = [], writer_module.SqliteWriter.begin

        def counted(writer: writer_module.SqliteWriter, ids: Sequence[str], *more: bool, **named: bool) -> list[Any]:
            waits.append(ids)
            return begin(writer, ids, *more, **named)

        with open_books(tmp_path) as books:
            with stranger(books):
                monkeypatch.setattr(writer_module.SqliteWriter, "begin", counted)
                with_work = [books.till.enqueue(note(f"m{number}"), None, None) for number in range(20)]
                write = books.till._enqueue_work(lambda writer: None, None)
                assert answers(with_work) == [FAILED] * 20
                assert isinstance(answers([write])[0], sqlite3.OperationalError)
                # At most three batches' waits: the first one may have taken only some of them.
                assert 1 <= len(waits) <= 6
            assert books.rows(KnownMerchant) == []
            assert books.run(note("after")) == "after"

    def test_what_is_owed_is_paid_when_the_stranger_is_gone(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A withdrawal that could not be written is tried again: nobody else would."""
        monkeypatch.setattr(writer_module, "WRITE_BUSY_TIMEOUT_SECONDS", 0.3)
        with open_books(tmp_path) as books:
            purchase = books.ready()
            ticket = books.till.enqueue(books.authorization_command(purchase), None, None)
            assert answers([ticket])[0].approved
            with stranger(books):
                books.till.give_up(ticket)
                # This one waits behind the withdrawal, and both fail together.
                assert books.run(note("refused")) == FAILED
            books.run(note("after"))
            books.run(note("and after"))
            assert books.row(AuthorizationDecision).answered == "declined"
            assert books.row(Purchase, id=purchase.id).held == purchase.held


class TestFailedCommit:
    """The write went well and the COMMIT itself did not."""

    def test_nothing_stays_open_and_neighbours_are_committed(self, sqlite_books: Books) -> None:
        books = sqlite_books

        def deferred(writer: Writer) -> None:
            """SQLite judges this constraint only at the COMMIT, which then fails and leaves its transaction open."""
            writer.run("INSERT INTO test_children VALUES ('nobody')")

        def tables(writer: Writer) -> None:
            writer.run("CREATE TABLE test_parents (id TEXT PRIMARY KEY)")
            writer.run(
                "CREATE TABLE test_children (parent TEXT REFERENCES test_parents (id) DEFERRABLE INITIALLY DEFERRED)"
            )

        books.till.write_and_wait(tables)
        with held(books.till):
            tickets = [books.till.enqueue(note(f"m{number}"), None, None) for number in range(3)]
            broken = books.till._enqueue_work(deferred, None)
        assert answers(tickets) == ["m0", "m1", "m2"]
        assert isinstance(answers([broken])[0], sqlite3.IntegrityError)
        assert len(books.rows(KnownMerchant)) == 3
        assert books.run(note("after")) == "after"
        assert verify(books.rows(AuditRecord)) is None


class TestFullDisk:
    """Nothing is half written, and the next command that fits is served."""

    def test_no_more_pages(self, sqlite_books: Books) -> None:
        books = sqlite_books
        big = Do(lambda book, now: book.put(merchant("big", aliases="x" * 1_000_000)))
        pages = books.till.write_and_wait(lambda writer: writer.run("PRAGMA page_count").fetchone()[0])
        assert books.run(note("before")) == "before"

        def limit(count: int) -> None:
            books.till.write_and_wait(lambda writer: writer.run(f"PRAGMA max_page_count = {count}").fetchone())

        limit(pages + 20)
        assert answers(together(books.till, [note("a"), big, note("b")])) == ["a", FAILED, "b"]
        assert books.run(big) == FAILED
        limit(1_000_000)
        assert books.run(big) is None
        assert sorted(row.merchant_key for row in books.rows(KnownMerchant)) == ["a", "b", "before", "big"]
        assert verify(books.rows(AuditRecord)) is None

    def test_no_more_room_for_the_log(self, sqlite_books: Books) -> None:
        """The operating system refuses the write: every command fails, and works again once there is room."""
        books = sqlite_books
        assert books.run(note("before")) == "before"
        before = [books.row(Organization, id=ORG), *books.rows(AuditRecord)]
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        log = path_of(books).with_name(path_of(books).name + "-wal")
        resource.setrlimit(resource.RLIMIT_FSIZE, (log.stat().st_size + 100, hard))
        try:
            found = answers(together(books.till, [note("a"), note("b")]))
            ask = books.ask()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert found == [FAILED, FAILED]
        assert ask == FAILED
        assert books.till.tally.failure is not None
        assert "disk" in books.till.tally.failure.why
        assert [books.row(Organization, id=ORG), *books.rows(AuditRecord)] == before
        assert books.rows(Purchase) == []
        assert answers(together(books.till, [note("a"), note("b")])) == ["a", "b"]
        assert books.ask().purchase.status == "issuing"
        assert verify(books.rows(AuditRecord)) is None


class TestClock:
    """An organization's time never goes back, whatever the machine's clock does."""

    def test_a_clock_set_back_stands_still(self, sqlite_books: Books) -> None:
        books = sqlite_books
        assert books.run(record_the_time()) == books.clock.now
        before = books.clock.now
        books.clock.advance(-3600)
        assert books.run(record_the_time()) == before
        books.clock.advance(3600 + 5)
        assert books.run(record_the_time()) == before + 5_000_000

    def test_the_time_it_saw_is_kept_on_its_row(self, tmp_path: Path) -> None:
        with open_books(tmp_path) as books:
            books.clock.advance(100)
            seen = books.run(record_the_time())
            books.clock.advance(-100)
            assert seen > books.clock.now
            assert books.row(Organization, id=ORG).clock == seen
            times = answers(together(books.till, [record_the_time()] * 3))
            assert times == [seen] * 3

    def test_an_organizations_clock_does_not_hold_another_one_back(self, sqlite_books: Books) -> None:
        books = sqlite_books
        books.put(books.row(Organization, id=ORG)._replace(id="org_2"))
        books.clock.advance(3600)
        ahead = books.run(record_the_time())
        books.clock.advance(-1800)
        behind, same = answers(together(books.till, [record_the_time("org_2"), record_the_time()]))
        assert same == ahead
        assert behind == books.clock.now


def record_the_time(organization_id: str = ORG) -> Do:
    """Answers with the time it ran at."""

    def action(book: object, now: int) -> int:
        book.record(organization_id, "tester", "looked", "clock", {}, now)  # type: ignore[attr-defined]
        return now

    return Do(action, organization_id=organization_id)


def test_a_poisoned_batch_is_repeated_from_what_is_stored(sqlite_books: Books) -> None:
    """After a failed write nothing in memory is believed: what a stranger changed meanwhile counts."""
    books = sqlite_books
    books.run(note("first"))
    reached, go_on = threading.Event(), threading.Event()

    def wait(book: object, now: int) -> None:
        reached.set()
        assert go_on.wait(PATIENCE)

    with held(books.till):
        tickets = [books.till.enqueue(command, None, None) for command in (Do(wait), poison(), note("a"))]
    assert reached.wait(PATIENCE)
    # The till holds the file; what it kept in memory is spoilt behind its back and must not be used again.
    books.till._cache._kept["org_x"] = ("1", {})
    go_on.set()
    assert answers(tickets)[2] == "a"
    assert isinstance(tickets[1].future.result(), Refusal)
    assert "org_x" not in books.till._cache._kept
