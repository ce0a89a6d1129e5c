"""PostgreSQL stopped and started again: refused at once meanwhile, nothing owed is forgotten, and then it goes on."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from roony.core.audit import AuditRecord, verify
from roony.core.authorization import AuthorizationDecision
from roony.core.purchase import Purchase
from roony.store import reconnect, till
from roony.store.command import AWAY, UNKNOWN_OUTCOME, TillClosed
from roony.store.database import Database
from roony.store.postgres_writer import PostgresWriter
from roony.store.reconnect import AWAY_LIMIT, FIRST_PAUSE, LONGEST_PAUSE, in_place, pauses
from roony.store.rows import KnownMerchant
from roony.store.writer import AnotherDatabase, ConnectionLost
from tests.support.books import Books, open_books
from tests.support.log_lines import logged
from tests.support.postgres import PostgresServer, own_server
from tests.support.served import until
from tests.support.tills import PATIENCE, answers, note

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A server for this file alone."""
    with own_server() as started:
        yield started


@pytest.fixture
def books(server: PostgresServer, tmp_path: Path) -> Iterator[Books]:
    """Books on that server; it runs again when the test ends."""
    with server.database() as url, open_books(tmp_path, url) as opened:
        yield opened
        if not server.running:
            server.start()


def notice(books: Books) -> None:
    """One command runs into the broken connection; then the till knows."""
    assert books.run(note("lost")) == UNKNOWN_OUTCOME
    until(lambda: books.till.away, True)


def come_back(books: Books) -> None:
    """Waits until the till has found the server again."""
    until(lambda: books.till.away, False)


@pytest.mark.parametrize("how", [signal.SIGQUIT, signal.SIGINT], ids=["crashed", "stopped"])
def test_everything_is_refused_at_once_until_it_is_back(
    books: Books, server: PostgresServer, how: signal.Signals
) -> None:
    purchase = books.ready()
    server.stop(how)
    notice(books)
    tickets = [books.till.enqueue(note(f"m{n}"), None, None) for n in range(3)]
    tickets.append(books.till.enqueue(books.authorization_command(purchase), None, None))
    # Not a moment later: the callers have their answers when they have their tickets.
    assert all(ticket.future.done() for ticket in tickets)
    assert answers(tickets) == [AWAY] * 4
    with pytest.raises(TillClosed, match="does not answer"):
        books.till.write_and_wait(lambda writer: None)
    server.start()
    come_back(books)
    assert books.run(note("after")) == "after"
    assert books.authorize(purchase).approved
    assert "lost" not in [row.merchant_key for row in books.rows(KnownMerchant)]
    assert verify(books.rows(AuditRecord)) is None


def test_the_log_says_why_and_what_to_do(books: Books, server: PostgresServer) -> None:
    """To whoever is called at night, who may know nothing of it yet."""
    with logged(till), logged(reconnect) as lines:
        server.stop()
        notice(books)
        until(lambda: any(line.get("error") == "nothing listens there" for line in lines), True)
        server.start()
        come_back(books)
    [lost, *away] = [line for line in lines if line["event"] in ("till.connection_lost", "till.database_away")]
    assert (lost["event"], lost["error"]) == ("till.connection_lost", "the server broke the connection off")
    assert all("ROONY_DATABASE_URL" in line["next"] for line in away)


def test_what_waits_when_it_goes_is_refused_too(books: Books, server: PostgresServer) -> None:
    entered, release = threading.Event(), threading.Event()

    def work(_writer: object) -> None:
        entered.set()
        assert release.wait(PATIENCE)

    busy = books.till._enqueue_work(work, None)
    assert entered.wait(PATIENCE)
    waits = [books.till.enqueue(note(f"m{n}"), None, None) for n in range(3)]
    write = books.till._enqueue_work(lambda writer: None, None)
    server.stop()
    release.set()
    found = answers(waits)
    assert {answer.code for answer in found} <= {"database_away", "unknown_outcome"}
    assert [type(answer).__name__ for answer in answers([busy])] == ["ConnectionLost"]
    assert isinstance(answers([write])[0], Exception)
    server.start()
    come_back(books)
    assert books.rows(KnownMerchant) == []


def test_a_withdrawal_is_made_when_it_is_back(books: Books, server: PostgresServer) -> None:
    """P5: the answer was a decline, so the approval on record is taken back, however long that takes."""
    purchase = books.ready()
    ticket = books.till.enqueue(books.authorization_command(purchase), None, None)
    assert answers([ticket])[0].approved
    server.stop()
    books.till.give_up(ticket)
    until(lambda: books.till.away, True)
    server.start()
    come_back(books)
    assert books.run(note("after")) == "after"
    assert books.row(AuthorizationDecision).answered == "declined"
    assert books.row(Purchase).held == purchase.held


def test_a_till_can_stop_while_it_is_away(books: Books, server: PostgresServer) -> None:
    server.stop()
    notice(books)
    books.till.stop()
    assert not books.till._thread.is_alive()
    assert answers([books.till.enqueue(note("late"), None, None)])[0].code == "closing"


def test_a_server_that_only_reads_is_left_for_one_that_writes(books: Books, server: PostgresServer) -> None:
    """After a failover the old address may answer, as a standby: nothing can be written there."""
    assert books.run(note("before")) == "before"
    server.set("default_transaction_read_only", "on")
    # Connections that are open hear of it with their next transaction.
    until(lambda: books.run(note("lost")) in (UNKNOWN_OUTCOME, AWAY), True)
    until(lambda: books.till.away, True)
    server.set("default_transaction_read_only", "off")
    come_back(books)
    assert books.run(note("after")) == "after"


def test_a_copy_that_was_put_into_the_place_is_not_written_to(books: Books, server: PostgresServer) -> None:
    """Restored while Roony ran: the process ends, and the next start marks the copy as one (flows/restoring.py)."""
    died: list[BaseException] = []
    books.till._on_dead = died.append
    assert books.run(note("before")) == "before"
    name = books.database.url.database
    with psycopg.connect(server.url, autocommit=True) as operator:
        operator.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
        operator.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", (name,))
        notice(books)
        operator.execute(f"ALTER DATABASE {name} RENAME TO {name}_before".encode())
        # One without tables is none yet: the till goes on waiting.
        operator.execute(f"CREATE DATABASE {name}_empty".encode())
        empty = books.database.url.set(database=f"{name}_empty").render_as_string(hide_password=False)
        opened = Database(empty).open_writer()
        assert opened.place is None
        with pytest.raises(ConnectionLost):
            in_place(opened, books.till._place)
        operator.execute(f"CREATE DATABASE {name} TEMPLATE {name}_before".encode())
    until(lambda: [type(error) for error in died], [AnotherDatabase])
    assert [row.merchant_key for row in books.rows(KnownMerchant)] == ["before"]


def test_an_address_that_only_reads_is_not_written_to(server: PostgresServer) -> None:
    with server.database() as url:
        PostgresWriter(url).close()
        server.set("default_transaction_read_only", "on")
        try:
            with pytest.raises(Exception, match="read-only"):
                PostgresWriter(url)
        finally:
            server.set("default_transaction_read_only", "off")


def test_pauses_double_up_to_the_longest_and_end() -> None:
    now = [0.0]
    made = []
    for pause in pauses(lambda: now[0]):
        made.append(pause)
        now[0] += pause
    assert made[:3] == [FIRST_PAUSE, FIRST_PAUSE * 2, FIRST_PAUSE * 4]
    assert set(made[10:]) == {LONGEST_PAUSE}
    assert AWAY_LIMIT <= sum(made) < AWAY_LIMIT + LONGEST_PAUSE
