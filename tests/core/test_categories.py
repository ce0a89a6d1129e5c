"""The code lists are Stripe's, complete and free of doubles."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from stripe.params.issuing import CardCreateParamsSpendingControls

from roony.core.categories import CODES, COMPANY_RANGES, COUNTRIES, GROUPS, NAMES
from roony.core.control import category_passes, parse_controls
from roony.core.merchant import LONGEST_FACT, category_code, category_name, stripe_categories, trade
from roony.core.settlement import read_merchant


def stripe_enum(field: str) -> set[str]:
    """The words the SDK lists for a field of a card's spending controls."""
    return set(words(get_type_hints(CardCreateParamsSpendingControls)[field]))


def words(hint: Any) -> list[str]:
    """All literal words inside a type."""
    return [hint] if isinstance(hint, str) else [word for part in get_args(hint) for word in words(part)]


@pytest.mark.parametrize("field", ["allowed_categories", "blocked_categories"])
def test_names_are_those_of_the_stripe_sdk(field: str) -> None:
    """All of them but `miscellaneous`, which has no code (facts section 9)."""
    assert set(CODES) == stripe_enum(field) - {"miscellaneous"}


# Every category Stripe takes in spending controls, with its code: read from Stripe's documentation by another hand
# than the list in the code. `miscellaneous` has no code.
with (Path(__file__).parent / "data/merchant_categories.csv").open(encoding="utf-8", newline="") as _file:
    ALL_CATEGORIES = [(row["category"], row["code"]) for row in csv.DictReader(_file)]


def test_all_295_categories_agree_with_the_list() -> None:
    """None is missing, none is more, and each has its one code."""
    assert len(ALL_CATEGORIES) == len(dict(ALL_CATEGORIES)) == 295
    assert {name: code for name, code in ALL_CATEGORIES if code} == CODES
    assert [name for name, code in ALL_CATEGORIES if not code] == ["miscellaneous"]


@pytest.mark.parametrize(("name", "code"), [line for line in ALL_CATEGORIES if line[1]], ids=lambda text: text)
def test_rules_look_at_the_code(name: str, code: str) -> None:
    """A category that is named in a control hits its code, whatever name the network gave, and no other code."""
    blocked, allowed = parse_controls({"blocked_categories": [name]}), parse_controls({"allowed_categories": [name]})
    found = read_merchant({"name": "FIGMA", "category": "a_name_of_tomorrow", "category_code": code})
    other = read_merchant({"name": "FIGMA", "category": name, "category_code": "9999"})
    assert not category_passes(blocked, found.category)
    assert category_passes(allowed, found.category)
    assert category_passes(blocked, other.category)
    assert not category_passes(allowed, other.category)


def test_of_what_no_merchant_is_called_the_beginning_is_kept() -> None:
    long = "x" * (LONGEST_FACT + 1)
    found = read_merchant({"name": long, "url": long, "country": long, "network_id": long, "category_code": "5734"})
    assert {*map(len, (found.name, found.url or "", found.country or "", found.network_id or ""))} == {LONGEST_FACT}
    assert read_merchant({"name": None, "category_code": "5734"}).url is None


def test_names_and_codes_are_one_to_one() -> None:
    """294 names, 294 codes of four digits."""
    assert len(CODES) == len(NAMES) == 294
    assert all(re.fullmatch(r"[0-9]{4}", code) for code in NAMES)
    assert all(CODES[name] == code for code, name in NAMES.items())


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("0742", "veterinary_services"),
        ("4511", "airlines_air_carriers"),
        ("5734", "computer_software_stores"),
        ("7511", "truck_stop_iteration"),
        ("7801", "government_licensed_online_casions_online_gambling_us_region_only"),
    ],
)
def test_codes_with_odd_spellings_or_leading_zeros(code: str, name: str) -> None:
    """Sent to Stripe as they stand."""
    assert category_code(name) == code
    assert category_name(code) == name
    assert stripe_categories(frozenset({code})) == [name]


@pytest.mark.parametrize("group", GROUPS)
def test_groups_hold_known_codes(group: str) -> None:
    """A group could otherwise become an empty list at Stripe. No group is named like a category."""
    assert GROUPS[group]
    assert GROUPS[group] <= set(NAMES)
    assert group not in CODES


def test_the_never_group_is_cash_gambling_securities_and_adult() -> None:
    """The block list of facts section 9."""
    assert {"6010", "6011", "4829", "6051", "6540"} <= GROUPS["never"]
    assert {"7995", "7800", "7801", "7802", "9406"} <= GROUPS["never"]
    assert {"6211", "5967", "7273"} <= GROUPS["never"]
    assert not any(GROUPS["never"] & codes for name, codes in GROUPS.items() if name != "never")


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ("computer_software_stores", "5734"),
        ("5734", "5734"),
        ("3058", "3058"),
        ("miscellaneous", None),
        ("software", None),
        ("573", None),
        ("٥٧٣٤", None),
        ("", None),
    ],
)
def test_category_code(given: str, code: str | None) -> None:
    """A name of Stripe's or any four ASCII digits."""
    assert category_code(given) == code


@pytest.mark.parametrize(
    ("code", "parent"),
    [("3000", "4511"), ("3350", "4511"), ("3351", "7512"), ("3501", "7011"), ("3999", "7011"), ("5734", "5734")],
)
def test_codes_of_single_companies_count_as_their_trade(code: str, parent: str) -> None:
    """One airline's own code is an airline to every rule."""
    assert trade(code) == parent


def test_company_ranges_hold_no_code_of_stripes() -> None:
    """A code that can be named in a control is never read as another one."""
    assert not any(first <= code <= last for first, last, _ in COMPANY_RANGES for code in NAMES)


def test_stripe_categories_are_sorted_and_leave_out_what_has_no_name() -> None:
    """3058 is one airline's code; Stripe has no name for it."""
    assert stripe_categories(frozenset({"5734", "3058", "4511"})) == [
        "airlines_air_carriers",
        "computer_software_stores",
    ]


def test_countries_are_iso_3166() -> None:
    """249 officially assigned codes; XK and EU are not among them."""
    assert len(COUNTRIES) == 249
    assert all(re.fullmatch("[A-Z]{2}", country) for country in COUNTRIES)
    assert {"US", "GB", "CZ", "AX"} <= COUNTRIES
    assert not {"XK", "EU", "UK"} & COUNTRIES
