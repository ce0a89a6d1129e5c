"""The main job, from a connected account to a settled purchase, with the official SDK."""

from __future__ import annotations

import json

import pytest
import stripe

from tests.support.simulator import REQUEST, Receiver, SimulatorProcess, authorize, new_card, new_cardholder, said


def test_a_connected_account_buys_one_thing_with_a_single_use_card(
    simulator: SimulatorProcess, receiver: Receiver
) -> None:
    account = simulator.connect("Acme")
    client = simulator.client(account)
    assert client.v1.accounts.retrieve_current().capabilities.card_issuing == "active"
    assert client.v1.balance.retrieve().issuing.available[0].amount == 10_000_000
    card = new_card(
        client,
        spending_controls={"spending_limits": [{"amount": 5000, "interval": "all_time"}]},
        lifecycle_controls={"cancel_after": {"payment_count": 1}},
        metadata={"purchase": "pur_1"},
    )
    assert not {"number", "cvc"} & set(card.to_dict())
    secret = client.v1.issuing.cards.retrieve(card.id, {"expand": ["number", "cvc"]})
    assert secret.number.startswith("40000099")
    assert len(secret.number) == 16
    assert len(secret.cvc) == 3

    receiver.answer = lambda event: said({"approved": True, "metadata": {"decision": "dec_1"}})
    merchant = {"name": "FIGMA", "category": "computer_software_stores", "country": "US"}
    authorization = authorize(client, card.id, 4900, merchant_data=merchant)
    assert (authorization.approved, authorization.status, authorization.amount) == (True, "pending", 4900)
    assert authorization.request_history[0].reason == "webhook_approved"
    assert authorization.metadata["decision"] == "dec_1"
    assert authorization.merchant_data.category_code == "5734"
    assert client.v1.issuing.cards.retrieve(card.id).status == "canceled"

    asked = receiver.wait_for(REQUEST)[0]
    assert asked["account"] == account
    assert asked["livemode"] is False
    thing = asked["data"]["object"]
    assert (thing["amount"], thing["approved"], thing["status"]) == (0, False, "pending")
    assert thing["pending_request"]["amount"] == 4900
    assert thing["card"]["metadata"] == {"purchase": "pur_1"}
    assert '"number"' not in json.dumps(thing)

    helpers = client.v1.test_helpers.issuing.authorizations
    captured = helpers.capture(authorization.id)
    assert (captured.status, len(captured.transactions)) == ("closed", 1)
    transaction = receiver.wait_for("issuing_transaction.created")[0]
    assert transaction["data"]["object"]["amount"] == -4900
    assert transaction["data"]["object"]["authorization"] == authorization.id
    kinds = [move.type for move in captured.balance_transactions]
    assert kinds == ["issuing_authorization_hold", "issuing_authorization_release"]
    assert client.v1.balance.retrieve().issuing.available[0].amount == 10_000_000 - 4900

    again = authorize(client, card.id, 4900)
    assert again.approved is False
    assert again.request_history[0].reason == "card_canceled"
    for body, signature in receiver.received:
        stripe.WebhookSignature.verify_header(body.decode(), signature, simulator.webhook_secret, 300)
    updated = receiver.wait_for("issuing_card.updated")[0]
    assert updated["data"]["previous_attributes"] == {"status": "active"}


def test_a_platform_may_not_act_for_an_account_it_is_not_connected_to(simulator: SimulatorProcess) -> None:
    with pytest.raises(stripe.PermissionError) as refused:
        new_cardholder(simulator.client("acct_unknown"))
    assert refused.value.error.code == "account_invalid"
