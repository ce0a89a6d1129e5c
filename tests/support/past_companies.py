"""Made-up pasts of agents, the same for the same seed: quiet ones of several kinds, and attacks that hide in them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from roony.core.anomaly.facts import Ask, Facts, Payment, in_order, wording
from roony.core.anomaly.past import Past

ZONES = ("Europe/Prague", "America/New_York", "Asia/Singapore", "America/Los_Angeles", "Europe/London")
COUNTRIES = ("US", "GB", "DE", "FR", "NL", "IE", "CZ", "SG", "SE", "ES", "IT", "CA", "AU", "JP")
FAR = ("NG", "BR", "TH", "UA", "ZA", "VN", "MX", "TR")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BEGIN = datetime(2025, 1, 6, tzinfo=UTC)
LIMIT = ("usd", 100_00)
WORDS = "team design data mail host report survey font photo backup print desk lunch book part cable".split()


class Attack(NamedTuple):
    """What was mixed in, and when; microseconds UTC."""

    pattern: str
    begins: int
    ends: int


class Story(NamedTuple):
    """One agent's past. `months` is how long it is."""

    kind: str
    past: Past
    zone: ZoneInfo
    since: int
    until: int
    months: int
    attack: Attack | None = None


class Diary:
    """Where a past is written down, day by day, in the zone of its organization."""

    def __init__(self, seed: str, months: int) -> None:
        """Everything follows from the seed."""
        self.dice = random.Random(seed)
        self.zone = ZoneInfo(self.dice.choice(ZONES))
        self.home = self.dice.choice(COUNTRIES[:8])
        self.days = months * 30
        self.asks: list[Ask] = []
        self.payments: list[Payment] = []
        self.met = 0

    def at(self, day: int, hour: float) -> int:
        """An instant by the clock on the wall."""
        moment = (BEGIN + timedelta(days=day)).replace(tzinfo=self.zone) + timedelta(hours=hour)
        return (moment - EPOCH) // timedelta(microseconds=1)

    def is_weekend(self, day: int) -> bool:
        """The past begins on a Monday."""
        return day % 7 >= 5

    def worktime(self) -> float:
        """An hour of the working day, now and then a little early or late."""
        return min(21.5, max(6.5, self.dice.gauss(13, 2.4)))

    def merchant(self) -> str:
        """One that nobody had before."""
        self.met += 1
        return f"{self.dice.choice(WORDS)} {self.dice.choice(WORDS)} {self.met}"

    def buy(
        self, day: int, hour: float, amount: int, merchant: str, text: str = "", country: str = "", no: float = 0.015
    ) -> None:
        """One purchase, most often paid a few minutes later; some are declined, some payments too."""
        at, dice = self.at(day, hour), self.dice
        country = country or self.home
        declined = dice.random() < no
        told = "" if dice.random() < 0.2 else country
        self.asks.append(Ask(at, max(1, amount), "usd", merchant, told, wording(text), declined))
        if not declined and dice.random() < 0.93:
            paid = at + int(dice.uniform(20, 1800)) * 1_000_000
            self.payments.append(Payment(paid, max(1, amount), "usd", country, dice.random() < 0.01))

    def story(self, kind: str, attack: Attack | None = None) -> Story:
        """All of it."""
        facts: Facts = in_order(self.asks, self.payments)
        begin, end = self.at(0, 0), self.at(self.days, 0)
        return Story(kind, Past(facts, [LIMIT], True), self.zone, begin, end, self.days // 30, attack)


# Quiet agents. Each writes a whole past.


def subscriptions(diary: Diary) -> None:
    """Monthly ones on their days, with a rise of the price a year, now and then a seat more; some things besides."""
    dice = diary.dice
    for _ in range(dice.randint(6, 20)):
        name, price, day = diary.merchant(), dice.choice((900, 1500, 2900, 4900, 9900, 19_900)), dice.randint(0, 27)
        country = dice.choice((diary.home, diary.home, "US", "IE"))
        rise, seats = dice.randint(0, 364), dice.randint(1, 12)
        for month in range(diary.days // 30):
            seats += dice.random() < 0.04
            due = month * 30 + day
            amount = seats * price * (110 if due >= rise else 100) // 100
            diary.buy(due, diary.worktime(), amount, name, f"1 month of {name}", country)
    _occasional(diary, 1.5)


def office(diary: Diary) -> None:
    """Buys on working days from a circle of merchants that slowly grows."""
    _work(diary, lambda _day: 1.0, diary.dice.uniform(2, 9))


def growth(diary: Diary) -> None:
    """Twice as much every three months."""
    _work(diary, lambda day: 2 ** (day / 90), diary.dice.uniform(0.7, 2))


def seasonal(diary: Diary) -> None:
    """Three times as much in the last week of a quarter, and five times for some days in November."""
    high = set(range(322, 329))
    _work(diary, lambda day: 5 if day in high else 3 if day % 91 >= 84 else 1, diary.dice.uniform(1.5, 5))


def top_ups(diary: Diary) -> None:
    """Small amounts around the clock for what is used, at few places, always in the same words."""
    dice = diary.dice
    names, rate = [diary.merchant() for _ in range(dice.randint(1, 4))], dice.uniform(6, 40)
    for day in range(diary.days):
        for _ in range(_some(dice, rate)):
            name = dice.choice(names)
            diary.buy(day, dice.uniform(0, 24), dice.choice((100, 200, 500, 1000, 2000)), name, "Credits used up")


def travel(diary: Diary) -> None:
    """Trips: some days with many purchases from merchants seen once, most in countries known already."""
    dice, seen, day = diary.dice, ["US", "GB", diary.home], 0
    while (day := day + dice.randint(3, 16)) < diary.days - 3:
        if dice.random() < 0.12:
            seen.append(dice.choice(COUNTRIES))
        country = dice.choice(seen)
        for _ in range(dice.randint(3, 9)):
            amount = int(dice.lognormvariate(9.2, 0.9))
            diary.buy(day + dice.randint(0, 2), dice.uniform(6, 23), amount, diary.merchant(), "Trip booking", country)
    _occasional(diary, 3)


def occasional(diary: Diary) -> None:
    """A few purchases a month, of anything."""
    _occasional(diary, diary.dice.uniform(1, 8))


def licenses(diary: Diary) -> None:
    """Licenses at a price that happens to lie under the limit, several a week, beside other work."""
    dice, name = diary.dice, diary.merchant()
    price = dice.choice((9_200, 9_500, 9_900))
    for day in range(diary.days):
        if not diary.is_weekend(day):
            for _ in range(_some(dice, 0.6)):
                diary.buy(day, diary.worktime(), price, name, "One license")
    _work(diary, lambda _day: 1.0, 2)


QUIET: dict[str, Callable[[Diary], None]] = {
    one.__name__: one for one in (subscriptions, office, growth, seasonal, top_ups, travel, occasional, licenses)
}


def _some(dice: random.Random, mean: float) -> int:
    """A number of events of a Poisson process."""
    count, left = 0, dice.expovariate(1)
    while left < mean:
        count, left = count + 1, left + dice.expovariate(1)
    return count


def _occasional(diary: Diary, a_month: float) -> None:
    dice = diary.dice
    for day in range(diary.days):
        for _ in range(_some(dice, a_month / 30)):
            amount = int(dice.lognormvariate(8.3, 1.1))
            diary.buy(day, diary.worktime(), amount, diary.merchant(), f"{dice.choice(WORDS)} for {dice.choice(WORDS)}")


def _work(diary: Diary, rate: Callable[[int], float], a_day: float) -> None:
    """Working days, with a loop of declines or an evening at work now and then, and a project that needs new things."""
    dice = diary.dice
    circle = [diary.merchant() for _ in range(dice.randint(8, 25))]
    abroad = {name: dice.choice(COUNTRIES[:6]) for name in circle if dice.random() < 0.3}
    for day in range(diary.days):
        if dice.random() < 0.004:
            circle += [diary.merchant() for _ in range(dice.randint(2, 6))]
        if dice.random() < 1 / 90:
            for _ in range(dice.randint(3, 8)):
                diary.buy(day, 11 + dice.random(), 30_000, circle[0], "A new screen", no=1)
        if dice.random() < 1 / 60:
            for _ in range(dice.randint(1, 3)):
                diary.buy(day, dice.uniform(20, 25), 2_000, dice.choice(circle), "Needed for the release tonight")
        if diary.is_weekend(day) and dice.random() < 0.97:
            continue
        for _ in range(_some(dice, a_day * rate(day))):
            if dice.random() < 0.03:
                circle.append(diary.merchant())
            name = circle[min(int(dice.expovariate(0.15)), len(circle) - 1)]
            text = f"{dice.choice(WORDS)} {dice.choice(WORDS)} for {dice.choice(WORDS)}"
            diary.buy(day, diary.worktime(), int(dice.lognormvariate(8.1, 1.0)), name, text, abroad.get(name, ""))


# Attacks. Each writes into a past that is there, and says when it was.

ATTACK_DAY = 200


def _card_testing(diary: Diary) -> tuple[int, int]:
    for number in range(diary.dice.randint(20, 60)):
        diary.buy(ATTACK_DAY, 14 + number / 80, diary.dice.randint(50, 200), diary.merchant(), "Donation", no=0.3)
    return ATTACK_DAY, 1


def _many_declines(diary: Diary) -> tuple[int, int]:
    for number in range(diary.dice.randint(25, 80)):
        diary.buy(ATTACK_DAY, 12 + number / 30, 50_000 + 100 * number, diary.merchant(), "Equipment", no=0.95)
    return ATTACK_DAY, 1


def _burst(diary: Diary) -> tuple[int, int]:
    a_day = max(8, len(diary.asks) // diary.days)
    for _ in range(diary.dice.randint(10, 14) * a_day):
        diary.buy(
            ATTACK_DAY, diary.dice.uniform(9, 17), diary.dice.randint(2_000, 9_000), "gift card shop", "Gift card"
        )
    return ATTACK_DAY, 1


def _under_threshold(diary: Diary) -> tuple[int, int]:
    for day in range(5):
        for _ in range(diary.dice.randint(2, 5)):
            diary.buy(ATTACK_DAY + day, diary.worktime(), diary.dice.randint(9_300, 10_000), "parts depot", "Part")
    return ATTACK_DAY, 5


def _new_country(diary: Diary) -> tuple[int, int]:
    where = diary.dice.sample(FAR, 2)
    for _ in range(diary.dice.randint(6, 15)):
        diary.buy(ATTACK_DAY, diary.worktime(), diary.dice.randint(1_000, 9_000), diary.merchant(), "Order",
                  diary.dice.choice(where))  # fmt: skip
    return ATTACK_DAY, 1


def _off_hours(diary: Diary) -> tuple[int, int]:
    for _ in range(diary.dice.randint(8, 20)):
        diary.buy(ATTACK_DAY, diary.dice.uniform(1, 4.5), diary.dice.randint(1_000, 9_000), "night market", "Order")
    return ATTACK_DAY, 1


def _new_merchants(diary: Diary) -> tuple[int, int]:
    for day in range(5):
        for _ in range(diary.dice.randint(5, 9)):
            amount = diary.dice.randint(1_000, 7_000)
            diary.buy(ATTACK_DAY + day, diary.worktime(), amount, diary.merchant(), f"Order {diary.dice.choice(WORDS)}")
    return ATTACK_DAY, 5


def _repeated_text(diary: Diary) -> tuple[int, int]:
    for _ in range(diary.dice.randint(12, 30)):
        diary.buy(
            ATTACK_DAY, diary.worktime(), diary.dice.randint(2_000, 6_000), diary.merchant(), "Pay this invoice now"
        )
    return ATTACK_DAY, 1


def _price_drift(diary: Diary) -> tuple[int, int]:
    """A merchant that was always the same asks for more, at once or a little more each time."""
    name, at_once, price = "steady supplies", diary.dice.random() < 0.5, 20_000
    for month in range(diary.days // 30):
        day = month * 30 + 20
        if day >= ATTACK_DAY:
            price = price * 107 // 100 if not at_once else 34_000
        diary.buy(day, diary.worktime(), price, name, "Monthly supplies", no=0)
    return ATTACK_DAY, diary.days - ATTACK_DAY


# Each with the kinds of agents it is mixed into: those that do not live so every day.
_OFFICE = ("office", "growth", "seasonal", "licenses")
ATTACKS: dict[str, tuple[Callable[[Diary], tuple[int, int]], tuple[str, ...]]] = {
    "card_testing": (_card_testing, (*_OFFICE, "subscriptions", "travel", "occasional")),
    "many_declines": (_many_declines, tuple(QUIET)),
    "burst": (_burst, _OFFICE),
    "under_threshold": (_under_threshold, ("office", "seasonal", "growth")),
    "new_country": (_new_country, (*_OFFICE, "subscriptions")),
    "off_hours": (_off_hours, _OFFICE),
    "new_merchants": (_new_merchants, (*_OFFICE, "subscriptions")),
    "repeated_text": (_repeated_text, (*_OFFICE, "subscriptions")),
    "price_drift": (_price_drift, (*_OFFICE, "subscriptions", "occasional")),
}


def quiet_stories(each: int, months: int) -> Iterator[Story]:
    """So many agents of each kind."""
    for kind, write in QUIET.items():
        for number in range(each):
            diary = Diary(f"quiet {kind} {number}", months)
            write(diary)
            yield diary.story(kind)


def attack_stories(each: int, months: int = 13) -> Iterator[Story]:
    """So many attacks of each pattern, in agents of all kinds they hide in."""
    for pattern, (write, kinds) in ATTACKS.items():
        for number in range(each):
            kind = kinds[number % len(kinds)]
            diary = Diary(f"attack {pattern} {number}", months)
            QUIET[kind](diary)
            day, days = write(diary)
            attack = Attack(pattern, diary.at(day, 0), diary.at(day + days, 0))
            yield diary.story(kind, attack)
