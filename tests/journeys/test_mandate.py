"""A mandate month by month over HTTP: paid once in each, at its price, within the budget, to its end."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier
from typing import Any

import pytest

from tests.support.served import Bought, Buyer, Simulation, unique, until

PRICE = 5_000
MONTHLY = {"interval": "month", "payments": 3}


@pytest.fixture
def subscriber(roony: Simulation) -> Buyer:
    """An agent with 120.00 a month."""
    return roony.buyer(budgets=[{"period": "month", "limit": 12_000, "currency": "usd"}])


def subscribe(buyer: Buyer, **recurring: Any) -> tuple[Bought, str]:
    merchant = unique("Figma")
    return buyer.buy(PRICE, merchant, recurring={**MONTHLY, **recurring}), merchant


def pay(roony: Simulation, bought: Bought, merchant: str, amount: int = PRICE) -> None:
    """One payment, approved and captured."""
    authorization = roony.charge(bought.stripe_card, amount, merchant)
    assert authorization.approved, authorization.request_history
    roony.stripe.v1.test_helpers.issuing.authorizations.capture(authorization.id)
    roony.settle()


def declined(roony: Simulation, bought: Bought, merchant: str, amount: int = PRICE) -> str:
    """A payment that is declined; why, in Stripe's word, or in Roony's where it was asked."""
    authorization = roony.charge(bought.stripe_card, amount, merchant)
    assert not authorization.approved
    roony.settle()
    last = authorization.request_history[-1].reason
    return str(authorization.metadata["code"] if last == "webhook_declined" else last)


def mandate(roony: Simulation, bought: Bought) -> dict[str, Any]:
    return dict(roony.purchase(bought.id)["mandate"])


def next_month(roony: Simulation) -> None:
    """The second day of the month after this one."""
    now = datetime.fromtimestamp(roony.now(), UTC)
    then = datetime(now.year + now.month // 12, now.month % 12 + 1, 2, 12, tzinfo=UTC)
    roony.advance(int((then - now).total_seconds()))
    roony.settle()


def test_three_payments_one_a_month_and_the_card_ends(roony: Simulation, subscriber: Buyer) -> None:
    bought, merchant = subscribe(subscriber)
    assert bought.answer["kind"] == "recurring"
    first = bought.answer["mandate"]
    assert (first["interval"], first["payments"], first["payments_made"], first["status"]) == ("month", 3, 0, "active")
    assert first["next_payment_from"] is None
    assert first["ends_at"] == bought.answer["card"]["expires_at"]
    [made] = roony.stripe_cards(roony_purchase=bought.id)
    limits = {limit.interval: limit.amount for limit in made.spending_controls.spending_limits}
    assert limits == {"per_authorization": PRICE, "all_time": 3 * PRICE}
    assert made.lifecycle_controls is None
    pay(roony, bought, merchant)
    assert (roony.purchase(bought.id)["status"], mandate(roony, bought)["payments_made"]) == ("ready", 1)
    assert declined(roony, bought, merchant) == "RENEWAL_TOO_EARLY"
    for made_before in (1, 2):
        assert mandate(roony, bought)["payments_made"] == made_before
        next_month(roony)
        assert roony.standing(subscriber.id, "month") == (0, 0)
        pay(roony, bought, merchant)
        assert roony.standing(subscriber.id, "month") == (0, PRICE)
    over = roony.purchase(bought.id)
    assert (over["status"], over["ended_reason"], over["captured_amount"]) == ("settled", "completed", 3 * PRICE)
    assert (over["mandate"]["status"], over["mandate"]["next_payment_from"]) == ("completed", None)
    until(lambda: roony.stripe_cards(roony_purchase=bought.id)[0].status, "canceled")
    assert roony.discrepancies(purchase_id=bought.id) == []


def test_a_month_without_budget_declines_and_the_next_passes(roony: Simulation, subscriber: Buyer) -> None:
    bought, merchant = subscribe(subscriber)
    pay(roony, bought, merchant)
    next_month(roony)
    subscriber.buy(8_000, unique("Hetzner"))
    assert declined(roony, bought, merchant) == "OVER_BUDGET"
    assert roony.standing(subscriber.id, "month") == (8_000, 0)
    next_month(roony)
    pay(roony, bought, merchant)
    assert mandate(roony, bought)["payments_made"] == 2


def test_a_new_price_waits_for_a_person(roony: Simulation, subscriber: Buyer) -> None:
    """Stripe declines it by the card's limit; the yes lifts that, and the next try passes."""
    bought, merchant = subscribe(subscriber)
    pay(roony, bought, merchant)
    next_month(roony)
    assert declined(roony, bought, merchant, 6_000) == "spending_controls"
    assert subscriber.purchase(bought.id)["action_required"]["code"] == "price_changed"
    approval = subscriber.purchase(bought.id)["approval"]["id"]
    shown = roony.owner.get(f"/api/v1/admin/approvals/{approval}")
    assert (shown["kind"], shown["amount"], shown["status"]) == ("renewal", 6_000, "pending")
    answer = roony.owner.send("POST", f"/api/v1/admin/approvals/{approval}/approve", {"note": "fine"})
    assert (answer["amount"], answer["status"]) == (6_000, "ready")
    roony.settle()
    [made] = roony.stripe_cards(roony_purchase=bought.id)
    limits = {limit.interval: limit.amount for limit in made.spending_controls.spending_limits}
    assert limits == {"per_authorization": 6_000, "all_time": PRICE + 2 * 6_000}
    pay(roony, bought, merchant, 6_000)
    assert roony.standing(subscriber.id, "month") == (0, 6_000)


def test_a_cancel_ends_it(roony: Simulation, subscriber: Buyer) -> None:
    """By its agent, while a payment is on its way: that stays held and is captured."""
    bought, merchant = subscribe(subscriber)
    authorization = roony.charge(bought.stripe_card, PRICE, merchant)
    answer = subscriber.api.send("POST", f"/api/v1/purchase_intents/{bought.id}/cancel", {})
    assert (answer["status"], answer["mandate"]["status"]) == ("authorized", "canceled")
    until(lambda: roony.stripe_cards(roony_purchase=bought.id)[0].status, "canceled")
    roony.stripe.v1.test_helpers.issuing.authorizations.capture(authorization.id)
    roony.settle()
    assert roony.purchase(bought.id)["status"] == "settled"
    assert roony.standing(subscriber.id, "month") == (0, PRICE)
    next_month(roony)
    assert declined(roony, bought, merchant) == "card_canceled"


def test_one_of_two_renewals_at_once_passes(roony: Simulation, subscriber: Buyer) -> None:
    bought, merchant = subscribe(subscriber)
    pay(roony, bought, merchant)
    next_month(roony)
    start = Barrier(2)

    def charge(_: int) -> bool:
        start.wait()
        return bool(roony.charge(bought.stripe_card, PRICE, merchant).approved)

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(charge, range(2))) == [False, True]
    assert sorted(roony.decisions(bought.id)[:2]) == [(False, "RENEWAL_TOO_EARLY"), (True, "APPROVED")]
    assert roony.standing(subscriber.id, "month") == (PRICE, 0)


@pytest.mark.parametrize(
    ("recurring", "field"),
    [
        ({"interval": "month", "payments": 1}, "recurring.payments"),
        ({"interval": "month", "payments": 37}, "recurring.payments"),
        ({"interval": "year", "payments": 4}, "recurring.payments"),
        ({"interval": "day", "payments": 121}, "recurring.payments"),
        ({"interval": "hour", "payments": 3}, "recurring.interval"),
        ({"interval": "month"}, "recurring.payments"),
        ({"interval": "month", "payments": 3, "until": "2030"}, "recurring.until"),
        ("monthly", "recurring"),
    ],
)
def test_a_bad_mandate_is_refused_with_its_field(
    roony: Simulation, subscriber: Buyer, recurring: Any, field: str
) -> None:
    with roony.nothing_written():
        wish = subscriber.wish(PRICE, unique("Figma"), recurring=recurring)
        assert subscriber.api.refused(422, "POST", "/api/v1/purchase_intents", wish)["field"] == field


def test_a_preview_and_a_replay_of_a_mandate(roony: Simulation, subscriber: Buyer) -> None:
    merchant = unique("Figma")
    wish = subscriber.wish(PRICE, merchant, recurring=MONTHLY)
    assert subscriber.api.send("POST", "/api/v1/purchase_intents/preview", wish)["decision"]["verdict"] == "approved"
    first = subscriber.ask(PRICE, merchant, "a-key", recurring=MONTHLY)
    headers = {"Idempotency-Key": "a-key"}
    once = subscriber.wish(PRICE, merchant)
    error = subscriber.api.refused(409, "POST", "/api/v1/purchase_intents", once, headers=headers)
    assert (error["code"], error["id"]) == ("idempotency_conflict", first["id"])
