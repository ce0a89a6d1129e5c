"""Controls are read strictly, and the strictest of several scopes never loosens any of them."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roony.core.categories import COUNTRIES, GROUPS, NAMES
from roony.core.control import (
    DELIVERIES,
    EMPTY,
    FIELDS,
    FOREIGN_CURRENCIES,
    MERCHANT_LOCKS,
    ActiveHours,
    Control,
    Controls,
    InvalidControl,
    blocked_merchant,
    category_passes,
    controls_of,
    country_passes,
    dump,
    hold_amount,
    is_active,
    parse_controls,
    strictest,
)
from roony.core.money import MAX_AMOUNT
from tests.core.rows import row
from tests.core.test_budget import micro

NIGHT = ActiveHours(frozenset({4}), 22 * 60, 6 * 60)  # from Friday 22:00 to Saturday 06:00
WEEKDAYS = frozenset(range(5))


INTERFACE = """
purchase_limit approval_threshold second_approval_threshold approval_expiry_seconds
approve_new_merchants approve_categories allowed_merchants blocked_merchants
allowed_categories blocked_categories allowed_countries blocked_countries velocity_count velocity_amount active_hours
card_ttl_seconds tolerance_amount tolerance_percent merchant_lock foreign_currency delivery duplicate_window_seconds
"""


def test_fields_are_those_of_the_interface() -> None:
    """The names outsiders rely on."""
    assert list(FIELDS) == INTERFACE.split()


@pytest.mark.parametrize(
    ("field", "value", "read"),
    [
        ("purchase_limit", 0, 0),
        ("purchase_limit", MAX_AMOUNT, MAX_AMOUNT),
        ("approval_threshold", 10_000, 10_000),
        ("second_approval_threshold", 0, 0),
        ("second_approval_threshold", 100_000, 100_000),
        ("approval_expiry_seconds", 60, 60),
        ("approval_expiry_seconds", 7 * 86_400, 7 * 86_400),
        ("approve_new_merchants", True, True),
        ("approve_new_merchants", False, False),
        ("approve_categories", ["airlines_air_carriers", "7011"], frozenset({"4511", "7011"})),
        ("allowed_merchants", ["Figma", "AWS"], ("Figma", "AWS")),
        ("blocked_merchants", [], ()),
        ("allowed_categories", ["software"], GROUPS["software"]),
        ("blocked_categories", ["never", "0742"], GROUPS["never"] | {"0742"}),
        ("allowed_countries", ["us", "GB"], frozenset({"US", "GB"})),
        ("blocked_countries", [], frozenset()),
        ("velocity_count", 10, 10),
        ("velocity_amount", 50_000, 50_000),
        ("active_hours", {"from": "09:00", "to": "17:30"}, ActiveHours(frozenset(range(7)), 540, 1050)),
        ("active_hours", {"days": ["mon", "sun"], "from": 0, "to": 1440}, ActiveHours(frozenset({0, 6}), 0, 1440)),
        ("active_hours", {"days": ["fri"], "from": "22:00", "to": "06:00"}, NIGHT),
        ("card_ttl_seconds", 60, 60),
        ("card_ttl_seconds", 30 * 86_400, 30 * 86_400),
        ("tolerance_amount", 500, 500),
        ("tolerance_percent", 100, 100),
        ("merchant_lock", "monitor", "monitor"),
        ("foreign_currency", "allow", "allow"),
        ("delivery", "sealed", "sealed"),
        ("duplicate_window_seconds", 0, 0),
        ("purchase_limit", None, None),
    ],
)
def test_what_an_owner_may_set(field: str, value: Any, read: Any) -> None:
    """Each field, as JSON brings it; null is not set."""
    assert parse_controls({field: value}) == dataclasses.replace(EMPTY, **{field: read})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("purchase_limits", 1),
        ("allow_duplicates", True),
        ("purchase_limit", -1),
        ("purchase_limit", MAX_AMOUNT + 1),
        ("purchase_limit", 10.0),
        ("purchase_limit", "100"),
        ("purchase_limit", True),
        ("approval_threshold", False),
        ("second_approval_threshold", -1),
        ("second_approval_threshold", "1000"),
        ("approval_expiry_seconds", 59),
        ("approval_expiry_seconds", 7 * 86_400 + 1),
        ("approve_new_merchants", 1),
        ("approve_new_merchants", "yes"),
        ("approve_categories", "software"),
        ("approve_categories", ["weapons"]),
        ("allowed_categories", ["miscellaneous"]),
        ("allowed_categories", ["3058"]),
        ("allowed_categories", [5734]),
        ("allowed_categories", []),
        ("allowed_countries", []),
        ("allowed_merchants", []),
        ("allowed_merchants", ["  "]),
        ("allowed_merchants", ["***"]),
        ("allowed_merchants", ["x" * 201]),
        ("blocked_merchants", ["Figma"] * 501),
        ("blocked_merchants", {"Figma": 1}),
        ("blocked_countries", ["UK"]),
        ("blocked_countries", ["USA"]),
        ("velocity_count", 1_000_001),
        ("card_ttl_seconds", 59),
        ("card_ttl_seconds", 30 * 86_400 + 1),
        ("tolerance_percent", 101),
        ("tolerance_percent", 2.5),
        ("merchant_lock", "off"),
        ("merchant_lock", ["strict"]),
        ("foreign_currency", "eur"),
        ("delivery", ""),
        ("duplicate_window_seconds", 30 * 86_400 + 1),
        ("active_hours", "09:00-17:00"),
        ("active_hours", {"from": "09:00"}),
        ("active_hours", {"from": "09:00", "to": "17:00", "zone": "UTC"}),
        ("active_hours", {"from": "9:00", "to": "17:00"}),
        ("active_hours", {"from": "09:60", "to": "17:00"}),
        ("active_hours", {"from": "09:00", "to": "24:01"}),
        ("active_hours", {"from": "09:00", "to": "09:00"}),
        ("active_hours", {"from": "24:00", "to": "09:00"}),
        ("active_hours", {"from": True, "to": "09:00"}),
        ("active_hours", {"days": [], "from": "09:00", "to": "17:00"}),
        ("active_hours", {"days": ["monday"], "from": "09:00", "to": "17:00"}),
        ("active_hours", {"days": [0], "from": "09:00", "to": "17:00"}),
        ("active_hours", {"days": [["mon"]], "from": "09:00", "to": "17:00"}),
    ],
)
def test_what_an_owner_may_not_set(field: str, value: Any) -> None:
    """Unknown names, wrong types, absurd values. The error names the field and says what is right."""
    with pytest.raises(InvalidControl) as caught:
        parse_controls({field: value})
    assert caught.value.field == field
    assert caught.value.message.endswith(".")


def test_controls_of_a_stored_row() -> None:
    """The row keeps what the owner wrote; groups are read when it is used."""
    stored = row(Control, fields=json.dumps({"purchase_limit": 50_000, "allowed_categories": ["software"]}))
    assert controls_of(stored) == Controls(purchase_limit=50_000, allowed_categories=GROUPS["software"])
    assert controls_of(row(Control, fields="{}")) == EMPTY


AMOUNTS = st.none() | st.integers(0, 10_000)
CODES = st.sampled_from(sorted(NAMES)[:6])
COUNTRY = st.sampled_from(sorted(COUNTRIES)[:6])
MERCHANTS = st.none() | st.lists(st.sampled_from(["Figma", "AWS", "Alza"]), max_size=3).map(tuple)


def lists_of(element: st.SearchStrategy[str]) -> st.SearchStrategy[frozenset[str] | None]:
    """A list that is not set, or holds some elements."""
    return st.none() | st.frozensets(element, max_size=5)


CONTROLS = st.builds(
    Controls,
    purchase_limit=AMOUNTS,
    approval_threshold=AMOUNTS,
    second_approval_threshold=AMOUNTS,
    approval_expiry_seconds=st.none() | st.integers(60, 7 * 86_400),
    approve_new_merchants=st.none() | st.booleans(),
    approve_categories=lists_of(CODES),
    allowed_merchants=MERCHANTS,
    blocked_merchants=MERCHANTS,
    allowed_categories=lists_of(CODES),
    blocked_categories=lists_of(CODES),
    allowed_countries=lists_of(COUNTRY),
    blocked_countries=lists_of(COUNTRY),
    velocity_count=AMOUNTS,
    velocity_amount=AMOUNTS,
    active_hours=st.none() | st.just(NIGHT),
    card_ttl_seconds=AMOUNTS,
    tolerance_amount=AMOUNTS,
    tolerance_percent=st.none() | st.integers(0, 100),
    merchant_lock=st.none() | st.sampled_from(MERCHANT_LOCKS),
    foreign_currency=st.none() | st.sampled_from(FOREIGN_CURRENCIES),
    delivery=st.none() | st.sampled_from(DELIVERIES),
    duplicate_window_seconds=AMOUNTS,
)
SCOPED = st.lists(CONTROLS, max_size=3)
LIMITS = {
    "purchase_limit", "approval_threshold", "second_approval_threshold", "velocity_count", "velocity_amount",
}  # fmt: skip
SMALLEST = LIMITS | {"approval_expiry_seconds", "card_ttl_seconds", "tolerance_amount", "tolerance_percent"}
ORDERED = (("merchant_lock", MERCHANT_LOCKS), ("foreign_currency", FOREIGN_CURRENCIES), ("delivery", DELIVERIES))


@given(SCOPED)
def test_strictest_never_loosens_a_scope(scoped: list[Controls]) -> None:
    """Field by field: what one scope sets, the result is at least as strict about."""
    result = strictest(scoped)
    for controls in scoped:
        for name in FIELDS:
            mine, merged = getattr(controls, name), getattr(result, name)
            if mine is None or name in {"allowed_merchants", "active_hours"}:
                continue
            assert merged is not None
            if name in SMALLEST:
                assert merged <= mine
            elif name == "duplicate_window_seconds" or name.startswith("approve_"):
                assert merged >= mine
            elif name.startswith("allowed_"):
                assert merged <= mine
            elif name.startswith("blocked_"):
                assert set(merged) >= set(mine)
            else:
                order = dict(ORDERED)[name]
                assert order.index(merged) <= order.index(mine)


@given(SCOPED)
def test_strictest_invents_nothing(scoped: list[Controls]) -> None:
    """A field nobody sets stays unset; a single value comes from one of the scopes."""
    result = strictest(scoped)
    for name in FIELDS:
        given_values = [value for controls in scoped if (value := getattr(controls, name)) is not None]
        if name in {"allowed_merchants", "active_hours"} or not given_values:
            assert getattr(result, name) is None
        elif not isinstance(given_values[0], frozenset | tuple):
            assert getattr(result, name) in given_values


@given(scoped=SCOPED, code=st.none() | CODES, country=st.none() | COUNTRY)
def test_strictest_lists_say_what_all_scopes_say(scoped: list[Controls], code: str | None, country: str | None) -> None:
    """Intersecting and joining the lists is the same as asking every scope."""
    result = strictest(scoped)
    assert category_passes(result, code) == all(category_passes(controls, code) for controls in scoped)
    assert country_passes(result, country) == all(country_passes(controls, country) for controls in scoped)


@given(scoped=SCOPED, amount=st.integers(1, MAX_AMOUNT))
def test_hold_is_never_less_than_the_amount_nor_more_than_any_tolerance(scoped: list[Controls], amount: int) -> None:
    """At least the amount, and no scope's tolerance is passed."""
    hold = hold_amount(amount, strictest(scoped))
    assert hold >= amount
    for controls in scoped:
        if controls.tolerance_amount is not None:
            assert hold <= amount + controls.tolerance_amount
        if controls.tolerance_percent is not None:
            assert (hold - amount) * 100 <= amount * controls.tolerance_percent


@pytest.mark.parametrize(
    ("amount", "absolute", "percent", "hold"),
    [
        pytest.param(10_000, None, None, 10_000, id="none-set"),
        pytest.param(10_000, 500, None, 10_500, id="absolute-only"),
        pytest.param(10_000, None, 5, 10_500, id="percent-only"),
        pytest.param(10_000, 300, 5, 10_300, id="absolute-is-smaller"),
        pytest.param(1_000, 300, 5, 1_050, id="percent-is-smaller"),
        pytest.param(10_000, 0, 5, 10_000, id="absolute-zero"),
        pytest.param(10_000, 500, 0, 10_000, id="percent-zero"),
        pytest.param(19, None, 5, 19, id="rounded-down"),
    ],
)
def test_hold_amount(amount: int, absolute: int | None, percent: int | None, hold: int) -> None:
    """The smaller tolerance, a missing one not counting."""
    assert hold_amount(amount, Controls(tolerance_amount=absolute, tolerance_percent=percent)) == hold


@pytest.mark.parametrize(
    ("allowed", "blocked", "code", "passes"),
    [
        pytest.param(None, None, None, True, id="no-lists"),
        pytest.param({"4511"}, None, "4511", True, id="allowed"),
        pytest.param({"4511"}, None, "5734", False, id="not-allowed"),
        pytest.param({"4511"}, None, None, False, id="missing-fact-fails-an-allow-list"),
        pytest.param(None, {"4511"}, "4511", False, id="blocked"),
        pytest.param(None, {"4511"}, "5734", True, id="not-blocked"),
        pytest.param(None, {"4511"}, None, True, id="missing-fact-passes-a-block-list"),
        pytest.param({"4511"}, {"4511"}, "4511", False, id="blocked-beats-allowed"),
        pytest.param({"4511"}, None, "3058", True, id="one-airline-is-an-airline"),
        pytest.param(None, {"4511"}, "3058", False, id="one-airline-is-blocked-too"),
        pytest.param(set(), None, "4511", False, id="nothing-allowed"),
        pytest.param(None, set(), "4511", True, id="nothing-blocked"),
    ],
)
def test_category_passes(allowed: set[str] | None, blocked: set[str] | None, code: str | None, passes: bool) -> None:
    """Allow and block lists of categories."""
    controls = Controls(
        allowed_categories=None if allowed is None else frozenset(allowed),
        blocked_categories=None if blocked is None else frozenset(blocked),
    )
    assert category_passes(controls, code) is passes


def test_country_passes_in_any_case() -> None:
    """Networks write US, agents may write us."""
    assert country_passes(Controls(allowed_countries=frozenset({"US"})), "us")
    assert not country_passes(Controls(blocked_countries=frozenset({"US"})), "us")


def test_blocked_merchant_is_named_as_written() -> None:
    """Found in the name or in the address; a missing address is not looked at."""
    controls = Controls(blocked_merchants=("Figma", "Alza"))
    assert blocked_merchant(controls, "ALZA VETERINARY", None) == "Alza"
    assert blocked_merchant(controls, "Shop", "https://alza.cz") == "Alza"
    assert blocked_merchant(controls, "Shop", None) is None
    assert blocked_merchant(EMPTY, "ALZA") is None


@pytest.mark.parametrize(
    ("hours", "now", "active"),
    [
        pytest.param(ActiveHours(WEEKDAYS, 540, 1050), "2026-11-23T08:00+01:00", False, id="monday-too-early"),
        pytest.param(ActiveHours(WEEKDAYS, 540, 1050), "2026-11-23T09:00+01:00", True, id="monday-first-minute"),
        pytest.param(ActiveHours(WEEKDAYS, 540, 1050), "2026-11-23T17:29:59+01:00", True, id="monday-last-second"),
        pytest.param(ActiveHours(WEEKDAYS, 540, 1050), "2026-11-23T17:30+01:00", False, id="end-is-exclusive"),
        pytest.param(ActiveHours(WEEKDAYS, 540, 1050), "2026-11-22T12:00+01:00", False, id="sunday"),
        pytest.param(ActiveHours(WEEKDAYS, 0, 1440), "2026-11-27T23:59+01:00", True, id="whole-day"),
        pytest.param(NIGHT, "2026-11-27T21:59+01:00", False, id="friday-before-ten"),
        pytest.param(NIGHT, "2026-11-27T22:00+01:00", True, id="friday-night"),
        pytest.param(NIGHT, "2026-11-28T05:59+01:00", True, id="saturday-morning-belongs-to-friday"),
        pytest.param(NIGHT, "2026-11-28T06:00+01:00", False, id="saturday-at-six"),
        pytest.param(NIGHT, "2026-11-28T22:00+01:00", False, id="saturday-night"),
        pytest.param(NIGHT, "2026-11-27T05:00+01:00", False, id="friday-morning-belongs-to-thursday"),
        pytest.param(ActiveHours(frozenset({6}), 120, 180), "2026-03-29T03:30+02:00", False, id="hour-left-out"),
        pytest.param(ActiveHours(frozenset({6}), 120, 180), "2026-10-25T02:30+02:00", True, id="hour-repeated-first"),
        pytest.param(ActiveHours(frozenset({6}), 120, 180), "2026-10-25T02:30+01:00", True, id="hour-repeated-again"),
    ],
)
def test_active_hours_follow_the_local_clock(hours: ActiveHours, now: str, active: bool) -> None:
    """In Prague, over midnight and over both changes of the clock."""
    assert is_active(hours, "Europe/Prague", micro(now)) is active


def test_dump_shows_what_is_set() -> None:
    """For people and programs: names instead of codes, hours as hours."""
    controls = Controls(
        purchase_limit=50_000,
        allowed_categories=frozenset({"5734", "4511"}),
        blocked_merchants=("Alza",),
        active_hours=NIGHT,
    )
    assert json.loads(json.dumps(dump(controls))) == {
        "purchase_limit": 50_000,
        "allowed_categories": ["airlines_air_carriers", "computer_software_stores"],
        "blocked_merchants": ["Alza"],
        "active_hours": {"days": ["fri"], "from": "22:00", "to": "06:00"},
    }


@given(CONTROLS)
def test_dump_reads_back_as_the_same_controls(controls: Controls) -> None:
    """But for empty allow lists, short card lives and percents, which cannot be set."""
    shown = dump(controls)
    if any(value == [] for name, value in shown.items() if name.startswith("allowed_")):
        return
    if shown.get("card_ttl_seconds", 60) >= 60:
        assert parse_controls(shown) == controls
