"""The decision: Stripe's own checks, the real-time question and every way its answer can go (facts 2)."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import stripe

from tests.support.simulator import REQUEST, Receiver, SimulatorProcess, authorize, new_card, new_cardholder, said


def reason_of(authorization: Any) -> str:
    """Return the reason of the last entry in the history."""
    return str(authorization.request_history[-1].reason)


def test_yes_no_and_metadata(client: stripe.StripeClient, receiver: Receiver) -> None:
    card = new_card(client)
    receiver.answer = lambda event: said({"approved": False, "metadata": {"code": "OVER_HOLD"}})
    declined = authorize(client, card.id, 500)
    assert (declined.approved, declined.status, declined.amount) == (False, "closed", 500)
    assert (reason_of(declined), declined.metadata["code"]) == ("webhook_declined", "OVER_HOLD")
    assert declined.balance_transactions == []
    created = receiver.wait_for("issuing_authorization.created")[0]
    assert created["data"]["object"]["approved"] is False


BAD_ANSWERS: dict[str, Any] = {
    "no version": said({"approved": True}, version=None),
    "odd version": said({"approved": True}, version="newest"),
    "no approved": said({"yes": True}),
    "text": said({"approved": True}, kind="text/plain"),
    "approved is a word": said({"approved": "true"}),
    "status": (500, {"Stripe-Version": "2026-10-28.endive", "Content-Type": "application/json"}, b'{"approved":true}'),
    "not json": (200, {"Stripe-Version": "2026-10-28.endive", "Content-Type": "application/json"}, b"approved"),
    "bad metadata": said({"approved": True, "metadata": {"a": 1}}),
}


@pytest.mark.parametrize("kind", sorted(BAD_ANSWERS))
def test_trap_3_an_answer_in_the_wrong_form_is_an_error_and_declines(
    client: stripe.StripeClient, receiver: Receiver, kind: str
) -> None:
    card = new_card(client)
    receiver.answer = lambda event: BAD_ANSWERS[kind]
    declined = authorize(client, card.id, 500)
    assert (declined.approved, reason_of(declined)) == (False, "webhook_error")
    assert declined.request_history[0].reason_message


def test_trap_5_and_6_a_late_answer_falls_to_the_accounts_setting(
    simulator: SimulatorProcess, client: stripe.StripeClient, receiver: Receiver
) -> None:
    card, release = new_card(client), threading.Event()

    def never(event: dict[str, Any]) -> Any:
        if event["type"] == REQUEST:
            release.wait(10)
        return said({"approved": True})

    receiver.answer = never
    late = authorize(client, card.id, 500)
    assert (late.approved, reason_of(late)) == (False, "webhook_timeout")
    simulator.control(f"accounts/{simulator.account}", {"timeout_action": "approve"})
    risky = authorize(client, card.id, 500)
    assert (risky.approved, reason_of(risky)) == (True, "webhook_timeout")
    simulator.control(f"accounts/{simulator.account}", {"timeout_action": "decline"})
    release.set()


def test_trap_2_a_star_is_not_asked(
    simulator: SimulatorProcess, client: stripe.StripeClient, receiver: Receiver
) -> None:
    for endpoint in client.v1.webhook_endpoints.list().data:
        client.v1.webhook_endpoints.update(endpoint.id, {"enabled_events": ["*"]})
    try:
        approved = authorize(client, new_card(client).id, 500)
        assert (approved.approved, reason_of(approved)) == (True, "card_active")
        receiver.wait_for("issuing_authorization.created")
        assert receiver.of(REQUEST) == []
    finally:
        for endpoint in client.v1.webhook_endpoints.list().data:
            client.v1.webhook_endpoints.update(endpoint.id, {"enabled_events": ["*", REQUEST]})


def test_trap_7_stripes_own_declines_are_never_asked(
    simulator: SimulatorProcess, client: stripe.StripeClient, receiver: Receiver
) -> None:
    controls = {
        "allowed_categories": ["computer_software_stores"],
        "blocked_merchant_countries": ["GB"],
        "allowed_card_presences": ["not_present"],
        "spending_limits": [{"amount": 1000, "interval": "per_authorization"}],
    }
    card = new_card(client, spending_controls=controls)
    good = {"category": "computer_software_stores", "country": "US"}
    refused = [
        authorize(client, card.id, 1001, merchant_data=good),
        authorize(client, card.id, 100, merchant_data={**good, "category": "bakeries"}),
        authorize(client, card.id, 100, merchant_data={**good, "country": "GB"}),
        authorize(client, card.id, 100, merchant_data=good, authorization_method="chip"),
    ]
    assert [reason_of(one) for one in refused] == ["spending_controls"] * 4
    mismatch = authorize(client, card.id, 100, merchant_data=good, verification_data={"cvc_check": "mismatch"})
    assert reason_of(mismatch) == "verification_failed"
    simulator.control(f"accounts/{simulator.account}", {"issuing_balance": {"usd": 99}})
    assert reason_of(authorize(client, card.id, 100, merchant_data=good)) == "insufficient_funds"
    simulator.control(f"accounts/{simulator.account}", {"card_issuing": "inactive"})
    assert reason_of(authorize(client, card.id, 1, merchant_data=good)) == "account_disabled"
    simulator.control(f"accounts/{simulator.account}", {"card_issuing": "active"})
    receiver.wait_for("issuing_authorization.created", 7)
    assert receiver.of(REQUEST) == []
    assert authorize(client, card.id, 99, merchant_data=good).approved


def test_trap_26_limits_roll_at_midnight_utc(simulator: SimulatorProcess, client: stripe.StripeClient) -> None:
    limits = [
        {"amount": 1000, "interval": "daily"},
        {"amount": 300, "interval": "daily", "categories": ["bakeries"]},
        {"amount": 1500, "interval": "all_time"},
    ]
    card = new_card(client, spending_controls={"spending_limits": limits})
    bakery = {"category": "bakeries"}
    assert authorize(client, card.id, 300, merchant_data=bakery).approved
    assert reason_of(authorize(client, card.id, 1, merchant_data=bakery)) == "spending_controls"
    assert authorize(client, card.id, 700).approved
    assert reason_of(authorize(client, card.id, 1)) == "spending_controls"
    now = simulator.control("clock")["now"]
    simulator.control("clock", {"advance": 86400 - now % 86400})
    assert authorize(client, card.id, 500).approved
    assert reason_of(authorize(client, card.id, 1)) == "spending_controls"  # all_time


def test_limits_of_a_cardholder_span_its_cards(client: stripe.StripeClient) -> None:
    holder = new_cardholder(client, spending_controls={"spending_limits": [{"amount": 900, "interval": "monthly"}]}).id
    first, second = new_card(client, holder), new_card(client, holder)
    assert authorize(client, first.id, 600).approved
    assert reason_of(authorize(client, second.id, 301)) == "spending_controls"
    assert authorize(client, second.id, 300).approved


def test_a_reversal_gives_the_limit_back(client: stripe.StripeClient) -> None:
    card = new_card(client, spending_controls={"spending_limits": [{"amount": 500, "interval": "all_time"}]})
    first = authorize(client, card.id, 500)
    client.v1.test_helpers.issuing.authorizations.reverse(first.id)
    assert authorize(client, card.id, 500).approved


def test_a_part_is_approved_only_where_the_merchant_can_take_a_part(
    client: stripe.StripeClient, receiver: Receiver
) -> None:
    card = new_card(client)
    receiver.answer = lambda event: said({"approved": True, "amount": 300})
    whole = authorize(client, card.id, 500)
    assert whole.amount == 500
    part = authorize(client, card.id, 500, is_amount_controllable=True)
    assert (part.amount, part.merchant_amount, part.request_history[0].amount) == (300, 300, 300)
    cash = authorize(client, card.id, 500, is_amount_controllable=True, amount_details={"cashback_amount": 301})
    assert reason_of(cash) == "webhook_error"


def test_trap_8_and_9_an_increment_asks_again_for_the_difference(
    client: stripe.StripeClient, receiver: Receiver
) -> None:
    card = new_card(client)
    helpers = client.v1.test_helpers.issuing.authorizations
    first = authorize(client, card.id, 500)
    grown = helpers.increment(first.id, {"increment_amount": 200})
    assert (grown.amount, len(grown.request_history)) == (700, 2)
    asked = receiver.wait_for(REQUEST, 2)[1]["data"]["object"]
    assert (asked["amount"], asked["pending_request"]["amount"]) == (500, 200)
    assert (asked["approved"], len(asked["request_history"])) == (True, 1)
    receiver.answer = lambda event: said({"approved": False})
    same = helpers.increment(first.id, {"increment_amount": 100})
    assert (same.amount, same.approved, same.status) == (700, True, "pending")
    assert [entry.approved for entry in same.request_history] == [True, True, False]
    updated = receiver.wait_for("issuing_authorization.updated", 2)[0]
    assert updated["data"]["previous_attributes"]["amount"] == 500
    client.v1.issuing.cards.update(card.id, {"status": "canceled"})
    receiver.answer = lambda event: said({"approved": True})
    assert helpers.increment(first.id, {"increment_amount": 100}).amount == 800


def test_the_approve_call_wins_over_the_answer(client: stripe.StripeClient, receiver: Receiver) -> None:
    card = new_card(client)

    def by_call(event: dict[str, Any]) -> Any:
        if event["type"] == REQUEST:
            client.v1.issuing.authorizations.approve(event["data"]["object"]["id"])  # the deprecated way
        return said({"approved": False})

    receiver.answer = by_call
    approved = authorize(client, card.id, 500)
    assert (approved.approved, reason_of(approved)) == (True, "webhook_approved")
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.issuing.authorizations.decline(approved.id)


def test_two_at_once_do_not_both_fit(client: stripe.StripeClient, receiver: Receiver) -> None:
    single = new_card(client, lifecycle_controls={"cancel_after": {"payment_count": 1}})
    limited = new_card(client, spending_controls={"spending_limits": [{"amount": 500, "interval": "all_time"}]})
    both = threading.Barrier(2)

    def together(event: dict[str, Any]) -> Any:
        if event["type"] == REQUEST and event["data"]["object"]["card"]["id"] == single.id:
            both.wait(5)
        return said({"approved": True})

    receiver.answer = together
    for card, reasons in ((single, {"card_canceled", "webhook_approved"}),):
        assert {reason_of(one) for one in _in_parallel(client, card.id, 500)} == reasons
    receiver.answer = lambda event: said({"approved": True})
    found = sorted(reason_of(one) for one in _in_parallel(client, limited.id, 500))
    assert found == ["spending_controls", "webhook_approved"]


def _in_parallel(client: stripe.StripeClient, card: str, amount: int) -> list[Any]:
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(authorize(client, card, amount))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    return found


def test_foreign_money_is_converted_and_trap_30_yen_have_no_cents(client: stripe.StripeClient) -> None:
    card = new_card(client)
    bought = authorize(client, card.id, 5000, currency="jpy")
    assert (bought.currency, bought.amount) == ("usd", 3350)
    assert (bought.merchant_currency, bought.merchant_amount) == ("jpy", 5000)


def test_a_card_ends_with_its_printed_month(simulator: SimulatorProcess, client: stripe.StripeClient) -> None:
    card = new_card(client)
    simulator.control("clock", {"advance": 5 * 366 * 86400})
    assert reason_of(authorize(client, card.id, 100)) == "card_expired"
