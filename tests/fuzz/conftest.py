"""How much is made up: a few seconds' worth in `make test`, the same for every run; a long time in `make soak`."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, Phase, seed, settings

from tests.support.progress import Progress

# What one of the tests here is given of `make soak`.
SECONDS = int(os.environ.get("ROONY_SOAK_SECONDS", "600")) / 10
SEED = int(os.environ.get("ROONY_TEST_SEED", "20261129"))
QUICK = settings(
    max_examples=300, deadline=None, derandomize=True, database=None, print_blob=True,
    suppress_health_check=list(HealthCheck), phases=(Phase.explicit, Phase.generate, Phase.shrink),
)  # fmt: skip
LONG = settings(QUICK, max_examples=2_000, derandomize=False)

Drive = Callable[..., None]


@pytest.fixture(params=["quick", pytest.param("soak", marks=pytest.mark.soak)])
def drive(request: pytest.FixtureRequest) -> Drive:
    """Runs a test of hypothesis: `quick` so many examples, in `make soak` one seed after the other."""

    def quickly(test: Any, examples: int = QUICK.max_examples) -> None:
        settings(QUICK, max_examples=examples)(test)()

    def long(test: Any, examples: int = 0) -> None:
        until, started = time.monotonic() + SECONDS, settings(LONG)(test)
        tell = Progress(request.getfixturevalue("capsys"))
        for number in count(SEED):
            try:
                seed(number)(started)()
            except Exception as error:
                error.add_note(f"to repeat: ROONY_TEST_SEED={number} make soak")
                raise
            done = f"{number - SEED + 1} rounds of {LONG.max_examples:,} from ROONY_TEST_SEED={SEED}"
            over = time.monotonic() > until
            tell(done, last=over)
            if over:
                return

    return quickly if request.param == "quick" else long


@pytest.fixture(autouse=True, scope="module")
def no_logs() -> Any:
    """A line for each of thousands of requests would take most of the time."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    yield
    structlog.reset_defaults()
