"""Controls as code: export, a diff, apply, and files that cannot be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import Result

from roony.cli.rules_file import WrongFile, read_rules

Run = Callable[..., Result]
RunJson = Callable[..., Any]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("agents:\n  a:\n    controls:\n      purchase_limit: x\n", "line 4: agents.a.controls.purchase_limit: "),
        ("agents:\n  a:\n    controls: {nonsense: 1}\n", "line 3: agents.a.controls.nonsense: "),
        ("projects:\n  p: {}\n  p: {}\n", "line 3: projects.p is there twice"),
        ("projects:\n  p:\n    colour: red\n", "line 3: projects.p.colour: There is no such field"),
        ("people: {}\n", "line 1: people: There is no such field"),
        ("- a\n", "line 1: the file: It must be a mapping"),
        ("organization:\n  budgets:\n    usd: {month: 1.5}\n", "line 3: organization.budgets.usd.month: "),
        ("organization:\n  budgets:\n    usd: {month: true}\n", "line 3: organization.budgets.usd.month: "),
        ("organization:\n  budgets:\n    usd: {year: 1}\n", "line 3: organization.budgets.usd.year: "),
        ("organization:\n  budgets:\n    zzz: {month: 1}\n", "line 3: organization.budgets.zzz: "),
        ("organization:\n  controls:\n", "line 2: organization.controls: It must be a mapping"),
        ("projects: {p: {name: 5}}\n", "line 1: projects.p.name: "),
        ("projects: {p: {each_task: {}}}\n", "line 1: projects.p.each_task: There is no such field"),
        ("1: {}\n", "line 1: the file has a key that is no text."),
        ("a: &x {}\nb: *x\n", "line 2: references"),
        ("a: [\n", "line 2: "),
        ("a: !!python/object/apply:os.system [x]\n", "line 1: a: There is no such field"),
        ("a: {}\n---\nb: {}\n", "line 2: "),
        ("[" * 5_000, "This is no YAML."),
        ("#" * 1_000_001, "The file is larger than"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_says_where(text: str, said: str) -> None:
    with pytest.raises(WrongFile) as caught:
        read_rules(text)
    assert str(caught.value).startswith(said)


def test_an_empty_file_says_nothing() -> None:
    assert read_rules("")[0] == {}


def test_rules_go_out_and_in(roony: Run, roony_json: RunJson, tmp_path: Path) -> None:
    project = roony_json("project", "create", "as code")["id"]
    made = roony_json("agent", "create", "coded", "--project-id", project, "--budget", "month=50.00")["id"]
    roony_json("control", "set", "purchase_limit=700", 'active_hours={"from":"09:00","to":"17:00"}', "--scope", made)
    roony_json("budget", "set", "lifetime=20.00", "--scope", f"{made}:*")
    exported = roony("control", "export")
    assert exported.exit_code == 0, exported.output
    rules = yaml.safe_load(exported.stdout)
    assert rules["agents"][made]["name"] == "coded"
    assert rules["agents"][made]["budgets"] == {"usd": {"month": 5_000}}
    assert rules["agents"][made]["each_task"] == {"budgets": {"usd": {"lifetime": 2_000}}}
    assert rules["projects"][project] == {"name": "as code"}
    file = tmp_path / "rules.yaml"
    file.write_text(exported.stdout)
    assert roony("control", "apply", str(file)).stdout == "Nothing to change.\n"

    name = f"coded {made}"
    file.write_text(yaml.safe_dump({
        "projects": {project: {"name": f"renamed {project}", "controls": {"blocked_categories": ["never"]}}},
        "agents": {made: {
            "name": name, "controls": {"purchase_limit": 900}, "budgets": {"usd": {"month": None, "day": 1_000}},
            "each_task": {"controls": {"velocity_count": 2}},
        }},
    }))  # fmt: skip
    dry = roony("control", "apply", str(file), "--dry-run")
    assert dry.exit_code == 0
    assert f"agent {made} (coded) budget month usd\n  - 5000\n" in dry.stdout
    assert "'active_hours'" in dry.stdout
    assert roony_json("agent", "show", made)["name"] == "coded"
    # Nobody says yes.
    assert roony("control", "apply", str(file)).exit_code == 1
    assert roony_json("agent", "show", made)["name"] == "coded"
    done = roony("control", "apply", str(file), "--yes")
    assert done.stdout.endswith("7 changes made.\n")
    assert roony("control", "apply", str(file), "--yes").stdout == "Nothing to change.\n"
    assert roony_json("control", "show", made) == {"purchase_limit": 900}
    assert roony_json("control", "show", f"{made}:*") == {"velocity_count": 2}
    limits = {row["period"]: row["limit"] for row in roony_json("budget", "list", made)["data"]}
    assert limits == {"day": 1_000, "week": None, "month": None, "lifetime": None}
    # By name; and what is not listed stays.
    file.write_text(yaml.safe_dump({"agents": {name: {"budgets": {"usd": {"week": 5}}}}}))
    assert roony("control", "apply", str(file), "--yes").stdout.endswith("1 changes made.\n")
    assert roony_json("control", "show", made) == {"purchase_limit": 900}


@pytest.mark.parametrize("rules", [{"agents": {"nobody of this name": {}}}, {"projects": {"prj_none": {}}}])
def test_an_unknown_name_changes_nothing(roony: Run, tmp_path: Path, rules: dict[str, Any]) -> None:
    before = roony("control", "export").stdout
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"organization": {"controls": {"purchase_limit": 1}}, **rules}))
    result = roony("control", "apply", str(file), "--yes")
    assert result.exit_code == 2
    assert "there is none with this id or name" in result.stderr
    assert roony("control", "export").stdout == before
