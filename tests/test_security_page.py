"""docs/security.md: every test that it names exists, and every threat has one."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`([\w/]+\.py): ((?:\w+::)?test_\w+)`", PAGE)))
THREATS = (
    "An agent taken over by text", "A stolen agent key", "A malicious merchant", "A forged or replayed webhook",
    "A curious operator", "A stolen database or backup", "A lost key", "An insider who raises limits",
    "An attack by a dependency",
)  # fmt: skip


def names_in(path: Path) -> set[str]:
    """The names of all tests of a file, with their class."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        prefix = f"{node.name}::" if isinstance(node, ast.ClassDef) else ""
        for item in node.body if isinstance(node, ast.ClassDef) else [node]:
            if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef):
                found.add(prefix + item.name)
    return found


@pytest.mark.parametrize(("file", "test"), NAMED)
def test_every_named_test_is_there(file: str, test: str) -> None:
    assert (ROOT / "tests" / file).is_file(), file
    assert test in names_in(ROOT / "tests" / file)


def test_every_threat_has_a_control_and_a_test() -> None:
    threats = PAGE.partition("## The threats")[2].partition("\n## ")[0]
    told = re.split(r"\n\*\*", threats)[1:]
    assert [one.partition("**")[0].rstrip(".,") for one in told] == list(THREATS)
    for one in told:
        rows = re.findall(r"^\| .+ \| (.+) \|$", one, re.MULTILINE)[1:]
        assert rows
        assert all("test_" in row for row in rows if row != "---"), one[:60]


def test_no_name_is_written_otherwise() -> None:
    """What looks like a test is named in the one way that is looked up."""
    named = re.findall(r"`[\w/]+\.py: (?:\w+::)?test_\w+`", PAGE)
    assert len(re.findall(r"\btest_\w+`", PAGE)) == len(named) > 50
