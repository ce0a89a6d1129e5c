"""`roony purchase`, as agents use it: exit codes, what is printed, what is hinted, waiting, sealed cards."""

from __future__ import annotations

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from roony.client.sealed import new_private_key
from tests.cli.serving import ServedSimulation
from tests.cli.test_commands import SHOP, Run, RunJson, a_shop
from tests.support.commands import run_roony


@pytest.fixture
def agent(roony_json: RunJson) -> dict[str, str]:
    """A fresh agent's environment: 500.00 a month, 300.00 a purchase, a person decides over 100.00."""
    made = roony_json(
        "agent", "create", "buyer", "--budget", "month=500.00", "--control", "approval_threshold=10000",
        "--control", "purchase_limit=30000", "--control", "tolerance_percent=0",
    )  # fmt: skip
    return {"ROONY_AGENT_KEY": made["key"], "id": made["id"]}


def test_an_ask_waits_for_a_person(
    served: ServedSimulation, roony: Run, roony_json: RunJson, agent: dict[str, str]
) -> None:
    """3 when nobody decided in time, 0 as soon as somebody did."""
    late = roony("purchase", "ask", "150", "--merchant", a_shop(), *SHOP, "--wait", "1", "--json", **agent)
    assert (late.exit_code, json.loads(late.stdout)["status"]) == (3, "awaiting_approval")
    ask = ("purchase", "ask", "150.10", "--merchant", a_shop(), *SHOP, "--wait", "60")
    # In a process of its own: this one cannot catch what two commands print at the same time.
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(run_roony, *ask, ROONY_URL=served.ready["url"], ROONY_AGENT_KEY=agent["ROONY_AGENT_KEY"])
        approval = None
        while approval is None:
            assert not asking.done(), asking.result()
            listed = json.loads(roony("purchase", "list", "--json", **agent).stdout)["data"]
            approval = next((row["approval"]["id"] for row in listed if row["amount"] == 15_010), None)
        roony_json("approval", "approve", approval)
        done = asking.result()
    assert (done.returncode, "roony purchase card pur_" in done.stdout) == (0, True), done.stderr


def test_show_waits_too(roony: Run, roony_json: RunJson, agent: dict[str, str]) -> None:
    asked = roony("purchase", "ask", "150", "--merchant", a_shop(), *SHOP, "--json", **agent)
    purchase = json.loads(asked.stdout)
    assert roony("purchase", "show", purchase["id"], "--wait", "1", **agent).exit_code == 3
    roony_json("approval", "deny", purchase["approval"]["id"])
    denied = roony("purchase", "show", purchase["id"], "--wait", "60", **agent)
    assert (denied.exit_code, "said no. Do not ask" in denied.stdout) == (4, True)


def test_json_alone_on_stdout_and_the_hint_beside_it(roony: Run, agent: dict[str, str]) -> None:
    asked = roony("purchase", "ask", "5", "--merchant", a_shop(), *SHOP, "--json", **agent)
    purchase = json.loads(asked.stdout)
    assert (asked.exit_code, purchase["status"], purchase["replayed"]) == (0, "ready", False)
    assert asked.stderr == f"Next: roony purchase card {purchase['id']}\n"


def test_a_frozen_card_is_not_offered(roony: Run, roony_json: RunJson, agent: dict[str, str]) -> None:
    """Nor asked for in vain: the purchase is ready, its card cannot pay."""
    made = json.loads(roony("purchase", "ask", "5", "--merchant", a_shop(), *SHOP, "--json", **agent).stdout)
    roony_json("card", "freeze", made["card"]["id"])
    shown = roony("purchase", "show", made["id"], **agent)
    assert (shown.exit_code, "The card is frozen" in shown.stdout, "Next:" in shown.stdout) == (0, True, False)
    refused = roony("purchase", "card", made["id"], **agent)
    assert (refused.exit_code, "The card is frozen" in refused.stderr) == (1, True)


def test_a_card_that_is_not_made_says_what_is_waited_for(
    served: ServedSimulation, roony: Run, agent: dict[str, str]
) -> None:
    def faults(*rules: dict[str, Any]) -> None:
        url = f"{served.ready['simulator_url']}/_simulator/faults"
        assert httpx2.post(url, json=rules, trust_env=False, timeout=60).status_code == 200

    faults({"endpoint": "POST /v1/issuing/cards", "kind": "error_before", "count": 1_000})
    try:
        late = roony("purchase", "ask", "5", "--merchant", a_shop(), *SHOP, **agent)
    finally:
        faults()
    assert (late.exit_code, "The card is not made yet. Stripe does not answer" in late.stdout) == (3, True), late.stdout
    purchase = json.loads(roony("purchase", "list", "--json", **agent).stdout)["data"][0]
    assert roony("purchase", "show", purchase["id"], "--wait", "60", **agent).exit_code == 0


@pytest.mark.parametrize(
    ("amount", "code", "verdict"), [("5", 0, "approved"), ("150", 3, "needs_approval"), ("300.01", 4, "declined")]
)
def test_preview_ends_as_the_ask_would(roony: Run, agent: dict[str, str], amount: str, code: int, verdict: str) -> None:
    shop = a_shop()
    text = roony("purchase", "preview", amount, "--merchant", shop, *SHOP, **agent)
    assert (text.exit_code, verdict in text.stdout) == (code, True)
    shown = roony("purchase", "preview", amount, "--merchant", shop, *SHOP, "--json", **agent)
    decision = json.loads(shown.stdout)["decision"]
    assert (shown.exit_code, decision["verdict"]) == (code, verdict)
    assert all(reason["code"] in text.stdout for reason in decision["reasons"])
    assert json.loads(roony("purchase", "list", "--json", **agent).stdout)["data"] == []


def test_list_by_status(roony: Run, agent: dict[str, str]) -> None:
    made = json.loads(roony("purchase", "ask", "5", "--merchant", a_shop(), *SHOP, "--json", **agent).stdout)
    assert made["id"] in roony("purchase", "list", "--status", "ready", **agent).stdout
    empty = roony("purchase", "list", "--status", "settled", **agent)
    assert (empty.exit_code, "No purchases yet" in empty.stdout) == (0, True)
    assert roony("purchase", "list", "--status", "lost", **agent).exit_code == 2


def test_budgets_and_rules(roony: Run, agent: dict[str, str]) -> None:
    roony("purchase", "ask", "5", "--merchant", a_shop(), *SHOP, **agent)
    budgets = roony("purchase", "budgets", **agent)
    assert (budgets.exit_code, "495.00 USD" in budgets.stdout) == (0, True)
    rules = roony("purchase", "rules", **agent)
    assert rules.exit_code == 0
    assert "A person decides over 100.00 USD (set for this agent)." in rules.stdout
    assert "495.00 USD of it is left" in rules.stdout
    for command in ("budgets", "rules"):
        assert json.loads(roony("purchase", command, "--json", **agent).stdout)["data"]


def test_refusals_that_are_decisions_end_with_4_and_their_json(roony: Run, agent: dict[str, str]) -> None:
    ask = ("purchase", "ask", "5", "--merchant", a_shop(), *SHOP, "--json")
    made = json.loads(roony(*ask, **agent).stdout)
    again = roony(*ask, **agent)
    error = json.loads(again.stdout)["error"]
    assert (again.exit_code, error["code"], error["id"]) == (4, "possible_duplicate", made["id"])
    over = roony("purchase", "raise", made["id"], "300.01", "--json", **agent)
    error = json.loads(over.stdout)["error"]
    assert (over.exit_code, error["code"], error["reasons"][0]["code"]) == (4, "raise_declined", "OVER_PURCHASE_LIMIT")


def test_what_is_over_ends_with_1(roony: Run, agent: dict[str, str]) -> None:
    made = json.loads(roony("purchase", "ask", "5", "--merchant", a_shop(), *SHOP, "--json", **agent).stdout)
    canceled = roony("purchase", "cancel", made["id"], **agent)
    assert (canceled.exit_code, "canceled" in canceled.stdout) == (0, True)
    for command in (("show",), ("card",), ("raise", "6")):
        assert roony("purchase", command[0], made["id"], *command[1:], **agent).exit_code == 1


def test_a_sealed_card_is_opened_with_the_key_file(
    roony: Run, roony_json: RunJson, agent: dict[str, str], tmp_path: Path
) -> None:
    pair = new_private_key()
    (tmp_path / "mine.key").write_text(pair.jwk)
    (tmp_path / "public.json").write_text(pair.public)
    roony_json("agent", "public-key", "set", agent["id"], "public.json")
    made = json.loads(roony("purchase", "ask", "5", "--merchant", a_shop(), *SHOP, "--json", **agent).stdout)
    card = ("purchase", "card", made["id"], "--delivery", "sealed")
    assert "agent-key open" in roony(*card, **agent).stdout
    opened = roony(*card, "--json", **agent, ROONY_AGENT_KEY_FILE="mine.key")
    assert json.loads(opened.stdout)["number"].endswith(made["card"]["last4"])
    (tmp_path / "other.key").write_text(new_private_key().jwk)
    for file, code in (("other.key", 1), ("public.json", 2), ("none.key", 2)):
        refused = roony(*card, "--key-file", file, **agent)
        assert (refused.exit_code, refused.stdout) == (code, "")


def test_when_nothing_answers_an_agent_is_told_how_to_start_it(roony: Run) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        failed = roony("purchase", "list", ROONY_URL=f"http://127.0.0.1:{closed.getsockname()[1]}")
    assert (failed.exit_code, "roony serve" in failed.stderr) == (1, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "pur_1", "--wait", "-1"),
        ("show", "pur_1", "--wait", "86401"),
        ("preview", "5"),
        ("preview", "5", "--merchant", "Figma", "--every", "month"),
        ("card", "pur_1", "--delivery", "plain"),
        ("list", "--url", "http://localhost:x"),
        ("ask", "5", "--merchant", "Figma", "--key", ""),
    ],
)
def test_wrong_use_ends_with_2(roony: Run, arguments: tuple[str, ...]) -> None:
    assert roony("purchase", *arguments).exit_code == 2
