"""A card that came back from Stripe with less than was asked for is found out; one that is stricter is not."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from roony.core.card import compile_card, is_weaker
from roony.core.control import Controls
from roony.core.purchase import Purchase
from tests.core.rows import row

PURCHASE = row(
    Purchase, id="pur_1", organization_id="org_1", agent_id="agt_1", amount=10_000, hold_amount=10_500, currency="usd"
)
ALLOWED = Controls(allowed_categories=frozenset({"5734", "7372"}), allowed_countries=frozenset({"US", "CA"}))
BLOCKED = Controls(blocked_categories=frozenset({"7995", "6011"}), blocked_countries=frozenset({"KP", "IR"}))
Change = Callable[[dict[str, Any]], Any]


def at_stripe(params: dict[str, Any]) -> dict[str, Any]:
    """The card as Stripe shows it: every list there, null or empty where nothing was set (facts 1.4)."""
    card = copy.deepcopy(params)
    lists = ("categories", "merchant_countries", "card_presences")
    empty = {f"{side}_{name}": None for name in lists for side in ("allowed", "blocked")}
    controls = {**empty, "spending_limits_currency": "usd", **card["spending_controls"]}
    controls["spending_limits"] = [{**limit, "categories": []} for limit in controls["spending_limits"]]
    return {**card, "id": "ic_1", "spending_controls": controls}


def controls(**changes: Any) -> Change:
    """Sets parts of the spending controls."""
    return lambda card: card["spending_controls"].update(changes)


def limit(**changes: Any) -> Change:
    """Changes the limit."""
    return lambda card: card["spending_controls"]["spending_limits"][0].update(changes)


WEAKER: list[tuple[str, Controls, Change, str]] = [
    ("switched off", ALLOWED, lambda card: card.update(status="inactive"), "status"),
    ("canceled", ALLOWED, lambda card: card.update(status="canceled"), "status"),
    ("another currency", ALLOWED, lambda card: card.update(currency="eur"), "currency"),
    ("of plastic", ALLOWED, lambda card: card.update(type="physical"), "type"),
    ("one category more", ALLOWED, lambda card: card["spending_controls"]["allowed_categories"].append("bakeries"),
     "allowed_categories"),
    ("no categories", ALLOWED, controls(allowed_categories=[]), "allowed_categories"),
    ("no categories at all", ALLOWED, controls(allowed_categories=None), "allowed_categories"),
    ("one category not blocked", BLOCKED, lambda card: card["spending_controls"]["blocked_categories"].pop(),
     "blocked_categories"),
    ("nothing blocked", BLOCKED, controls(blocked_categories=None), "blocked_categories"),
    ("one country more", ALLOWED, controls(allowed_merchant_countries=["CA", "FR", "US"]),
     "allowed_merchant_countries"),
    ("no countries", ALLOWED, controls(allowed_merchant_countries=None), "allowed_merchant_countries"),
    ("one country not blocked", BLOCKED, controls(blocked_merchant_countries=["KP"]), "blocked_merchant_countries"),
    ("in person too", ALLOWED, controls(allowed_card_presences=["not_present", "present"]), "allowed_card_presences"),
    ("in person by default", ALLOWED, controls(allowed_card_presences=None), "allowed_card_presences"),
    ("a higher limit", ALLOWED, limit(amount=10_501), "spending_limits"),
    ("a limit for a day", ALLOWED, limit(interval="daily"), "spending_limits"),
    ("a limit for one category", ALLOWED, limit(categories=["bakeries"]), "spending_limits"),
    ("no limit", ALLOWED, controls(spending_limits=[]), "spending_limits"),
    ("Stripe's own limit", ALLOWED, controls(spending_limits=[{"interval": "daily", "amount": 50_000}]),
     "spending_limits"),
    ("a limit in another currency", ALLOWED, controls(spending_limits_currency="eur"), "spending_limits_currency"),
    ("no controls", ALLOWED, lambda card: card.update(spending_controls=None), "allowed_categories"),
    ("any number of uses", ALLOWED, lambda card: card.update(lifecycle_controls=None), "lifecycle_controls"),
    ("two uses", ALLOWED, lambda card: card["lifecycle_controls"]["cancel_after"].update(payment_count=2),
     "lifecycle_controls"),
]  # fmt: skip
STRICTER: list[tuple[str, Controls, Change]] = [
    ("as asked", ALLOWED, lambda card: None),
    ("as asked, blocked", BLOCKED, lambda card: None),
    ("in another order", ALLOWED, lambda card: card["spending_controls"]["allowed_categories"].reverse()),
    ("a category less", ALLOWED, lambda card: card["spending_controls"]["allowed_categories"].pop()),
    ("more blocked", BLOCKED, controls(blocked_categories=sorted({"bakeries", *at_stripe(
        compile_card(PURCHASE, "crd_1", BLOCKED))["spending_controls"]["blocked_categories"]}))),
    ("a lower limit", ALLOWED, limit(amount=10_000)),
    ("one limit more", ALLOWED, lambda card: card["spending_controls"]["spending_limits"].append(
        {"interval": "daily", "amount": 5, "categories": []})),
    ("categories of a limit are null", ALLOWED, limit(categories=None)),
]  # fmt: skip


@pytest.mark.parametrize(("weak", "name"), [(line, line[3]) for line in WEAKER], ids=[line[0] for line in WEAKER])
def test_what_is_weaker_is_named(weak: tuple[str, Controls, Change, str], name: str) -> None:
    _, rules, change, _ = weak
    params = compile_card(PURCHASE, "crd_1", rules)
    card = at_stripe(params)
    change(card)
    assert is_weaker(params, card) == name


@pytest.mark.parametrize("case", STRICTER, ids=[line[0] for line in STRICTER])
def test_what_is_as_strict_is_good(case: tuple[str, Controls, Change]) -> None:
    _, rules, change = case
    params = compile_card(PURCHASE, "crd_1", rules)
    card = at_stripe(params)
    change(card)
    assert is_weaker(params, card) is None
