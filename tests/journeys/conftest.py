"""A served Roony with a simulated Stripe, one for each module of journeys."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.served import Buyer, Simulation


@pytest.fixture(scope="module")
def roony(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulation]:
    """`roony serve --simulate`, shared by the tests of a module: each makes agents and merchants of its own."""
    with Simulation(tmp_path_factory.mktemp("roony")) as served:
        yield served


@pytest.fixture
def buyer(roony: Simulation) -> Buyer:
    """An agent of this test alone, in a project of its own."""
    return roony.buyer()
