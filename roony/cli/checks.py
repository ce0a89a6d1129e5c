"""How checks are printed: one line each, with what to do about those that are not well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from roony.cli.output import console
from roony.core.text import visible

_MARKS = {"ok": ("ok     ", "green"), "warning": ("warning", "yellow"), "missing": ("missing", "bold red")}
_UNKNOWN = ("unknown", "cyan")


def print_checks(title: str, checks: Sequence[Mapping[str, Any]]) -> None:
    """A group of checks under its title."""
    out = console()
    out.print(Text(title, style="bold"))
    for check in checks:
        word, style = _MARKS.get(check["status"], _UNKNOWN)
        out.print(Text.assemble("  ", (word, style), visible(f"  {check['id']}: {check['message']}")))
        if check.get("next") and check["status"] != "ok":
            out.print(Text(visible(f"           → {check['next']}"), style="dim"))
