"""The rules over the past: what is left out because it could change nothing does change nothing."""

from __future__ import annotations

import random
from zoneinfo import ZoneInfo

import pytest

from roony.core.alert import Alert
from roony.core.anomaly.facts import PATTERNS, Ask, Finding, Payment, cut_of, in_order
from roony.core.anomaly.past import PACE, Past, would_have_told
from roony.core.anomaly.rules import SENSITIVITIES, Look, look_at
from roony.core.anomaly.telling import OVER, PatternSettings, is_news, is_over, is_renewed
from roony.core.anomaly.usual import Usual, learn
from roony.core.duration import DAY, HOUR, SECOND, WEEK

ZONE = ZoneInfo("Europe/Prague")
NOW = 1_795_618_800 * SECOND
DAYS = 60
LIMITS = (("usd", 10_000), ("usd", 20_000))


def a_past(seed: int) -> Past:
    """An agent that buys a little every day, and on some days far too much of one kind."""
    dice = random.Random(seed)
    asks, paid = [], []
    for day in range(DAYS):
        begin = NOW - (DAYS - day) * DAY
        odd = day > 25 and dice.random() < 0.1
        for _ in range(dice.randint(30, 60) if odd else dice.randint(1, 4)):
            at = begin + dice.randrange(12 * HOUR, 13 * HOUR) if odd else begin + dice.randrange(8 * HOUR)
            asks.append(
                Ask(
                    at, dice.choice([150, 5_000, 9_900, 19_000]), "usd", f"m{dice.randrange(90 if odd else 6)}",
                    dice.choice(["BR", "US"]) if odd else "US", f"words {dice.randrange(3 if odd else 50)}",
                    dice.random() < (0.9 if odd else 0.02),
                )
            )  # fmt: skip
            paid.append(
                Payment(at + SECOND, dice.choice([100, 5_000]), "usd", "US", dice.random() < (0.9 if odd else 0.02))
            )
        asks.append(Ask(begin, 10_000 if day < 40 else 17_000, "usd", f"paid{day % 7}", "US", "", False))
    return Past(in_order(asks, paid), LIMITS, True)


def all_looks(past: Past, since: int, settings: PatternSettings) -> list[Finding]:
    """As the worker does it: every rule is asked at every look, and what was told already is told no more."""
    told: list[Finding] = []
    alerts: dict[str, Alert] = {}
    learned: dict[int, Usual] = {}
    for minute in sorted({one.at // PACE for kind in past.facts for one in kind if since < one.at <= NOW}):
        now = min(NOW, (minute + 1) * PACE - 1)
        cut = cut_of(now, ZONE)
        usual = learned.get(cut) or learn(past.facts, cut, ZONE, past.limits, past.whole)
        learned[cut] = usual
        lately = past.facts.between(now - WEEK, now)
        look = Look(lately, usual, now, ZONE, past.limits, SENSITIVITIES[settings.sensitivity])
        for finding in look_at(look, settings.on):
            alert = alerts.get(finding.pattern)
            if alert is not None and alert.status == "open" and is_over(alert, now):
                alert = alert._replace(status="closed", closed_at=alert.updated_at + OVER)
            if is_news(alert, finding):
                opened = Alert("", "", finding.pattern, "", "open", "", 1, None, now, now, None)
                alerts[finding.pattern] = opened
                told.append(finding)
            elif alert is not None and is_renewed(alert, finding):
                alerts[finding.pattern] = alert._replace(updated_at=now)
    return told


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("sensitivity", ["high", "normal"])
def test_it_tells_what_the_worker_would_have_told(seed: int, sensitivity: str) -> None:
    past, settings = a_past(seed), PatternSettings(sensitivity=sensitivity)
    since = NOW - 40 * DAY
    assert list(would_have_told(past, since, NOW, ZONE, settings)) == all_looks(past, since, settings)


def test_such_pasts_have_something_to_tell() -> None:
    settings = PatternSettings(sensitivity="high")
    found = {one.pattern for seed in range(6) for one in all_looks(a_past(seed), NOW - 40 * DAY, settings)}
    assert len(found) >= len(PATTERNS) - 2, found
