"""The writing connection on PostgreSQL. Loaded where there is one: on SQLite nothing of its driver is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import psycopg
from psycopg import errors as postgres_errors
from sqlalchemy import Table
from sqlalchemy.dialects import postgresql

from roony.core.agent import Organization
from roony.store import tables
from roony.store.place import place_by
from roony.store.statements import (
    array_of,
    key_places,
    lock_organizations,
    select_by,
    update_columns,
    write_columns,
)
from roony.store.writer import SILENT_AFTER, TCP_TIMEOUT_MS, WRITER_NAME, ConnectionLost, Writer

# PostgreSQL's limits of design section 3, in milliseconds.
LOCK_TIMEOUT_MS = 50
# The same for an organization that was not free the time before: whoever comes meanwhile waits as long.
PROBE_TIMEOUT_MS = 10
STATEMENT_TIMEOUT_MS = 1_000
IDLE_TIMEOUT_MS = 2_000
# A server that is sending rows to a client that is gone, or reads no more, heeds neither of the last two: it held the
# organization until the kernel gave up, after a quarter of an hour. So it is told of `TCP_TIMEOUT_MS` too.
# The till finds rows by keys, each with an index. Left alone, the server joins a young table, which nobody has counted
# yet, by reading all of it, and keeps that plan while the table grows: five reads of a batch then took 5 ms, not 1.5.
BY_INDEX = " -c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off -c jit=off"
# Bodies of events are pressed together by what takes half the time, where the server has it (from 14 on, as built).
_HAS_LZ4 = b"SELECT 1 FROM pg_settings WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)"

# How the one distributed PostgreSQL we write for makes itself known (docs/scaling.md).
_IS_SPREAD = b"SELECT 1 FROM pg_extension WHERE extname = 'citus'"
_TAKEN = (postgres_errors.LockNotAvailable, postgres_errors.QueryCanceled)


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
            # Of several servers the one that takes writes: after a failover another one.
            target_session_attrs="read-write",
            application_name=name,
            options=f"-c lock_timeout={LOCK_TIMEOUT_MS} -c statement_timeout={STATEMENT_TIMEOUT_MS}"
            f" -c idle_in_transaction_session_timeout={IDLE_TIMEOUT_MS}"
            f" -c tcp_user_timeout={TCP_TIMEOUT_MS}"
            " -c default_transaction_isolation=read\\ committed" + BY_INDEX,
            **SILENT_AFTER,
        )
        if self._connection.execute(_HAS_LZ4).rowcount:
            self._connection.execute("SET default_toast_compression = lz4")
        self._open, self._begun = False, 0
        self.spread = bool(self._connection.execute(_IS_SPREAD).rowcount)
        self.place = place_by(lambda sql: self._connection.execute(sql.encode()).fetchall())

    def begin(
        self, organization_ids: Sequence[str], skip_locked: bool = False, probing: bool = False
    ) -> list[Organization]:
        """Locks the rows in sorted order, so that two processes never wait for each other in a circle."""
        self._plan_anew()
        self.run(f"BEGIN; SET LOCAL lock_timeout = {PROBE_TIMEOUT_MS}" if probing else "BEGIN")
        self._open = True
        if not organization_ids:
            return []
        try:
            rows = self._lock(sorted(organization_ids), skip_locked)
        except _TAKEN:
            # Each wait is limited by the one, all of them together by the other.
            raise TimeoutError from None
        return [Organization._make(row) for row in rows]

    def _plan_anew(self) -> None:
        """At every doubling of what was done here: which index serves best in an empty table need not in a full one."""
        self._begun += 1
        if self._begun & (self._begun - 1) == 0:
            self.run("DISCARD PLANS")

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

    def take_room(self) -> None:
        """A list too long for the memory it is allowed lies in a file beside the database's tables until it is read.

        Nothing of it is written to the log, no row is touched, and no process waits for another.
        """
        self.run("SET LOCAL work_mem = '64kB'; SET LOCAL temp_tablespaces = ''")
        self.run("SELECT count(*) FROM unnest(array_fill(repeat('x', 1000), ARRAY[1000]))")

    def rows_by(self, table: Table, by: tuple[str, ...], keys: Sequence[Sequence[Any]]) -> list[Any]:
        """One statement with one array for each key column."""
        names = [column.name for column in table.columns]
        arrays = [
            array_of(table, names.index(name))(values) for name, values in zip(by, zip(*keys, strict=True), strict=True)
        ]
        row, make = tables.row_type(table), tuple.__new__
        return [make(row, item) for item in self.run(select_by(table, by, "postgresql"), arrays).fetchall()]

    def write_rows(self, table: Table, rows: Sequence[Sequence[Any]]) -> None:
        """One statement with one array for each column; on a spread database a statement for each row."""
        if self.spread or len(rows) < 2:
            super().write_rows(table, rows)
        else:
            self.run(write_columns(table), _as_columns(table, range(len(table.columns)), rows))

    def update_rows(self, table: Table, places: tuple[int, ...], rows: Sequence[Sequence[Any]]) -> None:
        """The same."""
        if self.spread or len(rows) < 2:
            super().update_rows(table, places, rows)
        else:
            self.run(update_columns(table, places), _as_columns(table, (*places, *key_places(table)), rows))

    def is_taken(self, error: Exception) -> bool:
        """Its lock or the statement that waited for it took too long."""
        return isinstance(error, _TAKEN)

    def _lost(self, error: psycopg.Error) -> Exception:
        # A server that only reads was one that writes before a failover: the one that writes now must be found.
        read_only = isinstance(error, postgres_errors.ReadOnlySqlTransaction)
        broken = read_only or self._connection.closed or self._connection.broken
        return ConnectionLost(str(error)) if broken else error


def _as_columns(table: Table, places: Iterable[int], rows: Sequence[Sequence[Any]]) -> list[Any]:
    """The values of these columns in all rows, as `write_columns` and `update_columns` take them."""
    columns = list(zip(*rows, strict=True))
    return [array_of(table, place)(columns[place]) for place in places]
