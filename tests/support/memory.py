"""Books without any database: the same commands, loader and book, over rows in memory; fast enough for many orders."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, cast

from sqlalchemy import Table

from roony.core.agent import Organization
from roony.core.budget import BudgetPeriod
from roony.core.ledger import Entry
from roony.store.book import Book, key_of
from roony.store.facts import ConfigCache, FactLoader
from roony.store.rows import EventOutcome, InboxEvent, OutboxPromise
from roony.store.statements import ADDED_ONCE, KEEP_FIRST
from roony.store.tables import TABLE_OF, row_type
from roony.store.writer import Writer
from tests.support.books import ORG, Books, Clock, seed


class MemoryWriter:
    """Rows by type and key, read and written as the statements of the till do it."""

    backend = "memory"

    def __init__(self) -> None:
        self.rows: dict[type, dict[tuple[Any, ...], Any]] = {row: {} for row in TABLE_OF}

    def rows_by(self, table: Table, by: tuple[str, ...], keys: Sequence[Sequence[Any]]) -> list[Any]:
        row, wanted = row_type(table), dict.fromkeys(map(tuple, keys))
        if list(by) == table.info["key"]:
            return [self.rows[row][key] for key in wanted if key in self.rows[row]]
        return [item for item in self.rows[row].values() if tuple(getattr(item, name) for name in by) in wanted]

    def write_rows(self, table: Table, rows: Iterable[Any]) -> None:
        row = row_type(table)
        for item in rows:
            key = key_of(row, item)
            there = self.rows[row].get(key)
            if there is not None:
                assert table not in ADDED_ONCE, f"{row.__name__} {key} is there already"
                if table in KEEP_FIRST:
                    continue
            if there is not None and row is BudgetPeriod:
                moved = row(*item)
                self.rows[row][key] = there._replace(held=there.held + moved.held, spent=there.spent + moved.spent)
            else:
                self.rows[row][key] = row(*item)

    def update_rows(self, table: Table, places: tuple[int, ...], rows: Iterable[Any]) -> None:
        row = row_type(table)
        names = [row._fields[place] for place in places]
        for item in rows:
            key = key_of(row, item)
            self.rows[row][key] = self.rows[row][key]._replace(**{name: getattr(item, name) for name in names})

    def run_many(self, sql: str, rows: Iterable[Any]) -> None:
        """How events and promises ended, for the holder of the newest lease only."""
        for item in rows:
            if isinstance(item, EventOutcome):
                self._finish(InboxEvent, (item.id,), item, {"failures": item.failed})
            else:
                self._finish(OutboxPromise, (item.organization_id, item.id), item, {})

    def _finish(self, row: type, key: tuple[Any, ...], outcome: Any, added: dict[str, int]) -> None:
        there = self.rows[row].get(key)
        if there is None or there.generation != outcome.generation:
            return
        fields = {name: value for name, value in outcome._asdict().items() if name in row._fields}
        more = {name: getattr(there, name) + value for name, value in added.items()}
        self.rows[row][key] = there._replace(**fields, **more, lease_until=0)


class Kept(NamedTuple):
    """Books at one moment."""

    rows: dict[type, dict[tuple[Any, ...], Any]]
    numbers: dict[str, int]
    versions: int
    now: int


class MemoryBooks(Books):
    """The same short ways as `Books`, one command at a time."""

    def __init__(self) -> None:
        self.writer = MemoryWriter()
        self.clock = Clock()
        self._numbers = {}
        self._versions = 0
        self.put(*seed())

    def kept(self) -> Kept:
        """Everything as it is now, to be put back later: rows never change, so only where they lie is copied."""
        rows = {row: dict(there) for row, there in self.writer.rows.items() if there}
        return Kept(rows, dict(self._numbers), self._versions, self.clock.now)

    def put_back(self, kept: Kept) -> None:
        """Everything as it was when it was kept."""
        self.writer.rows = {row: dict(kept.rows.get(row, ())) for row in TABLE_OF}
        self._numbers, self._versions, self.clock.now = dict(kept.numbers), kept.versions, kept.now

    def run(self, command: Any) -> Any:
        organization = self.writer.rows[Organization][(ORG,)]
        clocks = {ORG: max(self.clock(), organization.clock)}
        book = Book(self._new_version)
        writer = cast(Writer, self.writer)
        FactLoader(writer, ConfigCache()).load(book, [organization], [command.needs(clocks[ORG])], clocks)
        book.start_command()
        answer = command.apply(book, clocks[ORG])
        book.write(writer, clocks)
        return answer

    def put(self, *rows: tuple[Any, ...]) -> None:
        for row in rows:
            self.writer.rows[type(row)][key_of(type(row), row)] = row

    def rows(self, row: type, **where: Any) -> list[Any]:
        found = self.writer.rows[row]
        if where:
            wanted = list(where.items())
            found = {key: item for key, item in found.items() if all(getattr(item, name) == v for name, v in wanted)}
        return [found[key] for key in sorted(found)]

    def entries(self) -> list[Any]:
        return self.rows(Entry)

    def _new_version(self) -> str:
        self._versions += 1
        return f"v{self._versions}"
