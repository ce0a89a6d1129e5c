"""The databases on which flows are tested."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.loopback import LoopbackStripe
from tests.support.books import Books, open_books
from tests.support.memory import MemoryBooks
from tests.support.postgres import swept_books_database
from tests.support.promises import all_is_well
from tests.support.reconciling import Lossy, lossy
from tests.support.simulator import Receiver, SimulatorProcess
from tests.support.tills import DATABASES


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """For `open_books`: a file, then PostgreSQL."""
    with swept_books_database(request.param) as url:
        yield url


@pytest.fixture
def books(tmp_path: Path, database_url: str | None) -> Iterator[Books]:
    """Books on each database; many files have books of their own."""
    with open_books(tmp_path, database_url) as opened:
        yield opened


@pytest.fixture(params=[*DATABASES, "memory"])
def everywhere(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Books]:
    """Books on the real till of each database, and without any; every promise about them holds at the end."""
    if request.param == "memory":
        books: Books = MemoryBooks()
        yield books
        all_is_well(books)
        return
    with swept_books_database(request.param) as url, open_books(tmp_path, url) as books:
        yield books
        all_is_well(books)


@pytest.fixture
def wire() -> Iterator[LoopbackStripe]:
    """A Stripe that answers as scripted."""
    with LoopbackStripe() as server:
        yield server


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorProcess]:
    """A simulator for each module that wants one."""
    with SimulatorProcess() as process:
        yield process


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    """An endpoint that is not Roony's."""
    with Receiver() as listening:
        yield listening


@pytest.fixture
def roony(books: Books, simulator: SimulatorProcess, receiver: Receiver) -> Iterator[Lossy]:
    """Roony beside a Stripe whose events arrive only where a test delivers them."""
    with lossy(books, simulator, receiver) as made:
        yield made
