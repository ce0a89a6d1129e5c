"""The commands, one file for each noun."""

from __future__ import annotations

import gc

# New objects between two looks of the cycle collector: loading makes many, and nearly all of them stay.
LOADING_ALLOCATIONS = 50_000


def main() -> None:
    """What the script `roony` calls."""
    gc.set_threshold(LOADING_ALLOCATIONS, 20, 50)
    from roony.cli.commands import app

    app()
