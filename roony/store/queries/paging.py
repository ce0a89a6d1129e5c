"""Lists in pages: a cursor names the last row seen, so that rows added meanwhile shift nothing."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from sqlalchemy import ColumnElement, Select, and_, or_, select

from roony.store.database import Database
from roony.store.tables import TABLE_OF

Item = TypeVar("Item")
Row = TypeVar("Row", bound=tuple[Any, ...])

DEFAULT_LIMIT = 50
MAX_LIMIT = 200


class InvalidCursor(ValueError):
    """A cursor that no page of ours has given."""


class Page(NamedTuple, Generic[Item]):
    """Rows of one page; `next_cursor` is None on the last one, `previous_cursor` on the first."""

    rows: list[Item]
    next_cursor: str | None
    previous_cursor: str | None = None


class Slice(NamedTuple):
    """Which page is wanted: at most `limit` rows after the one that `cursor` names, or with `backward` before it."""

    limit: int = DEFAULT_LIMIT
    cursor: str | None = None
    backward: bool = False


def encode_cursor(position: Sequence[int | str]) -> str:
    """The sort columns of the last row of a page as opaque text."""
    return base64.urlsafe_b64encode(json.dumps(list(position)).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, kinds: tuple[type, ...]) -> list[Any]:
    """The position a cursor names. Raises InvalidCursor unless its values have these types."""
    try:
        text = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        position = json.loads(text)
    except (ValueError, binascii.Error, RecursionError):
        raise InvalidCursor(cursor) from None
    if not isinstance(position, list) or len(position) != len(kinds):
        raise InvalidCursor(cursor)
    for value, kind in zip(position, kinds, strict=True):
        # A number that no column can hold would be an error of the database instead of an answer.
        if type(value) is not kind or (isinstance(value, int) and not -(2**63) <= value < 2**63):
            raise InvalidCursor(cursor)
        if isinstance(value, str) and not _is_storable(value):
            raise InvalidCursor(cursor)
    return position


def _is_storable(text: str) -> bool:
    """True of what a column can hold: PostgreSQL takes no NUL, and no half of a character."""
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


def keyset(statement: Select[Any], wanted: Slice, *columns: ColumnElement[Any], descending: bool = True) -> Select[Any]:
    """Orders by the columns and cuts out one page, with one row more to see whether another follows.

    Backward it is read from its end on, for the same index serves both ways; `cut` turns it round.
    """
    descending = descending != wanted.backward
    if wanted.cursor is not None:
        position = decode_cursor(wanted.cursor, tuple(int if _is_number(column) else str for column in columns))
        statement = statement.where(_beyond(columns, position, descending))
    order = [column.desc() if descending else column.asc() for column in columns]
    return statement.order_by(*order).limit(wanted.limit + 1)


def _is_number(column: ColumnElement[Any]) -> bool:
    return bool(column.type.python_type is int)


def _beyond(columns: Sequence[ColumnElement[Any]], position: list[Any], descending: bool) -> ColumnElement[bool]:
    """Rows after the position. The first column's own bound is what an index can use."""
    first, value = columns[0], position[0]
    ahead: ColumnElement[bool] = first < value if descending else first > value
    if len(columns) == 1:
        return ahead
    bound = first <= value if descending else first >= value
    return and_(bound, or_(ahead, and_(first == value, _beyond(columns[1:], position[1:], descending))))


def cut(rows: Sequence[Item], wanted: Slice, position: Callable[[Item], Sequence[int | str]]) -> Page[Item]:
    """The page without the extra row, and the cursors of the next one and the one before."""
    shown, more = list(rows[: wanted.limit]), len(rows) > wanted.limit
    if wanted.backward:
        shown.reverse()
    # The row that a cursor names lies on its other side.
    follows, precedes = (True, more) if wanted.backward else (more, wanted.cursor is not None)
    return Page(
        shown,
        encode_cursor(position(shown[-1])) if shown and follows else None,
        encode_cursor(position(shown[0])) if shown and precedes else None,
    )


def newest_first(
    database: Database, row: type[Row], organization_id: str, wanted: Slice, *where: ColumnElement[bool]
) -> Page[Row]:
    """A page of one organization's rows of a table that has `created_at` and `id`, newest first."""
    table = TABLE_OF[row]
    statement = keyset(
        select(table).where(table.c.organization_id == organization_id, *where), wanted, table.c.created_at, table.c.id
    )
    rows = [row(*values) for values in database.read(statement)]
    places = (row._fields.index("created_at"), row._fields.index("id"))  # type: ignore[attr-defined]
    return cut(rows, wanted, lambda item: (item[places[0]], item[places[1]]))


def find(database: Database, row: type[Row], organization_id: str, id: str) -> Row | None:
    """One row of an organization by its id, or None."""
    table = TABLE_OF[row]
    found = database.read(select(table).where(table.c.organization_id == organization_id, table.c.id == id))
    return row(*found[0]) if found else None


def equal(row: type, given: dict[str, str | None]) -> list[ColumnElement[bool]]:
    """Conditions for the filters that were given."""
    columns = TABLE_OF[row].c
    return [columns[name] == value for name, value in given.items() if value is not None]
