"""What a host sees of the tools before it calls one: names, words, schemas and hints, as they were agreed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from roony.mcp_server.server import listed

SNAPSHOT = Path(__file__).with_name("tools.json")
SEVEN = [
    "request_purchase", "get_purchase", "cancel_purchase", "check_budget", "list_transactions",
    "get_spending_controls", "preview_purchase",
]  # fmt: skip


def shown() -> list[dict[str, Any]]:
    """The tools as they go over the wire."""
    return [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in listed()]


def test_the_tools_are_the_agreed_ones() -> None:
    """A change here is seen by every agent: look at it, then write the file again (`python -m tests.mcp_server`)."""
    assert shown() == json.loads(SNAPSHOT.read_text(encoding="utf-8"))


def test_there_are_seven() -> None:
    assert [tool["name"] for tool in shown()] == SEVEN


@pytest.mark.parametrize("tool", shown(), ids=SEVEN)
def test_a_tool_is_described_in_full(tool: dict[str, Any]) -> None:
    """Valid schemas of objects; every argument is described; nothing unknown is taken; all hints are given."""
    for schema in (tool["inputSchema"], tool["outputSchema"]):
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["type"] == "object"
    assert tool["inputSchema"]["additionalProperties"] is False
    assert all(argument["description"] for argument in tool["inputSchema"]["properties"].values())
    assert set(tool["annotations"]) == {"title", "readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"}


def test_hints_hold_for_every_call() -> None:
    """(reads only, destructive, idempotent, open world): only what changes nothing at all may say that it reads."""
    hints = {
        tool["name"]: tuple(tool["annotations"][f"{hint}Hint"] for hint in ("readOnly", "destructive", "idempotent"))
        for tool in shown()
    }
    reads, asks, ends = (True, False, True), (False, False, False), (False, True, True)
    assert hints == {
        "request_purchase": asks, "get_purchase": asks, "cancel_purchase": ends, "check_budget": reads,
        "list_transactions": reads, "get_spending_controls": reads, "preview_purchase": reads,
    }  # fmt: skip


def test_no_amount_is_a_number() -> None:
    """Neither taken nor given: an amount is a decimal text everywhere."""
    words = ("amount", "limit", "held", "spent", "available")
    for tool in shown():
        for schema in (tool["inputSchema"], tool["outputSchema"]):
            for part in (schema, *schema.get("$defs", {}).values()):
                for name, field in part.get("properties", {}).items():
                    money = name.endswith(words) and (tool["name"], name) != ("list_transactions", "limit")
                    assert not money or "integer" not in json.dumps(field), (tool["name"], name)
                    assert not money or "number" not in json.dumps(field.get("type", "")), (tool["name"], name)
