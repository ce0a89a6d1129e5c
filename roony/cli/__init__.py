"""The commands, one file for each noun."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

# New objects between two looks of the cycle collector; nearly all of ours are freed by counting.
GC_ALLOCATIONS = 50_000


def main() -> None:
    """What the script `roony` calls."""
    gc.set_threshold(GC_ALLOCATIONS, 20, 50)
    with loading():
        from roony.cli.commands import parser

        command = parser()
    command()


@contextmanager
def loading() -> Iterator[None]:
    """For loading much: nothing is looked for cycles meanwhile, nor ever again, since what modules make stays.

    Such looks were a sixth of a start (measured).
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
