"""Roony killed before and after every commit and every call to Stripe; started again, all is well.

Which points there are is read from the code (points.py). `make test` kills at those that money hangs on, `make chaos`
at every one, on both databases.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.chaos.playing import SQLITE_ONLY, Theatre
from tests.chaos.points import all_points, calls, commands, writes
from tests.chaos.scenes import SCENES, things
from tests.support.tills import DATABASES

# Killed at in every run, on SQLite; on PostgreSQL those of the second list. All others in `make chaos`.
EVERY_RUN = {
    "sqlite": """
        AskPurchase create_card RecordCard RecordDelivery AnswerAuthorization inbox.keep inbox.claim BookAuthorization
        BookTransaction Approve Freeze Withdraw ActivateConnection exchange_code wiring._free_leases
    """.split(),
    "postgresql": "AskPurchase create_card AnswerAuthorization BookTransaction".split(),
}


def plays() -> list[object]:
    """Every point on every database; those that are not for every run are marked."""
    found = []
    for database in DATABASES:
        backend, marks = (database, []) if isinstance(database, str) else (str(database.values[0]), [*database.marks])
        for point in all_points():
            thing = point.partition(":")[2]
            if thing in SQLITE_ONLY and backend != "sqlite":
                continue
            more = [] if thing in EVERY_RUN[backend] else [pytest.mark.chaos]
            found.append(pytest.param(backend, point, marks=[*marks, *more], id=f"{backend}-{point}"))
    return found


def test_every_commit_and_every_call_has_a_scene() -> None:
    """And no scene names one that is gone."""
    there = commands() | writes() | calls()
    assert set(things()) == there, set(things()) ^ there
    assert sum(len(scene.things) for scene in SCENES) == len(there)


@pytest.mark.parametrize(("backend", "point"), plays())
def test_killed_at(
    backend: str, point: str, theatre: Callable[[str], Theatre], record_property: Callable[[str, object], None]
) -> None:
    """P2, P3, P8, P9, P12: one purchase, one card, each event once, and the books are Stripe's."""
    stage = theatre(backend)
    before = stage.restarts
    try:
        stage.play(point)
    finally:
        record_property("crash point", point)
        record_property("crash database", backend)
        record_property("crash restarts", stage.restarts - before)
