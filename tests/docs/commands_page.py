"""Every command with its arguments and options, made from what reads the command line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from typer.core import TyperGroup

from roony.cli.commands import parser


def commands_page() -> str:
    """A section for each noun, a table for each command."""
    lines: list[str] = []
    for name, command in _listed(parser()):
        lines += [f"## roony {name}", "", _words(command.help), ""]
        if isinstance(command, TyperGroup):
            for inner, each in _listed(command):
                lines += [f"### roony {name} {inner}", "", _words(each.help), "", *_table(each)]
        else:
            lines += _table(command)
    return "\n".join(lines).rstrip()


def _listed(group: Any) -> Iterator[tuple[str, Any]]:
    return ((name, command) for name, command in group.commands.items() if not command.hidden)


def _table(command: Any) -> list[str]:
    rows = [row for parameter in command.params if (row := _row(parameter))]
    return ["| | |", "| --- | --- |", *rows, ""] if rows else []


def _row(parameter: Any) -> str | None:
    words = _words(parameter.help if hasattr(parameter, "help") else "")
    if parameter.param_type_name == "argument":
        many = "…" if parameter.nargs != 1 else ""
        needed = "" if parameter.required else ", may be left out"
        return f"| `{(parameter.metavar or parameter.name).upper()}{many}`{needed} | {words} |"
    if parameter.name == "help" or parameter.hidden:
        return None
    names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
    told = [words]
    if parameter.multiple and "several times" not in words:
        told.append("May be given several times.")
    if parameter.required:
        told.append("Required.")
    elif parameter.default not in (None, False, "", (), []) and not callable(parameter.default):
        told.append(f"Default: `{parameter.default}`.")
    return f"| {names} | {' '.join(part for part in told if part)} |"


def _words(text: str | None) -> str:
    """Help as one line of a table."""
    return " ".join((text or "").replace("\b", "").split()).replace("|", "\\|")
