"""How many processes write to a database: what they share of Stripe's limits depends on it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from roony.flows.context import FlowContext
from roony.gateway.pace import Pace
from roony.store.database import Database
from roony.worker import Worker
from tests.support.books import open_books
from tests.support.postgres import swept_books_database
from tests.support.tills import DATABASES


@pytest.mark.parametrize("backend", DATABASES)
def test_each_process_takes_its_share(backend: str, tmp_path: Path) -> None:
    """Counted by their writing connections; a file has one process."""
    with swept_books_database(backend) as url, open_books(tmp_path, url) as books:
        assert books.database.processes() == 1
        several = 1
        if url is not None:
            other = Database(url)
            writer = other.open_writer()
            several = books.database.processes()
            assert several == 2
        pace = Pace(10.0)
        context = cast(FlowContext, _Context(books.database))
        asyncio.run(Worker(context, pace=pace)._share_pace())
        assert pace._processes == several
        if url is not None:
            writer.close()
            other.close()


class _Context:
    """What sharing needs."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def __getattr__(self, name: str) -> Any:
        return None
