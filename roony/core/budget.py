"""A budget: a limit over a period, when its current period began, and what is left of it."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple

from roony.core.agent import ENVELOPE, task_of, task_scope
from roony.core.duration import DAY, SECOND
from roony.core.hashing import derived_id


class Budget(NamedTuple):
    """One scope's limit over one period in one currency.

    `limit_amount` in minor units; None = tracked, not limited. Scope, period, currency and time zone of a
    budget never change (design section 4). Times in microseconds UTC.
    """

    organization_id: str
    id: str
    scope: str
    scope_id: str
    currency: str
    period: str
    time_zone: str
    limit_amount: int | None
    created_at: int


class BudgetPeriod(NamedTuple):
    """What was held and spent of a budget in the period that began at `period_start` (microseconds UTC)."""

    organization_id: str
    budget_id: str
    period_start: int
    held: int
    spent: int


PERIODS = ("day", "week", "month", "lifetime")
# The order in which budgets are checked and named (design section 6): from the narrowest scope to the widest.
SCOPES = ("task", "agent", "project", "organization")
# What is told when this much of a limit is used, in percent.
MARKS = {80: "budget.warning", 100: "budget.exhausted"}

_EPOCH = date(1970, 1, 1)


def budget_id(organization_id: str, scope_id: str, currency: str, period: str) -> str:
    """The id of a budget follows from what it limits, so that the same budget is never made twice."""
    return derived_id("bud", organization_id, scope_id, currency, period)


def envelope_id(budget: Budget) -> str:
    """The id of the budget that limits every task of the agent as this one, of a task, limits its own."""
    agent_id, _ = task_of(budget.scope_id)
    return budget_id(budget.organization_id, task_scope(agent_id, ENVELOPE), budget.currency, budget.period)


def task_budgets(scope_id: str, own: Iterable[Budget], envelope: Iterable[Budget]) -> list[Budget]:
    """The budgets of one task: its own, and one for each limit that holds for every task of its agent.

    Where both limit the same, the smaller limit counts. A budget without a row of the task is written by its first
    hold (`limit_amount` None there, so that it follows the envelope).
    """
    rows = {(budget.currency, budget.period): budget for budget in own}
    for every in envelope:
        if every.limit_amount is None:
            continue
        place = (every.currency, every.period)
        id = budget_id(every.organization_id, scope_id, *place)
        row = rows.get(place) or every._replace(id=id, scope_id=scope_id, limit_amount=None)
        limit = every.limit_amount if row.limit_amount is None else min(row.limit_amount, every.limit_amount)
        rows[place] = row._replace(limit_amount=limit)
    return list(rows.values())


@lru_cache(maxsize=1_024)
def period_start(period: str, time_zone: str, now: int) -> int:
    """When the period that holds `now` began: local midnight of the day, its Monday, its month's or year's first day.

    Microseconds UTC, both ways; `lifetime` began at 0. A day begins at the first instant that carries its
    local date or a later one, also where midnight does not exist, comes twice, or a whole day is left out.
    The start never moves back as `now` moves on.
    """
    if period == "lifetime":
        return 0
    return max(start for start in _starts_near(period, time_zone, now // DAY) if start <= now)


def day_begin(day: date, time_zone: str) -> int:
    """The first instant of a local date, or of the next one where the zone leaves it out; microseconds UTC."""
    return _begin(day, zoneinfo.ZoneInfo(time_zone)) * SECOND


def period_starts(budgets: Iterable[Budget], now: int) -> dict[str, int]:
    """Where each budget's current period began, by budget id: the key of the `BudgetPeriod` it counts in."""
    return {budget.id: period_start(budget.period, budget.time_zone, now) for budget in budgets}


def available(budget: Budget, row: BudgetPeriod | None) -> int | None:
    """Limit less spent less held, in minor units; negative after an over-capture, None without a limit."""
    if budget.limit_amount is None:
        return None
    if row is None:
        return budget.limit_amount
    return budget.limit_amount - row.spent - row.held


def marks_crossed(limit: int | None, before: int, after: int) -> list[str]:
    """Which of MARKS the use of a limit reaches as it grows from `before` to `after`, in minor units.

    A limit of 0 blocks everything and is not used up by anything.
    """
    if not limit:
        return []
    return [name for percent, name in MARKS.items() if before * 100 < limit * percent <= after * 100]


def is_short(budget: Budget, held: int, spent: int, amount: int) -> bool:
    """True if `amount` more does not fit into what is left of a limit. A limit of 0 blocks everything (section 4)."""
    limit = budget.limit_amount
    return limit is not None and (limit == 0 or amount > limit - spent - held)


def is_budgeted(limited: Iterable[tuple[Budget, int, int]]) -> bool:
    """True if one of these limits, given as (budget, held, spent), is no task's.

    An agent names its tasks itself: a limit for each of them alone would be none for all of them together.
    """
    return any(budget.scope != "task" for budget, _, _ in limited)


def have_room(
    budgets: Iterable[tuple[Budget, int, int]], currency: str, amount: int, *, unbudgeted: bool = False
) -> bool:
    """True if `amount` fits into every budget of a chain, given as (budget, held, spent).

    A scope with limits but none in this currency refuses, and so does a chain without any above its task, unless
    `unbudgeted`.
    """
    limited = [row for row in budgets if row[0].limit_amount is not None]
    usable = [row for row in limited if row[0].currency == currency]
    if {row[0].scope for row in limited} != {row[0].scope for row in usable}:
        return False
    return (is_budgeted(limited) or unbudgeted) and not any(is_short(*row, amount) for row in usable)


def is_time_zone(name: str) -> bool:
    """True for a name of the IANA time zone database, as in "Europe/Prague"."""
    return name in time_zones()


@lru_cache(maxsize=1)
def time_zones() -> frozenset[str]:
    """All of these names. They are looked for in files, once."""
    return frozenset(zoneinfo.available_timezones())


@lru_cache(maxsize=16384)
def _starts_near(period: str, time_zone: str, day: int) -> tuple[int, ...]:
    """Starts of all periods that may hold an instant of this UTC day; local dates are at most one away."""
    zone = zoneinfo.ZoneInfo(time_zone)
    first_days = {_first_day(period, _EPOCH + timedelta(days=day + offset)) for offset in (-1, 0, 1)}
    return tuple(_begin(first_day, zone) * SECOND for first_day in first_days)


def _first_day(period: str, day: date) -> date:
    if period == "day":
        return day
    if period == "week":
        return day - timedelta(days=day.weekday())
    if period == "month":
        return day.replace(day=1)
    if period == "year":  # the interval of a mandate; no budget counts by the year
        return day.replace(month=1, day=1)
    raise ValueError(f"{period!r} is not a period")


def _begin(day: date, zone: zoneinfo.ZoneInfo) -> int:
    """The first second (UTC) whose local date is `day` or later."""
    midnight = datetime.combine(day, time.min, zone)
    with_old_offset = int(midnight.timestamp())
    with_new_offset = int(midnight.replace(fold=1).timestamp())
    if with_old_offset <= with_new_offset:  # one midnight, or the first of two
        return with_old_offset
    # The clock jumps over midnight somewhere between the two (in a gap they change places, PEP 495): find it.
    before, reached = with_new_offset - 1, with_old_offset
    while reached - before > 1:
        middle = (before + reached) // 2
        if datetime.fromtimestamp(middle, UTC).astimezone(zone).date() < day:
            before = middle
        else:
            reached = middle
    return reached
