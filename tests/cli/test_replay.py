"""`roony replay`: changed rules over what was bought, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from typer.testing import Result


def test_rules_are_tried_on_the_past(
    roony: Callable[..., Result], roony_json: Callable[..., Any], tmp_path: Path
) -> None:
    made = roony_json("agent", "create", "replayed", "--budget", "month=50.00")
    for merchant, code in (("Figma", 0), ("Notion", 4)):
        asked = roony("purchase", "ask", "30", "--merchant", merchant, ROONY_AGENT_KEY=made["key"])
        assert asked.exit_code == code, asked.output
    file = tmp_path / "rules.yaml"
    mine = yaml.safe_load(roony("control", "export").stdout)["agents"][made["id"]]
    file.write_text(yaml.safe_dump({"agents": {made["id"]: mine}}))
    same = roony("replay", "--control", str(file), "--since", "1h")
    assert same.exit_code == 0, same.output
    assert ": 0 would have been others" in same.stdout

    file.write_text(f"agents: {{{made['id']}: {{budgets: {{usd: {{month: 6000}}}}}}}}\n")
    answer = roony_json("replay", "--control", str(file), "--since", "1h")
    [change] = answer["changes"]
    assert (change["merchant"], change["before"]["verdict"], change["after"]["verdict"]) == (
        "Notion", "declined", "approved",
    )  # fmt: skip
    shown = roony("replay", "--control", str(file), "--since", "2020-01-01")
    assert shown.exit_code == 0, shown.output
    assert "declined (BUDGET_EXCEEDED)  approved" in shown.stdout
    assert "30.00 USD" in shown.stdout


def test_a_file_that_cannot_be_says_where(roony: Callable[..., Result], tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    for text, said in (
        ("people: {}\n", "line 1: "),
        ("agents: {agt_nobody: {}}\n", "line 1: rules.agents.agt_nobody: Nothing here has"),
    ):
        file.write_text(text)
        refused = roony("replay", "--control", str(file), "--since", "1h")
        assert (refused.exit_code, said in refused.output) == (2, True), refused.output
    file.write_text("")
    assert roony("replay", "--control", str(file), "--since", "soon").exit_code == 2
