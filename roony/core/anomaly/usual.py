"""What is usual for an agent, learned from its own past: medians, and what busy hours, days and weeks came to.

Medians and quantiles only: one odd day among fifty moves none of them. The same days once more change nothing.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

from roony.core.anomaly.facts import Ask, Facts, Payment, hour_of
from roony.core.duration import DAY, HOUR, WEEK
from roony.core.money import exponent

# Of the past this much teaches all rules but the one about prices, which looks at all there is: microseconds.
TAUGHT_BY = 13 * WEEK
PRICES_TAUGHT_BY = 400 * DAY
# The least that has to be known before a learned threshold speaks.
MIN_ASKS, MIN_DAYS, MIN_WEEKS = 20, 14, 6
# The share of busy hours, days and weeks that are still usual.
BUSY = 0.98
# Small: at most 2.00, and at most a quarter of what the agent usually pays.
SMALL_UNITS, SMALL_SHARE = 2, 4
# Just under a limit: at least this much of it, in percent.
NEAR_PERCENT = 90
# An hour is off when it and the two on each side hold at most 0.5 % of all asks.
OFF_AROUND, OFF_SHARE = 2, 0.005
# The main countries are those of nine out of ten purchases.
MAIN_SHARE = 0.9
# A merchant is paid at regular times and prices: from so many days, so far apart, so alike.
MIN_PAYMENTS, MIN_GAP_DAYS, GAP_SPREAD, PRICE_SPREAD = 4, 6, 0.2, 0.1

# A limit that amounts may lie just under: (currency, minor units).
Limit = tuple[str, int]


class Series(NamedTuple):
    """A merchant that is paid regularly: its price at first, how much that moves from one time to the next, the last
    one, and the days between.
    """

    price: int
    spread: int
    last_price: int
    gap_days: int


class Usual(NamedTuple):
    """What an agent's past says. Counts are those of a busy hour, day or week; `whole` is False where the past was
    longer than what was read. `off_hours` are hours of the day, `days` how many the past spans, `main_countries` how
    many hold nine out of ten purchases.
    """

    asks: int
    days: int
    whole: bool
    medians: Mapping[str, int]
    small_an_hour: int
    declines_a_day: int
    asks_a_day: int
    sums_a_day: Mapping[str, int]
    near_a_week: Mapping[Limit, int]
    countries: frozenset[str]
    main_countries: int
    off_hours: frozenset[int]
    off_a_day: int
    merchants: frozenset[str]
    merchants_a_week: int
    texts_a_day: int
    series: Mapping[tuple[str, str], Series]

    @property
    def knows_days(self) -> bool:
        """Whether there is enough for rules that compare hours and days."""
        return self.asks >= MIN_ASKS and self.days >= MIN_DAYS

    @property
    def knows_weeks(self) -> bool:
        """Whether there is enough for rules that compare weeks."""
        return self.asks >= MIN_ASKS and self.days >= 7 * MIN_WEEKS


def quantile(values: Collection[int], share: float) -> int:
    """The smallest value that this share of all reach or stay under; 0 where there is none."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)] if values else 0


def median(values: Collection[int]) -> int:
    """The lower median; 0 where there is none."""
    return quantile(values, 0.5)


def small(medians: Mapping[str, int], currency: str) -> int:
    """Up to which amount a purchase is small for this agent, in minor units."""
    floor: int = SMALL_UNITS * 10 ** exponent(currency)
    usual = medians.get(currency)
    return floor if usual is None else min(floor, usual // SMALL_SHARE)


def is_small(one: Ask | Payment, medians: Mapping[str, int]) -> bool:
    """Whether it is small; a payment of nothing only asks whether a card is good, and is none."""
    return 0 < one.amount <= small(medians, one.currency)


def texts_of(asks: Iterable[Ask]) -> dict[str, int]:
    """By wording, with how many different merchants and amounts it was used."""
    return Counter(text for text, _, _ in {(ask.wording, ask.merchant, ask.amount) for ask in asks} if text)


def learn(past: Facts, cut: int, zone: ZoneInfo, limits: Collection[Limit], whole: bool) -> Usual:
    """What the facts before `cut` teach; rules that look at a week learn from before the week that ends with it.

    `limits` are those that amounts may lie just under; `whole` is False where more of the past was there than read.
    """
    all_asks = past.before(cut).asks
    facts = past.between(cut - TAUGHT_BY - 1, cut - 1)
    asks = facts.asks
    by_currency: dict[str, list[int]] = defaultdict(list)
    for ask in asks:
        by_currency[ask.currency].append(ask.amount)
    medians = {currency: median(amounts) for currency, amounts in by_currency.items()}
    weeks = facts.before(cut - WEEK + DAY)
    # Asked of the clock on the wall once.
    hours = [hour_of(ask.at, zone) for ask in asks]
    off_hours = _off(hours)
    return Usual(
        asks=len(asks),
        days=(cut - asks[0].at) // DAY if asks else 0,
        whole=whole,
        medians=medians,
        small_an_hour=_small_an_hour(facts, medians),
        declines_a_day=_busy(Counter(_day(one.at, cut) for kind in facts for one in kind if one.declined)),
        asks_a_day=_busy(Counter(_day(ask.at, cut) for ask in asks)),
        sums_a_day=_sums_a_day(asks, cut),
        near_a_week={limit: _busy(Counter(_week(ask.at, cut) for ask in weeks.asks if is_near(ask, limit)))
                     for limit in limits},
        countries=frozenset(one.country for kind in past.before(cut) for one in kind if one.country),
        main_countries=_main(Counter(one.country for one in asks if one.country)),
        off_hours=off_hours,
        off_a_day=_busy(Counter(_day(ask.at, cut) for ask, hour in zip(asks, hours, strict=True) if hour in off_hours)),
        merchants=frozenset(ask.merchant for ask in weeks.asks),
        merchants_a_week=_different((_week(ask.at, cut), ask.merchant) for ask in weeks.asks),
        texts_a_day=_texts_a_day(asks, cut),
        series=_series(all_asks, cut),
    )  # fmt: skip


def is_near(ask: Ask, limit: Limit) -> bool:
    """Whether the amount lies just under the limit, or on it."""
    currency, amount = limit
    return ask.currency == currency and NEAR_PERCENT * amount <= 100 * ask.amount <= 100 * amount


def is_off(at: int, zone: ZoneInfo, off_hours: Collection[int]) -> bool:
    """Whether the agent does not usually ask at this time of the day."""
    return hour_of(at, zone) in off_hours


def _day(at: int, cut: int) -> int:
    return (at - cut) // DAY


def _week(at: int, cut: int) -> int:
    return (at - cut) // WEEK


def _busy(counts: Mapping[int, int]) -> int:
    """What a busy one of those with anything in it came to."""
    return quantile(counts.values(), BUSY)


def _different(things: Iterable[tuple[int, str]]) -> int:
    """How many different ones a busy week had."""
    found: dict[int, set[str]] = defaultdict(set)
    for week, thing in things:
        found[week].add(thing)
    return quantile([len(one) for one in found.values()], BUSY)


def _main(counts: Mapping[str, int]) -> int:
    """How many of them, the largest first, hold the main share of all."""
    held, wanted = 0, MAIN_SHARE * sum(counts.values())
    for place, count in enumerate(sorted(counts.values(), reverse=True), 1):
        held += count
        if held >= wanted:
            return place
    return 0


def _small_an_hour(facts: Facts, medians: Mapping[str, int]) -> int:
    kinds: tuple[Sequence[Ask | Payment], ...] = (facts.asks, facts.payments)
    most = {currency: small(medians, currency) for currency in {one.currency for kind in kinds for one in kind}}
    counts = (Counter(one.at // HOUR for one in kind if 0 < one.amount <= most[one.currency]) for kind in kinds)
    return max(_busy(count) for count in counts)


def _sums_a_day(asks: Iterable[Ask], cut: int) -> dict[str, int]:
    sums: dict[str, Counter[int]] = defaultdict(Counter)
    for ask in asks:
        if not ask.declined:
            sums[ask.currency][_day(ask.at, cut)] += ask.amount
    return {currency: _busy(days) for currency, days in sums.items()}


def _texts_a_day(asks: Iterable[Ask], cut: int) -> int:
    days: dict[int, list[Ask]] = defaultdict(list)
    for ask in asks:
        days[_day(ask.at, cut)].append(ask)
    return quantile([max(texts_of(day).values(), default=0) for day in days.values()], BUSY)


def _off(asked: Sequence[int]) -> frozenset[int]:
    """The hours of the day in which the agent does not ask, from those in which it did."""
    hours = Counter(asked)
    around = range(-OFF_AROUND, OFF_AROUND + 1)
    return frozenset(
        hour for hour in range(24) if sum(hours[(hour + step) % 24] for step in around) <= OFF_SHARE * len(asked)
    )


def _series(asks: Iterable[Ask], cut: int) -> dict[tuple[str, str], Series]:
    """Merchants paid regularly, by key and currency: of one day the highest price counts."""
    days: dict[tuple[str, str], dict[int, Ask]] = defaultdict(dict)
    for ask in asks:
        if not ask.declined and ask.at >= cut - PRICES_TAUGHT_BY:
            of_day = days[(ask.merchant, ask.currency)]
            dearest = of_day.setdefault(_day(ask.at, cut), ask)
            if ask.amount > dearest.amount:
                of_day[_day(ask.at, cut)] = ask
    found = {key: _regular(list(of_day.values())) for key, of_day in days.items() if len(of_day) >= MIN_PAYMENTS}
    return {key: series for key, series in found.items() if series is not None}


def _regular(paid: Sequence[Ask]) -> Series | None:
    """The series of these payments, the oldest first; None when they come at no regular times or prices."""
    steps = list(pairwise(paid))
    gaps = [(later.at - earlier.at + DAY // 2) // DAY for earlier, later in steps]
    gap = median(gaps)
    price = median([one.amount for one in paid[:MIN_PAYMENTS]])
    spread = median([abs(later.amount - earlier.amount) for earlier, later in steps])
    uneven = median([abs(one - gap) for one in gaps]) > max(1, GAP_SPREAD * gap)
    if gap < MIN_GAP_DAYS or uneven or spread > PRICE_SPREAD * price:
        return None
    return Series(price, spread, paid[-1].amount, gap)
