"""`roony control`: every control at every level, its versions, and two people at one level."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from typer.testing import Result

from tests.support.levels import STRICT_AND_LOOSE

Run = Callable[..., Result]
RunJson = Callable[..., Any]


def written(value: Any) -> str:
    """A value as a person types it."""
    if isinstance(value, list):
        return ",".join(value)
    return json.dumps(value) if isinstance(value, dict) else str(value).lower()


def test_every_control_is_set_shown_and_kept_at_every_level(roony: Run, roony_json: RunJson) -> None:
    project = roony_json("project", "create", "leveled")["id"]
    agent = roony_json("agent", "create", "leveled", "--project-id", project)["id"]
    organization = retyped(roony_json("control", "show"))
    strict = {name: value for name, (value, _) in STRICT_AND_LOOSE.items()}
    typed = [f"{name}={written(value)}" for name, value in strict.items()]
    for scope in (f"{agent}:trip", f"{agent}:*", agent, project):
        assert roony_json("control", "set", *typed, "--scope", scope)["controls"] == strict
        assert roony_json("control", "show", scope) == strict
        assert roony_json("control", "set", "purchase_limit=5", "velocity_count=none", "--scope", scope)["version"] == 2
        wanted = {name: value for name, value in strict.items() if name != "velocity_count"} | {"purchase_limit": 5}
        assert roony("control", "set", "--scope", scope).exit_code == 2
        kept = roony_json("control", "versions", scope)["data"]
        assert [(row["version"], row["controls"]) for row in kept] == [(2, wanted), (1, strict)]
    # The organization is that of all tests here: it gets back what it had.
    try:
        assert roony_json("control", "set", "--replace", *typed)["controls"] == strict
        assert roony_json("control", "show") == strict
    finally:
        roony_json("control", "set", "--replace", *organization)


def retyped(controls: dict[str, Any]) -> list[str]:
    """What sets these controls again."""
    return [f"{name}={written(value)}" for name, value in controls.items()]
