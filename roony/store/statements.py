"""SQL text for the till, made once from the tables: rows by a list of keys, and rows written back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache, lru_cache
from itertools import compress, count
from operator import ne
from typing import Any

from sqlalchemy import BigInteger, Column, LargeBinary, Table

from roony.store import tables

# Rows that are added once: a second new row with the same key is an error, not a change. The key of a passkey belongs
# to no organization, so no lock keeps two of them from adding it at once: the second finds it when it is tried alone.
# So it is with keys that sign, which are the installation's, whichever organization's owner asks for one.
ADDED_ONCE = frozenset({tables.entries, tables.audit_records, tables.holds, tables.passkeys, tables.signing_keys})
# Rows of which the first one counts when they are written without having been read: a finding that a person resolved
# is not opened again by a command that did not look.
KEEP_FIRST = frozenset({tables.inbox, tables.discrepancies})


def _columns(table: Table, prefix: str = "") -> str:
    return ", ".join(f"{prefix}{column.name}" for column in table.columns)


def _has_bytes(table: Table) -> bool:
    return any(isinstance(column.type, LargeBinary) for column in table.columns)


@cache
def select_by(table: Table, by: tuple[str, ...], backend: str) -> str:
    """Selects whole rows by a list of keys of the `by` columns: one parameter on SQLite, else one for each column."""
    select = f"SELECT {_columns(table, 't.')}"
    if backend == "sqlite":
        if not _has_bytes(table):
            # All rows as one JSON text, so that the driver is entered once and not for each row (writer.py).
            select = f"SELECT json_group_array(json_array({_columns(table, 't.')}))"
        match = " AND ".join(f"t.{name} = json_extract(k.value, '$[{place}]')" for place, name in enumerate(by))
        # CROSS JOIN pins the order: the keys drive, the index answers.
        return f"{select} FROM json_each(?) AS k CROSS JOIN {table.name} AS t ON {match}"
    kinds = ", ".join(
        f"%s::{'bigint' if isinstance(table.columns[name].type, BigInteger) else 'text'}[]" for name in by
    )
    names = ", ".join(f"k{place}" for place in range(len(by)))
    match = " AND ".join(f"t.{name} = k.k{place}" for place, name in enumerate(by))
    return f"{select} FROM unnest({kinds}) AS k({names}) JOIN {table.name} AS t ON {match}"


@cache
def write_row(table: Table, backend: str, count: int = 1) -> str:
    """Writes `count` whole rows: inserts them, or replaces every column but the key where the table allows that."""
    mark = "?" if backend == "sqlite" else "%s"
    marks = _marks(mark, len(table.columns), count)
    return f"INSERT INTO {table.name} ({_columns(table)}) VALUES {marks}{_where_there(table)}"


@lru_cache(maxsize=64)
def write_new(table: Table, backend: str, count: int) -> str:
    """The same where the first row of a key counts: with the ids of those that were new."""
    return f"{write_row(table, backend, count)} RETURNING id"


@cache
def write_columns(table: Table) -> str:
    """`write_row` for any number of rows, with one array for each column, in one text for PostgreSQL to plan."""
    names, arrays = _columns(table), _arrays(range(len(table.columns)), table)
    return f"INSERT INTO {table.name} ({names}) SELECT {names} FROM unnest({arrays}) AS v({names}){_where_there(table)}"


def _where_there(table: Table) -> str:
    """What becomes of a row that is there already."""
    if table in ADDED_ONCE:
        return ""
    key = ", ".join(table.info["key"])
    if table in KEEP_FIRST:
        return f" ON CONFLICT ({key}) DO NOTHING"
    if table is tables.budget_periods:
        # What is written are differences, so that nobody needs to read a period to move it.
        return (
            f" ON CONFLICT ({key}) DO UPDATE SET held = budget_periods.held + excluded.held,"
            " spent = budget_periods.spent + excluded.spent"
        )
    changes = ", ".join(f"{c.name} = excluded.{c.name}" for c in table.columns if c.name not in table.info["key"])
    return f" ON CONFLICT ({key}) DO UPDATE SET {changes}"


def _arrays(places: Iterable[int], table: Table) -> str:
    """Parameters for the values of these columns: numbers as text of an array, bytes as they are."""
    columns = list(table.columns)
    kinds = ("bigint" if isinstance(columns[at].type, BigInteger) else _other(columns[at]) for at in places)
    return ", ".join(f"{'%b' if kind == 'bytea' else '%s'}::{kind}[]" for kind in kinds)


def _other(column: Column[Any]) -> str:
    return "bytea" if isinstance(column.type, LargeBinary) else "text"


@cache
def array_of(table: Table, place: int) -> Callable[[Sequence[Any]], Any]:
    """Makes the parameter of one column out of its values in all rows.

    A text is made faster than a list is sent, and PostgreSQL plans once, whatever the size of the numbers in it.
    """
    kind = list(table.columns)[place].type
    return _numbers if isinstance(kind, BigInteger) else list if isinstance(kind, LargeBinary) else _texts


def _numbers(values: Sequence[int | None]) -> str:
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"


def _texts(values: Sequence[str | None]) -> str:
    """An array in PostgreSQL's own words: each text in quotes, with a backslash before a quote or a backslash."""
    if None not in values:
        # All at once, with between them the one character that no text may hold; one that does is shown to the server.
        joined = "\0".join(values)  # type: ignore[arg-type]
        if joined.count("\0") == len(values) - 1:
            return '{"' + _escaped(joined).replace("\0", '","') + '"}'
    quoted = ["NULL" if value is None else f'"{_escaped(value)}"' for value in values]
    return "{" + ",".join(quoted) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')


def _marks(mark: str, columns: int, count: int) -> str:
    one = "(" + ", ".join([mark] * columns) + ")"
    return ", ".join([one] * count)


# One for each set of columns that some command changes together, and each number of rows written at once.
@lru_cache(maxsize=2_048)
def update_rows(table: Table, places: tuple[int, ...], backend: str, count: int = 1) -> str:
    """Updates the columns at `places` of `count` rows known to be there; values in that order, then the key."""
    names = [column.name for column in table.columns]
    key = table.info["key"]
    if backend != "sqlite":
        changes = ", ".join(f"{names[place]} = %s" for place in places)
        return f"UPDATE {table.name} SET {changes} WHERE {' AND '.join(f'{name} = %s' for name in key)}"
    changes = ", ".join(f"{names[place]} = v.column{at}" for at, place in enumerate(places, 1))
    where = " AND ".join(f"t.{name} = v.column{at}" for at, name in enumerate(key, len(places) + 1))
    marks = _marks("?", len(places) + len(key), count)
    return f"UPDATE {table.name} AS t SET {changes} FROM (VALUES {marks}) AS v WHERE {where}"


@lru_cache(maxsize=512)
def update_columns(table: Table, places: tuple[int, ...]) -> str:
    """`update_rows` for any number of rows, with one array for each column, for PostgreSQL."""
    names = [column.name for column in table.columns]
    key = key_places(table)
    values = ", ".join(f"column{at}" for at in range(1, len(places) + len(key) + 1))
    changes = ", ".join(f"{names[place]} = v.column{at}" for at, place in enumerate(places, 1))
    where = " AND ".join(f"t.{names[place]} = v.column{at}" for at, place in enumerate(key, len(places) + 1))
    arrays = _arrays([*places, *key], table)
    return f"UPDATE {table.name} AS t SET {changes} FROM unnest({arrays}) AS v({values}) WHERE {where}"


@cache
def key_places(table: Table) -> tuple[int, ...]:
    """Where a row's key lies among its columns."""
    names = [column.name for column in table.columns]
    return tuple(names.index(name) for name in table.info["key"])


@cache
def lock_organizations(skip_locked: bool, alone: bool) -> str:
    """Locks organizations' rows and reads them: those of a list in sorted order, or one `alone`. For PostgreSQL."""
    lock = "FOR UPDATE SKIP LOCKED" if skip_locked else "FOR UPDATE"
    which = "id = %s" if alone else "id = ANY(%s) ORDER BY id"
    return f"SELECT {_columns(tables.organizations)} FROM organizations WHERE {which} {lock}"


def finish_event(backend: str) -> str:
    """Records how the handling of an inbox row ended; only for the holder of its newest lease (generation)."""
    mark = "?" if backend == "sqlite" else "%s"
    return (
        f"UPDATE inbox SET status = {mark}, reason = {mark}, organization_id = {mark}, failures = failures + {mark},"
        f" due_at = {mark}, finished_at = {mark}, lease_until = 0 WHERE id = {mark} AND generation = {mark}"
    )


def finish_promise(backend: str) -> str:
    """Records how the doing of an outbox row ended or when it is due again; fenced by the generation of its lease."""
    mark = "?" if backend == "sqlite" else "%s"
    return (
        f"UPDATE outbox SET status = {mark}, key = {mark}, attempt = {mark}, tries = {mark}, due_at = {mark},"
        f" last_error = {mark}, finished_at = {mark}, lease_until = 0"
        f" WHERE organization_id = {mark} AND id = {mark} AND generation = {mark}"
    )


def by_difference(there: dict[Any, Any], changed: dict[Any, Any]) -> dict[tuple[int, ...], list[Any]]:
    """The loaded rows that changed, by the places of the columns in which they did: each such set is one statement."""
    found: dict[tuple[int, ...], list[Any]] = {}
    for key, item in changed.items():
        before = there.get(key)
        if before is not None:
            places = tuple(compress(count(), map(ne, before, item)))
            if places:
                found.setdefault(places, []).append(item)
    return found
