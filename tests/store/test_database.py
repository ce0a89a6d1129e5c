"""One process serves a SQLite file: the lock file refuses a second one in words, and lets go at the end."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
import sqlalchemy

from roony.store.database import NO_ROOM, Database, DatabaseLocked, lock_path, why_failed
from roony.store.writer import ConnectionLost
from tests.support.postgres import swept_books_database
from tests.support.tills import DATABASES

SERVE = """
import sys
from roony.store.database import NO_ROOM, Database, DatabaseLocked
database = Database(sys.argv[1])
try:
    database.acquire()
except DatabaseLocked as locked:
    print("refused:", locked, flush=True)
    sys.exit(3)
print("serving", flush=True)
sys.stdin.readline()
"""


def serving(url: str) -> subprocess.Popen[str]:
    """A process that serves the database until it is told to end."""
    return subprocess.Popen(
        [sys.executable, "-c", SERVE, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A file that does not exist yet, in a folder that does not either."""
    return f"sqlite:///{tmp_path}/folder/roony.db"


def test_a_second_process_is_refused_in_words(url: str, tmp_path: Path) -> None:
    first = serving(url)
    assert first.stdout is not None
    assert first.stdout.readline() == "serving\n"
    second = serving(url)
    said, _ = second.communicate(timeout=30)
    assert second.returncode == 3
    assert f"{tmp_path}/folder/roony.db is served by process {first.pid}: stop it first" in said
    assert "PostgreSQL" in said

    first.communicate("\n", timeout=30)
    assert first.returncode == 0
    third = serving(url)
    said, _ = third.communicate("\n", timeout=30)
    assert said == "serving\n"


def test_a_killed_process_leaves_no_lock(url: str) -> None:
    first = serving(url)
    assert first.stdout is not None
    assert first.stdout.readline() == "serving\n"
    os.kill(first.pid, signal.SIGKILL)
    first.communicate(timeout=30)
    database = Database(url)
    database.acquire()
    assert database.path is not None
    assert lock_path(database.path).read_text() == f"process {os.getpid()}"
    database.close()


def test_within_one_process_too(url: str) -> None:
    first, second = Database(url), Database(url)
    first.acquire()
    first.acquire()
    with pytest.raises(DatabaseLocked, match=f"process {os.getpid()}"):
        second.acquire()
    first.close()
    second.acquire()
    second.close()


def test_reading_connections_cannot_write(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/roony.db")
    writer = database.open_writer()
    writer.begin([])
    writer.run("CREATE TABLE t (x INTEGER)")
    writer.commit()
    writer.close()
    assert database.read(sqlalchemy.text("SELECT count(*) FROM t")) == [(0,)]
    with pytest.raises(sqlalchemy.exc.OperationalError, match="readonly"):
        database.read(sqlalchemy.text("INSERT INTO t VALUES (1)"))
    database.close()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://localhost/roony"])
def test_an_address_that_is_no_file_and_no_postgresql_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="ROONY_DATABASE_URL"):
        Database(url)


@pytest.mark.parametrize("backend", DATABASES)
def test_the_error_of_a_read_quotes_no_value(backend: str, tmp_path: Path) -> None:
    """It may come into a log, and what is looked for may be what somebody wrote."""
    with swept_books_database(backend) as postgres:
        database = Database(postgres or f"sqlite:///{tmp_path / 'roony.db'}")
        try:
            statement = sqlalchemy.text("SELECT :wanted FROM nothing_of_this_name")
            with pytest.raises(sqlalchemy.exc.DBAPIError) as error:
                database.read(statement.bindparams(wanted="what somebody wrote"))
            assert "nothing_of_this_name" in str(error.value)
            assert "somebody" not in str(error.value)
        finally:
            database.close()


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ('FATAL:  database "roony" does not exist', "createdb"),
        ('FATAL:  role "roony" does not exist', "createuser"),
        ('FATAL:  password authentication failed for user "roony"', "the user or the password is wrong"),
        ("fe_sendauth: no password supplied", "it wants a password"),
        ("connection to server at 127.0.0.1 failed: Connection refused", "nothing listens there"),
        ("FATAL:  the database system is starting up", "the server is still starting"),
        ("session is read-only", "a standby"),
        ("FATAL:  sorry, too many clients already", "max_connections"),
        ("server closed the connection unexpectedly", "the server broke the connection off"),
        ('could not extend file "base/5/1": No space left on device', "the disk is full"),
        ("database or disk is full", "the disk is full"),
        ("connection to server on socket failed: No such file or directory", "nothing listens there"),
        ("connection timeout expired", "it does not answer in time"),
        ("FATAL:  the database system is in recovery mode", "after a crash"),
        ("no such column: passkeys.credential_id", "its schema is not the one of this Roony"),
        ("something new about postgresql://roony:hidden@db/roony", "OperationalError"),
    ],
)
def test_why_a_database_was_not_opened_is_told_in_words_of_ours(told: str, words: str) -> None:
    cause = psycopg.OperationalError(told)
    lost = ConnectionLost("broken")
    lost.__cause__ = cause
    for error in (sqlalchemy.exc.OperationalError(None, None, cause), cause, lost):
        said = why_failed(error)
        assert words in said
        assert "hidden" not in said


def test_why_a_database_did_not_do_it_has_its_own_code(tmp_path: Path) -> None:
    """Without what somebody wrote: the values stand in the driver's message."""
    unique = psycopg.errors.UniqueViolation("Key (name)=(what somebody wrote) already exists.")
    assert why_failed(unique) == "UniqueViolation 23505"
    with sqlite3.connect(tmp_path / "x.db") as connection:
        connection.execute("CREATE TABLE names (name TEXT UNIQUE)")
        connection.execute("INSERT INTO names VALUES ('what somebody wrote')")
        with pytest.raises(sqlite3.IntegrityError) as error:
            connection.execute("INSERT INTO names VALUES ('what somebody wrote')")
    assert why_failed(error.value) == "IntegrityError SQLITE_CONSTRAINT_UNIQUE"
    # A server says it in its own language.
    assert why_failed(psycopg.errors.DiskFull("Auf dem Gerät ist kein Speicherplatz mehr verfügbar")) == NO_ROOM
    assert why_failed(ConnectionLost("there are no tables")) == "there are no tables"
