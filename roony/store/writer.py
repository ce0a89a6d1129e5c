"""The one connection of a process that writes: begin with locks, rows by keys, rows back, commit, on the raw driver."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Any

import msgspec
import psycopg
from psycopg import errors as postgres_errors
from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.sql.elements import ClauseElement

from roony.core.agent import Organization
from roony.store import tables
from roony.store.statements import key_places, lock_organizations, select_by, update_rows, write_row

# PostgreSQL's limits of design section 3, in milliseconds.
LOCK_TIMEOUT_MS = 50
# The same for an organization that was not free the time before: whoever comes meanwhile waits as long.
PROBE_TIMEOUT_MS = 10
STATEMENT_TIMEOUT_MS = 1_000
IDLE_TIMEOUT_MS = 2_000
TCP_TIMEOUT_MS = 2_000
CONNECT_TIMEOUT_SECONDS = 2
# What PostgreSQL calls the connection of a till; each process has one. The second is of those that never call Stripe.
WRITER_NAME = "roony till"
DOOR_NAME = "roony door"
# The WAL is folded into the database file after this many pages of 4 KiB: seldom, since the commit that does it takes
# some 50 ms, and since a page that changed often is then folded in once.
CHECKPOINT_PAGES = 16_000
WRITE_BUSY_TIMEOUT_SECONDS = 5

# How the one distributed PostgreSQL we write for makes itself known (docs/scaling.md).
_IS_SPREAD = b"SELECT 1 FROM pg_extension WHERE extname = 'citus'"


class ConnectionLost(Exception):
    """The connection broke. What was not yet committed is gone; during a commit its outcome is unknown."""


class Writer:
    """What the till needs of a database. Rows come back as plain tuples in column order."""

    backend: str
    dialect: Dialect
    # True where the rows of different organizations lie on different machines, which no one statement can lock.
    spread = False

    def begin(
        self, organization_ids: Sequence[str], skip_locked: bool = False, probing: bool = False
    ) -> list[Organization]:
        """Begins and locks these organizations in sorted order; returns those that exist and were obtained.

        Raises TimeoutError when a lock was not obtained in time, with `probing` in a shorter one (PostgreSQL only);
        then call `rollback`.
        """
        raise NotImplementedError

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        """Runs one statement; returns the driver's cursor."""
        raise NotImplementedError

    def run_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Runs one statement for each row."""
        raise NotImplementedError

    def commit(self) -> None:
        """Commits durably. Raises ConnectionLost when the outcome is unknown."""
        raise NotImplementedError

    def rollback(self) -> None:
        """Undoes everything since `begin`; does nothing when there is nothing to undo."""
        raise NotImplementedError

    def close(self) -> None:
        """Closes the connection."""
        raise NotImplementedError

    def database_now(self) -> int | None:
        """The database's clock in microseconds, where several processes need one clock; None: use our own."""
        return None

    def rows_by(self, table: Table, by: tuple[str, ...], keys: Sequence[Sequence[Any]]) -> list[Any]:
        """Whole rows whose `by` columns equal one of `keys`, made into the table's row type."""
        raise NotImplementedError

    def write_rows(self, table: Table, rows: Sequence[Sequence[Any]]) -> None:
        """Writes whole rows as the table's rule says: insert, replace, keep the first or add up."""
        self.run_many(write_row(table, self.backend), rows)

    def update_rows(self, table: Table, places: tuple[int, ...], rows: Sequence[Sequence[Any]]) -> None:
        """Writes back the columns at `places` of rows that are known to be there."""
        values = map(itemgetter(*places, *key_places(table)), rows)
        self.run_many(update_rows(table, places, self.backend), values)

    def execute(self, statement: ClauseElement, **parameters: Any) -> Any:
        """Runs a statement of the toolkit on this connection, inside the open transaction; returns the cursor."""
        # Lists and limits are written out for each run; a statement compiled with them would take no other values.
        run = _compiled(statement, self.dialect).construct_expanded_state(parameters)
        return self.run(run.statement, run.positional_parameters)


@lru_cache(maxsize=256)
def _compiled(statement: ClauseElement, dialect: Dialect) -> Any:
    return statement.compile(dialect=dialect)


# Rows written with one statement; smaller numbers are its halves, so that few statements serve every number.
ROWS_AT_ONCE = 32


def _portions(rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    at, size = 0, ROWS_AT_ONCE
    while at < len(rows):
        while size > len(rows) - at:
            size //= 2
        yield rows[at : at + size]
        at += size


class SqliteWriter(Writer):
    """SQLite in WAL mode with a flush for every commit; the whole file is the lock.

    The driver gives up Python's lock at every step of a statement, and then waits for the event loop to let it go on.
    So rows are read and written many at a time: a batch takes a dozen steps instead of hundreds.
    """

    backend = "sqlite"
    dialect = sqlite.dialect(paramstyle="qmark")

    def __init__(self, path: Path) -> None:
        """Opens `path`; the connection may move between threads but is used by one at a time."""
        self._connection = sqlite3.connect(
            path,
            isolation_level=None,
            check_same_thread=False,
            timeout=WRITE_BUSY_TIMEOUT_SECONDS,
            cached_statements=2048,
        )
        for pragma in (
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            f"wal_autocheckpoint = {CHECKPOINT_PAGES}",
            "cache_size = -65536",
            "temp_store = MEMORY",
        ):
            self._connection.execute(f"PRAGMA {pragma}")

    def begin(
        self,
        organization_ids: Sequence[str],
        skip_locked: bool = False,  # noqa: ARG002
        probing: bool = False,  # noqa: ARG002
    ) -> list[Organization]:
        """BEGIN IMMEDIATE takes the file's write lock; the rows are then read under it."""
        self._connection.execute("BEGIN IMMEDIATE")
        if not organization_ids:
            return []
        return self.rows_by(tables.organizations, ("id",), [(id,) for id in sorted(organization_ids)])

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        """Runs one statement."""
        return self._connection.execute(sql, parameters)

    def run_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Runs one statement for each row."""
        self._connection.executemany(sql, rows)

    def commit(self) -> None:
        """COMMIT with synchronous=FULL: on the disk when this returns."""
        self._connection.execute("COMMIT")

    def rollback(self) -> None:
        """Undoes the open transaction, if there is one."""
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def close(self) -> None:
        """Closes the connection; SQLite folds the WAL in."""
        self._connection.close()

    def rows_by(self, table: Table, by: tuple[str, ...], keys: Sequence[Sequence[Any]]) -> list[Any]:
        """One statement with the list of keys as one JSON parameter, and one JSON text of rows as its answer."""
        row, make = tables.row_type(table), tuple.__new__
        cursor = self._connection.execute(select_by(table, by, "sqlite"), (json.dumps(keys),))
        found = cursor.fetchall()
        if len(found) == 1 and len(found[0]) == 1:
            found = msgspec.json.decode(found[0][0])
        return [make(row, item) for item in found]

    def write_rows(self, table: Table, rows: Sequence[Sequence[Any]]) -> None:
        """Several rows with each statement."""
        for some in _portions(rows):
            self._connection.execute(write_row(table, "sqlite", len(some)), list(chain.from_iterable(some)))

    def update_rows(self, table: Table, places: tuple[int, ...], rows: Sequence[Sequence[Any]]) -> None:
        """Several rows with each statement."""
        values = list(map(itemgetter(*places, *key_places(table)), rows))
        for some in _portions(values):
            self._connection.execute(update_rows(table, places, "sqlite", len(some)), list(chain.from_iterable(some)))


class PostgresWriter(Writer):
    """PostgreSQL at READ COMMITTED with row locks on organizations and short time limits (design section 3)."""

    backend = "postgresql"
    dialect = postgresql.dialect(paramstyle="format")  # type: ignore[no-untyped-call]

    def __init__(self, dsn: str, own_clock: bool = False, name: str = WRITER_NAME) -> None:
        """Connects, under this name. Raises psycopg.OperationalError when the server cannot be reached.

        `own_clock`: the time is the process's own, which somebody else moves, and not the server's.
        """
        self._own_clock = own_clock
        self._connection = psycopg.connect(
            dsn,
            autocommit=True,
            tcp_user_timeout=TCP_TIMEOUT_MS,
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            # Of several servers the one that takes writes: after a failover another one.
            target_session_attrs="read-write",
            application_name=name,
            options=f"-c lock_timeout={LOCK_TIMEOUT_MS} -c statement_timeout={STATEMENT_TIMEOUT_MS}"
            f" -c idle_in_transaction_session_timeout={IDLE_TIMEOUT_MS}"
            " -c default_transaction_isolation=read\\ committed",
        )
        self._open = False
        self.spread = bool(self._connection.execute(_IS_SPREAD).rowcount)

    def begin(
        self, organization_ids: Sequence[str], skip_locked: bool = False, probing: bool = False
    ) -> list[Organization]:
        """Locks the rows in sorted order, so that two processes never wait for each other in a circle."""
        self.run(f"BEGIN; SET LOCAL lock_timeout = {PROBE_TIMEOUT_MS}" if probing else "BEGIN")
        self._open = True
        if not organization_ids:
            return []
        try:
            rows = self._lock(sorted(organization_ids), skip_locked)
        except (postgres_errors.LockNotAvailable, postgres_errors.QueryCanceled):
            # Each wait is limited by the one, all of them together by the other.
            raise TimeoutError from None
        return [Organization._make(row) for row in rows]

    def _lock(self, ids: list[str], skip_locked: bool) -> list[Any]:
        if self.spread:
            sql = lock_organizations(skip_locked, alone=True)
            return [row for id in ids for row in self.run(sql, (id,))]
        return list(self.run(lock_organizations(skip_locked, alone=False), (ids,)))

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        """Runs one statement. Raises ConnectionLost when the connection is gone."""
        try:
            return self._connection.execute(sql.encode(), parameters or None)
        except (psycopg.OperationalError, postgres_errors.ReadOnlySqlTransaction) as error:
            raise self._lost(error) from error

    def run_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Runs one statement for each row, pipelined into few round trips."""
        try:
            with self._connection.cursor() as cursor:
                cursor.executemany(sql.encode(), rows)
        except (psycopg.OperationalError, postgres_errors.ReadOnlySqlTransaction) as error:
            raise self._lost(error) from error

    def commit(self) -> None:
        """COMMIT; raises ConnectionLost when its outcome is unknown."""
        done = self.run("COMMIT").statusmessage
        self._open = False
        if done != "COMMIT":
            # A statement failed and nobody went back to before it: the server rolls back without an error.
            raise postgres_errors.InFailedSqlTransaction(f"the server answered {done} to COMMIT")

    def rollback(self) -> None:
        """Undoes the open transaction, if there is one."""
        if self._open and not self._connection.closed:
            self.run("ROLLBACK")
        self._open = False

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()

    def database_now(self) -> int | None:
        """The server's clock, so that all processes judge deadlines and periods alike."""
        if self._own_clock:
            return None
        row = self.run("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint").fetchone()
        return int(row[0])

    def rows_by(self, table: Table, by: tuple[str, ...], keys: Sequence[Sequence[Any]]) -> list[Any]:
        """One statement with one array for each key column."""
        cursor = self.run(select_by(table, by, "postgresql"), [list(column) for column in zip(*keys, strict=True)])
        return [tables.row_type(table)._make(row) for row in cursor]  # type: ignore[attr-defined]

    def _lost(self, error: psycopg.Error) -> Exception:
        # A server that only reads was one that writes before a failover: the one that writes now must be found.
        read_only = isinstance(error, postgres_errors.ReadOnlySqlTransaction)
        broken = read_only or self._connection.closed or self._connection.broken
        return ConnectionLost(str(error)) if broken else error
