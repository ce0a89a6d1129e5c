"""Random companies with a fixed seed: whatever happens in whatever order, the promises of design section 12 hold.

The same machine runs for as long as one likes with `make soak` (test_soak.py).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.random.ground import Ground, MemoryGround, PostgresGround, SqliteGround
from tests.random.renewing import machine_on
from tests.random.watch import Counts
from tests.support.postgres import books_database
from tests.support.tills import DATABASES

SEED = int(os.environ.get("ROONY_TEST_SEED", "20261122"))
QUIET = settings(
    deadline=None, database=None, print_blob=True, suppress_health_check=list(HealthCheck),
    phases=(Phase.generate, Phase.shrink), report_multiple_bugs=False,
)  # fmt: skip


def run(ground: Ground, number: int, examples: int, steps: int, counts: Counts) -> None:
    """Random companies of one seed; a failure tells it, and the shortest run that hypothesis finds for it."""
    machine = seed(number)(machine_on(ground, counts))
    try:
        run_state_machine_as_test(machine, settings=settings(QUIET, max_examples=examples, stateful_step_count=steps))
    except Exception as error:
        error.add_note(f"to repeat: ROONY_TEST_SEED={number}, on {ground.name}")
        raise


@pytest.fixture(params=DATABASES)
def ground(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqliteGround | PostgresGround]:
    """A till over each database."""
    with books_database(request.param) as url:
        opened = PostgresGround(url) if url else SqliteGround(tmp_path)
        yield opened
        opened.close()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("number", range(2))
def test_random_companies_keep_every_promise_in_memory(number: int) -> None:
    """Commands and rules over rows in memory, where many histories fit into the time."""
    counts = Counts()
    run(MemoryGround(), SEED + number, 20, 60, counts)
    assert counts.approvals > 50
    assert counts.delivered > 500


@pytest.mark.timeout(300)
def test_random_companies_keep_every_promise_on_a_database(ground: SqliteGround | PostgresGround) -> None:
    """The real till, with processes that die and connections that break at commits."""
    counts = Counts()
    run(ground, SEED, 7, 50, counts)
    assert counts.crashes > 5
    assert counts.approvals > 10
    assert counts.words["decisions replayed"] > 100
    assert counts.words["purchases proven"] > 20
    assert min(ground.archived) > 0
