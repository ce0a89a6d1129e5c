"""What of the pages is made from the code: `python -m tests.docs` says what is out of date, `--write` writes it.

A part of a page between `<!-- made from the code: NAME -->` and `<!-- made: end -->` is what the maker NAME says.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from roony.core.action_required import ACTIONS
from roony.core.connection import NEXT
from tests.docs.api_page import api_page
from tests.docs.blocks import ROOT, pages
from tests.docs.commands_page import commands_page
from tests.docs.diagrams import DRAWINGS, diagrams, table
from tests.docs.surface import failures

_PART = re.compile(r"(<!-- made from the code: (?P<name>[\w-]+) -->\n).*?(<!-- made: end -->)", re.DOTALL)


def _actions() -> str:
    rows = [f"| `{one.code}` | {one.message} | {one.next} |" for one in ACTIONS.values()]
    return "\n".join(["| Code | Message | Do |", "| --- | --- | --- |", *rows])


def _failures() -> str:
    rows = [f"| `{code}` | {words} | {'yes' if again else 'no'} |" for code, (words, again) in failures().items()]
    return "\n".join(["| Code | Message | Again |", "| --- | --- | --- |", *rows])


def _restrictions() -> str:
    rows = [f"| `{code}` | {words} |" for code, words in NEXT.items()]
    return "\n".join(["| Reason | Do |", "| --- | --- |", *rows])


MAKERS: dict[str, Callable[[], str]] = {
    "actions": _actions,
    "failures": _failures,
    "restrictions": _restrictions,
    "api": api_page,
    "commands": commands_page,
    **{f"life-{name}": (lambda name=name: table(name)) for name in DRAWINGS},  # type: ignore[misc]
}


def as_made(text: str) -> str:
    """A page with every part as its maker says it now. Raises KeyError for a part that nobody makes."""
    return _PART.sub(lambda part: f"{part[1]}{MAKERS[part['name']]()}\n{part[3]}", text)


def all_made() -> dict[Path, str]:
    """Every file that is made, or has a made part, as it has to be."""
    files = {ROOT / name: text for name, text in diagrams().items()}
    for page in pages():
        text = page.read_text(encoding="utf-8")
        if _PART.search(text):
            files[page] = as_made(text)
    return files
