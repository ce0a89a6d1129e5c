"""The decision: Stripe's own checks, the real-time question and every way its answer can go (facts 2)."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import stripe

from tests.support.published import conforms
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


HEADERS = {"Stripe-Version": "2026-10-28.endive", "Content-Type": "application/json"}
BAD_ANSWERS: dict[str, Any] = {
    "no version": said({"approved": True}, version=None),
    "odd version": said({"approved": True}, version="newest"),
    "no approved": said({"yes": True}),
    "text": said({"approved": True}, kind="text/plain"),
    "approved is a word": said({"approved": "true"}),
    "status": (500, {"Stripe-Version": "2026-10-28.endive", "Content-Type": "application/json"}, b'{"approved":true}'),
    "not json": (200, {"Stripe-Version": "2026-10-28.endive", "Content-Type": "application/json"}, b"approved"),
    "bad metadata": said({"approved": True, "metadata": {"a": 1}}),
    "nothing": (200, HEADERS, b""),
    "a list": said([{"approved": True}]),
    "accepted": (202, HEADERS, b'{"approved": true}'),
    "too long": said({"approved": True, "more": "x" * 70_000}),
    "too deep": (200, HEADERS, b"[" * 60_000),
}


@pytest.mark.parametrize("kind", sorted(BAD_ANSWERS))
def test_an_answer_in_the_wrong_form_is_an_error_and_declines(
    client: stripe.StripeClient, receiver: Receiver, kind: str
) -> None:
    card = new_card(client)
    receiver.answer = lambda event: BAD_ANSWERS[kind]
    declined = authorize(client, card.id, 500)
    assert (declined.approved, reason_of(declined)) == (False, "webhook_error")
    assert declined.request_history[0].reason_message


def test_stripes_own_declines_are_never_asked(
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


def test_an_increment_asks_again_for_the_difference(client: stripe.StripeClient, receiver: Receiver) -> None:
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


def test_two_at_once_do_not_both_fit(client: stripe.StripeClient, receiver: Receiver) -> None:
    single = new_card(client, lifecycle_controls={"cancel_after": {"payment_count": 1}})
    limited = new_card(client, spending_controls={"spending_limits": [{"amount": 500, "interval": "all_time"}]})
    both = threading.Barrier(2)

    def together(event: dict[str, Any]) -> Any:
        if event["type"] == REQUEST and event["data"]["object"]["card"]["id"] == single.id:
            both.wait(60)
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
        thread.join(60)
    return found


def test_a_redirect_is_an_error_and_is_not_followed(client: stripe.StripeClient, receiver: Receiver) -> None:
    receiver.answer = lambda event: (307, {**HEADERS, "Location": receiver.url}, b'{"approved": true}')
    declined = authorize(client, new_card(client).id, 500)
    assert (declined.approved, reason_of(declined)) == (False, "webhook_error")
    assert len(receiver.of(REQUEST)) == 1


def test_an_error_falls_to_the_accounts_setting_too(
    simulator: SimulatorProcess, client: stripe.StripeClient, receiver: Receiver
) -> None:
    card = new_card(client)
    receiver.answer = lambda event: (500, {}, b"")
    simulator.control(f"accounts/{simulator.account}", {"timeout_action": "approve"})
    try:
        risky = authorize(client, card.id, 500)
    finally:
        simulator.control(f"accounts/{simulator.account}", {"timeout_action": "decline"})
    assert (risky.approved, risky.amount, reason_of(risky)) == (True, 500, "webhook_error")


@pytest.mark.parametrize("word", ["approve", "decline"])
def test_the_deprecated_call_wins_and_answers_with_the_result(
    client: stripe.StripeClient, receiver: Receiver, word: str
) -> None:
    card, answers, answered = new_card(client), [], threading.Event()
    act: Any = getattr(client.v1.issuing.authorizations, word)

    def by_call(event: dict[str, Any]) -> Any:
        if event["type"] == REQUEST:
            answers.append(act(event["data"]["object"]["id"], {"metadata": {"by": "call"}}))
            answered.set()
        return said({"approved": word == "decline", "metadata": {"by": "webhook"}})

    receiver.answer = by_call
    made = authorize(client, card.id, 500)
    assert (made.approved, reason_of(made)) == (word == "approve", f"webhook_{word}d")
    assert made.metadata.to_dict() == {"by": "call"}
    receiver.wait_for("issuing_authorization.created")
    assert answered.wait(60)
    assert str(answers[0]) == str(made)
    conforms(made)
    for late in (client.v1.issuing.authorizations.approve, client.v1.issuing.authorizations.decline):
        with pytest.raises(stripe.InvalidRequestError, match="no pending request"):
            late(made.id)


def test_a_part_approved_by_call_keeps_to_the_same_rules(client: stripe.StripeClient, receiver: Receiver) -> None:
    card, refused = new_card(client), []

    def by_call(event: dict[str, Any]) -> Any:
        if event["type"] == REQUEST:
            for amount in (501, 199, 300):
                try:
                    client.v1.issuing.authorizations.approve(event["data"]["object"]["id"], {"amount": amount})
                except stripe.InvalidRequestError as error:
                    refused.append(error.param)
        return said({"approved": False})

    receiver.answer = by_call
    cash: Any = {"amount_details": {"cashback_amount": 200}}
    part = authorize(client, card.id, 500, is_amount_controllable=True, **cash)
    assert (part.amount, reason_of(part), refused) == (300, "webhook_approved", ["amount", "amount"])
    whole = authorize(client, card.id, 500)  # not controllable: all three are refused
    assert (whole.approved, refused[2:]) == (False, ["amount"] * 3)


def test_the_merchants_own_amount_is_kept_in_proportion(client: stripe.StripeClient, receiver: Receiver) -> None:
    euros: Any = {"merchant_amount": 926, "merchant_currency": "eur", "is_amount_controllable": True}
    receiver.answer = lambda event: said({"approved": True, "amount": 500})
    helpers = client.v1.test_helpers.issuing
    part = authorize(client, new_card(client).id, 1000, **euros)
    assert (part.amount, part.merchant_amount) == (500, 463)
    smaller = helpers.authorizations.reverse(part.id, {"reverse_amount": 100})
    assert (smaller.amount, smaller.merchant_amount) == (400, 370)
    done = helpers.authorizations.capture(part.id).transactions[0]
    back = helpers.transactions.refund(done.id, {"refund_amount": 200})
    assert (done.merchant_amount, back.merchant_amount, back.merchant_currency) == (-370, 185, "eur")


def test_nothing_changes_while_an_increment_is_being_decided(client: stripe.StripeClient, receiver: Receiver) -> None:
    helpers, told = client.v1.test_helpers.issuing.authorizations, []
    first = authorize(client, new_card(client).id, 500)

    def meddle(event: dict[str, Any]) -> Any:
        if event["type"] == REQUEST:
            for act in (helpers.capture, helpers.reverse, helpers.expire):
                with pytest.raises(stripe.RateLimitError) as refused:
                    act(first.id)
                told.append(refused.value.http_status)
        return said({"approved": True})

    receiver.answer = meddle
    grown = helpers.increment(first.id, {"increment_amount": 100})
    assert (told, grown.amount) == ([429] * 3, 600)


def test_lists_are_filtered_by_card_cardholder_and_status(client: stripe.StripeClient) -> None:
    holder = new_cardholder(client).id
    cards = [new_card(client, holder).id, new_card(client, holder).id, new_card(client).id]
    made = [authorize(client, card, 100).id for card in cards]
    client.v1.test_helpers.issuing.authorizations.capture(made[0])
    listing: Any = client.v1.issuing.authorizations.list
    assert [one.id for one in listing({"cardholder": holder}).data] == [made[1], made[0]]
    assert [one.id for one in listing({"card": cards[0], "status": "closed"}).data] == [made[0]]
    assert [one.id for one in listing({"status": "pending"}).data] == [made[2], made[1]]
    assert listing({"card": cards[2], "cardholder": holder}).data == []
    with pytest.raises(stripe.InvalidRequestError):
        listing({"status": "open"})


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({}, "amount"),
        ({"amount": -1}, "amount"),
        ({"amount": 1, "currency": "xyz"}, "currency"),
        ({"amount": 1, "authorization_method": "phone"}, "authorization_method"),
        ({"amount": 1, "merchant_data": {"category": "magic"}}, "merchant_data[category]"),
        ({"amount": 1, "wallet": "paper"}, "wallet"),
        ({"amount": 1, "risk_assessment": {"fraud_risk": {"score": 3}}}, "risk_assessment[fraud_risk][level]"),
        ({"amount": 1, "risk_assessment": {"fraud_risk": {"level": "odd"}}}, "risk_assessment[fraud_risk][level]"),
        ({"amount": 1, "fuel": {"unit": "barrel"}}, "fuel[unit]"),
        ({"amount": 1, "fuel": {"quantity_decimal": "nan"}}, "fuel[quantity_decimal]"),
        ({"amount": 1, "surprise": "x"}, "surprise"),
        ({"amount": 1, "card": "ic_none"}, "card"),
    ],
)
def test_a_wrong_ask_leaves_nothing_behind(client: stripe.StripeClient, params: dict[str, Any], param: str) -> None:
    create: Any = client.v1.test_helpers.issuing.authorizations.create
    with pytest.raises(stripe.InvalidRequestError) as refused:
        create({"card": new_card(client).id, **params})
    assert refused.value.param == param
    assert client.v1.issuing.authorizations.list().data == []


def test_everything_published_as_expandable_can_be_expanded(client: stripe.StripeClient) -> None:
    parts = ["card", "cardholder", "token", "amount_details", "fleet", "fraud_challenges", "fuel", "pending_request"]
    made: Any = authorize(client, new_card(client).id, 500)
    whole: Any = client.v1.issuing.authorizations.retrieve(made.id, {"expand": [*parts, "treasury", "transactions"]})
    assert whole.cardholder.object == "issuing.cardholder"
    assert (whole.token, whole.fuel, whole.treasury, whole.transactions) == (None, None, None, [])
    with pytest.raises(stripe.InvalidRequestError, match="cannot be expanded"):
        client.v1.issuing.authorizations.retrieve(made.id, {"expand": ["amount"]})
