"""No fenced block of a page is there unread: each is run, read by what would read it, or says why nobody can."""

from __future__ import annotations

import json
import re
import tomllib
from collections import Counter
from itertools import product
from pathlib import Path

import pytest
import yaml

from tests.docs.blocks import ROOT, Block, all_blocks, pages
from tests.docs.commands import INCOMPLETE, look_at

BLOCKS = all_blocks()
# How many blocks of each page no test can run; the page says why at each. One more is one too many.
NOT_RUN = {
    "README.md": 1,
    "docs/high-availability.md": 1,
    "docs/operations.md": 6,
    "docs/quick-start.md": 1,
    "docs/scaling.md": 2,
    "docs/simulator.md": 1,
    "docs/stripe-setup.md": 1,
}
# What a text that is no command may begin with; a command belongs into a block that is looked at.
COMMAND = re.compile(
    r"^\s*(\$ |(\.venv/bin/)?(roony|curl|make|python3?|pip|export|stripe|docker|systemctl) \S)", re.MULTILINE
)


def name(block: Block) -> str:
    return block.place


def test_pages_have_blocks() -> None:
    assert len(BLOCKS) > 80


def test_what_is_not_run_is_counted() -> None:
    counted = Counter(block.page for block in BLOCKS if block.kind == "not run")
    assert dict(counted) == NOT_RUN


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.kind == "not run"], ids=name)
def test_what_is_not_run_says_why(block: Block) -> None:
    assert len(block.what.split()) >= 3, block.place


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.kind == "run by"], ids=name)
def test_who_is_named_runs_it(block: Block) -> None:
    """The test that is named opens this page."""
    file = ROOT / block.what
    assert file.is_file(), block.what
    text = file.read_text(encoding="utf-8")
    assert block.page.rpartition("/")[2] in text, f"{block.what} does not read {block.page}"


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.kind == ""], ids=name)
def test_what_says_nothing_is_read_by_what_would_read_it(block: Block) -> None:
    match block.language:
        case "sh":
            assert look_at(block) == []
        case "json":
            json.loads(block.text)
        case "yaml":
            yaml.safe_load(block.text)
        case "toml":
            tomllib.loads(block.text)
        case "text":
            assert not COMMAND.search(block.text), "a command is no text: give it the language sh"
        case language:
            pytest.fail(f"a block of {language or 'no language'} needs a comment that says who runs it")


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.kind == "output"], ids=name)
def test_an_output_follows_what_prints_it(block: Block) -> None:
    before = [other for other in BLOCKS if other.page == block.page and other.line < block.line]
    assert before, block.place
    assert before[-1].kind == "run", f"{block.place} does not follow a block that is run"


# What a command that is only named in a sentence may lack: the words a reader puts there, or the rest of it.
NAMED_ONLY = re.compile(
    rf"{INCOMPLETE}|Missing (argument|option)|requires an argument|No such file|Input should be"
    r"|No such command '([A-Z]+|…)'"
)
# These begin like a command and are the first words of a signed text.
NO_COMMAND = {"roony audit checkpoint v1"}
FENCED = re.compile(r"^\s*```.*?^\s*```\s*$", re.DOTALL | re.MULTILINE)
IN_A_SENTENCE = re.compile(r"(?<!`)`((?:\.venv/bin/)?(?:roony|make) [^`]+)`")


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_commands_in_sentences_exist(page: Path) -> None:
    wrong = []
    for named in IN_A_SENTENCE.findall(FENCED.sub("", page.read_text(encoding="utf-8"))):
        words = [word.split("|") for word in named.split()] if named not in NO_COMMAND else []
        for each in product(*words):
            wrong += [told for told in looked_at(f"{' '.join(each)}\n") if not NAMED_ONLY.search(told)]
    assert wrong == []


def looked_at(text: str) -> list[str]:
    return look_at(Block("README.md", 1, "sh", text, "", ""))


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("roony purchase ask 12 --merchant Figma\n", ""),
        ("roony purchase ask 12 --marchant Figma\n", "--marchant"),
        ("roony purchase buy 12\n", "buy"),
        ("roony\n", "a command is missing"),
        ("export ROONY_SECRET_KEY=$(roony keys new)\n", "nobody reads ROONY_SECRET_KEY"),
        ("export ROONY_SECRET_KEYS=$(roony keys newer)\n", "newer"),
        ("STRIPE_SECRET_KEY_FILE=/run/key roony serve\n", ""),
        ("make tests\n", "make knows no tests"),
        ("python -m benchmarks.none\n", "no module"),
        (".venv/bin/python examples/none.py\n", "there is no examples/none.py"),
        ("rm -r roony.db\n", "nobody here knows rm"),
        ("stripe listen --forward http://localhost:8000\n", "no option --forward"),
        ('curl "$ROONY_URL/api/v1/budgets" -H "Authorization: Bearer $ROONY_AGENT_KEY"\n', ""),
        ("curl http://localhost:8000/api/v1/budget\n", "does not answer GET /api/v1/budget"),
        ('curl -X PATCH http://localhost:8000/api/v1/admin/organization --json \'{"delivery": "open"}\'\n', "'open'"),
        ("curl http://localhost:8001/v1/issuing/card -d a=b\n", "neither Stripe nor the simulator"),
        ("curl https://example.com/\n", "no address of these pages"),
    ],
)
def test_what_cannot_be_typed_is_found(text: str, wrong: str) -> None:
    found = looked_at(text)
    assert bool(found) == bool(wrong), found
    assert wrong in "".join(found)
