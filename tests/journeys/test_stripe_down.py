"""Stripe fails while a card is made: the hold is neither lost nor doubled, and there is one card in the end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.served import Buyer, Simulation, unique, until

PRICE = 5_000
MAKE_CARD = "POST /v1/issuing/cards"
# How long Roony waits at most before it looks for a card that may have been made.
LOOK_UP_SECONDS = 12


@pytest.fixture(autouse=True)
def healthy(roony: Simulation) -> Iterator[None]:
    """Stripe works again after each test."""
    yield
    roony.control("faults", [])


def fail(roony: Simulation, kind: str, **more: Any) -> None:
    """The next call that makes a card fails so."""
    roony.control("faults", [{"endpoint": MAKE_CARD, "kind": kind, "count": 1, **more}])


def becomes_ready(buyer: Buyer, purchase_id: str) -> None:
    """However long Roony meant to wait: its clock is moved."""
    for _ in range(3):
        buyer.roony.advance(LOOK_UP_SECONDS)
    until(lambda: buyer.purchase(purchase_id)["status"], "ready")
    assert len(buyer.roony.stripe_cards(roony_purchase=purchase_id)) == 1
    assert buyer.standings()[:2] == [(PRICE, 0), (PRICE, 0)]


@pytest.mark.parametrize(
    "kind", ["rate_limit", "lock_timeout", "conflict", "error_before", "error_after", "drop_after"]
)
def test_a_failure_that_says_nothing_is_tried_again(roony: Simulation, buyer: Buyer, kind: str) -> None:
    """Refused for now, lost before its effect or after it: the purchase waits in `issuing`, then has one card."""
    merchant = unique("Figma")
    fail(roony, kind)
    purchase = buyer.ask(PRICE, merchant, key="once")
    assert (purchase["status"], purchase["card"]) == ("issuing", None)
    assert roony.control("faults")["faults"][0]["count"] == 0
    assert buyer.standings()[:2] == [(PRICE, 0), (PRICE, 0)]
    becomes_ready(buyer, purchase["id"])
    details = buyer.api.send("POST", f"/api/v1/purchase_intents/{purchase['id']}/card")
    assert details["number"]
    stripe_card = roony.card_of(purchase["id"])["stripe_card_id"]
    assert roony.charge(stripe_card, PRICE, merchant).approved


def test_an_outage_that_lasts_is_waited_out(roony: Simulation, buyer: Buyer) -> None:
    """Try after try fails, and a purchase is never given up for that."""
    roony.control("faults", [{"endpoint": "/v1/*", "kind": "error_before"}])
    purchase = buyer.ask(PRICE, unique("Figma"))
    assert purchase["status"] == "issuing"
    for _ in range(6):
        roony.advance(60)
        assert buyer.purchase(purchase["id"])["status"] == "issuing"
    assert buyer.standings()[:2] == [(PRICE, 0), (PRICE, 0)]
    roony.control("faults", [])
    roony.advance(300)
    becomes_ready(buyer, purchase["id"])


def test_an_agent_waits_at_most_ten_seconds(roony: Simulation, buyer: Buyer) -> None:
    """Stripe is slow: the agent is let go with `issuing`, and the card comes later."""
    fail(roony, "slow", seconds=11)
    purchase = buyer.ask(PRICE, unique("Figma"))
    assert purchase["status"] == "issuing"
    until(lambda: buyer.purchase(purchase["id"], wait=20)["status"], "ready")
    assert len(roony.stripe_cards(roony_purchase=purchase["id"])) == 1


def test_a_purchase_canceled_while_its_card_is_made_ends_without_one(roony: Simulation, buyer: Buyer) -> None:
    """Stripe made the card and nobody heard: it is found, canceled, and only then the hold goes back."""
    fail(roony, "drop_after")
    roony.control("delivery", {"delay": 100_000})
    try:
        purchase = buyer.ask(PRICE, unique("Figma"))
        assert purchase["status"] == "issuing"
        buyer.api.send("POST", f"/api/v1/purchase_intents/{purchase['id']}/cancel")
        assert buyer.standings()[:2] == [(PRICE, 0), (PRICE, 0)]
        for _ in range(3):
            roony.advance(LOOK_UP_SECONDS)
        until(lambda: [card.status for card in roony.stripe_cards(roony_purchase=purchase["id"])], ["canceled"])
        until(lambda: buyer.purchase(purchase["id"])["status"], "canceled")
        assert buyer.standings()[:2] == [(0, 0), (0, 0)]
    finally:
        roony.control("delivery", {})
        # What was delayed arrives before the next test waits for all there is.
        roony.advance(100_000)


def test_a_definite_refusal_fails_the_purchase(roony: Simulation, buyer: Buyer) -> None:
    """The hold goes back and the agent is told why, in our words; a new ask works at once when the cause is gone."""
    first = buyer.buy(PRICE, unique("Figma"))
    cardholder = roony.stripe.v1.issuing.cards.retrieve(first.stripe_card).cardholder.id
    buyer.api.send("POST", f"/api/v1/purchase_intents/{first.id}/cancel")
    merchant = unique("Figma")
    roony.control(f"cardholders/{cardholder}", {"past_due": ["individual.verification.document"]})
    try:
        purchase = buyer.ask(PRICE, merchant, key="first")
    finally:
        roony.control(f"cardholders/{cardholder}", {"past_due": []})
    assert (purchase["status"], purchase["card"]) == ("failed", None)
    assert purchase["failure"]["code"] == "cardholder_not_ready"
    assert purchase["failure"]["retry_can_help"] is False
    assert "individual.verification" not in purchase["failure"]["message"]
    records = roony.owner.get("/api/v1/admin/audit", params={"subject": purchase["id"]})["data"]
    [failed] = [record for record in records if record["action"] == "card.failed"]
    assert failed["body"]["stripe_kind"] == "invalid_request"
    assert failed["body"]["stripe_request"].startswith("req_")
    assert buyer.standings()[:2] == [(0, 0), (0, 0)]
    assert roony.stripe_cards(roony_purchase=purchase["id"]) == []
    replay = buyer.api.send(
        "POST", "/api/v1/purchase_intents", buyer.wish(PRICE, merchant), headers={"Idempotency-Key": "first"}
    )
    assert (replay["id"], replay["status"]) == (purchase["id"], "failed")
    again = buyer.ask(PRICE, merchant, key="second")
    assert (again["status"], again["id"] != purchase["id"]) == ("ready", True)
    assert buyer.standings()[:2] == [(PRICE, 0), (PRICE, 0)]


def test_an_account_without_issuing_says_so(roony: Simulation, buyer: Buyer) -> None:
    """Stripe's refusal has no code for it: the account's capability is looked at."""
    roony.control(f"accounts/{roony.account}", {"card_issuing": "inactive"})
    try:
        purchase = buyer.ask(PRICE, unique("Figma"))
    finally:
        roony.control(f"accounts/{roony.account}", {"card_issuing": "active"})
    if purchase["status"] == "failed":
        assert purchase["failure"]["code"] == "issuing_not_active"
        assert purchase["failure"]["retry_can_help"] is False
    else:
        # The event about the capability was faster than the ask.
        assert purchase["decision"]["reasons"][0]["code"] == "CONNECTION_INACTIVE"
    assert buyer.standings()[:2] == [(0, 0), (0, 0)]
    # The events about it are heard before the next test.
    roony.settle()
    until(lambda: roony.owner.get("/api/v1/admin/connections")["data"][0]["status"], "active")


def test_while_it_waits_the_agent_is_told_why(roony: Simulation, buyer: Buyer) -> None:
    """A code of ours and whether asking again can help; gone once the card is there."""
    fail(roony, "rate_limit")
    purchase = buyer.ask(PRICE, unique("Figma"))
    assert (purchase["status"], purchase["failure"]["code"]) == ("issuing", "stripe_busy")
    assert purchase["failure"]["retry_can_help"] is True
    assert buyer.standings()[:2] == [(PRICE, 0), (PRICE, 0)]
    becomes_ready(buyer, purchase["id"])
    assert buyer.purchase(purchase["id"])["failure"] is None


def test_an_empty_issuing_balance_alerts_the_owner_once(roony: Simulation, buyer: Buyer) -> None:
    """Stripe declines by itself; the alert is closed when a payment is approved again."""

    def alerts() -> list[tuple[str, int]]:
        rows = roony.owner.get("/api/v1/admin/alerts")["data"]
        return [(row["status"], row["times"]) for row in rows if row["kind"] == "insufficient_issuing_balance"]

    merchant = unique("Figma")
    bought = buyer.buy(PRICE, merchant)
    roony.control(f"accounts/{roony.account}", {"issuing_balance": {"usd": 100}})
    try:
        for _ in range(2):
            assert not roony.charge(bought.stripe_card, PRICE, merchant).approved
        until(alerts, [("open", 1)])
        until(
            lambda: len(roony.owner.get("/api/v1/admin/authorizations", params={"purchase_id": bought.id})["data"]), 2
        )
        assert alerts() == [("open", 1)]
    finally:
        roony.control(f"accounts/{roony.account}", {"issuing_balance": {"usd": 100_000_000}})
    assert roony.charge(bought.stripe_card, PRICE, merchant).approved
    until(alerts, [("closed", 1)])


def test_numbers_that_cannot_be_fetched_are_asked_for_later(roony: Simulation, buyer: Buyer) -> None:
    """The card is there; the answer says so, without them."""
    roony.control("faults", [{"endpoint": "GET /v1/issuing/cards/{card}", "kind": "error_before", "count": 1}])
    purchase = buyer.ask(PRICE, unique("Figma"))
    assert purchase["status"] == "ready"
    assert "number" not in purchase["card"]
    assert buyer.api.send("POST", f"/api/v1/purchase_intents/{purchase['id']}/card")["number"]
