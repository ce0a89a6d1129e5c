"""How many processes write to a database: what they share of Stripe's limits depends on it."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from roony.gateway.pace import Pace
from roony.store.database import Database
from roony.worker import Worker
from tests.support.books import open_books
from tests.support.offline import offline_context
from tests.support.postgres import swept_books_database
from tests.support.tills import DATABASES


@pytest.mark.parametrize("backend", DATABASES)
def test_each_process_takes_its_share(backend: str, tmp_path: Path) -> None:
    """Counted by their writing connections; a file has one process."""
    with (
        swept_books_database(backend) as url,
        open_books(tmp_path, url) as books,
        offline_context(books) as context,
        ExitStack() as stack,
    ):
        assert books.database.processes() == 1
        several = 1
        if url is not None:
            other = stack.enter_context(closing(Database(url)))
            stack.enter_context(closing(other.open_writer()))
            several = books.database.processes()
            assert several == 2
        pace = Pace(10.0)
        asyncio.run(Worker(context, pace=pace)._share_pace())
        assert pace._processes == several
