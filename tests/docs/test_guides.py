"""The pages are followed as a reader would: every session of commands is typed, and prints what the page shows."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from roony.cli.demo_company import BUDGETS, CONTROLS
from roony.outbound.signature import new_secret
from tests.cli.serving import ServedSimulation
from tests.docs.blocks import ROOT, blocks, session, sessions
from tests.docs.reader import Reader, is_as_shown
from tests.support.commands import run_roony
from tests.support.ports import hold_port
from tests.support.served import clean_environment
from tests.support.serving import Caller
from tests.support.simulator import SimulatorProcess

SIMULATOR = "docs/simulator.md"
# Sessions that need something else than the demo's server.
OWN_KEY, WITHOUT = "own key", "without Stripe"
SESSIONS = [each for each in sessions() if each[0] != SIMULATOR and each[1] not in (OWN_KEY, WITHOUT)]
MISSING = [program for program in ("bash", "curl", "jq") if shutil.which(program) is None]
needs_programs = pytest.mark.skipif(
    bool(MISSING) and "CI" not in os.environ, reason=f"the pages use {' and '.join(MISSING)}: apt-get install them"
)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedSimulation]:
    with ServedSimulation(tmp_path_factory.mktemp("pages")) as simulation:
        yield simulation


def own_agent(served: ServedSimulation, name: str) -> dict[str, Any]:
    """What the server said of itself, with a fresh agent like the demo's: no session sees another one's money."""
    owner = Caller(served.ready["url"], served.ready["admin_key"])
    try:
        budgets = [{"period": each.period, "limit": each.amount, "currency": each.currency} for each in BUDGETS]
        body = {"name": f"reader of {name}", "controls": CONTROLS, "budgets": budgets}
        made = owner.send("POST", "/api/v1/admin/agents", body, 201)
    finally:
        owner.close()
    return {**served.ready, "agent_id": made["id"], "agent_key": made["key"]}


def follow(reader: Reader, page: str, name: str) -> None:
    """Types one session and compares what it prints with what the page shows."""
    for block, shown in session(page, name):
        printed = reader.read(block)
        if shown is not None:
            assert is_as_shown(shown.text, printed), f"{shown.place}\n{shown.text}\nPrinted:\n{printed}"


@needs_programs
@pytest.mark.parametrize(("page", "name"), SESSIONS, ids=[f"{page}, {name}" for page, name in SESSIONS])
def test_a_session_of_a_page_goes_as_shown(page: str, name: str, served: ServedSimulation, tmp_path: Path) -> None:
    with Reader(tmp_path, own_agent(served, name), served.database) as reader:
        follow(reader, page, name)


@pytest.fixture
def ports() -> Iterator[tuple[int, int]]:
    """Two ports that nobody else is given: one for Roony, one for its Stripe."""
    with hold_port() as ours, hold_port() as stripes:
        yield ours.getsockname()[1], stripes.getsockname()[1]


@needs_programs
@pytest.mark.parametrize("page", ["README.md", "docs/stripe-setup.md"])
def test_the_steps_with_an_own_key_go(page: str, ports: tuple[int, int], tmp_path: Path) -> None:
    """With the simulator in Stripe's place, and nothing set but where it is."""
    url, key, secret = f"http://127.0.0.1:{ports[0]}", "sk_test_ofthereaders", "whsec_ofthereadersown"
    door = ("--webhook-url", f"{url}/api/webhooks/stripe", "--webhook-secret", secret)
    simulator = SimulatorProcess(*door, "--secret-key", key)
    there = {"simulator_url": simulator.url, "url": url, "webhook_secret": secret, "stripe_secret_key": key}
    here = {"https://api.stripe.com": simulator.url}
    try:
        with Reader(tmp_path, there, here=here, STRIPE_API_BASE=simulator.url) as reader:
            follow(reader, page, OWN_KEY)
            assert "agt" in reader.known
        approved = [one.approved for one in simulator.client().v1.issuing.authorizations.list().data]
    finally:
        simulator.stop()
    assert approved == ([True] if page.endswith("setup.md") else [])


@needs_programs
def test_the_steps_without_stripe_go(ports: tuple[int, int], tmp_path: Path) -> None:
    """Both programs as the page starts them."""
    url, stripes = (f"http://127.0.0.1:{port}" for port in ports)
    here = {"--port 8001": f"--port {ports[1]}"}
    with Reader(tmp_path, {"simulator_url": stripes, "url": url}, here=here) as reader:
        follow(reader, "docs/stripe-setup.md", WITHOUT)
        assert httpx2.get(f"{url}/readyz", trust_env=False, timeout=30).status_code == 200


@needs_programs
def test_the_commands_for_the_simulator_go(tmp_path: Path) -> None:
    """On one of its own: they turn its clock and forget all it has."""
    simulator = SimulatorProcess()
    try:
        with Reader(tmp_path, {"simulator_url": simulator.url}) as reader:
            follow(reader, SIMULATOR, "simulator")
    finally:
        simulator.stop()


def only_block(page: str, holding: str) -> str:
    """The one block of a page that contains a word."""
    found = [block.text for block in blocks(ROOT / page) if holding in block.text]
    assert len(found) == 1
    return found[0]


def test_the_rules_of_the_page_apply(served: ServedSimulation, tmp_path: Path) -> None:
    """docs/controls.md has a file of rules; only its version is of another day."""
    rules = only_block("docs/controls.md", "organization:\n  version:")
    rules = re.sub(r"\n  version:.*", "", rules)
    keys = {"ROONY_URL": served.ready["url"], "ROONY_ADMIN_KEY": served.ready["admin_key"]}

    def roony(*arguments: str) -> str:
        done = run_roony(*arguments, **keys)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    project = re.search(r"prj_\w+", roony("project", "create", "Old name"))
    assert project is not None
    file = tmp_path / "rules.yaml"
    file.write_text(rules.replace("prj_…", project[0]))
    shown = roony("control", "apply", str(file), "--yes")
    for word in ("purchase_limit", "approve_new_merchants", "Research"):
        assert word in shown, shown


def test_the_program_for_mcp_buys(served: ServedSimulation) -> None:
    program = only_block("docs/mcp.md", "streamable_http_client(URL")
    ready = own_agent(served, "mcp")
    environment = clean_environment(ROONY_URL=ready["url"], ROONY_AGENT_KEY=ready["agent_key"])
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.startswith("ready "), done.stdout + done.stderr


def test_the_lines_that_verify_a_webhook_do(served: ServedSimulation) -> None:
    """docs/notifications.md: what is signed is believed, what was changed is not."""
    secret = new_secret()
    lines = only_block("docs/notifications.md", "from standardwebhooks").replace("whsec_…", secret)
    body, at = only_block("docs/notifications.md", '"type":"purchase.ready"'), datetime.now(UTC)
    headers = {"webhook-id": "whd_1", "webhook-timestamp": str(int(at.timestamp()))}
    headers["webhook-signature"] = Webhook(secret).sign("whd_1", at, body)
    names: dict[str, Any] = {"body": body, "headers": headers}
    exec(compile(lines, "docs/notifications.md", "exec"), names)  # noqa: S102 - our own page
    assert names["told"]["type"] == "purchase.ready"
    with pytest.raises(WebhookVerificationError):
        exec(compile(lines, "docs/notifications.md", "exec"), {**names, "body": body + " "})  # noqa: S102 - as above
