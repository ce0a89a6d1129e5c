"""The price changed at checkout: an agent raises its purchase before the card is used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.served import Buyer, Simulation, unique, until

FROM, TO = 5_000, 6_500
UPDATE = "POST /v1/issuing/cards/{card}"


@pytest.fixture(autouse=True)
def healthy(roony: Simulation) -> Iterator[None]:
    """Stripe works again after each test."""
    yield
    roony.control("faults", [])


def lift(buyer: Buyer, id: str, amount: int = TO) -> dict[str, Any]:
    return dict(buyer.api.send("POST", f"/api/v1/purchase_intents/{id}/raise", {"amount": amount}))


def limits_at_stripe(roony: Simulation, stripe_card: str) -> list[int]:
    card = roony.stripe.v1.issuing.cards.retrieve(stripe_card).to_dict()
    return [limit["amount"] for limit in card["spending_controls"]["spending_limits"]]


def test_it_is_held_lifted_at_stripe_and_paid(roony: Simulation, buyer: Buyer) -> None:
    merchant = unique("Figma")
    bought = buyer.buy(FROM, merchant)
    assert not roony.charge(bought.stripe_card, TO, merchant).approved
    # What Stripe tells of that stands in the purchase as well.
    roony.settle()
    raised = lift(buyer, bought.id)
    assert (raised["status"], raised["amount"], raised["hold_amount"]) == ("ready", TO, TO)
    assert (raised["card"]["hard_limit"], raised["failure"]) == (TO, None)
    assert limits_at_stripe(roony, bought.stripe_card) == [TO]
    assert buyer.standings()[:2] == [(TO, 0), (TO, 0)]
    assert lift(buyer, bought.id) == raised
    assert roony.charge(bought.stripe_card, TO, merchant).approved
    error = buyer.api.refused(409, "POST", f"/api/v1/purchase_intents/{bought.id}/raise", {"amount": TO + 1})
    assert (error["code"], error["id"]) == ("not_raisable", bought.id)


def test_until_stripe_confirms_the_old_price_counts(roony: Simulation, buyer: Buyer) -> None:
    merchant = unique("Figma")
    bought = buyer.buy(FROM, merchant)
    roony.control("faults", [{"endpoint": UPDATE, "kind": "rate_limit", "count": 1}])
    raised = lift(buyer, bought.id)
    assert (raised["amount"], raised["card"]["hard_limit"]) == (TO, FROM)
    assert limits_at_stripe(roony, bought.stripe_card) == [FROM]
    error = buyer.api.refused(409, "POST", f"/api/v1/purchase_intents/{bought.id}/raise", {"amount": TO + 1})
    assert error["code"] == "raise_in_progress"
    roony.advance(5)
    until(lambda: buyer.purchase(bought.id)["card"]["hard_limit"], TO)
    assert roony.charge(bought.stripe_card, TO, merchant).approved


def test_over_a_rule_it_is_refused_with_the_reasons(roony: Simulation) -> None:
    buyer = roony.buyer(controls={"purchase_limit": TO - 1})
    bought = buyer.buy(FROM, unique("Figma"))
    error = buyer.api.refused(409, "POST", f"/api/v1/purchase_intents/{bought.id}/raise", {"amount": TO})
    assert error["code"] == "raise_declined"
    assert [(reason["code"], reason["scope"]) for reason in error["reasons"]] == [("OVER_PURCHASE_LIMIT", "agent")]
    assert buyer.purchase(bought.id)["amount"] == FROM
    assert buyer.standings()[0] == (FROM, 0)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"amount": FROM - 1}, 409, "raise_not_higher"),
        ({"amount": 0}, 422, "invalid"),
        ({"amount": "65.00"}, 422, "invalid"),
        ({}, 422, "invalid"),
        ({"amount": TO, "currency": "eur"}, 422, "invalid"),
    ],
)
def test_a_body_that_makes_no_sense(buyer: Buyer, body: dict[str, Any], status: int, code: str) -> None:
    bought = buyer.buy(FROM, unique("Figma"))
    assert buyer.api.refused(status, "POST", f"/api/v1/purchase_intents/{bought.id}/raise", body)["code"] == code


def test_nobody_raises_for_another_agent(roony: Simulation, buyer: Buyer) -> None:
    """P7: another agent's purchase is not there."""
    bought = buyer.buy(FROM, unique("Figma"))
    other = roony.buyer()
    assert other.api.refused(404, "POST", f"/api/v1/purchase_intents/{bought.id}/raise", {"amount": TO})
    assert buyer.purchase(bought.id)["amount"] == FROM


@pytest.mark.parametrize("word", ["approve", "deny"])
def test_a_person_decides_where_the_rules_say_so(roony: Simulation, word: str) -> None:
    buyer = roony.buyer(controls={"approval_threshold": FROM})
    merchant = unique("Figma")
    bought = buyer.buy(FROM, merchant)
    waiting = lift(buyer, bought.id)
    assert (waiting["status"], waiting["amount"]) == ("ready", FROM)
    assert buyer.standings()[0] == (FROM, 0)
    approval = f"/api/v1/admin/approvals/{waiting['approval']['id']}"
    shown = roony.owner.get(approval)
    assert (shown["kind"], shown["amount"], shown["status"]) == ("raise", TO, "pending")
    answer = roony.owner.send("POST", f"{approval}/{word}", {"note": "x"})
    expected = TO if word == "approve" else FROM
    assert (answer["status"], answer["amount"], answer["card"]["hard_limit"]) == ("ready", expected, expected)
    assert limits_at_stripe(roony, bought.stripe_card) == [expected]
    assert buyer.standings()[0] == (expected, 0)
    seen = buyer.purchase(bought.id)["approval"]
    assert (waiting["approval"]["status"], seen["id"]) == ("pending", waiting["approval"]["id"])
    assert (seen["status"], seen["note"]) == ("approved" if word == "approve" else "denied", "x")
    assert roony.charge(bought.stripe_card, expected, merchant).approved
