"""How a database would answer a statement, asked of the database itself: what it would read from end to end."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

import psycopg
from sqlalchemy import event

from roony.store.database import Database
from roony.store.tables import metadata

# Indexes of few rows each, whatever has piled up: read whole they are no full scan.
PARTIAL = {
    index.name
    for table in metadata.tables.values()
    for index in table.indexes
    if index.dialect_options["sqlite"]["where"] is not None
}
_SCAN = re.compile(r"SCAN (\w+)(?: USING (?:COVERING )?INDEX (\w+))?")
_PAGE = re.compile(r"^(?!.*(?:UNION ALL|GROUP BY)).*?FROM (\w+).*ORDER BY.*LIMIT", re.DOTALL)
Statement = tuple[str, Any]
_OURS = b"relnamespace = current_schema()::regnamespace"
_FORGET_STATISTICS = (
    b"UPDATE pg_class SET reltuples = -1, relpages = 0 WHERE " + _OURS,
    b"DELETE FROM pg_statistic USING pg_class WHERE starelid = pg_class.oid AND " + _OURS,
)


class Listener:
    """The statements that `Database.read` runs from now on, each text once with the values it came with first."""

    def __init__(self, database: Database) -> None:
        self.heard: dict[str, Any] = {}
        event.listen(database.engine, "before_cursor_execute", self._hear)

    def _hear(self, _c: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        self.heard.setdefault(statement, parameters)

    def statements(self) -> list[Statement]:
        """What was heard."""
        return list(self.heard.items())


def full_scans(database: Database, statements: Sequence[Statement], tables: set[str]) -> dict[str, set[str]]:
    """By statement, those of the tables that it would read from end to end."""
    find = _sqlite_scans if database.path is not None else _postgresql_scans
    found = {statement: scanned & tables for statement, scanned in find(database, statements)}
    return {statement: scanned for statement, scanned in found.items() if scanned}


def sorted_lists(database: Database, statements: Sequence[Statement], tables: set[str]) -> set[str]:
    """Those statements, of one page of one of the tables each, that would sort all rows that fit to give the first.

    Rows that lie in the order of the first column already, and are sorted by the rest only, are few; so are those of
    several pages that are put together.
    """
    pages = [one for one in statements if (found := _PAGE.search(one[0])) and found[1] in tables]
    if database.path is not None:
        return {one for one, steps in _sqlite_plans(database, pages) if "USE TEMP B-TREE FOR ORDER BY" in steps}
    return {one for one, plan in _postgresql_plans(database, pages) if "Sort" in _kinds(plan)}


def _sqlite_scans(database: Database, statements: Sequence[Statement]) -> Iterator[tuple[str, set[str]]]:
    for statement, steps in _sqlite_plans(database, statements):
        scans = [found for step in steps if (found := _SCAN.match(step))]
        # The plan names a table as the statement does.
        yield statement, {_named(one[1], statement) for one in scans if one[2] not in PARTIAL}


def _sqlite_plans(database: Database, statements: Sequence[Statement]) -> Iterator[tuple[str, list[str]]]:
    with closing(sqlite3.connect(database.url.database or "")) as connection:
        for statement, values in statements:
            rows = connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)
            yield statement, [row[3] for row in rows]


def _named(alias: str, statement: str) -> str:
    found = re.search(rf"(\w+) AS {alias}\b", statement)
    return found[1] if found and alias not in metadata.tables else alias


def _postgresql_scans(database: Database, statements: Sequence[Statement]) -> Iterator[tuple[str, set[str]]]:
    for statement, plan in _postgresql_plans(database, statements):
        yield statement, set(_whole(plan))


def _postgresql_plans(database: Database, statements: Sequence[Statement]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    address = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with closing(psycopg.connect(address, cursor_factory=psycopg.ClientCursor)) as connection:
        # As if nobody had counted yet: of a table known to be empty any plan is good. Undone when this connection ends.
        for forget in _FORGET_STATISTICS:
            connection.execute(forget)
        # Small tables are read whole without a thought. With these ways closed, it is done only where no index answers.
        for way in ("seqscan", "bitmapscan", "sort", "hashjoin", "mergejoin", "material", "memoize"):
            connection.execute(f"SET enable_{way} = off".encode())
        for statement, values in statements:
            explained = connection.execute(f"EXPLAIN (FORMAT JSON) {statement}".encode(), values or None)
            [[plan]] = explained.fetchone() or [[{}]]
            yield statement, plan["Plan"]


def _kinds(node: Mapping[str, Any]) -> set[str]:
    return {node["Node Type"]}.union(*(_kinds(child) for child in node.get("Plans", ())))


def _whole(node: Mapping[str, Any]) -> Iterator[str]:
    kind = node["Node Type"]
    by_index = "Index Cond" in node or node.get("Index Name") in PARTIAL
    if kind == "Seq Scan" or (kind in ("Index Scan", "Index Only Scan", "Bitmap Index Scan") and not by_index):
        yield node.get("Relation Name") or str(node.get("Index Name"))
    for child in node.get("Plans", ()):
        yield from _whole(child)
