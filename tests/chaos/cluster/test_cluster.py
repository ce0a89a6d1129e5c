"""Three databases and three Roonys: the primary killed, hosts cut off, nodes restarted, under load."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.cluster.__main__ import ACTS
from tests.chaos.cluster.hosts import missing


@pytest.mark.chaos
def test_nothing_is_lost_or_exceeded_when_nodes_die(capsys: pytest.CaptureFixture[str]) -> None:
    """P1, P4, P8: the checks are in company.py; the program fails when one does not hold."""
    if lacking := missing():
        pytest.skip(lacking)
    root = Path(__file__).parents[3]
    with capsys.disabled():
        done = subprocess.run(
            [sys.executable, "-m", "tests.chaos.cluster"], cwd=root, stdout=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 0
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["approved"] > 0
    assert [event["what"] for event in report["events"]] == [name.replace("_", " ") for name in ACTS]
