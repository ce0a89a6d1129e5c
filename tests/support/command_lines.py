"""Command lines as the CLI takes them, without doing what they say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from typer.main import get_command

from roony.cli.commands import app


def parse(arguments: Sequence[str]) -> dict[str, Any]:
    """The options of a command line as the CLI takes them; what it does not know raises."""
    command, context, rest = get_command(app), None, list(arguments)
    while True:
        context = command.make_context(command.name or "roony", rest, parent=context)
        if not hasattr(command, "resolve_command"):
            return dict(context.params)
        name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        assert name is not None
