"""A served Roony with a simulated Stripe, one for each module of journeys."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.postgres import books_database
from tests.support.served import Buyer, Simulation
from tests.support.tills import DATABASES

# Journeys that are made on PostgreSQL too: those in which the database has a part.
ON_BOTH = {
    "test_app_life", "test_app_refresh_crash", "test_approvals", "test_at_once", "test_connect", "test_connect_app",
    "test_hang_up", "test_payment", "test_receipts", "test_reports", "test_restart", "test_waiting",
    "test_webhook_door",
}  # fmt: skip


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs some modules once for each database."""
    if "backend" in metafunc.fixturenames and metafunc.module.__name__.rpartition(".")[2] in ON_BOTH:
        metafunc.parametrize("backend", DATABASES, scope="module")


@pytest.fixture(scope="module")
def backend() -> str:
    """Where the books are."""
    return "sqlite"


@pytest.fixture(scope="module")
def roony(tmp_path_factory: pytest.TempPathFactory, backend: str) -> Iterator[Simulation]:
    """`roony serve --simulate`, shared by the tests of a module: each makes agents and merchants of its own."""
    with books_database(backend) as url, Simulation(tmp_path_factory.mktemp("roony"), url) as served:
        yield served


@pytest.fixture
def database_url(backend: str) -> Iterator[str | None]:
    """A fresh database for a test that starts Roony itself: None is a file."""
    with books_database(backend) as url:
        yield url


@pytest.fixture
def buyer(roony: Simulation) -> Buyer:
    """An agent of this test alone, in a project of its own."""
    return roony.buyer()
