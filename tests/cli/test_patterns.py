"""`roony patterns`: what is set, what the past would have told, and what people change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from typer.testing import Result

UNSET = {"off": [], "sensitivity": "normal", "freeze": []}


@pytest.fixture(autouse=True)
def _as_before(roony_json: Callable[..., Any]) -> Iterator[None]:
    """The organization is everybody's: whatever a test sets is undone."""
    yield
    roony_json("patterns", "set", "--off", "none", "--freeze", "none", "--sensitivity", "normal")


def test_what_is_set_is_shown_and_changed(roony: Callable[..., Result], roony_json: Callable[..., Any]) -> None:
    assert roony_json("patterns") == UNSET
    changed = roony_json("patterns", "set", "--off", "burst", "--off", "off_hours", "--freeze", "card_testing")
    assert changed == {**UNSET, "off": ["burst", "off_hours"], "freeze": ["card_testing"]}
    shown = roony("patterns", "set", "--sensitivity", "high", "--off", "none")
    assert shown.stdout == "sensitivity: high\nnot looked for: none\nfreeze the agent: card_testing\n"
    assert roony_json("patterns") == {"off": [], "sensitivity": "high", "freeze": ["card_testing"]}
    refused = roony("patterns", "set", "--freeze", "price_drift")
    assert (refused.exit_code, "patterns.freeze" in refused.output) == (2, True), refused.output


def test_the_past_is_told_by_agent(roony: Callable[..., Result], roony_json: Callable[..., Any]) -> None:
    """25 asks that the rules decline, each of another amount, are a pattern of a new agent."""
    made = roony_json("agent", "create", "tries much", "--budget", "month=50.00")
    for number in range(26):
        asked = roony("purchase", "ask", f"{60 + number}", "--merchant", "Figma", ROONY_AGENT_KEY=made["key"])
        assert asked.exit_code == 4, asked.output
    rows = {one["agent_id"]: one for one in roony_json("patterns", "--since", "1h")}
    assert [one["pattern"] for one in rows[made["id"]]["told"]] == ["many_declines"]
    assert len(rows) == len(roony_json("agent", "list")["data"])
    shown = roony("patterns", "--since", "1h")
    assert shown.exit_code == 0, shown.output
    assert f"({made['id']}): 26 purchases\n" in shown.stdout
    assert " many_declines: " in shown.stdout
    assert "agents would have been opened since 1h.\n" in shown.stdout


def test_a_time_that_is_none_is_refused(roony: Callable[..., Result]) -> None:
    refused = roony("patterns", "--since", "soon")
    assert (refused.exit_code, "since: " in refused.output) == (2, True), refused.output
