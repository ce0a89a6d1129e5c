"""Roony killed before and after every commit and every call to Stripe; started again, all is well.

Which points there are is read from the code (points.py). `make test` kills at those that money hangs on; `make chaos`
at every one, on both databases, and then at random ones, also while it recovers.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable

import pytest

from tests.chaos.playing import SQLITE_ONLY, Theatre, things
from tests.chaos.points import all_points, calls, commands, writes
from tests.chaos.scenes import SCENES
from tests.support.tills import DATABASES

SEED = int(os.environ.get("ROONY_TEST_SEED", "20261123"))
# Scenes of one random run; each is killed one to three times.
RANDOM_SCENES = 40
# Killed at in every run.
EVERY_RUN = {
    "sqlite": """
        AskPurchase create_card RecordCard RecordDelivery AnswerAuthorization inbox.keep inbox.claim
        BookAuthorization BookTransaction Approve Freeze Withdraw exchange_code wiring._free_leases run._save
    """.split(),
    "postgresql": "AskPurchase create_card AnswerAuthorization BookTransaction".split(),
}
Told = Callable[[str, object], None]


def plays(wanted: dict[str, list[str]] | None = None) -> list[object]:
    """Every point on every database, or those of the things that are wanted there."""
    found = []
    for database in DATABASES:
        backend, marks = (database, []) if isinstance(database, str) else (str(database.values[0]), [*database.marks])
        for point in all_points():
            thing = point.partition(":")[2]
            there = thing not in SQLITE_ONLY or backend == "sqlite"
            if there and (wanted is None or thing in wanted[backend]):
                found.append(pytest.param(backend, point, marks=marks, id=f"{backend}-{point}"))
    return found


def test_every_commit_and_every_call_has_a_scene() -> None:
    """And no scene names one that is gone."""
    there = commands() | writes() | calls()
    assert set(things()) == there, set(things()) ^ there
    assert sum(len(scene.things) for scene in SCENES) == len(there)
    assert {thing for wanted in EVERY_RUN.values() for thing in wanted} <= there


@pytest.mark.parametrize(("backend", "point"), plays(EVERY_RUN))
def test_killed_where_money_hangs_on_it(backend: str, point: str, theatre: Callable[[str], Theatre]) -> None:
    """P2, P3, P8, P9, P12: one purchase, one card, each event once, and the books are Stripe's."""
    theatre(backend).play(point)


@pytest.mark.chaos
@pytest.mark.parametrize(("backend", "point"), plays())
def test_killed_at_every_point(
    backend: str, point: str, theatre: Callable[[str], Theatre], record_property: Told
) -> None:
    """The same at each point there is; that Roony died there is asserted, so what passes was hit."""
    stage = theatre(backend)
    restarts = stage.restarts
    try:
        stage.play(point)
    finally:
        record_property("crash", (backend, point, 1, stage.restarts - restarts))


@pytest.mark.chaos
@pytest.mark.parametrize("backend", DATABASES)
def test_killed_at_random_also_while_it_recovers(
    backend: str, theatre: Callable[[str], Theatre], record_property: Told, capsys: pytest.CaptureFixture[str]
) -> None:
    """Up to three deaths in a row, at the first, second or third passing of a point. ROONY_TEST_SEED repeats it."""
    with capsys.disabled():
        print(f"\n{backend}: ROONY_TEST_SEED={SEED}")  # noqa: T201 - how to repeat it
    dice, stage = random.Random(SEED), theatre(backend)
    for number in range(RANDOM_SCENES):
        restarts, points = stage.restarts, stage.draw(dice)
        try:
            deaths = stage.play_at_random(points)
        except BaseException as error:
            error.add_note(f"ROONY_TEST_SEED={SEED}, scene {number + 1} of {RANDOM_SCENES} on {backend}: {points}")
            raise
        record_property("crash", (backend, "at random", deaths, stage.restarts - restarts))
