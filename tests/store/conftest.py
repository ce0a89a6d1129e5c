"""Books for tests of the store: on SQLite, on PostgreSQL, or on both in turn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.books import Books, open_books
from tests.support.postgres import empty_database, swept_books_database, swept_database
from tests.support.tills import DATABASES


@pytest.fixture
def postgres_url() -> Iterator[str]:
    """An empty PostgreSQL database. Tests that ask for it are skipped where there is no server."""
    with empty_database() as url:
        yield url


@pytest.fixture(params=DATABASES)
def books(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Books]:
    """Books on each database Roony runs on."""
    with swept_books_database(request.param) as url, open_books(tmp_path, url) as opened:
        yield opened


@pytest.fixture
def sqlite_books(tmp_path: Path) -> Iterator[Books]:
    """Books on a SQLite file, for what only SQLite does."""
    with open_books(tmp_path) as opened:
        yield opened


@pytest.fixture
def postgres_books(tmp_path: Path) -> Iterator[Books]:
    """Books on PostgreSQL, for what only PostgreSQL does."""
    with swept_database() as url, open_books(tmp_path, url) as opened:
        yield opened
