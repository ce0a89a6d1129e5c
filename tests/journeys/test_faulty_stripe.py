"""Stripe's Issuing API fails at one call in ten, in every way: one card for each purchase all the same."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from rich.console import Console

from tests.support.faulty_run import FaultyRun
from tests.support.postgres import books_database
from tests.support.progress import Progress
from tests.support.served import Simulation
from tests.support.tills import DATABASES

SEED = int(os.environ.get("ROONY_TEST_SEED", "20261128"))
SOAK_PURCHASES = 1_000


def test_a_hundred_purchases_end_with_one_card_each(roony: Simulation) -> None:
    """P2, P8: no orphan card, no leaked hold, and no text of an exception to an agent."""
    run = FaultyRun(roony, SEED, 100)
    run.play()
    assert run.counts["answered issuing"] > 0, run.counts


@pytest.mark.soak
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("backend", DATABASES)
def test_a_thousand_purchases_end_with_one_card_each(
    backend: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same at length, on both databases. ROONY_TEST_SEED repeats it."""
    began = time.monotonic()
    with books_database(backend) as url, Simulation(tmp_path, url) as served:
        run = FaultyRun(served, SEED, SOAK_PURCHASES)
        run.play(Progress(capsys))
    with capsys.disabled():
        seconds = time.monotonic() - began
        Console().print(f"\n{backend}: ROONY_TEST_SEED={SEED}, {seconds:.0f} s", json.dumps(run.counts))
