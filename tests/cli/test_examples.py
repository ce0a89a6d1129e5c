"""The examples and the lines of docs/client.md, run as a reader would run them."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from standardwebhooks import Webhook

from roony.outbound.signature import new_secret
from tests.cli.serving import ServedSimulation
from tests.support.served import clean_environment, unique

ROOT = Path(__file__).resolve().parents[2]
RunJson = Callable[..., Any]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def agent(roony_json: RunJson) -> dict[str, Any]:
    """A fresh agent of 500.00 a month; a person decides over 100.00."""
    controls = ("--control", "approval_threshold=10000", "--control", "purchase_limit=20000")
    return dict(roony_json("agent", "create", "example", "--budget", "month=500.00", *controls))


@pytest.fixture
def run(served: ServedSimulation, agent: dict[str, Any]) -> Run:
    """Runs a program of Python's as that agent."""
    environment = clean_environment(ROONY_URL=served.ready["url"], ROONY_AGENT_KEY=agent["key"])

    def start(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    return start


def example(name: str) -> str:
    return str(ROOT / "examples" / name)


def test_the_script_buys(run: Run) -> None:
    done = run(example("buy_with_approval.py"), unique("Shop"), "4900")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^Ready to pay with the card ending in \d{4}\.$", done.stdout, re.MULTILINE)


def test_the_script_is_declined(run: Run) -> None:
    done = run(example("buy_with_approval.py"), unique("Shop"), "20001")
    assert (done.returncode, "OVER_PURCHASE_LIMIT" in done.stdout) == (4, True)
    assert run(example("buy_with_approval.py"), "\x07").returncode == 1


def test_the_script_waits_for_a_person(run: Run, roony_json: RunJson, agent: dict[str, Any]) -> None:
    with ThreadPoolExecutor(1) as pool:
        buying = pool.submit(run, example("buy_with_approval.py"), unique("Shop"), "12000")
        waiting: list[dict[str, Any]] = []
        while not waiting:
            assert not buying.done(), buying.result()
            waiting = roony_json("purchase", "list", ROONY_AGENT_KEY=agent["key"])["data"]
        roony_json("approval", "approve", waiting[0]["approval"]["id"])
        done = buying.result()
    assert done.returncode == 0, done.stderr
    assert waiting[0]["approval"]["id"] in done.stdout
    assert "Ready to pay" in done.stdout


def test_the_tool_loop_buys(run: Run) -> None:
    done = run(example("tool_loop.py"))
    assert done.returncode == 0, done.stderr
    calls = [line.partition("(")[0] for line in done.stdout.splitlines()]
    assert calls == ["check_budget", "request_purchase", "pay", "Paid."]
    # The model never sees a card number.
    assert not re.search(r"\d{16}", done.stdout)
    again = run(example("tool_loop.py"))
    assert "possible_duplicate" in again.stdout.splitlines()[-1]


def test_the_receiver_believes_what_is_signed_once() -> None:
    secret = new_secret()
    environment = clean_environment(ROONY_WEBHOOK_SECRET=secret)
    command = [sys.executable, example("webhook_receiver.py"), "0"]
    body = b'{"type":"purchase.ready","data":{"id":"pur_1"}}'

    def send(id: str, key: str) -> int:
        at = datetime.now(UTC)
        headers = {"webhook-id": id, "webhook-timestamp": str(int(at.timestamp()))}
        headers["webhook-signature"] = Webhook(key).sign(id, at, body.decode())
        return httpx2.post(url, content=body, headers=headers, trust_env=False, timeout=60, verify=False).status_code

    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as receiver:
        assert receiver.stdout is not None
        try:
            url = receiver.stdout.readline().split()[-1]
            answers = [send("whd_1", secret), send("whd_1", secret), send("whd_2", new_secret())]
        finally:
            receiver.terminate()
        printed = receiver.stdout.read().splitlines()
    assert answers == [204, 204, 400]
    assert printed == ["whd_1 purchase.ready pur_1", "refused: No matching signature found"]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("buy_with_approval.py", "ROONY_AGENT_KEY"), ("tool_loop.py", "ROONY_AGENT_KEY"),
        ("webhook_receiver.py", "ROONY_WEBHOOK_SECRET"),
    ],
)  # fmt: skip
def test_an_example_says_what_it_wants(name: str, wanted: str) -> None:
    """And not where it fell over. What is copied from its page as it stands there is no secret."""
    done = subprocess.run(
        [sys.executable, example(name)], env=clean_environment(ROONY_WEBHOOK_SECRET="whsec_…"), capture_output=True,
        text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert wanted in done.stderr
    assert "Traceback" not in done.stderr


def test_the_lines_of_the_page_run(run: Run, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "client.md").read_text(encoding="utf-8")
    program = tmp_path / "page.py"
    program.write_text("\n".join(re.findall(r"```python\n(.*?)```", page, re.DOTALL)) + "print(card['delivery'])\n")
    done = run(str(program))
    assert done.returncode == 0, done.stderr
    budgets, refusal, delivery = done.stdout.splitlines()
    assert (json.loads(budgets), refusal.split()[0], delivery) == (
        [45_100], "possible_duplicate", "raw",
    )  # fmt: skip


def test_the_page_names_every_method() -> None:
    page = (ROOT / "docs" / "client.md").read_text(encoding="utf-8")
    tree = ast.parse((ROOT / "roony" / "client" / "operations.py").read_text(encoding="utf-8"))
    names = {made.name for made in tree.body if isinstance(made, ast.FunctionDef) and not made.name.startswith("_")}
    assert names
    assert {name for name in names if f"`{name}(" not in page and f"{name}(" not in page} == set()
