"""The commands, one file for each noun."""

from __future__ import annotations


def main() -> None:
    """What the script `roony` calls."""
    from roony.cli.commands import app

    app()
