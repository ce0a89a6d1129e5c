"""How a table is made from its row type: its columns are the fields in their order, of types both databases have."""

from __future__ import annotations

from typing import Any, get_type_hints

from sqlalchemy import BigInteger, Column, Index, LargeBinary, MetaData, Table, Text, text
from sqlalchemy.types import TypeEngine

metadata = MetaData()

_TYPES: dict[object, tuple[TypeEngine[Any], bool]] = {
    str: (Text(), False),
    int: (BigInteger(), False),
    bytes: (LargeBinary(), False),
    str | None: (Text(), True),
    int | None: (BigInteger(), True),
    bytes | None: (LargeBinary(), True),
}


def table(name: str, row: type, key: str, *more: Index) -> Table:
    """A table of rows of this type; `key` names the columns of its primary key, between spaces."""
    keys = key.split()
    columns: list[Column[Any]] = []
    for column, hint in get_type_hints(row).items():
        kind, nullable = _TYPES[hint]
        columns.append(Column(column, kind, primary_key=column in keys, nullable=nullable, autoincrement=False))
    made: Table = Table(name, metadata, *columns, *more)
    made.info["row"] = row
    made.info["key"] = keys
    return made


def some(name: str, where: str, *columns: str) -> Index:
    """An index of the rows of which this is true; a query that says it in these words is answered from it."""
    return Index(name, *columns, sqlite_where=text(where), postgresql_where=text(where))
