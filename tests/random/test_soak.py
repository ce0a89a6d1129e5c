"""Random companies for as long as one likes: `make soak`, with ROONY_SOAK_SECONDS and ROONY_TEST_SEED.

Each round is a seed of its own on one ground: memory, SQLite, PostgreSQL in turn. A failure names the seed and ground,
the shortest run hypothesis finds for it, and how to repeat it.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
import structlog
from rich.console import Console
from rich.live import Live
from rich.table import Table

from tests.random.ground import Ground, MemoryGround, PostgresGround, SqliteGround
from tests.random.test_machine import SEED, run
from tests.random.watch import Counts
from tests.support import postgres

SOAK_SECONDS = int(os.environ.get("ROONY_SOAK_SECONDS", "600"))
# Of a soak's time the machine gets this share, whole processes (test_whole_processes.py) the rest.
MACHINE_SHARE = 0.8
EXAMPLES, STEPS = 10, 80
ONLY = os.environ.get("ROONY_SOAK_ON", "")
LINE_SECONDS = 60.0  # between lines where there is no terminal to draw on


def shown(counts: Counts, title: str, violations: int | None = None) -> Table:
    """The counts as a table of two columns."""
    table = Table("", "count", title=title)
    for name in ("examples", "steps", "purchases", "answers", "approvals", "delivered", "duplicated", "lost"):
        table.add_row(name, f"{getattr(counts, name):,}")
    table.add_row("crashes (die, break)", f"{counts.crashes:,}")
    table.add_row("restarts", f"{counts.restarts:,}")
    for word, times in sorted(counts.words.items()):
        table.add_row(word, f"{times:,}")
    if violations is not None:
        table.add_row("violations", f"[bold]{violations}[/bold]")
    return table


def soak(grounds: list[Ground], seconds: float, counts: Counts, console: Console) -> int:
    """Rounds until the time is over; returns how many. Raises what a round raises, with how to repeat it."""
    began, number, told = time.monotonic(), SEED, time.monotonic()
    where = ""

    def progress() -> str:
        gone = time.monotonic() - began
        return (
            f"{gone:,.0f} of {seconds:,.0f} s · seed {number} on {where} · {counts.steps:,} steps,"
            f" {counts.delivered:,} events, {counts.crashes:,} crashes, no violation"
        )

    with Live(get_renderable=progress, console=console, refresh_per_second=2, transient=True):
        while time.monotonic() - began < seconds:
            ground = grounds[(number - SEED) % len(grounds)]
            where = ground.name
            try:
                run(ground, number, EXAMPLES, STEPS, counts)
            except Exception as error:
                error.add_note(f"or: ROONY_TEST_SEED={number} ROONY_SOAK_ON={where} ROONY_SOAK_SECONDS=1 make soak")
                raise
            number += 1
            if not console.is_terminal and time.monotonic() - told > LINE_SECONDS:
                told = time.monotonic()
                console.print(progress())
    return number - SEED


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_random_companies_for_as_long_as_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """P1 to P5 and P8 to P12 after every step, and the reference model at the end of each run."""
    counts, grounds = Counts(), [MemoryGround(), SqliteGround(tmp_path)]
    structlog.configure(processors=[], logger_factory=structlog.ReturnLoggerFactory())
    with capsys.disabled(), postgres.books_database("postgresql" if postgres.server() else "sqlite") as url:
        console = Console()
        every: list[Ground] = [*grounds, *([PostgresGround(url)] if url else [])]
        chosen = [ground for ground in every if ONLY in ("", ground.name)]
        console.print(f"\nROONY_TEST_SEED={SEED}, on {', '.join(ground.name for ground in chosen)}")
        violations = 1
        try:
            soak(chosen, SOAK_SECONDS * MACHINE_SHARE, counts, console)
            violations = 0
        finally:
            console.print(shown(counts, f"random companies, seed {SEED}", violations))
            for ground in every[1:]:
                ground.close()  # type: ignore[union-attr]
            structlog.reset_defaults()
