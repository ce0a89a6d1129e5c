"""`roony init` and `roony serve` with a key from the environment, against a separate `roony simulator`."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.cli.serving import START
from tests.support.commands import run_roony
from tests.support.served import Child, clean_environment


def start(log: Path, environment: dict[str, str], *arguments: str) -> tuple[subprocess.Popen[bytes], dict[str, Any]]:
    """A command that prints a ready line, and that line."""
    with log.open("ab") as errors:
        process = subprocess.Popen([*START, *arguments], env=environment, stdout=subprocess.PIPE, stderr=errors)
    assert process.stdout is not None
    with process.stdout as lines:
        line = lines.readline()
    assert line, log.read_text()
    return process, json.loads(line)


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """A simulator alone, with its defaults."""
    started = Child(["simulator", "--port", "0", "--ready-json"], tmp_path / "simulator.log")
    yield started.ready
    assert started.stop() == 0


@pytest.fixture
def environment(tmp_path: Path, simulator: dict[str, Any]) -> dict[str, str]:
    """What an owner sets to run on the simulator as if it were Stripe."""
    return clean_environment(
        ROONY_DATABASE_URL=f"sqlite:///{tmp_path}/roony.db",
        STRIPE_SECRET_KEY=simulator["secret_key"],
        STRIPE_WEBHOOK_SECRET=simulator["webhook_secret"],
        STRIPE_API_BASE=simulator["url"],
        STRIPE_CONNECT_BASE=simulator["url"],
        ROONY_SECRET_KEYS=run_roony("keys", "new").stdout.strip(),
    )


def ask(url: str, key: str) -> dict[str, Any]:
    """The same ask each time it is sent."""
    answer = httpx2.post(
        f"{url}/api/v1/purchase_intents", trust_env=False, timeout=30,
        headers={"Authorization": f"Bearer {key}", "Idempotency-Key": "the-same"},
        json={"amount": 1_000, "currency": "usd", "description": "a test", "merchant": {"name": "Figma"}},
    )  # fmt: skip
    return dict(answer.json())


def test_a_taken_port_is_one_sentence(simulator: dict[str, Any], tmp_path: Path) -> None:
    port = simulator["url"].rpartition(":")[2]
    alone = run_roony("simulator", "--port", port)
    assert (alone.returncode, alone.stdout) == (1, "")
    assert alone.stderr == f"Cannot listen on 127.0.0.1:{port} (Address already in use): choose another --port.\n"
    given = {"ROONY_DATABASE_URL": f"sqlite:///{tmp_path}/other.db"}
    served = run_roony("serve", "--simulate", "--port", "0", "--simulator-port", port, **given)
    assert (served.returncode, served.stdout) == (1, "")
    [line] = served.stderr.splitlines()
    assert line.startswith(f"The simulator cannot listen on port {port}")
    assert "--simulator-port" in line


def test_sealed_delivery_tells_the_agent_what_its_owner_can_do(tmp_path: Path, environment: dict[str, str]) -> None:
    owner = json.loads(run_roony("init", "--json", **environment).stdout)
    served = Child(["serve", "--port", "0", "--ready-json"], tmp_path / "serve.log", **environment)
    ready = served.ready
    try:
        as_owner = {"ROONY_URL": ready["url"], "ROONY_ADMIN_KEY": owner["admin_key"]}
        assert run_roony("connection", "start", "direct", **as_owner).returncode == 0
        agent = json.loads(run_roony("agent", "create", "buyer", "--budget", "month=50", "--json", **as_owner).stdout)
        purchase = ask(ready["url"], agent["key"])
        refused = run_roony("purchase", "card", purchase["id"], ROONY_URL=ready["url"], ROONY_AGENT_KEY=agent["key"])
        assert refused.returncode == 1
        assert "On its machine: roony agent-key new." in refused.stderr
        assert f"roony agent public-key set {agent['id']}" in refused.stderr
        assert "another kind of key" not in refused.stderr
    finally:
        assert served.stop() == 0


def test_a_direct_connection_and_a_crash_that_is_taken_up_at_once(
    tmp_path: Path, simulator: dict[str, Any], environment: dict[str, str]
) -> None:
    """A restart does not wait for the leases of the process that died: on SQLite there is no other one."""
    assert set(simulator) == {"url", "secret_key", "account", "client_id", "webhook_secret", "pid"}
    owner = json.loads(run_roony("init", "--delivery", "raw", "--json", **environment).stdout)
    log = tmp_path / "serve.log"
    process, ready = start(log, {**environment, "ROONY_STOP_AT": "after_hold"}, "serve", "--port", "0", "--ready-json")
    as_owner = {**environment, "ROONY_URL": ready["url"], "ROONY_ADMIN_KEY": owner["admin_key"]}
    connected = json.loads(run_roony("connection", "start", "direct", "--json", **as_owner).stdout)
    assert (connected["status"], connected["stripe_account"]) == ("active", simulator["account"])
    agent = json.loads(run_roony("agent", "create", "buyer", "--budget", "month=50", "--json", **as_owner).stdout)
    with pytest.raises(httpx2.TransportError):
        ask(ready["url"], agent["key"])
    assert process.wait() == -9

    process, ready = start(log, environment, "serve", "--port", "0", "--ready-json")
    try:
        deadline = time.monotonic() + 60
        while (purchase := ask(ready["url"], agent["key"]))["status"] == "issuing" and time.monotonic() < deadline:
            time.sleep(0.05)
        assert purchase["status"] == "ready"
        cards = httpx2.get(
            f"{simulator['url']}/v1/issuing/cards", headers={"Authorization": f"Bearer {simulator['secret_key']}"},
            trust_env=False, timeout=60,
        ).json()["data"]  # fmt: skip
        assert [card["metadata"]["roony_purchase"] for card in cards] == [purchase["id"]]
    finally:
        process.terminate()
        assert process.wait() == 0
