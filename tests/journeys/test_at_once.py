"""Many at once: the budget holds, an event books once, an authorization is decided once."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.support.served import Buyer, Simulation, event, unique, until

ASKS = 64
PRICE = 10_000
MONTH_LIMIT = 50_000


def at_once(count: int, work: Callable[[int], Any]) -> list[Any]:
    """Calls `work` so many times, all at the same time."""
    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(work, range(count)))


def capture_of(bought: Any, authorization: str | None, amount: int, now: int) -> dict[str, Any]:
    """An `issuing.transaction` as Stripe tells it, with an id of its own."""
    merchant = {"category": "computer_software_stores", "category_code": "5734", "country": "US", "name": "Figma"}
    return {
        "id": f"ipi_{uuid.uuid4().hex[:24]}", "object": "issuing.transaction", "amount": -amount,
        "authorization": authorization, "card": bought.stripe_card, "cardholder": "ich_1", "created": now,
        "currency": "usd", "livemode": False, "merchant_amount": -amount, "merchant_currency": "usd",
        "merchant_data": {**merchant, "network_id": "1234567890"}, "network_data": None, "type": "capture",
    }  # fmt: skip


def test_64_asks_at_once_stay_inside_the_budget(roony: Simulation) -> None:
    """Exactly five of 100.00 fit into a month of 500.00, at every level above the agent too."""
    buyer = roony.buyer(budgets=[{"period": "month", "limit": MONTH_LIMIT, "currency": "usd"}])
    organization = roony.standing(roony.organization_id, "month")
    shops = [unique("Shop") for _ in range(ASKS)]

    def ask(place: int) -> dict[str, Any]:
        return buyer.ask(PRICE, shops[place])

    answers = at_once(ASKS, ask)
    approved = [answer for answer in answers if answer["decision"]["verdict"] == "approved"]
    declined = [answer for answer in answers if answer["decision"]["verdict"] == "declined"]
    assert (len(approved), len(declined)) == (5, ASKS - 5)
    assert [answer["status"] for answer in approved] == ["ready"] * 5
    assert {answer["decision"]["reasons"][0]["code"] for answer in declined} == {"BUDGET_EXCEEDED"}
    held, spent = organization
    assert buyer.standings("month") == [(MONTH_LIMIT, 0), (MONTH_LIMIT, 0), (held + MONTH_LIMIT, spent)]
    cards = roony.stripe_cards(roony_agent=buyer.id)
    assert len(cards) == 5
    assert {card.metadata["roony_purchase"] for card in cards} == {answer["id"] for answer in approved}
    assert len({answer["card"]["number"] for answer in approved}) == 5


def test_one_ask_sent_20_times_at_once_is_one_purchase(roony: Simulation, buyer: Buyer) -> None:
    """One key, one purchase, one card; the numbers are in one answer only."""
    merchant = unique("Shop")

    def ask(_: int) -> Any:
        headers = {"Idempotency-Key": "the same"}
        return buyer.api.call("POST", "/api/v1/purchase_intents", buyer.wish(PRICE, merchant), headers=headers)

    answers = at_once(20, ask)
    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    with_numbers = [answer for answer in answers if "number" in (answer.json()["card"] or {})]
    assert [answer.status_code for answer in with_numbers] == [201]
    assert buyer.standings()[:2] == [(PRICE, 0), (PRICE, 0)]
    assert len(roony.stripe_cards(roony_agent=buyer.id)) == 1


def test_one_wish_sent_20_times_at_once_without_a_key_is_one_purchase(roony: Simulation, buyer: Buyer) -> None:
    """The duplicate guard alone protects."""
    merchant = unique("Shop")

    def ask(_: int) -> Any:
        return buyer.api.call("POST", "/api/v1/purchase_intents", buyer.wish(PRICE, merchant))

    answers = at_once(20, ask)
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 19
    [made] = [answer.json()["id"] for answer in answers if answer.status_code == 201]
    errors = [answer.json()["error"] for answer in answers if answer.status_code == 409]
    assert {(error["code"], error["id"]) for error in errors} == {("possible_duplicate", made)}
    assert len(roony.stripe_cards(roony_agent=buyer.id)) == 1


def test_one_event_posted_20_times_at_once_books_once(roony: Simulation, buyer: Buyer) -> None:
    """By the id of the event, and by the id of what it tells: two events may tell the same."""
    merchant = unique("Figma")
    bought = buyer.buy(PRICE, merchant)
    request = roony.request_event(bought.stripe_card, PRICE, merchant)
    assert roony.post(request).approved
    authorization = request["data"]["object"]["id"]
    capture = capture_of(bought, authorization, PRICE, roony.now())
    told = event(roony.account, "issuing_transaction.created", capture, roony.now())
    before = roony.rows()
    assert {answer.status for answer in at_once(20, lambda _: roony.post(told))} == {200}
    until(lambda: roony.purchase(bought.id)["captured_amount"], PRICE)
    assert roony.rows()["inbox"] == before["inbox"] + 1

    def another(_: int) -> int:
        return roony.post(event(roony.account, "issuing_transaction.created", capture, roony.now())).status

    assert set(at_once(20, another)) == {200}

    def states() -> set[str]:
        params = {"object_id": capture["id"], "limit": 100}
        return {row["status"] for row in roony.owner.get("/api/v1/admin/events", params=params)["data"]}

    until(states, {"applied"})
    after = roony.rows()
    assert after["inbox"] == before["inbox"] + 21
    assert after["stripe_transactions"] == before["stripe_transactions"] + 1
    assert roony.purchase(bought.id)["captured_amount"] == PRICE
    assert [spent for _, spent in buyer.standings()[:2]] == [PRICE, PRICE]


def test_one_request_posted_20_times_at_once_is_decided_once(roony: Simulation, buyer: Buyer) -> None:
    """Stripe may ask again before it has heard: every answer is the same."""
    merchant = unique("Figma")
    bought = buyer.buy(PRICE, merchant)
    request = roony.request_event(bought.stripe_card, PRICE, merchant)
    answers = at_once(20, lambda _: roony.post(request))
    assert all(answer.approved for answer in answers)
    assert len({answer.body["metadata"]["decision_id"] for answer in answers}) == 1
    assert roony.decisions(bought.id) == [(True, "APPROVED")]


def test_20_authorizations_at_once_on_one_card_get_one_yes(roony: Simulation, buyer: Buyer) -> None:
    """Each of them alone would fit."""
    merchant = unique("Figma")
    bought = buyer.buy(PRICE, merchant)
    answers = at_once(20, lambda _: roony.post(roony.request_event(bought.stripe_card, PRICE // 20, merchant)))
    assert sorted(answer.approved for answer in answers) == [False] * 19 + [True]
    assert {answer.code for answer in answers} == {"APPROVED", "CARD_USED"}
    assert buyer.standings()[:2] == [(PRICE, 0), (PRICE, 0)]
