"""Fraud challenges: asked for by an answer or by Stripe, answered, expired, and what a yes is worth (facts 2.4)."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from tests.support.published import conforms
from tests.support.simulator import Receiver, SimulatorProcess, authorize, new_card, new_cardholder, said

PHONE = "+15555550123"
RISKY = {"fraud_risk": {"level": "highest", "score": 99}}
SHOP = {"name": "Odd Shop", "network_id": "1234567890"}


def challenge(client: stripe.StripeClient, receiver: Receiver, **holder: Any) -> Any:
    """Return an authorization that the webhook declined with a challenge."""
    receiver.answer = lambda event: said({"approved": False, "send_fraud_challenges": ["sms"]})
    card = new_card(client, new_cardholder(client, **holder).id)
    declined = authorize(client, card.id, 500, merchant_data=SHOP)
    receiver.answer = lambda event: said({"approved": True})
    return declined


def shown(authorization: Any) -> list[tuple[str, str, str | None]]:
    """The challenges of an authorization."""
    return [(one.channel, one.status, one.undeliverable_reason) for one in authorization.fraud_challenges]


def test_a_confirmed_challenge_lets_the_same_merchant_pass(client: stripe.StripeClient, receiver: Receiver) -> None:
    first = challenge(client, receiver, phone_number=PHONE)
    assert (first.approved, first.request_history[0].reason) == (False, "webhook_declined")
    assert shown(first) == [("sms", "pending", None)]
    verified = client.v1.test_helpers.issuing.authorizations.respond(first.id, {"confirmed": True})
    assert shown(verified) == [("sms", "verified", None)]
    told = receiver.wait_for("issuing_authorization.updated")[0]["data"]
    assert told["previous_attributes"]["fraud_challenges"][0]["status"] == "pending"
    conforms(first, verified, told["object"])
    again = authorize(client, first.card.id, 500, merchant_data=SHOP, risk_assessment=RISKY)
    assert (again.approved, again.verified_by_fraud_challenge, again.fraud_challenges) == (True, True, None)
    elsewhere = authorize(client, first.card.id, 500, merchant_data={"name": "Other"}, risk_assessment=RISKY)
    assert (elsewhere.approved, elsewhere.verified_by_fraud_challenge) == (False, None)
    other_card = authorize(client, new_card(client).id, 500, merchant_data=SHOP, risk_assessment=RISKY)
    assert other_card.request_history[0].reason == "suspected_fraud"


def test_a_rejected_challenge_helps_nobody_and_warns_of_the_card(
    client: stripe.StripeClient, receiver: Receiver
) -> None:
    first = challenge(client, receiver, phone_number=PHONE)
    respond = client.v1.test_helpers.issuing.authorizations.respond
    assert shown(respond(first.id, {"confirmed": False})) == [("sms", "rejected", None)]
    again = authorize(client, first.card.id, 500, merchant_data=SHOP, risk_assessment=RISKY)
    assert (again.approved, again.verified_by_fraud_challenge) == (False, None)
    card: Any = client.v1.issuing.cards.retrieve(first.card.id)
    assert (card.latest_fraud_warning.type, card.status) == ("user_indicated_fraud", "active")
    told = receiver.wait_for("issuing_card.updated")[0]["data"]
    assert told["previous_attributes"] == {"latest_fraud_warning": None}
    conforms(card, told["object"])
    with pytest.raises(stripe.InvalidRequestError, match="rejected"):
        respond(first.id, {"confirmed": True})


def test_without_a_number_the_challenge_cannot_be_delivered(client: stripe.StripeClient, receiver: Receiver) -> None:
    first = challenge(client, receiver)
    assert shown(first) == [("sms", "undeliverable", "no_phone_number")]
    conforms(first)
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.test_helpers.issuing.authorizations.respond(first.id, {"confirmed": True})


def test_nobody_answers_for_a_day(simulator: SimulatorProcess, client: stripe.StripeClient, receiver: Receiver) -> None:
    first = challenge(client, receiver, phone_number=PHONE)
    simulator.control("clock", {"advance": 24 * 3600 - 60})
    assert shown(client.v1.issuing.authorizations.retrieve(first.id)) == [("sms", "pending", None)]
    simulator.control("clock", {"advance": 61})
    assert shown(client.v1.issuing.authorizations.retrieve(first.id)) == [("sms", "expired", None)]
    receiver.wait_for("issuing_authorization.updated")
    with pytest.raises(stripe.InvalidRequestError, match="expired"):
        client.v1.test_helpers.issuing.authorizations.respond(first.id, {"confirmed": True})


def test_stripe_challenges_by_itself_where_the_account_wants_it(
    simulator: SimulatorProcess, client: stripe.StripeClient
) -> None:
    card = new_card(client, new_cardholder(client, phone_number=PHONE).id)
    assert authorize(client, card.id, 500, risk_assessment=RISKY).fraud_challenges is None
    simulator.control(f"accounts/{simulator.account}", {"fraud_challenges": True})
    first = authorize(client, card.id, 500, risk_assessment=RISKY)
    assert (first.request_history[0].reason, shown(first)) == ("suspected_fraud", [("sms", "pending", None)])
    client.v1.test_helpers.issuing.authorizations.respond(first.id, {"confirmed": True})
    again = authorize(client, card.id, 500, risk_assessment=RISKY)
    assert (again.approved, again.verified_by_fraud_challenge) == (True, True)


def test_an_approved_or_ordinary_decline_has_none(client: stripe.StripeClient, receiver: Receiver) -> None:
    card = new_card(client, new_cardholder(client, phone_number=PHONE).id)
    for answer in ({"approved": True, "send_fraud_challenges": ["sms"]}, {"approved": False}):
        receiver.answer = lambda event, answer=answer: said(answer)  # type: ignore[misc]
        made = authorize(client, card.id, 500)
        assert (made.approved, made.fraud_challenges) == (answer["approved"], None)
        with pytest.raises(stripe.InvalidRequestError, match="no fraud challenge"):
            client.v1.test_helpers.issuing.authorizations.respond(made.id, {"confirmed": True})


@pytest.mark.parametrize("value", ["sms", ["email"], [1], {"sms": True}])
def test_a_challenge_asked_for_in_the_wrong_form_is_an_error(
    client: stripe.StripeClient, receiver: Receiver, value: Any
) -> None:
    receiver.answer = lambda event: said({"approved": False, "send_fraud_challenges": value})
    assert authorize(client, new_card(client).id, 500).request_history[0].reason == "webhook_error"
