"""The rules about unusual patterns: each a pure function of what an agent did lately and what is usual for it.

A rule counts one thing in one window and speaks when the count reaches its threshold: the larger of a fixed floor and
a multiple of what is usual, times the sensitivity. Where too little is known a rule is silent, or has a higher floor.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple
from zoneinfo import ZoneInfo

from roony.core.anomaly.facts import Ask, Facts, Finding, Payment, between
from roony.core.anomaly.usual import NEAR_PERCENT, Limit, Usual, is_near, is_off, is_small, texts_of
from roony.core.duration import DAY, HOUR, WEEK
from roony.core.message import said
from roony.core.money import exponent, format_amount

# Rules that learn from weeks, or from the hours of many days.
BY_WEEKS = frozenset({"under_threshold", "off_hours", "new_merchants"})
# What a threshold is multiplied by.
SENSITIVITIES = {"low": 2.0, "normal": 1.0, "high": 0.6}

TESTING_FLOOR, TESTING_BARE, TESTING_TIMES = 12, 25, 2
DECLINES_FLOOR, DECLINES_BARE, DECLINES_TIMES = 12, 25, 3
BURST_FLOOR, BURST_TIMES = 25, 4
# A day's sum: at least this many major units and purchases.
SUM_UNITS, SUM_TIMES, SUM_ASKS = 200, 5, 6
# One in so many of the week's purchases at least.
NEAR_FLOOR, NEAR_TIMES, NEAR_SHARE = 8, 3, 5
COUNTRY_FLOOR, COUNTRY_TIMES = 5, 3
OFF_FLOOR, OFF_TIMES = 8, 3
# Fewer hours than these are no rest that could be disturbed.
MIN_OFF_HOURS = 5
# Two and a half times.
MERCHANTS_FLOOR, MERCHANTS_PERCENT = 12, 250
TEXTS_FLOOR, TEXTS_TIMES = 10, 3
# A price: at least so many percent and major units over the usual one, and so many times what it moves anyway.
DRIFT_PERCENT, DRIFT_UNITS, DRIFT_TIMES = 60, 5, 4
MERCHANT_LETTERS = 40


class Look(NamedTuple):
    """One look at an agent: its facts of the last seven days, what is usual, and when it is (microseconds UTC)."""

    lately: Facts
    usual: Usual
    now: int
    zone: ZoneInfo
    limits: Collection[Limit]
    factor: float
    # Those near each limit, of all times and in order, where somebody has found them already.
    near: Mapping[Limit, tuple[Ask, ...]] | None = None

    def near_last_week(self, limit: Limit) -> Sequence[Ask]:
        """The week's asks just under this limit."""
        if self.near is not None:
            return between(self.near[limit], self.now - WEEK, self.now)
        return [ask for ask in self.last(WEEK).asks if is_near(ask, limit)]

    def last(self, window: int) -> Facts:
        """The facts of the last hour, day or week."""
        return self.lately.between(self.now - window, self.now)

    def knows(self, pattern: str) -> bool:
        """Whether the agent's past is long enough for what this rule learns."""
        return self.usual.knows_weeks if pattern in BY_WEEKS else self.usual.knows_days

    def threshold(self, pattern: str, floor: int, usual: int, bare: int | None = None) -> int | None:
        """From which count on the rule speaks; None where it is silent.

        `usual` is what was learned, times what the rule allows. With too little known, `bare` is the floor, for agents
        whose whole past was read: a past too long to be read is a busy agent's.
        """
        if self.knows(pattern):
            return self._times(max(floor, usual))
        return self._times(bare) if bare is not None and self.usual.whole else None

    def _times(self, count: int) -> int:
        return max(2, math.ceil(count * self.factor))


Rule = Callable[[Look], Finding | None]


def card_testing(look: Look) -> Finding | None:
    """Many small purchases or payments within an hour."""
    usual, hour = look.usual, look.last(HOUR)
    limit = look.threshold("card_testing", TESTING_FLOOR, TESTING_TIMES * usual.small_an_hour, TESTING_BARE)
    kinds: tuple[Sequence[Ask | Payment], ...] = (hour.asks, hour.payments)
    if limit is None or max(map(len, kinds)) < limit:
        return None
    seen = max(([one for one in kind if is_small(one, usual.medians)] for kind in kinds), key=len)
    if len(seen) < limit:
        return None
    most = format_amount(max(one.amount for one in seen), seen[0].currency)
    return _found(look, "card_testing", seen, usual.small_an_hour, limit,
                  f"{len(seen)} purchases or payments of at most {most} within an hour",
                  f"at most {usual.small_an_hour} in an hour")  # fmt: skip


def many_declines(look: Look) -> Finding | None:
    """Most of a day's purchases and payments were declined, and they were many."""
    usual, day = look.usual, look.last(DAY)
    limit = look.threshold("many_declines", DECLINES_FLOOR, DECLINES_TIMES * usual.declines_a_day, DECLINES_BARE)
    tried: list[Ask | Payment] = [*day.asks, *day.payments]
    if limit is None or len(tried) < limit:
        return None
    seen = [one for one in tried if one.declined]
    if len(seen) < limit or 2 * len(seen) < len(tried):
        return None
    return _found(look, "many_declines", seen, usual.declines_a_day, limit,
                  f"{len(seen)} of {len(tried)} purchases and payments declined within a day",
                  f"at most {usual.declines_a_day} in a day")  # fmt: skip


def burst(look: Look) -> Finding | None:
    """A day with many times the purchases, or the money, of a busy one."""
    usual, asks = look.usual, look.last(DAY).asks
    limit = look.threshold("burst", BURST_FLOOR, BURST_TIMES * usual.asks_a_day)
    if limit is None:
        return None
    if len(asks) >= limit:
        return _found(look, "burst", asks, usual.asks_a_day, limit, f"{len(asks)} purchases within a day",
                      f"at most {usual.asks_a_day} in a day")  # fmt: skip
    for currency in sorted({ask.currency for ask in asks}):
        seen = [ask for ask in asks if ask.currency == currency and not ask.declined]
        # One dear purchase is no burst.
        total = sum(ask.amount for ask in seen) - max((ask.amount for ask in seen), default=0)
        busy = usual.sums_a_day.get(currency, 0)
        most = look.threshold("burst", SUM_UNITS * 10 ** exponent(currency), SUM_TIMES * busy)
        if most is not None and busy and len(seen) >= SUM_ASKS and total >= most:
            found = _found(look, "burst", seen, busy, most,
                           f"{len(seen)} purchases within a day, {format_amount(total, currency)} without the dearest",
                           f"at most {format_amount(busy, currency)} in a day")  # fmt: skip
            return found._replace(seen=total)
    return None


def under_threshold(look: Look) -> Finding | None:
    """A week's purchases that lie just under a limit above which a person decides, or nothing is bought."""
    asks = look.last(WEEK).asks
    for one in sorted(look.limits):
        busy = look.usual.near_a_week.get(one, 0)
        limit = look.threshold("under_threshold", NEAR_FLOOR, NEAR_TIMES * busy)
        seen = look.near_last_week(one)
        if limit is not None and len(seen) >= limit and NEAR_SHARE * len(seen) >= len(asks):
            return _found(look, "under_threshold", seen, busy, limit,
                          f"{len(seen)} purchases within {100 - NEAR_PERCENT} % below the limit of"
                          f" {format_amount(one[1], one[0])} within a week", f"at most {busy} in a week")  # fmt: skip
    return None


def new_country(look: Look) -> Finding | None:
    """A day's purchases or payments in countries where the agent never bought before."""
    usual, day = look.usual, look.last(DAY)
    limit = look.threshold("new_country", COUNTRY_FLOOR, COUNTRY_TIMES * usual.main_countries)
    kinds: tuple[Sequence[Ask | Payment], ...] = (day.asks, day.payments)
    if limit is None or not usual.countries or max(map(len, kinds)) < limit:
        return None
    new = ([one for one in kind if one.country and one.country not in usual.countries] for kind in kinds)
    seen = max(new, key=len)
    if len(seen) < limit:
        return None
    where = sorted({one.country for one in seen})
    names = ", ".join(said(name, 2) for name in where[:5]) + (" and others" if len(where) > 5 else "")
    return _found(look, "new_country", seen, usual.main_countries, limit,
                  f"{len(seen)} purchases or payments in new countries ({names}) within a day",
                  f"nine out of ten purchases in {_plural(usual.main_countries, 'country', 'countries')}")  # fmt: skip


def off_hours(look: Look) -> Finding | None:
    """A day's purchases at hours at which the agent does not buy: more than a busy day has."""
    usual = look.usual
    busy = max(OFF_TIMES * usual.off_a_day, usual.asks_a_day)
    limit = look.threshold("off_hours", OFF_FLOOR, busy)
    asks = look.last(DAY).asks
    if limit is None or len(usual.off_hours) < MIN_OFF_HOURS or len(asks) < limit:
        return None
    seen = [ask for ask in asks if is_off(ask.at, look.zone, usual.off_hours)]
    if len(seen) < limit:
        return None
    return _found(look, "off_hours", seen, usual.off_a_day, limit,
                  f"{len(seen)} purchases within a day at hours at which this agent rests",
                  f"at most {usual.off_a_day} in a day")  # fmt: skip


def new_merchants(look: Look) -> Finding | None:
    """A week with many more merchants never seen before than a busy week has merchants at all."""
    usual, asks = look.usual, look.last(WEEK).asks
    limit = look.threshold("new_merchants", MERCHANTS_FLOOR, MERCHANTS_PERCENT * usual.merchants_a_week // 100)
    if limit is None or len(asks) < limit:
        return None
    first = {ask.merchant: ask for ask in reversed(asks) if ask.merchant not in usual.merchants}
    if len(first) < limit:
        return None
    return _found(look, "new_merchants", sorted(first.values()), usual.merchants_a_week, limit,
                  f"{len(first)} merchants that are new to this agent within a week",
                  f"at most {usual.merchants_a_week} merchants in a week, known ones among them")  # fmt: skip


def repeated_text(look: Look) -> Finding | None:
    """One description for many different merchants and amounts within a day."""
    usual, asks = look.usual, look.last(DAY).asks
    limit = look.threshold("repeated_text", TEXTS_FLOOR, TEXTS_TIMES * usual.texts_a_day)
    if limit is None or len(asks) < limit:
        return None
    count, text = max(((count, text) for text, count in texts_of(asks).items()), default=(0, ""))
    if count < limit:
        return None
    seen = [ask for ask in asks if ask.wording == text]
    found = _found(look, "repeated_text", seen, usual.texts_a_day, limit,
                   f"The same words for {count} different merchants and amounts within a day",
                   f"at most {usual.texts_a_day} in a day")  # fmt: skip
    return found._replace(seen=count)


def price_drift(look: Look) -> Finding | None:
    """A merchant that is paid regularly is paid much more than its price at first, and was not before."""
    found = []
    for ask in look.last(DAY).asks if look.usual.series else ():
        series = look.usual.series.get((ask.merchant, ask.currency))
        if series is None or ask.declined:
            continue
        more = max(series.price * DRIFT_PERCENT // 100, DRIFT_UNITS * 10 ** exponent(ask.currency),
                   DRIFT_TIMES * series.spread)  # fmt: skip
        limit = series.price + math.ceil(more * look.factor)
        # Twice or three times the price is more pieces of the same.
        is_multiple = any(price and ask.amount % price == 0 for price in (series.price, series.last_price))
        if series.last_price < limit <= ask.amount and not is_multiple:
            found.append((ask.amount - limit, ask, series))
    if not found:
        return None
    over, ask, series = max(found)
    return Finding(
        "price_drift", ask.at, ask.at, ask.amount, series.price, ask.amount - over,
        f"'{said(ask.merchant, MERCHANT_LETTERS)}' for {format_amount(ask.amount, ask.currency)}",
        f"{format_amount(series.price, ask.currency)} every {series.gap_days} days",
    )  # fmt: skip


RULES: dict[str, Rule] = {
    rule.__name__: rule
    for rule in (
        card_testing, many_declines, burst, under_threshold, new_country, off_hours, new_merchants, repeated_text,
        price_drift,
    )
}  # fmt: skip


def look_at(look: Look, patterns: Collection[str]) -> tuple[Finding, ...]:
    """What those rules say, in the order of `PATTERNS`."""
    found = (rule(look) for name, rule in RULES.items() if name in patterns)
    return tuple(finding for finding in found if finding is not None)


def _plural(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def _found(
    look: Look, pattern: str, seen: Sequence[Ask | Payment], usual: int, threshold: int, what: str, usually: str
) -> Finding:
    known = look.knows(pattern)
    return Finding(
        pattern, max(one.at for one in seen), min(one.at for one in seen), len(seen), usual if known else None,
        threshold, what, usually if known else "not known yet, the agent is too new",
    )  # fmt: skip
