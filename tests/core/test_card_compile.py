"""What the card enforces at Stripe is what the live check enforces here."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roony.core.card import compile_card
from roony.core.categories import COUNTRIES, NAMES
from roony.core.control import EMPTY, Controls, category_passes, country_passes, strictest
from roony.core.errors import BrokenCaller
from roony.core.purchase import Purchase
from tests.core.rows import row

PURCHASE = row(
    Purchase, id="pur_1", organization_id="org_1", agent_id="agt_1", amount=10_000, hold_amount=10_500, currency="usd"
)


def compiled(controls: Controls) -> dict[str, Any]:
    """The spending controls Stripe is sent."""
    params: dict[str, Any] = compile_card(PURCHASE, "crd_1", controls)
    assert json.loads(json.dumps(params)) == params
    spending: dict[str, Any] = params["spending_controls"]
    return spending


def stripe_lets_pass(spending: dict[str, Any], allowed: str, blocked: str, fact: str) -> bool:
    """Stripe's reading of its own lists (facts section 1.4); an absent or empty one restricts nothing."""
    assert not (spending.get(allowed) and spending.get(blocked)), "Stripe takes one of the two"
    if spending.get(allowed):
        return fact in spending[allowed]
    return fact not in spending.get(blocked, [])


def some(codes: list[str]) -> list[frozenset[str] | None]:
    """No list, an empty one, one element, several, nearly all."""
    return [None, frozenset(), frozenset(codes[:1]), frozenset(codes[:3]), frozenset(codes[2:])]


CATEGORY_GRID = [
    Controls(allowed_categories=allowed, blocked_categories=blocked)
    for allowed, blocked in product(some(sorted(NAMES)), repeat=2)
]
COUNTRY_GRID = [
    Controls(allowed_countries=allowed, blocked_countries=blocked)
    for allowed, blocked in product(some(sorted(COUNTRIES)), repeat=2)
]


@pytest.mark.parametrize("controls", CATEGORY_GRID, ids=range(len(CATEGORY_GRID)))
def test_categories_at_stripe_agree_with_the_live_check(controls: Controls) -> None:
    """Every category of Stripe's, for every shape of lists; what allows nothing makes no card."""
    passing = {code for code in NAMES if category_passes(controls, code)}
    if not passing:
        with pytest.raises(BrokenCaller):
            compiled(controls)
        return
    spending = compiled(controls)
    for code, name in NAMES.items():
        at_stripe = stripe_lets_pass(spending, "allowed_categories", "blocked_categories", name)
        assert at_stripe == (code in passing)


@pytest.mark.parametrize("controls", COUNTRY_GRID, ids=range(len(COUNTRY_GRID)))
def test_countries_at_stripe_agree_with_the_live_check(controls: Controls) -> None:
    """Every country, for every shape of lists; what allows nothing makes no card."""
    passing = {country for country in COUNTRIES if country_passes(controls, country)}
    if not passing:
        with pytest.raises(BrokenCaller):
            compiled(controls)
        return
    spending = compiled(controls)
    for country in COUNTRIES:
        at_stripe = stripe_lets_pass(spending, "allowed_merchant_countries", "blocked_merchant_countries", country)
        assert at_stripe == (country in passing)


CODE_LISTS = st.none() | st.frozensets(st.sampled_from(sorted(NAMES)[:5]), max_size=5)
COUNTRY_LISTS = st.none() | st.frozensets(st.sampled_from(sorted(COUNTRIES)[:5]), max_size=5)


@given(
    st.lists(
        st.builds(
            Controls,
            allowed_categories=CODE_LISTS,
            blocked_categories=CODE_LISTS,
            allowed_countries=COUNTRY_LISTS,
            blocked_countries=COUNTRY_LISTS,
        ),
        max_size=3,
    )
)
def test_a_card_never_carries_an_empty_list(scoped: list[Controls]) -> None:
    """The SDK drops an empty list, and the card would be open (facts section 10, trap 16)."""
    try:
        spending = compiled(strictest(scoped))
    except BrokenCaller:
        return
    assert all(value for value in spending.values())


def test_a_card_of_a_purchase_without_controls() -> None:
    """The hold is the limit, the card is for the internet, for one payment, and switched on."""
    assert compile_card(PURCHASE, "crd_1", EMPTY) == {
        "type": "virtual",
        "status": "active",
        "currency": "usd",
        "spending_controls": {
            "spending_limits": [{"amount": 10_500, "interval": "all_time"}],
            "allowed_card_presences": ["not_present"],
        },
        "lifecycle_controls": {"cancel_after": {"payment_count": 1}},
        "metadata": {
            "roony_purchase": "pur_1",
            "roony_card": "crd_1",
            "roony_organization": "org_1",
            "roony_agent": "agt_1",
        },
    }
