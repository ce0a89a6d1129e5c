"""The clock that follows the simulator's: one small file, read at each call, acknowledged after a round."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from roony.clock import Clock, FollowedClock
from roony.identifiers import new_id, new_version
from roony.simulator.clock import Clock as SimulatorClock

HOUR = 3_600_000_000


def test_the_clock_tells_microseconds() -> None:
    before = time.time_ns() // 1000
    now = Clock()()
    assert before <= now <= time.time_ns() // 1000
    assert Clock().generation() == 0
    Clock().acknowledge(5)


@pytest.mark.anyio
@pytest.mark.parametrize("first", ["simulator", "roony"])
async def test_both_clocks_move_together(tmp_path: Path, first: str) -> None:
    """Whoever opens the file first; the move answers only after it was acknowledged."""
    file = tmp_path / "clock"
    if first == "simulator":
        simulator, clock = SimulatorClock(str(file)), FollowedClock(file)
    else:
        clock, simulator = FollowedClock(file), SimulatorClock(str(file))
    assert abs(clock() - time.time_ns() // 1000) < HOUR / 60
    before = clock.generation()
    moving = asyncio.create_task(simulator.advance(3_600))
    await asyncio.sleep(0)  # the move is published before the simulator begins to wait
    assert clock.generation() == before + 1
    assert clock() - time.time_ns() // 1000 == pytest.approx(HOUR, abs=1_000_000)
    await asyncio.sleep(0.02)
    assert not moving.done()
    clock.acknowledge(clock.generation())
    assert await moving is True


@pytest.mark.anyio
async def test_a_round_that_began_before_the_move_does_not_count(tmp_path: Path) -> None:
    simulator, clock = SimulatorClock(str(tmp_path / "clock")), FollowedClock(tmp_path / "clock")
    generation = clock.generation()
    moving = asyncio.create_task(simulator.advance(60))
    await asyncio.sleep(0.01)
    clock.acknowledge(generation)
    await asyncio.sleep(0.02)
    assert not moving.done()
    clock.acknowledge(clock.generation())
    assert await moving is True


def test_ids_have_a_prefix_sort_by_time_and_never_repeat() -> None:
    made = [new_id("pur") for _ in range(5_000)]
    assert len(set(made)) == len(made)
    for id in made[:100]:
        prefix, _, rest = id.partition("_")
        assert (prefix, len(rest), rest.isalnum()) == ("pur", 27, True)
    stamps = [id[:15] for id in made]
    assert stamps == sorted(stamps)
    assert new_version() != new_version()
