"""Connections, pragmas and time limits: one SQLite file or one PostgreSQL, behind the same few calls.

Statements are built once from the tables and run on the raw driver: per-call overhead of the toolkit costs 10 to 40
times as much here (measured). Cold reads go through `Database.engine` as usual.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import sqlalchemy
from sqlalchemy import event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.base import Executable

from roony.core.agent import Organization
from roony.store.writer import (
    DOOR_NAME,
    SILENT_AFTER,
    WRITER_NAME,
    ConnectionLost,
    SqliteWriter,
    Writer,
)

# Readers wait this long for SQLite's file before they give up, in milliseconds.
READ_BUSY_TIMEOUT_MS = 5_000
READ_CONNECTIONS = 8
# Pages that each of them keeps on SQLite, in KiB. They are forgotten at every commit, and the system keeps the file in
# memory anyway: 2 MB each, as SQLite would, made a busy process 9 MB larger.
READ_CACHE_KIB = 512
# On PostgreSQL a page or a look-up that takes longer than this is given up, in milliseconds, and so is the wait for a
# free connection, in seconds.
READ_STATEMENT_TIMEOUT_MS = 10_000
READ_POOL_SECONDS = 5.0


# Each process has one writing connection; doors never call Stripe.
_WRITERS = sqlalchemy.text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = :name"
).bindparams(name=WRITER_NAME)


# Doors too.
_SERVING = sqlalchemy.text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name IN (:writer, :door)"
).bindparams(writer=WRITER_NAME, door=DOOR_NAME)


class DatabaseLocked(Exception):
    """Another process serves this SQLite file; the message says which and what to do."""


class Database:
    """One database: a pool for cold reads, and `open_writer` for the one connection that writes."""

    def __init__(self, url: str, own_clock: bool = False, calls_stripe: bool = True) -> None:
        """`url` is `sqlite:///path` or `postgresql://…`. Raises ValueError for any other.

        `own_clock`: the process's clock counts, also on PostgreSQL: a simulation moves it. `calls_stripe`: the process
        counts among those that share what Stripe allows.
        """
        self._writer_name = WRITER_NAME if calls_stripe else DOOR_NAME
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            if not parsed.database or parsed.database == ":memory:":
                raise ValueError("ROONY_DATABASE_URL must name a file: sqlite:///path/to/roony.db")
            self.path: Path | None = Path(parsed.database)
            self.engine = sqlalchemy.create_engine(
                parsed,
                pool_size=READ_CONNECTIONS,
                max_overflow=READ_CONNECTIONS,
                hide_parameters=True,  # what somebody wrote comes into no error, and so into no log
                connect_args={"check_same_thread": False, "timeout": READ_BUSY_TIMEOUT_MS / 1000},
            )
            event.listen(self.engine, "connect", _read_only)
        elif parsed.get_backend_name() == "postgresql":
            self.path = None
            parsed = parsed.set(drivername="postgresql+psycopg")
            self.engine = sqlalchemy.create_engine(
                parsed,
                pool_size=READ_CONNECTIONS,
                max_overflow=READ_CONNECTIONS,
                hide_parameters=True,  # what somebody wrote comes into no error, and so into no log
                pool_timeout=READ_POOL_SECONDS,
                pool_pre_ping=True,
                connect_args={
                    **SILENT_AFTER,
                    "application_name": "roony read",
                    "options": f"-c statement_timeout={READ_STATEMENT_TIMEOUT_MS}"
                    f" -c idle_in_transaction_session_timeout={READ_STATEMENT_TIMEOUT_MS}",
                },
            )
        else:
            raise ValueError("ROONY_DATABASE_URL must begin with sqlite:/// or postgresql://")
        self.url = parsed
        self._own_clock = own_clock
        self._lock: IO[str] | None = None

    @property
    def is_sqlite(self) -> bool:
        """True on SQLite: one process, one file."""
        return self.path is not None

    @property
    def dsn(self) -> str:
        """The address with its password, as PostgreSQL's own driver takes it."""
        return self.url.set(drivername="postgresql").render_as_string(hide_password=False)

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """What is raised where it does not do as it is asked: by its driver, by the toolkit and by the writer."""
        if self.is_sqlite:
            return (sqlite3.Error, *_ERRORS)
        import psycopg  # noqa: PLC0415 - it is large

        return (psycopg.Error, *_ERRORS)

    def open_writer(self) -> Writer:
        """A new writing connection. On SQLite call `acquire` first: only one process may write."""
        if self.path is not None:
            return SqliteWriter(self.path)
        from roony.store.postgres_writer import PostgresWriter  # noqa: PLC0415 - its driver is large

        return PostgresWriter(self.dsn, self._own_clock, self._writer_name)

    def processes(self) -> int:
        """How many processes on this database call Stripe, this one among them; 1 on SQLite. Blocks: a cold read."""
        if self.is_sqlite:
            return 1
        return max(1, int(self.read(_WRITERS)[0][0]))

    def serving(self) -> int:
        """How many processes have a connection that writes, doors too; 0 on SQLite, whose lock says it. Blocks."""
        return 0 if self.is_sqlite else int(self.read(_SERVING)[0][0])

    def acquire(self) -> None:
        """Takes the lock file beside a SQLite database, for as long as this process lives. Raises DatabaseLocked."""
        if self.path is None or self._lock is not None:
            return
        path = lock_path(self.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            handle.seek(0)
            holder = handle.read().strip() or "another process"
            handle.close()
            raise DatabaseLocked(
                f"{self.path} is served by {holder}: stop it first, or use a PostgreSQL database for several processes."
            ) from None
        handle.seek(0)
        handle.truncate()
        handle.write(f"process {os.getpid()}")
        handle.flush()
        self._lock = handle
        # Before SQLite makes the file with everybody's rights; its WAL takes over the rights of the file.
        os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))

    def read(self, statement: Executable, parameters: Mapping[str, Any] | None = None) -> Sequence[Any]:
        """Rows of one cold read, in a connection of its own. Never called on the event loop or under the till."""
        with self.engine.connect() as connection:
            return connection.execute(statement, dict(parameters or {})).fetchall()

    def close(self) -> None:
        """Gives back the read connections and the lock file."""
        self.engine.dispose()
        if self._lock is not None:
            self._lock.close()
            self._lock = None


# Also where there was no free connection in time.
_ERRORS = (DBAPIError, sqlalchemy.exc.TimeoutError, ConnectionLost)

NO_ROOM = "the disk is full"

# What a driver says of a connection or write that failed, and the same for whoever set it up. The first found counts.
_CAUSES = (
    ("password authentication failed", "the user or the password is wrong"),
    ("no password supplied", "it wants a password"),
    ("no pg_hba.conf entry", "the server lets nobody in from here: pg_hba.conf"),
    ('role "', "the server knows no such user: createuser makes one"),
    ("Connection refused", "nothing listens there"),
    ("No such file or directory", "nothing listens there"),
    ("resolve host", "its host is not known"),
    ("No route to host", "its host is not reached"),
    ("unreachable", "its host is not reached"),
    ("timeout expired", "it does not answer in time"),
    ("canceling statement", "it does not do in time what it is asked"),
    ("starting up", "the server is still starting"),
    ("in recovery mode", "the server is starting again after a crash"),
    ("not yet accepting connections", "the server is still starting"),
    ("shutting down", "the server is stopping"),
    ("too many clients", "the server takes no more connections: max_connections"),
    ("connection slots", "the server takes no more connections: max_connections"),
    ("session is read-only", "the server takes no writes: a standby"),
    ("permission denied", "its user may not do there what Roony needs"),
    ("closed the connection", "the server broke the connection off"),
    ("terminating connection", "the server broke the connection off"),
    ("disk is full", NO_ROOM),
    ("No space left", NO_ROOM),
    ("disk I/O error", "its disk fails"),
    ("no such column", "its schema is not the one of this Roony"),
    ("no such table", "its schema is not the one of this Roony"),
    ("readonly database", "nobody may write there"),
    ("is locked", "another program holds the file"),
)  # fmt: skip


def why_failed(error: BaseException) -> str:
    """The cause in a few words of ours; a driver's message may quote the address with its password, or what somebody
    wrote. Where there are none for it: its type, and the code that the database gave it (PostgreSQL's SQLSTATE).
    """
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    cause: BaseException | None = error
    if isinstance(error, (DBAPIError, ConnectionLost)):
        cause = error.orig if isinstance(error, DBAPIError) else error.__cause__
    told = str(cause or error)
    if no_room(cause):
        return NO_ROOM
    if 'database "' in told and "does not exist" in told:
        return "the server has no such database: createdb makes one"
    if isinstance(error, ConnectionLost) and cause is None:
        return str(error)
    code = getattr(cause, "sqlstate", None) or getattr(cause, "sqlite_errorname", None)
    name = type(cause or error).__name__
    return next((words for sign, words in _CAUSES if sign in told), f"{name} {code}" if code else name)


def no_room(answer: object) -> bool:
    """True for a database's word that its disk is full: by its code, since a server may speak any language."""
    return getattr(answer, "sqlstate", None) == "53100" or getattr(answer, "sqlite_errorname", None) == "SQLITE_FULL"


def lock_path(path: Path) -> Path:
    """Where the lock file of a SQLite database lies."""
    return path.with_name(path.name + ".lock")


def _read_only(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA query_only = ON")
    connection.execute(f"PRAGMA cache_size = -{READ_CACHE_KIB}")


INSTALLATION_ROW = Organization(
    id="installation",
    name="This installation",
    currency="usd",
    time_zone="UTC",
    connection_id=None,
    frozen_at=None,
    unknown_cards="decline",
    delivery="sealed",
    unbudgeted=0,
    settings="{}",
    config_version="0",
    audit_sequence=0,
    audit_hash="0" * 64,
    clock=0,
    created_at=0,
)
