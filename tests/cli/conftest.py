"""One simulated Roony for all tests of the commands that speak to it, and a way to run a command in this process."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from roony.cli.commands import app
from tests.cli.serving import ServedSimulation


@pytest.fixture(scope="package")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedSimulation]:
    """A running Roony with the simulator and its demo organization, until the last test of this folder."""
    with ServedSimulation(tmp_path_factory.mktemp("served")) as simulation:
        yield simulation


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test sees what the machine says about Stripe and Roony, nor a database of its working directory."""
    import os

    for name in list(os.environ):
        if name.startswith(("STRIPE_", "ROONY_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def roony(served: ServedSimulation) -> Callable[..., Result]:
    """Runs a command against the served Roony, as the demo owner and the demo agent."""
    environment = {
        "ROONY_URL": served.ready["url"],
        "ROONY_ADMIN_KEY": served.ready["admin_key"],
        "ROONY_AGENT_KEY": served.ready["agent_key"],
    }

    def run(*arguments: str, **more: str) -> Result:
        return CliRunner().invoke(app, list(arguments), env={**environment, **more})

    return run


@pytest.fixture
def roony_json(roony: Callable[..., Result]) -> Callable[..., Any]:
    """Runs a command with --json, expects exit code 0 and gives what it printed."""

    def run(*arguments: str, **more: str) -> Any:
        result = roony(*arguments, "--json", **more)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return run
