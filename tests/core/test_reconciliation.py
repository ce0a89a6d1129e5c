"""When a run is due, from when on it looks, how often Stripe may be read, and what a person may write as a time."""

from __future__ import annotations

import pytest

from roony.core.duration import DAY, HOUR
from roony.core.reconciliation import (
    BACKGROUND_READS,
    EVENTS_OVERLAP,
    EVENTS_PACE,
    FIRST_LOOK,
    GAP,
    LISTS_OVERLAP,
    LISTS_PACE,
    MAX_NAMED,
    PHASES,
    READS_EACH_TRANSACTION,
    SLOW_PACE,
    Due,
    Place,
    Standing,
    background_reads,
    named,
    next_due,
    next_phase,
    run_id,
    since_of,
    totals,
)

NOW = 1_795_392_000_000_000
NEW = Standing(NOW, None, None, None, None, 0, 0, 0)
# Stripe's floor for an account and month (facts section 7.3).
STRIPE_FLOOR = 10_000


@pytest.mark.parametrize(
    ("changed", "after", "due"),
    [
        ({}, 0, Due(NOW + EVENTS_PACE, "events", False)),
        # Late, as after a stop: the lists are due as well, and one run does both.
        ({}, 2 * HOUR, Due(NOW + EVENTS_PACE, "lists", False)),
        ({"last_events": NOW + HOUR}, HOUR, Due(NOW + HOUR + EVENTS_PACE, "lists", False)),
        (
            {"last_events": NOW + HOUR, "last_lists": NOW + HOUR}, HOUR,
            Due(NOW + HOUR + EVENTS_PACE, "events", False),
        ),
        (
            {"last_events": NOW + 2 * HOUR - EVENTS_PACE, "last_lists": NOW + HOUR}, HOUR,
            Due(NOW + 2 * HOUR, "lists", False),
        ),
        ({"reads": BACKGROUND_READS - 1}, 2 * HOUR, Due(NOW + EVENTS_PACE, "lists", False)),
        ({"reads": BACKGROUND_READS}, 2 * HOUR, Due(NOW + SLOW_PACE, "events", True)),
        # A busy account may be read more.
        ({"reads": BACKGROUND_READS, "transactions": 1_000}, 2 * HOUR, Due(NOW + EVENTS_PACE, "lists", False)),
    ],
)  # fmt: skip
def test_when_the_next_run_is_due(changed: dict[str, int], after: int, due: Due) -> None:
    assert next_due(NEW._replace(**changed), NOW + after) == due


def test_a_month_at_the_usual_pace_stays_under_the_ceiling_and_the_ceiling_under_stripes_floor() -> None:
    # A run of the lists reads four pages at least, one of events.
    lists = 30 * DAY // LISTS_PACE
    events = 30 * DAY // EVENTS_PACE - lists
    assert 4 * lists + events < BACKGROUND_READS < STRIPE_FLOOR
    slow = 30 * DAY // SLOW_PACE
    assert BACKGROUND_READS + slow < STRIPE_FLOOR
    assert READS_EACH_TRANSACTION < 500
    assert background_reads(0) == BACKGROUND_READS
    # Being slow must not look like having been away.
    assert SLOW_PACE < GAP


def test_a_run_begins_where_the_last_one_ended() -> None:
    assert since_of("events", NEW, NOW) == NOW - EVENTS_OVERLAP
    assert since_of("lists", NEW, NOW) == NOW - LISTS_OVERLAP
    # The first run on an account of long ago does not read all of its past.
    assert since_of("lists", NEW, NOW + 400 * DAY) == NOW + 400 * DAY - FIRST_LOOK - LISTS_OVERLAP
    later = NEW._replace(events_until=NOW + 2 * HOUR, lists_until=NOW + HOUR)
    assert since_of("events", later, NOW + DAY) == NOW + 2 * HOUR - EVENTS_OVERLAP
    assert since_of("lists", later, NOW + DAY) == NOW + HOUR - LISTS_OVERLAP


def test_every_kind_walks_its_phases_to_the_end() -> None:
    for kind, phases in PHASES.items():
        walked = [phases[0]]
        while (following := next_phase(kind, walked[-1])) is not None:
            walked.append(following)
        assert tuple(walked) == phases


def test_a_place_is_kept_whole() -> None:
    place = Place("transactions", "ipi_1", 17, ("ipi_1", "ipi_2"), {"usd capture": 5_000}, 3)
    assert Place.read(place.to_json()) == place
    assert Place.read(Place("events").to_json()) == Place("events")


def test_a_slot_has_one_id() -> None:
    assert run_id("con_1", "timed", NOW) == run_id("con_1", "timed", NOW)
    assert len({run_id("con_1", "timed", None), run_id("con_1", "gap", None), run_id("con_2", "timed", None)}) == 3


def test_what_is_missing_is_counted_once_and_named_up_to_a_limit() -> None:
    detail: dict[str, list[str]] = {}
    assert named(detail, "missing_here", ["a", "a", "b"]) == 2
    assert named(detail, "missing_here", ["b", "c"]) == 1
    many = [f"id_{number}" for number in range(3 * MAX_NAMED)]
    assert named(detail, "missing_here", many) == len(many)
    assert len(detail["missing_here"]) == MAX_NAMED


def test_totals_stand_side_by_side() -> None:
    assert totals({"usd capture": 5, "eur refund": 1}, {"usd capture": 4}) == [
        {"currency": "eur", "type": "refund", "stripe": 1, "here": 0},
        {"currency": "usd", "type": "capture", "stripe": 5, "here": 4},
    ]
