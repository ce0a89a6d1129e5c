"""One card in trouble: frozen by its owner, warned of by Stripe, put into a wallet; over real HTTP, with the SDK."""

from __future__ import annotations

from typing import Any

from tests.support.served import Buyer, Simulation, unique, until

ADMIN = "/api/v1/admin"
PRICE = 12_000


def at_stripe(roony: Simulation, card: str) -> str:
    """A card's status there."""
    return str(roony.stripe.v1.issuing.cards.retrieve(card).status)


def alerts(roony: Simulation, subject: str) -> list[dict[str, Any]]:
    """What is open about something."""
    rows = roony.owner.get(f"{ADMIN}/alerts?status=open")["data"]
    return [row for row in rows if row["subject"] == subject]


def test_a_card_is_frozen_by_itself(roony: Simulation, buyer: Buyer) -> None:
    merchant = unique("Figma")
    frozen, other = buyer.buy(PRICE, merchant), buyer.buy(1_000, merchant)
    path = f"{ADMIN}/cards/{roony.card_of(frozen.id)['id']}"
    assert roony.owner.send("POST", f"{path}/freeze")["status"] == "frozen"
    until(lambda: at_stripe(roony, frozen.stripe_card), "inactive")
    assert not roony.charge(frozen.stripe_card, PRICE, merchant).approved
    assert roony.charge(other.stripe_card, 1_000, merchant).approved
    agent = {"scope": "agent", "scope_id": buyer.id}
    for word in ("freeze", "unfreeze"):
        roony.owner.send("POST", f"{ADMIN}/{word}", agent)
        roony.settle()
    assert (roony.card_of(frozen.id)["status"], at_stripe(roony, frozen.stripe_card)) == ("frozen", "inactive")
    assert roony.owner.send("POST", f"{path}/unfreeze")["status"] == "active"
    until(lambda: at_stripe(roony, frozen.stripe_card), "active")
    roony.settle()
    assert roony.charge(frozen.stripe_card, PRICE, merchant).approved


def test_a_card_stripe_warns_of_is_canceled(roony: Simulation, buyer: Buyer) -> None:
    merchant = unique("Figma")
    bought = buyer.buy(PRICE, merchant)
    roony.control(f"cards/{bought.stripe_card}", {"fraud_warning": "card_testing_exposure"})
    until(lambda: at_stripe(roony, bought.stripe_card), "canceled")
    purchase = roony.purchase(bought.id)
    assert (purchase["status"], purchase["ended_reason"], purchase["held_amount"]) == ("canceled", "fraud_warning", 0)
    assert not roony.charge(bought.stripe_card, PRICE, merchant).approved
    assert roony.card_of(bought.id)["fraud_warning"] == "card_testing_exposure"
    [alert] = alerts(roony, bought.stripe_card)
    assert alert["kind"] == "card_fraud_warning"


def test_a_card_in_a_wallet_is_told_of(roony: Simulation, buyer: Buyer) -> None:
    merchant = unique("Figma")
    bought = buyer.buy(PRICE, merchant)
    paid = roony.charge(bought.stripe_card, PRICE, merchant, wallet="apple_pay")
    assert paid.approved
    until(lambda: [alert["kind"] for alert in alerts(roony, str(paid.token))], ["card_wallet_token"])


def test_what_stripe_wants_of_an_agents_cardholder_is_shown_until_it_is_given(roony: Simulation, buyer: Buyer) -> None:
    address = {"line1": "1 Main Street", "city": "Springfield", "postal_code": "62701", "country": "US"}
    where = {"scope": "agent", "scope_id": buyer.id}
    anna = {"name": "Anna Buys", "billing": {"address": address}}
    roony.owner.send("PUT", f"{ADMIN}/cardholders", {**where, "cardholder": anna})
    bought = buyer.buy(PRICE, unique("Figma"))
    holder = roony.stripe.v1.issuing.cards.retrieve(bought.stripe_card).cardholder
    assert (holder.name, holder.metadata["roony_scope"]) == ("Anna Buys", buyer.id)
    due = {"past_due": ["individual.verification.document"], "disabled_reason": "requirements.past_due"}
    roony.control(f"cardholders/{holder.id}", due)
    until(lambda: [alert["kind"] for alert in alerts(roony, holder.id)], ["cardholder_requirements"])
    rows = roony.owner.get(f"{ADMIN}/cardholders?limit=100")["data"]
    [shown] = [at for row in rows if row["scope_id"] == buyer.id for at in row["at_stripe"]]
    assert (shown["past_due"], shown["disabled_reason"]) == (due["past_due"], due["disabled_reason"])
    assert any("upload" in line for line in shown["next"])
    # Stripe makes no active card meanwhile: the purchase fails, and nothing is held for it.
    failed = buyer.ask(1_000, unique("Linear"))
    assert (failed["status"], failed["held_amount"]) == ("failed", 0)
    roony.control(f"cardholders/{holder.id}", {"past_due": [], "disabled_reason": None})
    until(lambda: alerts(roony, holder.id), [])
    assert buyer.ask(1_100, unique("Notion"))["status"] == "ready"
