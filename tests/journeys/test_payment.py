"""Paying with the card of an approved purchase, through the official SDK: answered live, settled, booked, flagged."""

from __future__ import annotations

from typing import Any

from tests.support.served import Buyer, Simulation, event, unique, until
from tests.support.simulator import new_card


def reason(authorization: Any) -> str:
    """Stripe's reason in the newest line of the history."""
    return str(authorization.request_history[-1].reason)


def authorize(buyer: Buyer, amount: int = 5_000) -> tuple[Any, Any]:
    """A purchase, and an approved authorization of all of it."""
    merchant = unique("Figma")
    bought = buyer.buy(amount, merchant)
    authorization = buyer.roony.charge(bought.stripe_card, amount, merchant)
    assert authorization.approved
    return bought, authorization


def moved(before: list[tuple[int, int]], held: int, spent: int) -> list[tuple[int, int]]:
    """What budgets must show when so much was held and spent since."""
    return [(was_held + held, was_spent + spent) for was_held, was_spent in before]


def test_a_purchase_is_answered_captured_and_refunded(roony: Simulation, buyer: Buyer) -> None:
    """Every budget above the purchase follows, in each of its periods."""
    before = {period: buyer.standings(period) for period in ("month", "lifetime")}

    def standings() -> dict[str, list[tuple[int, int]]]:
        return {period: buyer.standings(period) for period in before}

    def after(held: int, spent: int) -> dict[str, list[tuple[int, int]]]:
        return {period: moved(rows, held, spent) for period, rows in before.items()}

    bought, authorization = authorize(buyer, 12_999)
    assert reason(authorization) == "webhook_approved"
    assert authorization.metadata["purchase_id"] == bought.id
    assert standings() == after(12_999, 0)
    until(lambda: roony.purchase(bought.id)["status"], "authorized")

    helpers = roony.stripe.v1.test_helpers.issuing
    captured = helpers.authorizations.capture(authorization.id)
    until(lambda: roony.purchase(bought.id)["status"], "settled")
    assert roony.purchase(bought.id)["captured_amount"] == 12_999
    assert standings() == after(0, 12_999)

    helpers.transactions.refund(captured.transactions[0].id, {"refund_amount": 4_000})
    until(lambda: roony.purchase(bought.id)["refunded_amount"], 4_000)
    assert standings() == after(0, 8_999)
    kinds = [row["type"] for row in buyer.api.get("/api/v1/transactions")["data"]]
    assert sorted(kinds) == ["capture", "refund"]
    assert roony.discrepancies(purchase_id=bought.id) == []


def test_a_card_pays_once(roony: Simulation, buyer: Buyer) -> None:
    """Stripe cancels the single-use card by itself after its first good authorization."""
    bought, authorization = authorize(buyer)
    again = roony.charge(bought.stripe_card, 500, authorization.merchant_data.name)
    assert not again.approved
    assert reason(again) == "card_canceled"


def test_an_amount_over_the_hold_is_declined_by_the_card_itself(roony: Simulation, buyer: Buyer) -> None:
    """The hard limit at Stripe is the hold; Roony is not even asked."""
    merchant = unique("Figma")
    bought = buyer.buy(5_000, merchant)
    declined = roony.charge(bought.stripe_card, 5_001, merchant)
    assert (declined.approved, reason(declined)) == (False, "spending_controls")
    assert roony.charge(bought.stripe_card, 5_000, merchant).approved


def test_a_canceled_card_is_declined(roony: Simulation, buyer: Buyer) -> None:
    """Canceling the purchase cancels its card at Stripe."""
    merchant = unique("Figma")
    bought = buyer.buy(5_000, merchant)
    buyer.api.send("POST", f"/api/v1/purchase_intents/{bought.id}/cancel")
    until(lambda: roony.stripe.v1.issuing.cards.retrieve(bought.stripe_card).status, "canceled")
    declined = roony.charge(bought.stripe_card, 5_000, merchant)
    assert (declined.approved, reason(declined)) == (False, "card_canceled")


def test_capturing_more_than_was_authorized_is_booked_and_flagged(roony: Simulation, buyer: Buyer) -> None:
    """A ledger that refuses facts lies."""
    before = buyer.standings()
    bought, authorization = authorize(buyer)
    roony.stripe.v1.test_helpers.issuing.authorizations.capture(authorization.id, {"capture_amount": 6_100})
    until(lambda: roony.discrepancies(purchase_id=bought.id), ["over_capture"])
    assert roony.purchase(bought.id)["captured_amount"] == 6_100
    assert buyer.standings() == moved(before, 0, 6_100)


def test_a_capture_that_nobody_was_asked_for_is_booked_and_flagged(roony: Simulation) -> None:
    """The network may move money that no rule allowed; the rest stays held as long as the card could live."""
    buyer = roony.buyer(controls={"card_ttl_seconds": 60})
    before = buyer.standings()
    merchant = unique("Figma")
    bought = buyer.buy(5_000, merchant)
    roony.stripe.v1.test_helpers.issuing.transactions.create_force_capture(
        {"card": bought.stripe_card, "amount": 2_500, "merchant_data": {"name": merchant}}
    )
    until(lambda: roony.discrepancies(purchase_id=bought.id), ["force_capture"])
    assert roony.purchase(bought.id)["captured_amount"] == 2_500
    assert buyer.standings() == moved(before, 2_500, 2_500)
    roony.advance(61)
    until(buyer.standings, moved(before, 0, 2_500))


def test_another_merchant_is_let_by_and_flagged_in_monitor_mode(roony: Simulation) -> None:
    """The lock is the owner's choice; what differs is shown either way."""
    buyer = roony.buyer(controls={"merchant_lock": "monitor"})
    bought = buyer.buy(5_000, unique("Figma"), merchant_lock="monitor")
    authorization = roony.charge(bought.stripe_card, 5_000, "QUICK GIFT CARDS")
    assert (authorization.approved, reason(authorization)) == (True, "webhook_approved")
    until(lambda: roony.discrepancies(purchase_id=bought.id), ["merchant_mismatch"])


def test_another_merchant_is_declined_under_a_strict_lock(roony: Simulation, buyer: Buyer) -> None:
    """Without a word of the owner the lock is strict."""
    merchant = unique("Figma")
    bought = buyer.buy(5_000, merchant)
    declined = roony.charge(bought.stripe_card, 5_000, "QUICK GIFT CARDS")
    assert (declined.approved, reason(declined)) == (False, "webhook_declined")
    assert declined.metadata["code"] == "MERCHANT_MISMATCH"
    assert roony.charge(bought.stripe_card, 5_000, merchant).approved


def test_a_card_that_roony_did_not_make_is_declined_and_flagged(roony: Simulation) -> None:
    """It waits a minute for a commit of ours that might still name the card."""
    card = new_card(roony.stripe)
    declined = roony.charge(card.id, 700, unique("Figma"))
    assert (declined.approved, reason(declined)) == (False, "webhook_declined")
    assert declined.metadata["code"] == "CARD_UNKNOWN"

    def about_the_card() -> list[str]:
        rows = roony.owner.get("/api/v1/admin/discrepancies", params={"kind": "unknown_card"})["data"]
        return [row["subject"] for row in rows if row["subject"] == card.id]

    def waiting() -> list[str]:
        rows = roony.owner.get("/api/v1/admin/events", params={"object_id": declined.id, "status": "received"})["data"]
        return [row["reason"] for row in rows]

    until(waiting, ["waiting for its card"])
    assert about_the_card() == []
    roony.advance(61)
    until(about_the_card, [card.id])


def test_money_the_account_takes_in_is_no_agents_spend(roony: Simulation, buyer: Buyer) -> None:
    """`charge.succeeded` is recorded as what it is, even where it names a card that Roony made."""
    bought = buyer.buy(5_000, unique("Figma"))
    before = buyer.standings()
    charge = {"id": "ch_1", "object": "charge", "amount": 5_000, "currency": "usd", "card": bought.stripe_card}
    told = event(roony.account, "charge.succeeded", charge, roony.now())
    assert roony.post(told).status == 200
    until(lambda: roony.owner.get(f"/api/v1/admin/events/{told['id']}")["status"], "applied")
    assert roony.owner.get(f"/api/v1/admin/events/{told['id']}")["reason"] == "acquiring side: not agent spend"
    assert buyer.standings() == before
    assert roony.purchase(bought.id)["captured_amount"] == 0


def test_events_in_any_order_and_number_end_in_the_same_books(roony: Simulation, buyer: Buyer) -> None:
    """Each event is delivered three times, all of them shuffled."""
    before = buyer.standings()
    roony.control("delivery", {"duplicate": 2, "shuffle": True, "seed": 7})
    try:
        paid = [authorize(buyer, amount) for amount in (1_000, 2_000, 3_000, 4_000)]
        helpers = roony.stripe.v1.test_helpers.issuing
        whole, parts, reversed_, refunded = (authorization.id for _, authorization in paid)
        helpers.authorizations.capture(whole)
        helpers.authorizations.capture(parts, {"capture_amount": 500, "close_authorization": False})
        helpers.authorizations.capture(parts, {"capture_amount": 700})
        helpers.authorizations.reverse(reversed_)
        captured = helpers.authorizations.capture(refunded)
        helpers.transactions.refund(captured.transactions[0].id, {"refund_amount": 1_500})
        roony.settle()
    finally:
        roony.control("delivery", {})
    states = [roony.purchase(bought.id) for bought, _ in paid]
    assert [state["captured_amount"] for state in states] == [1_000, 1_200, 0, 4_000]
    assert [state["refunded_amount"] for state in states] == [0, 0, 0, 1_500]
    assert [state["status"] for state in states] == ["settled", "settled", "canceled", "settled"]
    assert buyer.standings() == moved(before, 0, 1_000 + 1_200 + 2_500)
    assert [roony.discrepancies(purchase_id=state["id"]) for state in states] == [[]] * 4
