"""The one connection of a process that writes: begin with locks, rows by keys, rows back, commit, on the raw driver."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Table
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.sql.elements import ClauseElement

from roony.core.agent import Organization
from roony.store import tables
from roony.store.statements import key_places, select_by, update_rows, write_row

# For every connection to PostgreSQL.
TCP_TIMEOUT_MS = 2_000
CONNECT_TIMEOUT_SECONDS = 2
# What was sent and not acknowledged is one half; a server that has taken a statement and then loses its power is waited
# for, up to two hours, unless the kernel asks whether it is there: after a second without a word, and then each second.
SILENT_AFTER: dict[str, Any] = {
    "connect_timeout": CONNECT_TIMEOUT_SECONDS, "tcp_user_timeout": TCP_TIMEOUT_MS, "keepalives_idle": 1,
    "keepalives_interval": 1, "keepalives_count": 2,
}  # fmt: skip
# What PostgreSQL calls the connection of a till; each process has one. The second is of those that never call Stripe.
WRITER_NAME = "roony till"
DOOR_NAME = "roony door"
# The WAL is folded into the database file after this many pages of 4 KiB: seldom, since a page that changed often is
# then folded in once.
CHECKPOINT_PAGES = 16_000
# The commit that does it takes some 50 ms, and whoever waits for it waits as long. So after this many changed rows
# another thread begins, and leaves it the last of them only: no one but the next commit may start the WAL anew.
FOLD_ROWS = 8_000
# Pages kept in memory, in KiB, which after some thousand authorizations all are in use. With twice as many an
# authorization reads no less from the file, with 600,000 rows of history as with none (measured).
CACHE_KIB = 32_768
WRITE_BUSY_TIMEOUT_SECONDS = 5


class ConnectionLost(Exception):
    """The connection broke. What was not yet committed is gone; during a commit its outcome is unknown."""


class AnotherDatabase(Exception):
    """What answers at the address is not the database that was served there: nothing may be written to it."""


class Writer:
    """What the till needs of a database. Rows come back as plain tuples in column order."""

    backend: str
    dialect: Dialect
    # True where the rows of different organizations lie on different machines, which no one statement can lock.
    spread = False
    # Where the database lies, so that one that was put into its place is told from it; None where nothing tells.
    place: str | None = None

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

    def take_room(self) -> None:
        """Has the database put a megabyte onto its disk and throw it away, where a row may find room on a full one.

        Raises what the driver does when there is none.
        """

    def is_taken(self, error: Exception) -> bool:  # noqa: ARG002
        """True when this was raised because another process has the row, and a moment later it may be free."""
        return False

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


def _fold(path: Path) -> None:
    """Folds in what no reader needs to find in the WAL; neither readers nor the writer wait for it.

    A failure costs nothing but time: the commit that finds the WAL too long does it, or fails itself.
    """
    with suppress(sqlite3.Error), closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)")


@lru_cache(maxsize=256)
def _compiled(statement: ClauseElement, dialect: Dialect) -> Any:
    return statement.compile(dialect=dialect)


# Rows written with one statement; smaller numbers are its halves, so that few statements serve every number.
ROWS_AT_ONCE = 32


def portions(rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """The rows in order, in such numbers."""
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
            f"cache_size = -{CACHE_KIB}",
            "temp_store = MEMORY",
        ):
            self._connection.execute(f"PRAGMA {pragma}")
        self._path = path
        self._beside = ThreadPoolExecutor(max_workers=1, thread_name_prefix="wal")
        self._folding: Future[None] | None = None
        self._folded = 0

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
        rows = self._connection.total_changes
        if rows - self._folded >= FOLD_ROWS and (self._folding is None or self._folding.done()):
            self._folded, self._folding = rows, self._beside.submit(_fold, self._path)

    def rollback(self) -> None:
        """Undoes the open transaction, if there is one."""
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def close(self) -> None:
        """Closes the connection; SQLite folds the WAL in."""
        self._beside.shutdown()
        self._connection.close()

    def rows_by(self, table: Table, by: tuple[str, ...], keys: Sequence[Sequence[Any]]) -> list[Any]:
        """One statement with the list of keys as one JSON parameter, and one JSON text of rows as its answer."""
        row, make = tables.row_type(table), tuple.__new__
        cursor = self._connection.execute(select_by(table, by, "sqlite"), (msgspec.json.encode(keys).decode(),))
        found = cursor.fetchall()
        if len(found) == 1 and len(found[0]) == 1:
            found = msgspec.json.decode(found[0][0])
        return [make(row, item) for item in found]

    def write_rows(self, table: Table, rows: Sequence[Sequence[Any]]) -> None:
        """Several rows with each statement."""
        for some in portions(rows):
            self._connection.execute(write_row(table, "sqlite", len(some)), list(chain.from_iterable(some)))

    def update_rows(self, table: Table, places: tuple[int, ...], rows: Sequence[Sequence[Any]]) -> None:
        """Several rows with each statement."""
        values = list(map(itemgetter(*places, *key_places(table)), rows))
        for some in portions(values):
            self._connection.execute(update_rows(table, places, "sqlite", len(some)), list(chain.from_iterable(some)))
