"""What only PostgreSQL does: row locks of other processes, connections that break, and several tills at once."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from sqlalchemy import BigInteger

from roony.core.agent import Organization
from roony.core.audit import AuditRecord, verify
from roony.core.authorization import AuthorizationDecision
from roony.core.budget import BudgetPeriod
from roony.core.notification import NoticeCursor
from roony.core.passkey import Passkey
from roony.core.purchase import Purchase
from roony.core.user import User
from roony.flows.freeze import Freeze, Unfreeze
from roony.flows.passkey import AddPasskey
from roony.flows.sign_in_tries import clear_tries, count_try
from roony.store import deliveries, inbox, tables
from roony.store.batch_size import MAX_BATCH
from roony.store.book import Book
from roony.store.command import LATE, UNKNOWN_OUTCOME, TillClosed
from roony.store.database import Database
from roony.store.postgres_writer import PostgresWriter
from roony.store.rows import InboxEvent, KnownMerchant
from roony.store.till import COMMIT_MARGIN, Till
from roony.store.writer import ConnectionLost
from tests.support.books import AGENT, NOW, ORG, Books, Clock
from tests.support.rivals import rivals
from tests.support.tills import Do, answers, at_once, held, note

pytestmark = pytest.mark.postgres
OTHER = "org_2"


@pytest.fixture
def books(postgres_books: Books) -> Books:
    """Books with a second organization."""
    postgres_books.put(postgres_books.row(Organization, id=ORG)._replace(id=OTHER))
    return postgres_books


def address(books: Books) -> str:
    """How to connect to the database."""
    return books.database.url.set(drivername="postgresql").render_as_string(hide_password=False)


def kill(books: Books, backend: int) -> None:
    """Ends a connection as a server's failure does, and waits until it is gone."""
    with psycopg.connect(address(books), autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(%s, 10000)", (backend,))


@contextmanager
def locked(books: Books, organization_id: str = ORG) -> Iterator[None]:
    """Another process holds the organization's row."""
    with psycopg.connect(address(books)) as connection:
        connection.execute("SELECT 1 FROM organizations WHERE id = %s FOR UPDATE", (organization_id,))
        yield


@contextmanager
def another_till(
    books: Books, writer: type[PostgresWriter] = PostgresWriter, own_clock: bool = True
) -> Iterator[Books]:
    """A till as another process has one, on a connection of its own."""
    died: list[BaseException] = []
    clock = Clock()
    till = Till(lambda: writer(address(books), own_clock), clock, lambda: uuid.uuid4().hex, died.append)
    till.start()
    other = Books(books.database, till, clock)
    other._numbers = dict.fromkeys(("pur", "hold", "apr", "crd", "out", "dec"), 1_000)
    try:
        yield other
    finally:
        till.stop()
        assert not died


class TestLocks:
    """Organizations that another process holds wait; the others do not."""

    def test_the_free_ones_go_on_and_the_held_one_follows(self, books: Books) -> None:
        with locked(books):
            with held(books.till):
                waits = [books.till.enqueue(note(f"w{n}"), None, None) for n in range(3)]
                free = [books.till.enqueue(note(f"f{n}", organization_id=OTHER), None, None) for n in range(3)]
            assert answers(free) == ["f0", "f1", "f2"]
            assert not any(ticket.future.done() for ticket in waits)
        assert answers(waits) == ["w0", "w1", "w2"]
        assert [record.subject for record in books.rows(AuditRecord, organization_id=ORG)] == ["w0", "w1", "w2"]
        assert books.till.counters().failed_batches == 0

    def test_many_that_wait_for_a_held_one_keep_nobody_from_the_till(self, books: Books) -> None:
        """More than fit into a batch: else each batch would be theirs, and nothing would happen in it."""
        with locked(books):
            with held(books.till):
                waits = [books.till.enqueue(note(f"w{n:03}"), None, None) for n in range(MAX_BATCH * 3)]
                free = [books.till.enqueue(note(f"f{n}", organization_id=OTHER), None, None) for n in range(3)]
            assert answers(free) == ["f0", "f1", "f2"]
            assert books.run(note("g", organization_id=OTHER)) == "g"
            assert not any(ticket.future.done() for ticket in waits)
        assert answers(waits) == [f"w{n:03}" for n in range(MAX_BATCH * 3)]
        subjects = [record.subject for record in books.rows(AuditRecord, organization_id=ORG)]
        assert subjects == sorted(subjects)

    def test_where_all_are_of_one_each_look_is_followed_by_another(
        self, books: Books, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Processes of one company hold it in turn: one that paused would find it held again and again."""
        monkeypatch.setattr("roony.store.till.PROBE_PAUSE", 3600.0)
        monkeypatch.setattr("roony.store.lanes.ALONE_SECONDS", 0.0)
        with locked(books):
            ticket = books.till.enqueue(note("a"), None, None)
            # Done beside it once it was not free.
            books.till.write_and_wait(lambda writer: None)
            assert not ticket.future.done()
        assert answers([ticket]) == ["a"]

    def test_who_holds_a_row_is_met(self, books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
        """From then on batches are short again, so that nobody waits long for us either."""
        monkeypatch.setattr("roony.store.batch_size.GONE_SECONDS", 3600.0)
        books.run(note("first"))
        size = books.till._size
        size.seconds_each, size._met = 0.001, size._met - 7200.0
        assert size.room() == 40
        with locked(books):
            ticket = books.till.enqueue(note("a"), None, None)
            # Done beside it once it was not free.
            books.till.write_and_wait(lambda writer: None)
        assert answers([ticket]) == ["a"]
        size.seconds_each = 0.001
        assert size.room() == 20

    def test_a_waiting_command_is_late_at_its_deadline(self, books: Books) -> None:
        """It neither waits for the lock for ever nor keeps a place that others could use."""
        with locked(books):
            ticket = books.till.enqueue(note("late"), time.monotonic() + COMMIT_MARGIN + 0.2, None)
            assert answers([ticket]) == [LATE]
        assert books.rows(KnownMerchant) == []

    def test_all_lock_waits_together_are_limited_too(self, books: Books) -> None:
        writer = PostgresWriter(address(books))
        writer.run("SET lock_timeout = 0")
        writer.run("SET statement_timeout = 100")
        with locked(books), pytest.raises(TimeoutError):
            writer.begin([ORG])
        writer.rollback()
        assert [row.id for row in writer.begin([ORG])] == [ORG]
        writer.rollback()
        writer.close()

    def test_a_write_whose_row_a_stranger_has_is_one_to_try_again(self, books: Books) -> None:
        """As of a till that is full: somebody who signs in meanwhile is told so, and not of an error of ours."""
        books.till.write_and_wait(clear_tries("gate", NOW))
        with psycopg.connect(address(books)) as connection:
            connection.execute("SELECT 1 FROM sign_in_tries FOR UPDATE")
            with pytest.raises(TillClosed):
                books.till.write_and_wait(count_try((), "gate", NOW))
        [counted] = books.till.write_and_wait(count_try((), "gate", NOW))
        assert counted.tries.failures == 1

    def test_a_passkey_that_another_organization_adds_at_this_moment_stays_theirs(self, books: Books) -> None:
        """Nothing that both lock keeps them apart: the second waits for the first one's row, and finds it."""
        books.put(*(User(org, "usr_1", "Ann", "ann@example.com", "admin", NOW, None) for org in (ORG, OTHER)))
        mine, theirs = (
            AddPasskey(org, Passkey("cred", f"pky_{org}", org, "usr_1", "Phone", b"key", 0, "", 0, None, None))
            for org in (ORG, OTHER)
        )
        with rivals(address(books), 2) as both:
            added, refused = both.one_before_the_other(mine, theirs)
        # Where the first one's commit takes long, the second does not wait for it.
        assert refused.code in ("passkey_known", "not_written")
        assert books.run(theirs).code == "passkey_known"
        assert books.rows(Passkey) == [added]

    def test_an_error_at_the_begin_does_not_stay(self, books: Books) -> None:
        """A transaction that failed at its first statement is ended; the next one begins."""
        broken = Do(lambda book, now: None, organization_id="\x00")  # no text of PostgreSQL
        assert getattr(books.run(broken), "code", None) == "not_written"
        assert books.run(note("after")) == "after"


class TestCommit:
    """A commit is only what the server calls a commit."""

    def test_a_rollback_in_answer_to_commit_raises(self, books: Books) -> None:
        writer = PostgresWriter(address(books))
        writer.begin([])
        with pytest.raises(psycopg.Error):
            writer.run("SELECT no_such_column FROM organizations")
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):
            writer.commit()
        writer.begin([])
        writer.commit()
        writer.close()


class CommitsThenBreaks(PostgresWriter):
    """Its next commit happens, and then the connection breaks before anybody could be told."""

    armed = threading.Event()

    def commit(self) -> None:
        super().commit()
        if self.armed.is_set():
            self.armed.clear()
            backend = self._connection.info.backend_pid
            with psycopg.connect(self._connection.info.dsn, autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s, 10000)", (backend,))
            self.run("SELECT 1")


class TestBrokenConnection:
    """Nobody is told yes when the outcome is unknown, and what may have been committed is withdrawn."""

    def test_broken_between_batches(self, books: Books) -> None:
        kill(books, books.till._writer._connection.info.backend_pid)
        assert books.run(note("a")) == UNKNOWN_OUTCOME
        assert books.run(note("b")) == "b"
        assert [row.merchant_key for row in books.rows(KnownMerchant)] == ["b"]

    def test_broken_within_a_batch(self, books: Books) -> None:
        def cut(book: Book, now: int) -> None:
            kill(books, books.till._writer._connection.info.backend_pid)

        with held(books.till):
            tickets = [books.till.enqueue(command, None, None) for command in (note("a"), Do(cut), note("b"))]
        assert answers(tickets) == [UNKNOWN_OUTCOME] * 3
        assert books.run(note("after")) == "after"
        assert [row.merchant_key for row in books.rows(KnownMerchant)] == ["after"]
        assert verify(books.rows(AuditRecord)) is None

    def test_a_write_hears_that_its_outcome_is_unknown(self, books: Books) -> None:
        kill(books, books.till._writer._connection.info.backend_pid)
        with pytest.raises(ConnectionLost):
            books.till.write_and_wait(lambda writer: None)
        assert books.till.write_and_wait(lambda writer: 1) == 1

    def test_an_approval_committed_as_the_connection_broke_is_withdrawn(self, books: Books) -> None:
        purchase = books.ready()
        with another_till(books, CommitsThenBreaks) as other:
            CommitsThenBreaks.armed.set()
            assert other.run(books.authorization_command(purchase)) == UNKNOWN_OUTCOME
            other.run(note("after"))
            assert books.row(AuthorizationDecision).answered == "declined"
            assert books.row(Purchase).held == purchase.held
            assert other.till.counters().withdrawn == 1
        assert verify(books.rows(AuditRecord)) is None

    def test_a_withdrawal_that_meets_a_broken_connection_is_tried_again(self, books: Books) -> None:
        purchase = books.ready()
        ticket = books.till.enqueue(books.authorization_command(purchase), None, None)
        assert answers([ticket])[0].approved
        kill(books, books.till._writer._connection.info.backend_pid)
        books.till.give_up(ticket)
        books.run(note("after"))
        books.run(note("and after"))
        assert books.row(AuthorizationDecision).answered == "declined"
        assert books.row(Purchase).held == purchase.held

    def test_an_ask_committed_as_the_connection_broke_is_found_by_its_key(self, books: Books) -> None:
        with another_till(books, CommitsThenBreaks) as other:
            CommitsThenBreaks.armed.set()
            assert other.ask(key="once") == UNKNOWN_OUTCOME
            again = other.ask(key="once")
        assert again.replayed
        assert len(books.rows(Purchase)) == 1


class TestSeveralTills:
    """Any number of processes: one lock for each organization, no shared memory."""

    def test_two_tills_share_one_budget(self, books: Books) -> None:
        books.limit(AGENT, "month", 50_000)
        with another_till(books) as other:
            found = at_once(
                [lambda n=n: (books, other)[n % 2].ask(10_000, f"Shop {n}") for n in range(40)]  # type: ignore[misc]
            )
        assert [asked.purchase.status for asked in found].count("issuing") == 5
        month = {row.budget_id: row.held for row in books.rows(BudgetPeriod) if row.budget_id.endswith("_month")}
        assert set(month.values()) == {50_000}
        assert verify(books.rows(AuditRecord)) is None

    def test_two_tills_one_key_one_purchase(self, books: Books) -> None:
        with another_till(books) as other:
            found = at_once([lambda n=n: (books, other)[n % 2].ask(key="once") for n in range(20)])  # type: ignore[misc]
        assert len({asked.purchase.id for asked in found}) == 1
        assert len(books.rows(Purchase)) == 1

    def test_two_tills_claim_each_event_once(self, books: Books) -> None:
        for number in range(60):
            books.till.write_and_wait(inbox.keep(inbox.new_event(f"evt_{number}", None, False, "x", None, 1, b"", NOW)))
        with another_till(books) as other:
            claims = at_once([lambda t=t: t.till.write_and_wait(inbox.claim(NOW)) for t in (books, other)])  # type: ignore[misc]
        taken = [event.id for claim in claims if isinstance(claim, list) for event in claim]
        assert len(taken) == len(set(taken))
        rest = books.till.write_and_wait(inbox.claim(NOW))
        assert len(taken) + len(rest) == 60

    def test_a_row_that_another_process_holds_is_neither_claimed_nor_waited_for(self, books: Books) -> None:
        for number in range(2):
            books.till.write_and_wait(inbox.keep(inbox.new_event(f"evt_{number}", None, False, "x", None, 1, b"", NOW)))
        with psycopg.connect(address(books)) as holder:
            holder.execute("UPDATE inbox SET status = 'applied' WHERE id = 'evt_1'")
            assert [event.id for event in books.till.write_and_wait(inbox.claim(NOW))] == ["evt_0"]
        assert books.till.write_and_wait(inbox.claim(NOW)) == []
        assert books.row(InboxEvent, id="evt_1").generation == 0


class TestFactsInMemory:
    """P1, P11: what a till keeps in memory is believed only while the version on the locked row is the same."""

    def test_a_freeze_by_one_counts_in_the_other_at_once(self, books: Books) -> None:
        with another_till(books) as other:
            tills = (books, other)
            scope = "agent", AGENT
            for number in range(6):
                asks, freezes = tills[number % 2], tills[(number + 1) % 2]
                purchase = asks.ready(1_000 + number, f"Shop {number}")
                freezes.run(Freeze(ORG, *scope, "usr_1", f"out_freeze_{number}"))
                assert json.loads(asks.ask(2_000, f"Other {number}").purchase.decision)["verdict"] == "declined"
                answer = asks.authorize(purchase, purchase.amount, f"SHOP {number}", authorization_id=f"iauth_{number}")
                assert (answer.approved, answer.code) == (False, "FROZEN")
                freezes.run(Unfreeze(ORG, *scope, "usr_1", f"out_unfreeze_{number}"))
                assert asks.ask(3_000, f"Third {number}").purchase.status == "issuing"


def test_the_database_says_what_time_it_is(books: Books) -> None:
    """Several processes need one clock: a till whose own clock is wrong agrees with the others."""
    with another_till(books, own_clock=False) as other:
        other.clock.now = 5
        seen = other.run(Do(lambda book, now: now))
    with psycopg.connect(address(books)) as connection:
        [now] = connection.execute("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint").fetchone() or [0]
    assert abs(now - seen) < 60_000_000


def test_room_is_taken_on_the_disk_and_in_no_row(books: Books) -> None:
    """More than the server lets it put there is refused; what it took, and how, is over with the commit."""

    def within(kilobytes: int) -> tuple[str, str]:
        def take(writer: PostgresWriter) -> None:
            writer.run(f"SET LOCAL temp_file_limit = {kilobytes}")
            writer.take_room()

        books.till.write_and_wait(take)
        asked = "SELECT current_setting('work_mem'), pg_current_xact_id_if_assigned()"
        return tuple(books.till.write_and_wait(lambda writer: writer.run(asked).fetchone()))

    with pytest.raises(psycopg.errors.ConfigurationLimitExceeded):
        within(900)
    default = books.till.write_and_wait(lambda writer: writer.run("SHOW work_mem").fetchone())[0]
    assert within(2_000) == (default, None)


def test_an_address_of_a_server_that_is_not_there(books: Books) -> None:
    url = books.database.url.set(port=1).render_as_string(hide_password=False)
    with pytest.raises(psycopg.OperationalError):
        Database(url).open_writer()


def test_a_cursor_that_another_process_is_moving_is_left_to_it(books: Books) -> None:
    """No wait and no error: what it hands out is handed out."""
    books.put(NoticeCursor(ORG, 0))
    with psycopg.connect(address(books)) as connection:
        connection.execute("SELECT 1 FROM notice_cursors WHERE organization_id = %s FOR UPDATE", (ORG,))
        assert books.till.write_and_wait(deliveries.hand_out(ORG, 0, 1, [])) is False
    assert books.row(NoticeCursor).sequence == 0
    assert books.till.write_and_wait(deliveries.hand_out(ORG, 0, 1, [])) is True
    assert books.row(NoticeCursor).sequence == 1


def test_a_plan_of_an_empty_table_does_not_outlive_it(books: Books) -> None:
    """The server keeps the plan of a prepared statement; of an empty table any index that begins alike is as good."""
    table, by = tables.authorizations, ("organization_id", "id")
    row = tuple(0 if isinstance(column.type, BigInteger) else "" for column in table.c)
    at = [column.name for column in table.c].index("id")
    # As many as are not planned for each time anew.
    ids = [f"iauth_{number}" for number in range(64)]
    writer = PostgresWriter(books.database.dsn)
    try:

        def read_in_batches(count: int) -> None:
            for _ in range(count):
                writer.begin([])
                writer.rows_by(table, by, [(ORG, id) for id in ids])
                writer.commit()

        read_in_batches(20)
        writer.begin([])
        writer.write_rows(table, [(ORG, *row[1:at], f"iauth_{number}", *row[at + 1 :]) for number in range(5_000)])
        writer.commit()
        read_in_batches(20)
        name = writer.run("SELECT name FROM pg_prepared_statements WHERE statement LIKE '%JOIN authorizations AS t%'")
        orgs, named = ",".join([ORG] * len(ids)), ",".join(ids)
        plan = writer.run(f"EXPLAIN EXECUTE {name.fetchone()[0]} ('{{{orgs}}}', '{{{named}}}')").fetchall()
        assert "authorizations_pkey" in str(plan)
    finally:
        writer.close()
