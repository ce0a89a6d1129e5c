"""Where a database lies, written into it: one that came from elsewhere, or is a copy, is told by that.

On PostgreSQL the place is the server, the database and its tables by the numbers that PostgreSQL gave them: whatever
`pg_restore` or `CREATE DATABASE … TEMPLATE` makes has others, a standby that took over has the same. A SQLite file has
no such number; what `roony backup` copies says of itself that it is a copy.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import bindparam, select, text

from roony.core.errors import BrokenCaller
from roony.store.database import Database
from roony.store.tables import leases
from roony.store.writer import Writer

# The row of `leases` that keeps it: of no organization, one for all processes. It is held by nobody and never ends.
_PLACE = "place"
_FILE, _COPY = "file", "copy"

_WRITTEN = select(leases.c.holder).where(leases.c.name == bindparam("name"))
_WRITE = text(
    "INSERT INTO leases (name, holder, until, generation) VALUES (:name, :place, 0, 1)"
    " ON CONFLICT (name) DO UPDATE SET holder = excluded.holder"
)
_MAY_ASK = "SELECT has_function_privilege('pg_control_system()', 'execute')"
_SERVER = "SELECT system_identifier FROM pg_control_system()"
_NUMBERS = "SELECT oid, CAST(to_regclass('organizations') AS oid) FROM pg_database WHERE datname = current_database()"


def place_of(database: Database) -> str:
    """Where this database lies. Blocks."""
    if database.is_sqlite:
        return _FILE
    place = place_by(lambda sql: database.read(text(sql)))
    if place is None:
        raise BrokenCaller("a database without tables has no place yet")
    return place


def place_by(read: Callable[[str], Sequence[Any]]) -> str | None:
    """The place of a PostgreSQL database that is read so; None where it has no tables yet, as while it is restored."""
    # A server may keep its number to itself; those of the database and the tables tell most copies without it.
    server = read(_SERVER)[0][0] if read(_MAY_ASK)[0][0] else 0
    [(database, table)] = read(_NUMBERS)
    return None if table is None else f"{server}/{database}/{table}"


def written_place(database: Database) -> str | None:
    """Where it lay when it was last served; None where no Roony that knows of this has served it. Blocks."""
    rows = database.read(_WRITTEN, {"name": _PLACE})
    return rows[0][0] if rows else None


def write_place(place: str) -> Callable[[Writer], None]:
    """A write that says where it lies."""

    def say(writer: Writer) -> None:
        writer.execute(_WRITE, name=_PLACE, place=place)

    return say


def call_it_a_copy(connection: sqlite3.Connection) -> None:
    """Says so in a SQLite copy, unless it is of a release that knew no `leases`. Raises sqlite3.Error."""
    if connection.execute("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'leases'").fetchone():
        connection.execute(str(_WRITE), {"name": _PLACE, "place": _COPY})
