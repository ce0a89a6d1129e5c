"""Budget periods begin at local midnight in every time zone, and what is left is limit less spent less held."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roony.core.budget import (
    PERIODS,
    Budget,
    BudgetPeriod,
    available,
    is_time_zone,
    period_start,
    period_starts,
)
from tests.core.rows import row

MINUTE = 60_000_000
# Zones with odd offsets, transitions at midnight, half-hour transitions and left-out or repeated days.
_ZONES = """
UTC Europe/Prague America/New_York America/Los_Angeles Asia/Kolkata Asia/Kathmandu Pacific/Apia Pacific/Kiritimati
Australia/Lord_Howe America/St_Johns America/Sao_Paulo America/Havana Asia/Beirut Africa/Cairo America/Santiago
Asia/Amman Asia/Tehran Pacific/Kwajalein America/Asuncion Africa/Casablanca Antarctica/Troll Pacific/Chatham
"""
ZONES = _ZONES.split()


def micro(text: str) -> int:
    """Microseconds of an instant in ISO 8601 with an offset, or in UTC without one."""
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()) * 1_000_000


def local(microseconds: int, zone: str) -> datetime:
    """What the clock of a zone shows at an instant."""
    return datetime.fromtimestamp(microseconds // 1_000_000, UTC).astimezone(ZoneInfo(zone))


@pytest.mark.parametrize(
    ("period", "zone", "now", "start"),
    [
        pytest.param("day", "UTC", "2026-11-23T06:00", "2026-11-23T00:00", id="utc-day"),
        pytest.param("day", "UTC", "2026-11-23T00:00", "2026-11-23T00:00", id="first-instant-belongs-to-the-day"),
        pytest.param("week", "UTC", "2026-11-22T23:59", "2026-11-16T00:00", id="sunday-ends-the-week"),
        pytest.param("week", "UTC", "2026-11-23T00:00", "2026-11-23T00:00", id="monday-begins-the-week"),
        pytest.param("week", "UTC", "2027-01-01T12:00", "2026-12-28T00:00", id="week-over-new-year"),
        pytest.param("month", "UTC", "2028-02-29T12:00", "2028-02-01T00:00", id="leap-day"),
        pytest.param("lifetime", "Asia/Tokyo", "2026-11-23T06:00", "1970-01-01T00:00", id="lifetime"),
        pytest.param("day", "Asia/Tokyo", "2026-11-23T15:00", "2026-11-23T15:00", id="tokyo-is-a-day-ahead"),
        pytest.param("day", "America/Los_Angeles", "2026-11-23T07:59", "2026-11-22T08:00", id="los-angeles-is-behind"),
        pytest.param("month", "Pacific/Kiritimati", "2026-10-31T10:00", "2026-10-31T10:00", id="utc-plus-14"),
        pytest.param("day", "Asia/Kathmandu", "2026-11-23T18:14", "2026-11-22T18:15", id="offset-of-5-45"),
        pytest.param("day", "Europe/Prague", "2026-03-29T12:00", "2026-03-28T23:00", id="day-of-23-hours"),
        pytest.param("day", "Europe/Prague", "2026-10-25T22:59", "2026-10-24T22:00", id="day-of-25-hours"),
        pytest.param("month", "Europe/Prague", "2026-04-15T12:00", "2026-03-31T22:00", id="month-in-summer-time"),
        pytest.param("day", "America/Sao_Paulo", "2018-11-04T12:00", "2018-11-04T03:00", id="no-midnight-brazil"),
        pytest.param("day", "Asia/Beirut", "2026-03-29T12:00", "2026-03-28T22:00", id="no-midnight-lebanon"),
        pytest.param("day", "America/Havana", "2025-11-02T12:00", "2025-11-02T04:00", id="two-times-midnight-cuba"),
        pytest.param("day", "America/Toronto", "1919-03-31T12:00", "1919-03-31T04:30", id="jump-from-23-30-to-0-30"),
        pytest.param("day", "Pacific/Apia", "2011-12-30T10:00", "2011-12-30T10:00", id="samoa-left-out-a-day"),
        pytest.param("day", "Pacific/Apia", "2011-12-30T09:59", "2011-12-29T10:00", id="samoa-the-day-before"),
    ],
)
def test_period_starts_at_local_midnight(period: str, zone: str, now: str, start: str) -> None:
    """Each row is one time zone trap."""
    assert period_start(period, zone, micro(now)) == micro(start)


@cache
def first_minute(day: date, zone: str) -> int:
    """The slow way: walk minute by minute to the first one whose local date is `day` or later."""
    at = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000_000 - 30 * 60 * MINUTE
    while local(at, zone).date() < day:
        at += MINUTE
    return at


def slow_period_start(period: str, zone: str, now: int) -> int:
    """The latest begin of a period that is not in the future, tried day by day from tomorrow backwards."""
    day = local(now, zone).date() + timedelta(days=1)
    while True:
        begins = {"day": True, "week": day.weekday() == 0, "month": day.day == 1}[period]
        if begins and first_minute(day, zone) <= now:
            return first_minute(day, zone)
        day -= timedelta(days=1)


@given(
    period=st.sampled_from(["day", "week", "month"]),
    zone=st.sampled_from(ZONES),
    now=st.integers(micro("1990-01-01T00:00"), micro("2038-01-01T00:00")),
)
def test_period_start_agrees_with_the_slow_way(period: str, zone: str, now: int) -> None:
    """Any instant, any zone: the fast answer is the one found by walking."""
    assert period_start(period, zone, now) == slow_period_start(period, zone, now)


@pytest.mark.parametrize("zone", ZONES)
def test_period_start_agrees_around_every_change_of_the_clock(zone: str) -> None:
    """The hours about each transition of two decades, minute by minute where it matters."""
    at = micro("2005-01-01T00:00")
    while at < micro("2026-01-01T00:00"):
        later = at + 24 * 60 * MINUTE
        if local(at, zone).utcoffset() != local(later, zone).utcoffset():
            for moment in range(at - 60 * MINUTE, later + 60 * MINUTE, 29 * MINUTE):
                assert period_start("day", zone, moment) == slow_period_start("day", zone, moment)
        at = later


@given(
    period=st.sampled_from(PERIODS),
    zone=st.sampled_from(ZONES),
    now=st.integers(0, micro("2100-01-01T00:00")),
    step=st.integers(0, 400 * 24 * 60 * MINUTE),
)
def test_period_start_never_lies_ahead_and_never_moves_back(period: str, zone: str, now: int, step: int) -> None:
    """A budget's counting row changes forwards only; a start is the start of its own period."""
    start = period_start(period, zone, now)
    assert start <= now
    assert start <= period_start(period, zone, now + step)
    assert period_start(period, zone, start) == start


def test_clock_set_back_over_midnight_does_not_reopen_yesterday() -> None:
    """Newfoundland set its clocks back at 0:01 until 2011: 23:01 came again, of the day before."""
    midnight = micro("2010-11-07T00:00-02:30")
    again = midnight + 30 * MINUTE
    assert local(again, "America/St_Johns").date() == date(2010, 11, 6)
    assert period_start("day", "America/St_Johns", again) == midnight


def test_unknown_period_is_an_error() -> None:
    """A word that is no period never counts as one."""
    with pytest.raises(ValueError, match="fortnight"):
        period_start("fortnight", "UTC", 0)


def test_period_starts_by_budget() -> None:
    """Each budget has its own period and zone."""
    daily = row(Budget, id="bud_1", period="day", time_zone="UTC")
    forever = row(Budget, id="bud_2", period="lifetime", time_zone="UTC")
    now = micro("2026-11-23T06:00")
    assert period_starts([daily, forever], now) == {"bud_1": micro("2026-11-23T00:00"), "bud_2": 0}


@pytest.mark.parametrize(
    ("limit", "held", "spent", "left"),
    [
        pytest.param(50_000, 0, 0, 50_000, id="untouched"),
        pytest.param(50_000, 12_000, 8_000, 30_000, id="held-and-spent"),
        pytest.param(50_000, 0, 50_001, -1, id="over-captured"),
        pytest.param(0, 0, 0, 0, id="nothing-allowed"),
        pytest.param(None, 10, 10, None, id="tracked-only"),
    ],
)
def test_available(limit: int | None, held: int, spent: int, left: int | None) -> None:
    """Limit less spent less held; None where there is no limit."""
    budget = row(Budget, limit_amount=limit)
    assert available(budget, row(BudgetPeriod, held=held, spent=spent)) == left


def test_available_without_a_row_is_the_limit() -> None:
    """A period in which nothing has happened has no row yet."""
    assert available(row(Budget, limit_amount=700), None) == 700


@pytest.mark.parametrize(
    ("name", "known"),
    [("Europe/Prague", True), ("UTC", True), ("Europe/Atlantis", False), ("", False), ("../etc/passwd", False)],
)
def test_time_zone_names(name: str, known: bool) -> None:
    """Only names of the time zone database are let in."""
    assert is_time_zone(name) is known
