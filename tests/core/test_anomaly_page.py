"""docs/patterns.md says what the rules say: every pattern with its floor, its multiple and the floor of new agents."""

from __future__ import annotations

import re
from pathlib import Path

from roony.core.anomaly import rules, usual
from roony.core.anomaly.facts import PATTERNS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "patterns.md"
# Floor, multiple and floor of new agents, as the page writes them.
ROWS = {
    "card_testing": (rules.TESTING_FLOOR, rules.TESTING_TIMES, rules.TESTING_BARE),
    "many_declines": (rules.DECLINES_FLOOR, rules.DECLINES_TIMES, rules.DECLINES_BARE),
    "burst": (rules.BURST_FLOOR, rules.BURST_TIMES, None),
    "under_threshold": (rules.NEAR_FLOOR, rules.NEAR_TIMES, None),
    "new_country": (rules.COUNTRY_FLOOR, rules.COUNTRY_TIMES, None),
    "off_hours": (rules.OFF_FLOOR, rules.OFF_TIMES, None),
    "new_merchants": (rules.MERCHANTS_FLOOR, rules.MERCHANTS_PERCENT / 100, None),
    "repeated_text": (rules.TEXTS_FLOOR, rules.TEXTS_TIMES, None),
}


def test_every_pattern_has_its_row() -> None:
    text = PAGE.read_text(encoding="utf-8")
    row = r"^\| `(\w+)` \| .+? \| (?:an hour|a day|a week) \| (.+?) \| (.+?) \| (.+?) \|$"
    told = re.findall(row, text, re.MULTILINE)
    assert [row[0] for row in told] == list(PATTERNS)
    for pattern, floor, times, bare in told:
        if pattern == "price_drift":
            assert floor == f"{rules.DRIFT_PERCENT} %"
            continue
        wanted = ROWS[pattern]
        assert (floor, times.split(" × ")[0]) == (str(wanted[0]), f"{wanted[1]:g}"), pattern
        assert bare == ("silent" if wanted[2] is None else str(wanted[2])), pattern


def test_the_other_figures_are_those_of_the_code() -> None:
    text = " ".join(PAGE.read_text(encoding="utf-8").split())
    low, normal, high = rules.SENSITIVITIES.values()
    for sentence in (
        f"({low:g} for `low`, {normal:g} for `normal`, {high:g} for `high`",
        f"fewer than {usual.MIN_ASKS} purchases or {usual.MIN_DAYS} days",
        f"at most {usual.SMALL_UNITS}.00, and at most a quarter",
        f"holds at most {100 * usual.OFF_SHARE:g} % of its purchases",
        f"come to {rules.SUM_TIMES} times the sum of a busy day and to {rules.SUM_UNITS}.00",
        f"over that by {rules.DRIFT_PERCENT} %, by {rules.DRIFT_UNITS}.00, and by {rules.DRIFT_TIMES} times",
        f"within {100 - usual.NEAR_PERCENT} % below a limit",
    ):
        assert sentence in text, sentence
