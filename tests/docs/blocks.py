"""The fenced blocks of README, CONTRIBUTING and docs/, each with what its page says is to be done with it.

A comment on the line before a block says it:

* `<!-- run: NAME -->`: a test runs it; blocks of one name on one page are one session, in the order of the page.
* `<!-- output -->`: what the block before it printed.
* `<!-- run by: tests/… -->`: that test runs or reads it.
* `<!-- not run: WHY -->`: no test can; `NOT_RUN` in test_blocks.py counts these.

A block without a comment is looked at, not run: commands by those who would read them, data by its parser.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
_FENCE = re.compile(r"^(?P<indent>\s*)```(?P<language>[\w-]*)\s*$")
_MARK = re.compile(r"^\s*<!-- (?P<kind>run by|run|output|not run)(?:: (?P<what>.+?))? -->\s*$")


class Block(NamedTuple):
    """One block: where it begins, its language, its text without the indent, and what its mark says."""

    page: str
    line: int
    language: str
    text: str
    kind: str
    what: str

    @property
    def place(self) -> str:
        """Where a person finds it."""
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    """Everything that people read; what is made from the code is compared with it as a whole."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def all_blocks() -> list[Block]:
    """Every block of every page."""
    return [block for page in pages() for block in blocks(page)]


def blocks(page: Path) -> Iterator[Block]:
    """The blocks of one page, in its order."""
    name = page.relative_to(ROOT).as_posix()
    lines = page.read_text(encoding="utf-8").splitlines()
    begun: tuple[int, str, str] | None = None
    kept: list[str] = []
    for number, line in enumerate(lines, 1):
        fence = _FENCE.match(line)
        if begun is None:
            if fence:
                begun, kept = (number, fence["indent"], fence["language"]), []
        elif fence and not fence["language"]:
            start, indent, language = begun
            kind, what = _mark(lines, start)
            text = "".join(f"{each.removeprefix(indent)}\n" for each in kept)
            yield Block(name, start, language, text, kind, what)
            begun = None
        else:
            kept.append(line)
    assert begun is None, f"{name}: a block that begins on line {begun} has no end"


def _mark(lines: list[str], start: int) -> tuple[str, str]:
    found = _MARK.match(lines[start - 2]) if start > 1 else None
    return (found["kind"], found["what"] or "") if found else ("", "")


def session(page: str, name: str) -> list[tuple[Block, Block | None]]:
    """The blocks of one session, each with the block that says what it prints, if there is one."""
    of_page = list(blocks(ROOT / page))
    found = []
    for place, block in enumerate(of_page):
        if (block.kind, block.what) == ("run", name):
            after = of_page[place + 1] if place + 1 < len(of_page) else None
            found.append((block, after if after is not None and after.kind == "output" else None))
    assert found, f"{page} has no session {name}"
    return found


def sessions() -> list[tuple[str, str]]:
    """Every session there is: page and name."""
    return list(dict.fromkeys((block.page, block.what) for block in all_blocks() if block.kind == "run"))
