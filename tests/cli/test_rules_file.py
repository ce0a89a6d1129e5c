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
        ("projects:\n  p: {}\n  p: {}\n", "line 3: projects.p is there twice"),
        ("- a\n", "line 1: the file must be a mapping"),
        ("1: {}\n", "line 1: the file has a key that is no text."),
        ("a: &x {}\nb: *x\n", "line 2: references"),
        ("a: [\n", "line 2: "),
        ("a: {}\n---\nb: {}\n", "line 2: "),
        ("[" * 5_000, "This is no YAML."),
        ("#" * 1_000_001, "The file is larger than"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_says_where(text: str, said: str) -> None:
    with pytest.raises(WrongFile) as caught:
        read_rules(text)
    assert str(caught.value).startswith(said)


def test_an_empty_file_says_nothing() -> None:
    assert read_rules("")[0] == {}


def test_a_rule_that_cannot_be_says_on_which_line(roony: Run, tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    for text, said in (
        ("agents:\n  a:\n    controls:\n      purchase_limit: x\n", "line 4: agents.a.controls.purchase_limit: "),
        ("agents:\n  a:\n    controls: {nonsense: 1}\n", "line 3: agents.a.controls.nonsense: "),
        ("projects:\n  p:\n    colour: red\n", "line 3: projects.p.colour: There is no field"),
        ("people: {}\n", "line 1: people: There is no field"),
        ("organization:\n  budgets:\n    usd: {month: 1.5}\n", "line 3: organization.budgets.usd.month: "),
        ("organization:\n  controls:\n", "line 2: organization.controls: It must be"),
        ("projects: {}\nagents:\n  agt_none: {}\n", "line 3: agents.agt_none: Nothing here has the id"),
        ("a: !!python/object/apply:os.system [x]\n", "line 1: a: There is no field"),
    ):
        file.write_text(text)
        result = roony("control", "apply", str(file), "--yes")
        assert (result.exit_code, result.stdout) == (2, "")
        assert f"{file}: {said}" in result.stderr


def test_rules_go_out_and_in(roony: Run, roony_json: RunJson, tmp_path: Path) -> None:
    project = roony_json("project", "create", "as code")["id"]
    made = roony_json("agent", "create", "coded", "--project-id", project, "--budget", "month=50.00")["id"]
    roony_json("control", "set", "purchase_limit=700", 'active_hours={"from":"09:00","to":"17:00"}', "--scope", made)
    roony_json("budget", "set", "lifetime=20.00", "--scope", f"{made}:*")
    roony_json("control", "set", "velocity_count=3", "--scope", f"{made}:2024")
    exported = roony("control", "export")
    assert exported.exit_code == 0, exported.output
    rules = yaml.safe_load(exported.stdout)
    assert rules["agents"][made]["name"] == "coded"
    assert rules["agents"][made]["project"] == project
    assert rules["agents"][made]["budgets"] == {"usd": {"month": 5_000}}
    assert rules["agents"][made]["each_task"]["budgets"] == {"usd": {"lifetime": 2_000}}
    assert rules["agents"][made]["tasks"]["2024"]["controls"] == {"velocity_count": 3}
    assert rules["projects"][project].keys() == {"name", "version", "controls"}
    assert rules["projects"][project]["controls"] == {}
    assert "version" not in roony("control", "export", "--no-versions").stdout
    file = tmp_path / "rules.yaml"
    file.write_text(exported.stdout)
    assert roony("control", "apply", str(file)).stdout == "Nothing to change.\n"

    name = f"coded {made}"
    file.write_text(yaml.safe_dump({
        "projects": {project: {"name": f"renamed {project}", "controls": {"blocked_categories": ["never"]}}},
        "agents": {made: {
            "name": name, "controls": {"purchase_limit": 900}, "budgets": {"usd": {"month": None, "day": 1_000}},
            "each_task": {"controls": {"velocity_count": 2}}, "tasks": {"2024": {"controls": {}}},
        }},
    }))  # fmt: skip
    dry = roony("control", "apply", str(file), "--dry-run")
    assert dry.exit_code == 0
    assert f"agent {made} (coded)\n  name\n    - coded\n    + {name}\n" in dry.stdout
    assert "  budgets.usd.day\n    + 1000\n  budgets.usd.month\n    - 5000\n" in dry.stdout
    assert roony_json("agent", "show", made)["name"] == "coded"
    # Nobody says yes.
    assert roony("control", "apply", str(file)).exit_code == 1
    assert roony_json("agent", "show", made)["name"] == "coded"
    done = roony("control", "apply", str(file), "--yes")
    assert done.stdout.endswith("9 changes made.\n")
    assert roony("control", "apply", str(file), "--yes").stdout == "Nothing to change.\n"
    assert roony_json("control", "show", made) == {"purchase_limit": 900}
    assert roony_json("control", "show", f"{made}:*") == {"velocity_count": 2}
    assert roony_json("control", "show", f"{made}:2024") == {}
    limits = {row["period"]: row["limit"] for row in roony_json("budget", "list", made)["data"]}
    assert limits == {"day": 1_000, "week": None, "month": None, "lifetime": None}
    # By name; and what is not listed stays.
    file.write_text(yaml.safe_dump({"agents": {name: {"budgets": {"usd": {"week": 5}}}}}))
    assert roony("control", "apply", str(file), "--yes").stdout.endswith("1 change made.\n")
    assert roony_json("control", "show", made) == {"purchase_limit": 900}


@pytest.mark.parametrize("versions", [["--force"], ["--no-versions"]], ids=["forced", "without versions"])
def test_an_export_brings_back_a_level_that_had_no_controls(
    roony: Run, roony_json: RunJson, tmp_path: Path, versions: list[str]
) -> None:
    """What was loosened by hand since is shown, and taken off again."""
    made = roony_json("agent", "create", "bare")["id"]
    file = tmp_path / "rules.yaml"
    no_versions = [option for option in versions if option == "--no-versions"]
    file.write_text(roony("control", "export", *no_versions).stdout)
    roony_json("control", "set", "foreign_currency=allow", "--scope", made)
    applied = roony("control", "apply", str(file), "--yes", *(set(versions) - {"--no-versions"}))
    assert f"agent {made} (bare)\n  controls.foreign_currency\n    - allow\n" in applied.stdout
    assert roony_json("control", "show", made) == {}


def test_a_new_agent_is_said_to_be_new_and_how_it_gets_its_key(roony: Run, roony_json: RunJson, tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text("projects: {Fleet: {}}\nagents: {Driver: {project: Fleet, controls: {purchase_limit: 5}}}\n")
    dry = roony("control", "apply", str(file), "--dry-run").stdout
    assert "project projects.Fleet (Fleet): new\nagent agents.Driver (Driver): new\n" in dry
    done = roony("control", "apply", str(file), "--yes")
    assert done.exit_code == 0
    assert "roony_agent_" not in done.output
    last = done.stdout.splitlines()[-1]
    assert last.startswith("Driver has no key yet. Next: roony agent key new agt_")
    assert roony_json(*last.partition("roony ")[2].split())["key"].startswith("roony_agent_")


def test_what_somebody_else_changed_is_shown_and_kept_unless_forced(
    roony: Run, roony_json: RunJson, tmp_path: Path
) -> None:
    made = roony_json("agent", "create", "contested", "--control", "purchase_limit=700")["id"]
    rules = yaml.safe_load(roony("control", "export").stdout)
    roony_json("control", "set", "purchase_limit=600", "--scope", made)
    rules["agents"] = {made: {**rules["agents"][made], "controls": {"purchase_limit": 800}}}
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump(rules))
    result = roony("control", "apply", str(file), "--yes")
    assert result.exit_code == 1, result.output
    assert "    - 600\n    + 800\n" in result.stdout
    assert f"agents.{made}: its controls were changed since" in result.stderr
    assert roony_json("control", "show", made) == {"purchase_limit": 600}
    assert roony("control", "apply", str(file), "--yes", "--force").exit_code == 0
    assert roony_json("control", "show", made) == {"purchase_limit": 800}
