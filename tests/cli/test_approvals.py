"""`roony approval`: shown with what counts, decided one by one or several at once, and each outcome an exit code."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import Result

from roony.cli.output import print_list
from tests.cli.test_commands import SHOP, Run, RunJson, a_shop

DESCRIPTION = 'seats"\nstatus  approved'


@pytest.fixture
def ask(roony: Run, roony_json: RunJson) -> Callable[..., dict[str, Any]]:
    """A purchase that waits: a person decides over 100.00, two over 300.00."""
    made = roony_json(
        "agent", "create", "careful agent", "--budget", "month=900.00", "--control", "approval_threshold=10000",
        "--control", "second_approval_threshold=30000", "--control", "tolerance_percent=0",
    )  # fmt: skip

    def asked(amount: str) -> dict[str, Any]:
        result = roony(
            "purchase", "ask", amount, "--merchant", a_shop(), *SHOP, "--description", DESCRIPTION, "--json",
            ROONY_AGENT_KEY=made["key"],
        )  # fmt: skip
        assert result.exit_code == 3, result.output
        purchase: dict[str, Any] = json.loads(result.stdout)
        return purchase

    return asked


def key_of(roony_json: RunJson, name: str) -> dict[str, str]:
    """The environment of a new approver."""
    email = f"{uuid.uuid4().hex}@example.com"
    user = roony_json("user", "new", name, email, "--role", "approver")
    return {"ROONY_ADMIN_KEY": roony_json("user", "key", "new", user["id"])["key"], "user": user["id"]}


def test_what_an_approver_sees(roony: Run, ask: Callable[..., dict[str, Any]]) -> None:
    """The agent's words come last, on one line each and in quotes, so that they look like nothing of ours."""
    purchase = ask("150")
    id = purchase["approval"]["id"]
    assert id in roony("approval", "list").stdout
    text = roony("approval", "show", id).stdout
    for said in (
        "150.00 USD",
        "careful agent",
        "nothing before",
        "APPROVAL_OVER_THRESHOLD",
        "750.00 USD of 900.00 USD",
    ):
        assert said in text, text
    ours, _, words = text.partition("which nobody has checked:\n")
    assert "seats" not in ours
    assert words.splitlines()[0] == f"  description: {json.dumps(DESCRIPTION)}"
    assert words.splitlines()[-1].startswith("Next: roony approval approve")


MARKUP = ("Figma [/x]", "Figma [link=https://evil.example]Notion[/link]", "Figma [conceal]x[/conceal] :smile:")


@pytest.mark.parametrize("name", MARKUP)
def test_a_list_shows_a_merchant_as_it_is_written(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An agent chooses it: what reads like markup of the terminal's must neither hide anything nor end the list."""
    print_list({"data": [{"id": "apr_1", "merchant": name}], "next_cursor": None}, ("id", "merchant"), False, "")
    assert capsys.readouterr().out.splitlines()[-1] == f"apr_1  {name}"


def test_two_people_one_after_the_other(roony: Run, roony_json: RunJson, ask: Callable[..., dict[str, Any]]) -> None:
    """The first yes ends with 3 and says who else may; the last one with 0."""
    id = ask("350")["approval"]["id"]
    ann, ben = (key_of(roony_json, f"{name} {uuid.uuid4().hex[:6]}") for name in ("Ann", "Ben"))
    nobody = roony("approval", "approve", id)
    assert (nobody.exit_code, "roony user key" in nobody.stderr) == (1, True)
    first = roony("approval", "approve", id, ROONY_ADMIN_KEY=ann["ROONY_ADMIN_KEY"])
    assert (first.exit_code, "Another person must agree" in first.stdout, "Ben" in first.stdout) == (3, True, True)
    assert "another person must agree to the same" in roony("approval", "show", id).stdout
    again = roony("approval", "approve", id, ROONY_ADMIN_KEY=ann["ROONY_ADMIN_KEY"])
    assert (again.exit_code, "already said yes" in again.stderr) == (1, True)
    assert roony("approval", "approve", id, ROONY_ADMIN_KEY=ben["ROONY_ADMIN_KEY"]).exit_code == 0


def test_several_at_once(roony: Run, ask: Callable[..., dict[str, Any]]) -> None:
    """Each is decided, also after one that cannot be; the exit code is the worst of them."""
    ids = [ask(amount)["approval"]["id"] for amount in ("101", "102", "103", "104")]
    done = roony("approval", "approve", ids[0], ids[1], "--note", "fine", "--json")
    assert (done.exit_code, [row["outcome"]["status"] for row in json.loads(done.stdout)]) == (0, ["approved"] * 2)
    mixed = roony("approval", "deny", ids[0], ids[2], "apr_none")
    assert (mixed.exit_code, "already approved" in mixed.stderr, "No approval" in mixed.stderr) == (1, True, True)
    assert f"{ids[2]}: Denied." in mixed.stdout
    assert roony("approval", "deny", ids[3]).exit_code == 0


def test_another_amount(roony: Run, roony_json: RunJson, ask: Callable[..., dict[str, Any]]) -> None:
    ids = [ask(amount)["approval"]["id"] for amount in ("120", "121")]
    assert roony_json("approval", "approve", ids[0], "--amount", "99.50")["amount"] == 9_950
    for wrong in (["--amount", "9.999"], ["--amount", "ten"], [ids[0], "--amount", "99"]):
        assert roony("approval", "approve", ids[1], *wrong).exit_code == 2
    refused: Result = roony("approval", "approve", ids[1], "--amount", "700")
    assert (refused.exit_code, "another person" in refused.stdout.lower() or "user key" in refused.stderr) == (1, True)
    roony("approval", "deny", ids[1])
