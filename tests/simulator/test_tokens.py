"""Wallet tokens: born with the first payment of a wallet, named by what it pays, suspended, deleted (facts 1.3)."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from tests.support.published import conforms
from tests.support.simulator import Receiver, SimulatorProcess, authorize, new_card, said


def test_the_first_payment_with_a_wallet_makes_the_token(client: stripe.StripeClient, receiver: Receiver) -> None:
    card, tokens = new_card(client), client.v1.issuing.tokens
    first = authorize(client, card.id, 500, wallet="apple_pay")
    token: Any = tokens.retrieve(str(first.token))
    assert (token.card, token.status, token.network) == (card.id, "active", "visa")
    assert (token.wallet_provider, token.network_data.type) == ("apple_pay", "visa")
    told = receiver.wait_for("issuing_token.created")[0]["data"]
    assert told["object"]["id"] == token.id
    assert "previous_attributes" not in told
    conforms(token, told["object"], first)
    assert authorize(client, card.id, 500, wallet="apple_pay").token == token.id
    other = authorize(client, card.id, 500, wallet="google_pay")
    assert other.token not in {None, token.id}
    assert authorize(client, card.id, 500).token is None
    done = client.v1.test_helpers.issuing.authorizations.capture(first.id).transactions[0]
    assert (done.token, done.wallet) == (token.id, "apple_pay")
    back = client.v1.test_helpers.issuing.transactions.refund(done.id)
    assert (back.token, back.wallet) == (token.id, "apple_pay")
    conforms(done, back)
    assert [one.id for one in tokens.list({"card": card.id}).data] == [other.token, token.id]
    assert len(receiver.of("issuing_token.created")) == 2


def test_a_declined_payment_makes_none(client: stripe.StripeClient, receiver: Receiver) -> None:
    card = new_card(client)
    receiver.answer = lambda event: said({"approved": False})
    assert authorize(client, card.id, 500, wallet="samsung_pay").token is None
    assert client.v1.issuing.tokens.list({"card": card.id}).data == []


def test_the_request_names_the_token_from_the_second_time_on(client: stripe.StripeClient, receiver: Receiver) -> None:
    card = new_card(client)
    first = authorize(client, card.id, 500, wallet="apple_pay")
    authorize(client, card.id, 500, wallet="apple_pay")
    asked = receiver.wait_for("issuing_authorization.request", 2)
    assert [event["data"]["object"]["token"] for event in asked] == [None, first.token]


def test_a_token_is_suspended_taken_up_and_deleted(
    simulator: SimulatorProcess, client: stripe.StripeClient, receiver: Receiver
) -> None:
    card, tokens = new_card(client), client.v1.issuing.tokens
    token = str(authorize(client, card.id, 500, wallet="apple_pay").token)
    simulator.control("clock", {"advance": 60})
    suspended = tokens.update(token, {"status": "suspended"})
    assert suspended.status == "suspended"
    assert suspended.network_updated_at >= suspended.created + 60
    assert authorize(client, card.id, 500, wallet="apple_pay").request_history[0].reason == "not_allowed"
    told = receiver.wait_for("issuing_token.updated")[0]["data"]
    assert (told["object"]["status"], told["previous_attributes"]["status"]) == ("suspended", "active")
    conforms(told["object"])
    tokens.update(token, {"status": "suspended"})  # nothing new, nothing told
    assert tokens.update(token, {"status": "active"}).status == "active"
    assert authorize(client, card.id, 500, wallet="apple_pay").approved
    assert tokens.update(token, {"status": "deleted"}).status == "deleted"
    assert len(receiver.wait_for("issuing_token.updated", 3)) == 3
    for status in ("active", "suspended", "deleted"):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            tokens.update(token, {"status": status})
        assert refused.value.http_status == 400
    again = authorize(client, card.id, 500, wallet="apple_pay")
    assert again.approved
    assert again.token != token
    assert [one.id for one in tokens.list({"card": card.id, "status": "deleted"}).data] == [token]


def test_an_increment_does_not_look_at_the_token(client: stripe.StripeClient) -> None:
    first = authorize(client, new_card(client).id, 500, wallet="apple_pay")
    client.v1.issuing.tokens.update(str(first.token), {"status": "suspended"})
    grown = client.v1.test_helpers.issuing.authorizations.increment(first.id, {"increment_amount": 100})
    assert (grown.amount, grown.token) == (600, first.token)


def test_tokens_are_listed_by_card_and_paged(client: stripe.StripeClient) -> None:
    card, tokens = new_card(client), client.v1.issuing.tokens
    made = [authorize(client, card.id, 100, wallet=wallet).token for wallet in ("apple_pay", "google_pay")]
    page: Any = tokens.list({"card": card.id, "limit": 1, "expand": ["data.card"]})
    assert (page.has_more, page.data[0].id, page.data[0].card.id) == (True, made[1], card.id)
    assert [one.id for one in page.auto_paging_iter()] == [made[1], made[0]]
    assert tokens.list({"card": card.id, "created": {"gt": page.data[0].created}}).data == []
    expanded: Any = client.v1.issuing.authorizations.list({"card": card.id, "expand": ["data.token"]})
    assert expanded.data[0].token.object == "issuing.token"
    for params, code in (({}, "parameter_missing"), ({"card": "ic_none"}, "resource_missing")):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            tokens.list(params)  # type: ignore[arg-type]
        assert refused.value.code == code


def test_tokens_of_another_account_are_not_there(simulator: SimulatorProcess, client: stripe.StripeClient) -> None:
    token = str(authorize(client, new_card(client).id, 500, wallet="apple_pay").token)
    others = simulator.client(simulator.connect()).v1.issuing.tokens
    for act in (
        others.retrieve,
        lambda one: others.update(one, {"status": "active"}),
    ):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            act(token)
        assert refused.value.http_status == 404
