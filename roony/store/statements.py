"""SQL text for the till, made once from the tables: rows by a list of keys, and rows written back."""

from __future__ import annotations

from functools import cache, lru_cache

from sqlalchemy import BigInteger, LargeBinary, Table

from roony.store import tables

# Rows that are only ever added: a second row with the same key is an error, not a change.
APPEND_ONLY = frozenset({tables.entries, tables.audit_records, tables.holds})
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
    insert = f"INSERT INTO {table.name} ({_columns(table)}) VALUES {marks}"
    if table in APPEND_ONLY:
        return insert
    key = ", ".join(table.info["key"])
    if table in KEEP_FIRST:
        return f"{insert} ON CONFLICT ({key}) DO NOTHING"
    if table is tables.budget_periods:
        # What is written are differences, so that nobody needs to read a period to move it.
        return (
            f"{insert} ON CONFLICT ({key}) DO UPDATE SET held = budget_periods.held + excluded.held,"
            " spent = budget_periods.spent + excluded.spent"
        )
    changes = ", ".join(f"{c.name} = excluded.{c.name}" for c in table.columns if c.name not in table.info["key"])
    return f"{insert} ON CONFLICT ({key}) DO UPDATE SET {changes}"


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
