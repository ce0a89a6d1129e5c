"""Whatever has piled up, rows are found by an index: the till's statements, by the databases' own plans."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from sqlalchemy import Integer, Table
from sqlalchemy.dialects import sqlite
from sqlalchemy.sql.dml import Delete, Update
from sqlalchemy.sql.selectable import SelectBase

import roony
from roony.store.book import GROUPED_BY
from roony.store.statements import finish_event, finish_promise, select_by, update_rows
from roony.store.tables import TABLE_OF, metadata
from tests.support.books import Books
from tests.support.plans import Statement, full_scans

# One row, or a few, for each organization: duties look at all of them.
FEW = {"organizations", "connections", "notice_cursors", "webhook_endpoints", "message_recipients"}
GROWING = set(metadata.tables) - FEW


def test_rows_of_the_till_are_found_by_an_index(books: Books) -> None:
    """What it reads by keys and in groups, and what it writes back."""
    backend = "sqlite" if books.database.is_sqlite else "postgresql"
    statements: list[Statement] = []
    for row, table in TABLE_OF.items():
        key = tuple(table.info["key"])
        groups = [("organization_id", column) for column in GROUPED_BY.get(row, ()) if column not in key[:1]]
        statements += [(select_by(table, by, backend), _keys(table, by, backend)) for by in (key, *groups)]
        rest = [place for place, column in enumerate(table.columns) if column.name not in key][:1]
        if rest:
            columns = [table.columns[rest[0]], *(table.columns[name] for name in key)]
            statements.append((update_rows(table, tuple(rest), backend), [_value(column) for column in columns]))
    statements += [(finish_event(backend), ["x", "x", "x", 1, 1, 1, "x", 1])]
    statements += [(finish_promise(backend), ["x", "x", 1, 1, 1, "x", 1, "x", "x", 1])]
    assert full_scans(books.database, statements, set(metadata.tables)) == {}


def _keys(table: Table, by: tuple[str, ...], backend: str) -> list[Any]:
    return ["[]"] if backend == "sqlite" else [[_value(table.columns[name])] for name in by]


def _value(column: Any) -> Any:
    return 1 if isinstance(column.type, Integer) else b"x" if column.type.python_type is bytes else "x"


def test_statements_written_out_find_their_rows_by_an_index(sqlite_books: Books) -> None:
    """Each that stands in a module: claims of events, promises and deliveries, and what is swept."""
    dialect = sqlite.dialect(paramstyle="qmark")
    statements = [_compiled(statement, dialect) for statement in _written_out()]
    assert len(statements) > 10
    assert full_scans(sqlite_books.database, statements, GROWING) == {}


def _written_out() -> Iterator[Any]:
    for module in pkgutil.walk_packages(roony.__path__, "roony."):
        if module.name.startswith(("roony.store", "roony.flows")) and ".migrations" not in module.name:
            for value in vars(import_module(module.name)).values():
                some = value.values() if isinstance(value, dict) else [value]
                yield from (one for one in some if isinstance(one, SelectBase | Update | Delete))


def _compiled(statement: Any, dialect: Any) -> Statement:
    compiled = statement.compile(dialect=dialect)
    values = {}
    for bind, name in compiled.bind_names.items():
        some = [_value(bind)] if bind.expanding else _value(bind)
        values[name] = compiled.params[name] if compiled.params[name] is not None else some
    run = compiled.construct_expanded_state(values)
    return run.statement, run.positional_parameters
