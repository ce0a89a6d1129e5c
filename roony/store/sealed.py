"""Every sealed value there is: which keys they were sealed with, and putting another sealing in the place of one.

A table with a sealed column is named here with the row name its values are bound to; a test looks for others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from sqlalchemy import Table, Update, bindparam, func, select, tuple_, update

from roony.store.database import Database
from roony.store.tables import connection_secrets, message_recipients, signing_keys, webhook_endpoints
from roony.store.vault import FORMAT, KEY_ID_CHARACTERS, row_name
from roony.store.writer import Writer


class SealedColumn(NamedTuple):
    """A column of sealed values. `name_of` makes the vault's row name of a row's primary key. Empty text: erased."""

    table: Table
    column: str
    name_of: Callable[..., bytes]


SEALED = (
    SealedColumn(
        connection_secrets,
        "sealed",
        lambda org, connection, name: row_name("connection_secrets", org, connection, name),
    ),
    SealedColumn(message_recipients, "sealed", lambda org, id: row_name("message_recipients", org, id, "sealed")),
    SealedColumn(signing_keys, "sealed", lambda org, id: row_name("signing_keys", org, id, "sealed")),
    SealedColumn(webhook_endpoints, "sealed", lambda org, id: row_name("webhook_endpoints", org, id, "sealed")),
    SealedColumn(
        webhook_endpoints, "sealed_before", lambda org, id: row_name("webhook_endpoints", org, id, "sealed_before")
    ),
)


def _exchange(table: Table, column: str) -> Update:
    row = [table.c[name] == bindparam(f"key{at}") for at, name in enumerate(table.info["key"])]
    return update(table).where(*row, table.c[column] == bindparam("old")).values({column: bindparam("new")})


_EXCHANGE = tuple(_exchange(table, column) for table, column, _ in SEALED)


class SealedValue(NamedTuple):
    """One sealed value, in which of `SEALED` and in which row."""

    place: int
    key: tuple[str, ...]
    sealed: str

    @property
    def name(self) -> bytes:
        """What the value is bound to."""
        return SEALED[self.place].name_of(*self.key)


def key_ids(database: Database) -> dict[str, int]:
    """How many values were sealed with each key, by the key's id. Blocks: a cold read."""
    counts: dict[str, int] = {}
    for table, column, _ in SEALED:
        sealed = table.c[column]
        id = func.substr(sealed, len(FORMAT) + 2, KEY_ID_CHARACTERS)
        for key_id, count in database.read(select(id, func.count()).where(sealed != "").group_by(id)):
            counts[key_id] = counts.get(key_id, 0) + count
    return counts


def some_after(database: Database, after: tuple[int, Sequence[str]] | None, limit: int) -> list[SealedValue]:
    """At most `limit` values behind one, in the order of tables and keys. Blocks: a cold read."""
    found: list[SealedValue] = []
    for place, (table, column, _) in enumerate(SEALED):
        if after is not None and place < after[0]:
            continue
        keys = [table.c[name] for name in table.info["key"]]
        wanted = select(*keys, table.c[column]).where(table.c[column] != "").order_by(*keys)
        if after is not None and place == after[0]:
            wanted = wanted.where(tuple_(*keys) > tuple_(*after[1]))
        rows = database.read(wanted.limit(limit - len(found)))
        found += [SealedValue(place, tuple(row[:-1]), row[-1]) for row in rows]
        if len(found) == limit:
            break
    return found


def read_again(database: Database, value: SealedValue) -> SealedValue | None:
    """The value as it is now; None when it was erased. Blocks: a cold read."""
    table, column, _ = SEALED[value.place]
    row = [table.c[name] == part for name, part in zip(table.info["key"], value.key, strict=True)]
    rows = database.read(select(table.c[column]).where(*row))
    return value._replace(sealed=rows[0][0]) if rows and rows[0][0] else None


def exchange(changes: Sequence[tuple[SealedValue, str]]) -> Callable[[Writer], list[SealedValue]]:
    """A write that puts a new sealing in the place of each value, and returns those that had changed meanwhile."""

    def compare_and_set(writer: Writer) -> list[SealedValue]:
        left = []
        for value, sealed in changes:
            key = {f"key{at}": part for at, part in enumerate(value.key)}
            if writer.execute(_EXCHANGE[value.place], **key, old=value.sealed, new=sealed).rowcount != 1:
                left.append(value)
        return left

    return compare_and_set
