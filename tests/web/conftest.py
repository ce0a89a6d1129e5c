"""Roony's web, served over real HTTP: once without any Stripe, once with the simulated one behind it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog

from tests.support.serving import Company, ServedRoony, serve
from tests.support.simulator import SimulatorProcess

MONTH = {"period": "month", "limit": 500_000, "currency": "usd"}


@pytest.fixture(autouse=True, scope="module")
def plain_logs() -> Iterator[None]:
    """As in production: a traceback without the values of every frame, which would take seconds to draw."""
    processors = structlog.processors
    structlog.configure([processors.add_log_level, processors.format_exc_info, processors.KeyValueRenderer()])
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="module")
def roony(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedRoony]:
    """One for each file of tests; every test makes a company of its own."""
    with serve(tmp_path_factory.mktemp("web")) as served:
        yield served


@pytest.fixture
def company(roony: ServedRoony) -> Company:
    return roony.company()


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorProcess]:
    with SimulatorProcess() as process:
        yield process


@pytest.fixture
def connected(simulator: SimulatorProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedRoony]:
    """A Roony of its own with an empty Stripe behind it."""
    simulator.control("reset", {})
    with serve(tmp_path_factory.mktemp("connected"), simulator.url) as served:
        yield served


@pytest.fixture
def shop(connected: ServedRoony) -> Company:
    """A company with an active Stripe account, handing out card numbers in its answers."""
    made = connected.company("Shop", delivery="raw")
    made.owner.send("POST", "/api/v1/admin/connections", {"kind": "direct"}, 201)
    return made
