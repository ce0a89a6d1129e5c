"""docs/simulator.md does what it says: its programs run, its controls exist, its options are those of both commands."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from starlette.routing import Route

from roony.cli import main
from roony.simulator.clock import Clock
from roony.simulator.server import Simulator
from roony.simulator.world import World
from tests.support.ports import hold_port
from tests.support.simulator import SimulatorProcess

GUIDE = Path(__file__).parents[2] / "docs" / "simulator.md"


def program(holding: str) -> str:
    """Return the one Python program of the guide that contains a word."""
    found = [text for text in re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL) if holding in text]
    assert len(found) == 1
    return found[0]


def until_it_listens(port: int, process: subprocess.Popen[str]) -> None:
    """Return once a program accepts connections."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as attempt:
            if attempt.connect_ex(("127.0.0.1", port)) == 0:
                return
    pytest.fail("webhook.py does not listen")


def test_the_programs_of_the_guide_run(tmp_path: Path) -> None:
    held = hold_port()
    port = held.getsockname()[1]
    webhook = program("class Webhook").replace("4242", str(port))
    with held, SimulatorProcess("--webhook-url", f"http://127.0.0.1:{port}/webhook") as simulator:
        file = tmp_path / "webhook.py"
        file.write_text(webhook)
        answering = subprocess.Popen([sys.executable, str(file)], stdout=subprocess.PIPE, text=True)
        try:
            until_it_listens(port, answering)
            first, buy = (
                program(word).replace("http://localhost:8001", simulator.url)
                for word in ("print(client.v1.balance", "Lucky Seven")
            )
            assert "localhost" not in first + buy
            begun = subprocess.run([sys.executable, "-c", first], capture_output=True, text=True, check=True)
            assert begun.stdout == "10000000\n"
            bought = subprocess.run([sys.executable, "-c", buy], capture_output=True, text=True, check=True).stdout
        finally:
            answering.terminate()
            heard, _ = answering.communicate(timeout=60)
    for line in (
        "Lucky Seven False webhook_declined",
        "Figma False spending_controls",
        "Figma True webhook_approved",
        "captured -4900 refunded 1000",
        "balance 9996100",
    ):
        assert line in bought.splitlines()
    assert "issuing_cardholder.created" in bought
    assert "issuing_authorization.request" in heard


def test_the_controls_of_the_guide_exist() -> None:
    simulator = Simulator(World(Clock(), "sk_test_guide"))
    there = {
        (method, re.sub(r"\{\w+\}", "{id}", route.path))
        for route in simulator._app.routes
        if isinstance(route, Route)
        for method in route.methods or ()
    }
    rows = re.findall(r"^\| (`.*?/_simulator/\S+`) \|", GUIDE.read_text(), re.MULTILINE)
    assert len(rows) > 8
    for row in rows:
        path = row.strip("`").split()[-1]
        for method in re.findall(r"GET|POST", row):
            assert (method, path) in there, row


def test_both_commands_explain_each_option_and_name_the_guide(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(sys, "argv", ["roony", "simulator", "--help"])
    with pytest.raises(SystemExit):
        main()
    command = capsys.readouterr().out
    alone = subprocess.run(
        [sys.executable, "-m", "roony.simulator", "--help"], capture_output=True, text=True, check=True
    ).stdout
    for shown in (command, alone):
        assert "docs/simulator.md" in shown
        assert "--webhook-url http://localhost:4242/webhook" in shown
        for option in ("--port", "--webhook-url", "--webhook-secret", "--secret-key", "--state", "--ready-json"):
            assert re.search(rf"{option}\b.*\n?.*[a-z]{{4}}", shown), option
