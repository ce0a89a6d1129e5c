"""The databases on which flows are tested."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.postgres import swept_books_database
from tests.support.tills import DATABASES


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """For `open_books`: a file, then PostgreSQL."""
    with swept_books_database(request.param) as url:
        yield url
