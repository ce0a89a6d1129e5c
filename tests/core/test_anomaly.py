"""Unusual patterns: each rule speaks from its threshold on and not one step before; what is learned; what is told."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roony.core.alert import Alert
from roony.core.anomaly.facts import PATTERNS, Ask, Facts, Finding, Payment, cut_of, in_order
from roony.core.anomaly.facts import wording as written
from roony.core.anomaly.past import Past, would_have_told
from roony.core.anomaly.rules import RULES, SENSITIVITIES, Look, look_at
from roony.core.anomaly.telling import (
    FROZEN,
    MAY_FREEZE,
    OVER,
    PERIOD,
    RENEWED,
    PatternSettings,
    changed_settings,
    is_news,
    is_over,
    is_renewed,
    message,
    pattern_settings,
)
from roony.core.anomaly.usual import Series, Usual, learn, median, quantile
from roony.core.duration import DAY, HOUR, SECOND, WEEK
from roony.core.message import MAX_SENTENCE, said

UTC = ZoneInfo("UTC")
PRAGUE = ZoneInfo("Europe/Prague")
MINUTE = 60 * SECOND
# A Wednesday, 15.00 UTC.
NOW = 1_795_618_800 * SECOND
LIMIT = ("usd", 10_000)

# An agent with a past of 13 weeks: five purchases a busy day, at 50.00, by day and in one country.
USUAL = Usual(
    asks=200, days=91, whole=True, medians={"usd": 5_000}, small_an_hour=1, declines_a_day=1, asks_a_day=5,
    sums_a_day={"usd": 25_000}, near_a_week={LIMIT: 1}, countries=frozenset({"US"}), main_countries=1,
    off_hours=frozenset(range(21)) - frozenset(range(6, 21)), off_a_day=1,
    merchants=frozenset({"figma"}), merchants_a_week=4, texts_a_day=1,
    series={("figma", "usd"): Series(price=10_000, spread=0, last_price=10_000, gap_days=30)},
)  # fmt: skip
# Three asks last week: too little for anything learned.
NEW = USUAL._replace(asks=3, days=7)


def ask(ago: int = HOUR, **more: Any) -> Ask:
    """One purchase of 50.00 some microseconds ago."""
    row = Ask(NOW - ago, 5_000, "usd", "figma", "US", "", False)
    return row._replace(**more)


def paid(ago: int = HOUR, **more: Any) -> Payment:
    """One payment of 50.00."""
    return Payment(NOW - ago, 5_000, "usd", "US", False)._replace(**more)


def many(count: int, make: Callable[[int], Ask | Payment]) -> Facts:
    """So many facts, each made from its number."""
    made = [make(number) for number in range(count)]
    return in_order([one for one in made if isinstance(one, Ask)], [one for one in made if isinstance(one, Payment)])


def heard(lately: Facts, usual: Usual = USUAL, sensitivity: str = "normal", only: str | None = None) -> list[Finding]:
    """What the rules say, or one of them."""
    look = Look(lately, usual, NOW, UTC, [LIMIT], SENSITIVITIES[sensitivity])
    return list(look_at(look, PATTERNS if only is None else (only,)))


def small(number: int) -> Ask:
    return ask(number * MINUTE, amount=200, merchant=f"shop {number}")


def small_paid(number: int) -> Payment:
    return paid(number * MINUTE, amount=150)


def declined(number: int) -> Ask:
    return ask((number + 1) * 10 * MINUTE, declined=True, amount=5_000 + number)


def plain(number: int) -> Ask:
    return ask((number + 1) * 10 * MINUTE)


def dear(number: int) -> Ask:
    """The dearest is not counted: six of them are five times 250.00."""
    return ask((number + 1) * HOUR, amount=25_000)


def near(number: int) -> Ask:
    return ask(number * 6 * HOUR, amount=(9_000, 10_000)[number % 2])


def abroad(number: int) -> Payment:
    return paid((number + 1) * HOUR, country=("NG", "BR")[number % 2])


def at_night(number: int) -> Ask:
    """From 3.00 UTC on."""
    return ask(12 * HOUR - number * MINUTE)


def unknown_shop(number: int) -> Ask:
    return ask(number * 4 * HOUR, merchant=f"shop {number}")


def same_words(number: int) -> Ask:
    return ask((number + 1) * 30 * MINUTE, wording="pay this now", merchant=f"shop {number}")


def dearer(number: int) -> Ask:
    return ask(amount=15_999 + number)


# Rule, facts by number, the count at which it speaks, and at which with low and high sensitivity; what is usual.
STEPS: list[tuple[str, Callable[[int], Ask | Payment], int, int, int, Usual]] = [
    ("card_testing", small, 12, 24, 8, USUAL),
    ("card_testing", small_paid, 12, 24, 8, USUAL),
    ("card_testing", small, 14, 28, 9, USUAL._replace(small_an_hour=7)),
    ("card_testing", small, 25, 50, 15, NEW),
    ("many_declines", declined, 12, 24, 8, USUAL),
    ("many_declines", declined, 15, 30, 9, USUAL._replace(declines_a_day=5)),
    ("many_declines", declined, 25, 50, 15, NEW),
    ("burst", plain, 25, 50, 15, USUAL._replace(sums_a_day={})),
    ("burst", plain, 40, 80, 24, USUAL._replace(asks_a_day=10, sums_a_day={})),
    ("burst", dear, 6, 11, 6, USUAL),
    ("under_threshold", near, 8, 16, 5, USUAL),
    ("under_threshold", near, 9, 18, 6, USUAL._replace(near_a_week={LIMIT: 3})),
    ("new_country", abroad, 5, 10, 3, USUAL),
    ("new_country", abroad, 9, 18, 6, USUAL._replace(main_countries=3)),
    ("off_hours", at_night, 8, 16, 5, USUAL),
    ("off_hours", at_night, 12, 24, 8, USUAL._replace(off_a_day=4)),
    ("off_hours", at_night, 11, 22, 7, USUAL._replace(asks_a_day=11)),
    ("new_merchants", unknown_shop, 12, 24, 8, USUAL),
    ("new_merchants", unknown_shop, 17, 34, 11, USUAL._replace(merchants_a_week=7)),
    ("repeated_text", same_words, 10, 20, 6, USUAL),
    ("repeated_text", same_words, 12, 24, 8, USUAL._replace(texts_a_day=4)),
    ("price_drift", dearer, 2, 6_002, 1, USUAL),
    ("price_drift", dearer, 2, 6_002, 1, USUAL._replace(series={("figma", "usd"): Series(10_000, 1_500, 10_000, 30)})),
]  # fmt: skip


@pytest.mark.parametrize("sensitivity", ["normal", "low", "high"])
@pytest.mark.parametrize("step", STEPS, ids=[f"{step[0]}-{place}" for place, step in enumerate(STEPS)])
def test_a_rule_speaks_from_its_threshold_on(step: Any, sensitivity: str) -> None:
    """One step before it is silent. What it says it saw is what reached the threshold."""
    pattern, make, *counts, usual = step
    count = counts[("normal", "low", "high").index(sensitivity)]
    assert heard(many(count - 1, make), usual, sensitivity, pattern) == []
    [finding] = heard(many(count, make), usual, sensitivity, pattern)
    assert finding.seen >= finding.threshold
    assert (finding.pattern, finding.since <= finding.at <= NOW) == (pattern, True)


# What the same numbers do not say: each differs in one thing from what does.
SILENT: list[tuple[str, Facts, Usual]] = [
    ("card_testing", many(30, lambda n: ask(n * MINUTE, amount=201)), USUAL),
    ("card_testing", many(30, lambda n: ask(n * 6 * MINUTE, amount=200)), USUAL),
    ("card_testing", many(30, lambda n: paid(n * MINUTE, amount=0)), USUAL),
    ("card_testing", many(30, small), USUAL._replace(medians={"usd": 200})),
    ("card_testing", many(40, small), NEW._replace(whole=False)),
    ("many_declines", many(80, lambda n: ask(n * MINUTE, declined=n % 2 == 0 and n < 78)), USUAL),
    ("burst", many(60, plain), NEW),
    ("burst", many(60, lambda n: ask(n * HOUR)), USUAL),
    ("burst", many(8, lambda n: ask(n * HOUR, amount=1_000 if n else 900_000)), USUAL),
    ("burst", many(8, lambda n: ask(n * HOUR, amount=90_000, declined=True)), USUAL),
    ("under_threshold", many(9, lambda n: ask(n * HOUR, amount=8_999)), USUAL),
    ("under_threshold", many(9, lambda n: ask(n * HOUR, amount=10_001)), USUAL),
    ("under_threshold", many(9, lambda n: ask(n * HOUR, amount=10_000, currency="eur")), USUAL),
    ("under_threshold", many(50, lambda n: ask(n * HOUR, amount=9_500 if n < 9 else 100)), USUAL),
    ("under_threshold", many(9, near), USUAL._replace(days=41)),
    ("new_country", many(20, lambda n: paid(n * HOUR)), USUAL),
    ("new_country", many(20, lambda n: ask(n * HOUR, country="")), USUAL),
    ("new_country", many(20, abroad), USUAL._replace(countries=frozenset(), main_countries=0)),
    ("new_country", many(20, abroad), NEW),
    ("off_hours", many(20, lambda n: ask(n * MINUTE)), USUAL),
    ("off_hours", many(20, at_night), USUAL._replace(off_hours=frozenset(range(2, 6)))),
    ("off_hours", many(20, at_night), USUAL._replace(days=41)),
    ("new_merchants", many(20, lambda n: ask(n * HOUR)), USUAL),
    ("new_merchants", many(20, unknown_shop), USUAL._replace(days=41)),
    ("repeated_text", many(20, lambda n: ask(n * HOUR, wording=f"words {n}")), USUAL),
    ("repeated_text", many(40, same_words), NEW),
    ("repeated_text", many(20, lambda n: ask(n * HOUR, wording="one month")), USUAL),
    ("repeated_text", many(20, lambda n: ask(n * HOUR, merchant=f"shop {n}")), USUAL),
    ("price_drift", many(1, lambda _: ask(amount=21_000, declined=True)), USUAL),
    ("price_drift", many(1, lambda _: ask(amount=21_000, merchant="other")), USUAL),
    ("price_drift", many(1, lambda _: ask(amount=21_000)),
     USUAL._replace(series={("figma", "usd"): Series(10_000, 0, 16_000, 30)})),
    ("price_drift", many(1, lambda _: ask(amount=21_000)),
     USUAL._replace(series={("figma", "usd"): Series(10_000, 2_751, 10_000, 30)})),
    ("price_drift", many(1, lambda _: ask(amount=20_000)), USUAL),
    ("price_drift", many(1, lambda _: ask(amount=33_000)),
     USUAL._replace(series={("figma", "usd"): Series(10_000, 0, 11_000, 30)})),
]  # fmt: skip


@pytest.mark.parametrize(("pattern", "lately", "usual"), SILENT)
def test_a_rule_is_silent(pattern: str, lately: Facts, usual: Usual) -> None:
    assert heard(lately, usual, only=pattern) == []


def test_every_rule_has_its_row_above() -> None:
    assert {step[0] for step in STEPS} == {row[0] for row in SILENT} == set(PATTERNS) == set(RULES)


# Learning


def past(days: int, a_day: int = 2) -> list[Ask]:
    """So many purchases, on each of the days before yesterday, between 9 and 17 UTC."""
    cut = cut_of(NOW, UTC)
    return [
        Ask(cut - day * DAY + (9 + 8 * number // a_day) * HOUR, 5_000, "usd", f"shop {number}", "US", "", False)
        for day in range(1, days + 1) for number in range(a_day)
    ]  # fmt: skip


def learned(asks: Sequence[Ask], payments: Sequence[Payment] = (), zone: ZoneInfo = UTC) -> Usual:
    """What is usual after that past."""
    return learn(in_order(asks, payments), cut_of(NOW, zone), zone, [LIMIT], True)


def test_the_past_ends_with_the_day_before_yesterday() -> None:
    """In the organization's zone, so nothing of the last 24 hours teaches; a week that is compared does not either."""
    assert cut_of(NOW, UTC) == NOW - 15 * HOUR - DAY
    assert cut_of(NOW, PRAGUE) == NOW - 16 * HOUR - DAY
    first, cut = past(60), cut_of(NOW, UTC)
    assert learned([*first, *[ask()] * 50, *[Ask(cut, 5_000, "usd", "x", "CZ", "", False)] * 50]) == learned(first)
    assert "late" not in learned([*first, Ask(cut - 6 * DAY, 5_000, "usd", "late", "US", "", False)]).merchants
    assert "soon" in learned([*first, Ask(cut - 6 * DAY - 1, 5_000, "usd", "soon", "US", "", False)]).merchants


def test_what_is_learned() -> None:
    usual = learned(past(60, 4), [paid(5 * DAY, country="DE", amount=100)])
    assert (usual.asks, usual.days) == (240, 59)
    assert (usual.asks_a_day, usual.sums_a_day, usual.medians) == (4, {"usd": 20_000}, {"usd": 5_000})
    assert (usual.countries, usual.main_countries, usual.small_an_hour) == ({"US", "DE"}, 1, 1)
    assert (usual.merchants_a_week, usual.texts_a_day, usual.declines_a_day) == (4, 0, 0)
    assert usual.off_hours == {18, 19, 20, 21, 22, 23, 0, 1, 2, 3, 4, 5, 6}
    assert learned(past(60, 4), zone=ZoneInfo("Asia/Singapore")).off_hours != usual.off_hours


@pytest.mark.parametrize(
    ("days", "a_day", "knows"), [(14, 2, (True, False)), (13, 2, (False, False)), (42, 1, (True, True)),
                                 (41, 1, (True, False)), (19, 1, (False, False)), (20, 1, (True, False))]
)  # fmt: skip
def test_a_threshold_is_learned_from_enough_only(days: int, a_day: int, knows: tuple[bool, bool]) -> None:
    """14 days, or six weeks, and 20 purchases."""
    first = cut_of(NOW, UTC) - days * DAY
    usual = learned([Ask(first, 5_000, "usd", "shop", "US", "", False), *past(days - 1, a_day),
                     *[Ask(first + HOUR, 5_000, "usd", "shop", "US", "", False)] * (a_day - 1)])  # fmt: skip
    assert (usual.knows_days, usual.knows_weeks) == knows


def test_one_odd_day_in_fifty_does_not_move_what_is_usual() -> None:
    odd = [Ask(cut_of(NOW, UTC) - DAY, 5_000, "usd", "x", "US", "", False)] * 40
    assert learned([*past(60), *odd]).asks_a_day == learned(past(60)).asks_a_day == 2


SERIES = [
    ("monthly", [(30 * n, 10_000) for n in range(6)], Series(10_000, 0, 10_000, 30)),
    ("a few days off", [(30 * n + n % 3, 10_000) for n in range(6)], Series(10_000, 0, 10_000, 31)),
    ("a little dearer each time", [(30 * n, 10_000 + 500 * n) for n in range(6)], Series(10_500, 500, 12_500, 30)),
    ("three times only", [(30 * n, 10_000) for n in range(3)], None),
    ("at no regular times", [(day, 10_000) for day in (0, 7, 50, 60, 130, 131)], None),
    ("at no regular prices", [(30 * n, 10_000 * (1 + n % 2)) for n in range(6)], None),
    ("every other day", [(2 * n, 10_000) for n in range(20)], None),
]


@pytest.mark.parametrize(("name", "paid_at", "series"), SERIES)
def test_what_is_paid_regularly(name: str, paid_at: list[tuple[int, int]], series: Series | None) -> None:
    asks = [Ask(NOW - 300 * DAY + day * DAY, price, "usd", "x", "US", "", False) for day, price in paid_at]
    assert learned(asks).series.get(("x", "usd")) == series, name


def test_a_price_that_creeps_is_told_once() -> None:
    """One percent of drift after another: once it is 60 % over what it was, and not the next time again."""
    asks = [Ask(NOW - (13 - n) * 30 * DAY, 10_000 * 108**n // 100**n, "usd", "x", "US", "", False) for n in range(13)]
    settings = PatternSettings()
    told = list(would_have_told(Past(in_order(asks, ()), (), True), NOW - 400 * DAY, NOW, UTC, settings))
    assert [one.pattern for one in told] == ["price_drift"]
    assert told[0].seen >= 16_000 > told[0].usual


# Any order, and more of the same

_FACTS = st.lists(
    st.builds(
        Ask, st.integers(NOW - 60 * DAY, NOW), st.sampled_from([100, 150, 5_000, 9_500, 30_000]), st.just("usd"),
        st.sampled_from([f"shop {n}" for n in range(15)]), st.sampled_from(["US", "DE", "NG", ""]),
        st.sampled_from(["", "pay this", "one month"]), st.booleans(),
    ),
    max_size=120,
)  # fmt: skip


@given(_FACTS, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(asks: list[Ask], dice: Any) -> None:
    shuffled = dice.sample(asks, len(asks))
    assert learned(asks) == learned(shuffled)
    assert heard(in_order(asks, ()), learned(asks)) == heard(in_order(shuffled, ()), learned(shuffled))


@given(
    st.lists(st.tuples(st.integers(0, 34), st.integers(0, 23), st.sampled_from([100, 150, 5_000, 9_500]),
                       st.integers(0, 9), st.sampled_from(["US", "DE"]), st.booleans()), min_size=20, max_size=80),
    _FACTS,
)  # fmt: skip
def test_more_of_the_same_past_never_adds_an_alert(days: list[Any], lately: list[Ask]) -> None:
    """Once there is enough to learn from: the same five weeks before the five weeks change nothing that is usual."""
    cut = cut_of(NOW, UTC)

    def weeks(before: int) -> list[Ask]:
        return [
            Ask(cut - (35 * before + day + 1) * DAY + hour * HOUR, amount, "usd", f"shop {shop}", country, "", no)
            for day, hour, amount, shop, country, no in [(34, 0, 5_000, 0, "US", False), *days]
        ]

    once = learned([*weeks(0), *weeks(1)])
    longer = learned([*weeks(0), *weeks(1), *weeks(2), *weeks(3)])
    of_week = [one for one in lately if one.at > NOW - WEEK]
    spoke = {finding.pattern for finding in heard(in_order(of_week, ()), longer)}
    assert spoke <= {finding.pattern for finding in heard(in_order(of_week, ()), once)} | {"price_drift"}


@given(st.lists(st.integers(0, 1_000), min_size=1), st.integers(1, 5), st.sampled_from([0.5, 0.98]))
def test_a_quantile_is_one_of_the_values_and_the_same_for_more_of_the_same(
    values: list[int], times: int, share: float
) -> None:
    assert quantile(values * times, share) == quantile(values, share)
    assert quantile(values, share) in values
    assert min(values) <= median(values) <= max(values)


def test_nothing_has_no_median() -> None:
    assert (median([]), quantile([], 0.98)) == (0, 0)


# Telling


def finding(at: int = NOW, since: int = NOW - HOUR) -> Finding:
    return Finding("burst", at, since, 30, 5, 25, "30 purchases within a day", "at most 5 in a day")


def alert(status: str, created: int, updated: int | None = None, closed: int | None = None) -> Alert:
    return Alert("org_1", "alt_1", "unusual_burst", "agt_1", status, "", 1, None, created, updated or created, closed)


@pytest.mark.parametrize(
    ("told", "news"),
    [
        (None, True),
        (alert("open", NOW - 30 * DAY), False),
        (alert("closed", NOW - PERIOD, closed=NOW - HOUR - 1), True),
        (alert("closed", NOW - PERIOD, closed=NOW - HOUR), False),
        (alert("closed", NOW - PERIOD + 1, closed=NOW - 2 * HOUR), False),
    ],
)
def test_it_is_told_once_in_a_period_and_not_again_of_what_was_closed(told: Alert | None, news: bool) -> None:
    assert is_news(told, finding()) is news


def test_an_open_alert_is_kept_open_by_what_is_still_seen_and_else_is_over() -> None:
    assert is_renewed(alert("open", NOW - 9 * DAY, NOW - RENEWED), finding())
    assert not is_renewed(alert("open", NOW - 9 * DAY, NOW - RENEWED + 1), finding())
    assert not is_renewed(alert("closed", NOW - 9 * DAY, NOW - RENEWED), finding())
    assert not is_renewed(None, finding())
    assert is_over(alert("open", NOW - 9 * DAY, NOW - OVER), NOW)
    assert not is_over(alert("open", NOW - 9 * DAY, NOW - OVER + 1), NOW)


def test_a_long_attack_is_one_alert_and_a_later_one_another() -> None:
    """Nobody closes anything; the first alert is over a week after the last of it, the second begins after that.

    What went on for ten days is usual by then, so the second one is larger.
    """
    days = [(day, 30) for day in range(10)] + [(20, 150), (21, 150)]
    asks = [*past(80), *[Ask(NOW + day * DAY + n * MINUTE, 5_000, "usd", "shop 1", "US", "", False)
                         for day, count in days for n in range(count)]]  # fmt: skip
    settings = PatternSettings(off=tuple(name for name in PATTERNS if name != "burst"))
    told = list(would_have_told(Past(in_order(asks, ()), (), True), NOW - DAY, NOW + 40 * DAY, UTC, settings))
    assert [(one.at - NOW) // DAY for one in told] == [0, 20]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_message_says_all_of_it_in_one_line(pattern: str) -> None:
    """What was seen, what is usual, since when, what to do; chat and mail cut nothing off and break nothing."""
    step = next(step for step in STEPS if step[0] == pattern)
    [found] = heard(many(step[2], step[1]), step[5], only=pattern)
    text = message(found, ZoneInfo("America/Argentina/ComodRivadavia"), frozen=True)
    assert said(text, MAX_SENTENCE) == text
    assert f"{found.what}, since 2026-11-" in text
    assert f"Usual: {found.usually}." in text
    assert text.endswith(FROZEN)


def test_words_of_a_new_agent_say_that_nothing_is_known() -> None:
    [found] = heard(many(25, small), NEW, only="card_testing")
    assert found.usual is None
    assert message(found, PRAGUE).startswith(
        "25 purchases or payments of at most 2.00 USD within an hour, since 2026-11-25 at 15.36 (Europe/Prague). Usual:"
        " not known yet, the agent is too new."
    )


def test_a_merchant_cannot_write_into_a_message() -> None:
    series = {("<b>@all</b> https://evil.example " * 9, "usd"): Series(10_000, 0, 10_000, 30)}
    usual = USUAL._replace(series=series)
    [found] = heard(many(1, lambda _: ask(amount=91_000, merchant=next(iter(series))[0])), usual, only="price_drift")
    text = message(found, UTC)
    assert not set("<>@") & set(text)
    assert "evil.example" not in text
    assert len(text) <= MAX_SENTENCE


# Settings


def test_by_itself_everything_is_looked_for_and_nobody_frozen() -> None:
    settings = pattern_settings("{}")
    assert (settings.on, settings.sensitivity, settings.freeze) == (PATTERNS, "normal", ())
    assert not any(settings.freezes(pattern) for pattern in PATTERNS)


def test_what_is_left_out_stays_and_lists_are_set_whole() -> None:
    first = changed_settings(PatternSettings(), {"off": ["burst", "off_hours", "burst"], "freeze": ["card_testing"]})
    assert first == PatternSettings(("burst", "off_hours"), "normal", ("card_testing",))
    then = changed_settings(first, {"sensitivity": "high", "off": []})
    assert then == PatternSettings((), "high", ("card_testing",))
    assert pattern_settings(json.dumps({"patterns": then.as_json()})) == then


@pytest.mark.parametrize(
    ("given_fields", "field"),
    [({"off": ["x"]}, "off"), ({"freeze": ["price_drift"]}, "freeze"), ({"sensitivity": "loud"}, "sensitivity")],
)
def test_what_cannot_be_set_names_its_field(given_fields: dict[str, Any], field: str) -> None:
    wrong = changed_settings(PatternSettings(), given_fields)
    assert not isinstance(wrong, PatternSettings)
    assert wrong[0] == field
    assert "price_drift" not in MAY_FREEZE


def test_a_pattern_that_is_off_freezes_nobody() -> None:
    settings = PatternSettings(off=("burst",), freeze=("burst", "card_testing"))
    assert [pattern for pattern in PATTERNS if settings.freezes(pattern)] == ["card_testing"]


def test_words_are_compared_without_capitals_numbers_and_spaces() -> None:
    assert written("Pay  invoice 4711\n NOW") == written("pay invoice 12 now") == "pay invoice # now"
    assert len(written("x" * 100_000)) == 200
