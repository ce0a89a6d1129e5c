"""Facts kept in memory: reused while nothing changed, and never a batch longer."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy

from roony.core.agent import Agent, Organization, Project
from roony.core.cardholder import CardholderChoice
from roony.core.errors import BrokenCaller
from roony.store import facts
from roony.store.book import Book
from roony.store.facts import ConfigCache, Needs
from roony.store.tables import CONFIG_TABLES, TABLE_OF
from tests.support.books import AGENT, NOW, ORG, PROJECT, Books
from tests.support.tills import Do, answers, poison, together

AGENT_NEEDED = Needs(rows=((Agent, ORG, AGENT),))


@contextmanager
def statements(books: Books) -> Iterator[list[str]]:
    """What the writing connection runs inside the block."""
    seen: list[str] = []
    connection: sqlite3.Connection = books.till._writer._connection
    connection.set_trace_callback(seen.append)
    try:
        yield seen
    finally:
        connection.set_trace_callback(None)


def config_reads(seen: list[str]) -> list[str]:
    """The reads of configuration among them."""
    return [sql for sql in seen if sql.startswith("SELECT") and any(f" {t.name} AS t" in sql for t in CONFIG_TABLES)]


def frozen_at(book: Book, now: int) -> int | None:
    """What a command sees of the agent."""
    return book.need(Agent, ORG, AGENT).frozen_at


def elsewhere(books: Books, *changes: tuple[type, dict[str, Any]]) -> None:
    """What another process commits: on a connection of its own, past this till. Changes every row of a type."""
    engine = sqlalchemy.create_engine(books.database.url)
    with engine.begin() as connection:
        for row, values in changes:
            connection.execute(sqlalchemy.update(TABLE_OF[row]).values(**values))
    engine.dispose()


class TestReuse:
    """Nothing changed: nothing is read again."""

    def test_configuration_is_read_once(self, sqlite_books: Books) -> None:
        books = sqlite_books
        with statements(books) as first:
            books.ask(merchant="One")
        assert len(config_reads(first)) >= 4  # agent, project, controls, budgets, connection
        with statements(books) as later:
            for number in range(5):
                assert books.ask(merchant=f"Shop {number}").purchase.status == "issuing"
        assert config_reads(later) == []

    def test_a_new_version_is_read_once_and_kept(self, sqlite_books: Books) -> None:
        books = sqlite_books
        books.ask(merchant="One")
        books.reconfigure()
        with statements(books) as seen:
            books.ask(merchant="Two")
        assert config_reads(seen)
        with statements(books) as later:
            books.ask(merchant="Three")
        assert config_reads(later) == []

    def test_an_absent_row_is_kept_as_absent(self, sqlite_books: Books) -> None:
        books = sqlite_books
        needs = Needs(rows=((Agent, ORG, "agt_none"),))
        look = Do(lambda book, now: book.get(Agent, ORG, "agt_none"), needs)
        assert books.run(look) is None
        with statements(books) as seen:
            assert books.run(look) is None
        assert config_reads(seen) == []

    def test_a_failed_write_forgets_everything(self, sqlite_books: Books) -> None:
        books = sqlite_books
        books.run(Do(frozen_at, AGENT_NEEDED))
        books.run(poison())
        with statements(books) as seen:
            books.run(Do(frozen_at, AGENT_NEEDED))
        assert len(config_reads(seen)) == 1


class TestChange:
    """A change counts from the next batch on, whoever made it."""

    def test_a_freeze_by_a_command_counts_at_once(self, books: Books) -> None:
        def freeze(book: Book, now: int) -> None:
            book.put(book.need(Agent, ORG, AGENT)._replace(frozen_at=now))

        before, _, within = answers(
            together(books.till, [Do(frozen_at, AGENT_NEEDED), Do(freeze, AGENT_NEEDED), Do(frozen_at, AGENT_NEEDED)])
        )
        assert before is None
        assert within is not None
        assert books.run(Do(frozen_at, AGENT_NEEDED)) == within
        assert books.ask().purchase.status == "declined"

    def test_a_freeze_that_is_undone_never_counts(self, books: Books) -> None:
        def freeze(book: Book, now: int) -> None:
            book.put(book.need(Agent, ORG, AGENT)._replace(frozen_at=now))
            raise BrokenCaller("on purpose")

        found = answers(together(books.till, [Do(freeze, AGENT_NEEDED), Do(frozen_at, AGENT_NEEDED)]))
        assert isinstance(found[0], BrokenCaller)
        assert found[1] is None
        assert books.run(Do(frozen_at, AGENT_NEEDED)) is None
        assert books.ask().purchase.status == "issuing"

    def test_a_freeze_by_another_process_counts_in_the_next_batch(self, books: Books) -> None:
        assert books.ask(merchant="One").purchase.status == "issuing"
        elsewhere(
            books,
            (Agent, {"frozen_at": 1}),
            (Organization, {"config_version": uuid.uuid4().hex}),
        )
        assert books.run(Do(frozen_at, AGENT_NEEDED)) == 1
        assert books.ask(merchant="Two").purchase.status == "declined"

    def test_without_a_new_version_memory_answers(self, books: Books) -> None:
        """The other side of the bargain, so that the tests above prove something."""
        books.run(Do(frozen_at, AGENT_NEEDED))
        elsewhere(books, (Agent, {"frozen_at": 1}))
        assert books.run(Do(frozen_at, AGENT_NEEDED)) is None

    def test_an_organizations_own_row_is_never_kept(self, books: Books) -> None:
        assert books.ask(merchant="One").purchase.status == "issuing"
        elsewhere(books, (Organization, {"frozen_at": 1}))
        assert books.ask(merchant="Two").purchase.status == "declined"

    def test_every_kind_of_configuration_renews_the_version(self, books: Books) -> None:
        books.controls(purchase_limit=1_000)
        books.put(CardholderChoice(ORG, AGENT, "agent", "{}", NOW, NOW))
        for table in CONFIG_TABLES:
            row = books.rows(table.info["row"])[0]
            before = books.row(Organization, id=ORG).config_version
            key = tuple(getattr(row, name) for name in table.info["key"])
            books.run(Do(lambda book, now, row=row: book.put(row), Needs(rows=((type(row), *key),))))
            assert books.row(Organization, id=ORG).config_version != before

    def test_an_organizations_change_leaves_the_others_version(self, books: Books) -> None:
        books.put(books.row(Organization, id=ORG)._replace(id="org_2", config_version="kept"))
        books.run(Do(lambda book, now: book.put(Project(ORG, PROJECT, "New name", None, now))))
        assert books.row(Organization, id="org_2").config_version == "kept"


class TestRoom:
    """What is full gives up what was used longest ago."""

    def use(self, cache: ConfigCache, organization: Organization, rows: int = 1) -> bool:
        """Whether it was still kept; so many rows are, from now on."""
        kept = cache.of(organization)
        was_kept = bool(kept)
        kept.update(dict.fromkeys(range(rows)))
        return was_kept

    def test_of_more_organizations_than_fit_those_in_use_stay(
        self, sqlite_books: Books, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(facts, "MAX_CACHED_ORGANIZATIONS", 10)
        cache, one = ConfigCache(), sqlite_books.row(Organization, id=ORG)
        busy = [one._replace(id=f"busy_{number}") for number in range(8)]
        assert not any(self.use(cache, each) for each in busy)
        for number in range(50):
            assert not self.use(cache, one._replace(id=f"seldom_{number}"))
            assert all(self.use(cache, each) for each in busy)
        assert len(cache._kept) == len(cache._rows) == 10
        assert [self.use(cache, one._replace(id=f"seldom_{number}")) for number in (49, 47)] == [True, False]

    def test_rows_of_all_together(self, sqlite_books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(facts, "MAX_ALL_CACHED_ROWS", 100)
        cache, one = ConfigCache(), sqlite_books.row(Organization, id=ORG)
        small, large, new = (one._replace(id=id) for id in ("small", "large", "new"))
        # What a batch brings is counted when it is used again.
        for organization, rows in ((large, 95), (small, 10)):
            assert not self.use(cache, organization, rows)
            assert self.use(cache, organization)
        assert not self.use(cache, new)
        assert self.use(cache, small)
        assert not self.use(cache, large)
        # A new version counts anew, and one alone may have as many as it likes.
        assert not self.use(cache, small._replace(config_version="another"), 200)
        assert self.use(cache, small._replace(config_version="another"))
        assert list(cache._kept) == list(cache._rows) == ["small"]
