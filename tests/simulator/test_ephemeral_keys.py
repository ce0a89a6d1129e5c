"""Ephemeral keys: made for one card and one version, good for fifteen minutes, and for nothing else (facts 1.6)."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from tests.simulator.test_api import call
from tests.support.simulator import SimulatorProcess, new_card
from tests.support.stripe_spec import load_spec, needs_spec

VERSION: Any = {"stripe_version": "2026-10-28.endive"}


def make(client: stripe.StripeClient, card: str) -> Any:
    """Make a key for a card."""
    params: Any = {"issuing_card": card, "nonce": "ephkn_1"}
    return client.v1.ephemeral_keys.create(params, VERSION)


def test_the_key_reads_the_cards_number_and_does_nothing_else(
    simulator: SimulatorProcess, client: stripe.StripeClient
) -> None:
    card, other = new_card(client), new_card(client)
    made = make(client, card.id)
    assert made.expires == made.created + 900
    browser = simulator.client(key=made.secret)
    read: Any = browser.v1.issuing.cards.retrieve(card.id, {"expand": ["number", "cvc"]})
    assert (len(read.number), read.number[-4:], len(read.cvc)) == (16, card.last4, 3)
    for attempt in (
        lambda: browser.v1.issuing.cards.retrieve(other.id),
        lambda: browser.v1.issuing.cards.update(card.id, {"status": "canceled"}),
        browser.v1.issuing.cards.list,
        browser.v1.balance.retrieve,
    ):
        with pytest.raises(stripe.PermissionError):
            attempt()
    assert client.v1.issuing.cards.retrieve(card.id).status == "active"


def test_it_ends_by_the_clock(simulator: SimulatorProcess, client: stripe.StripeClient) -> None:
    card = new_card(client)
    made = make(client, card.id)
    browser = simulator.client(key=made.secret)
    simulator.control("clock", {"advance": 890})
    assert browser.v1.issuing.cards.retrieve(card.id).id == card.id
    simulator.control("clock", {"advance": 10})
    with pytest.raises(stripe.AuthenticationError) as expired:
        browser.v1.issuing.cards.retrieve(card.id)
    assert expired.value.error.code == "api_key_expired"
    with pytest.raises(stripe.InvalidRequestError) as gone:
        client.v1.ephemeral_keys.delete(made.id)
    assert gone.value.http_status == 404


def test_it_can_be_ended_early(simulator: SimulatorProcess, client: stripe.StripeClient) -> None:
    card = new_card(client)
    made = make(client, card.id)
    deleted = client.v1.ephemeral_keys.delete(made.id)
    assert (deleted.id, deleted.object) == (made.id, "ephemeral_key")
    assert made.created <= deleted.expires < made.expires
    with pytest.raises(stripe.AuthenticationError):
        simulator.client(key=made.secret).v1.issuing.cards.retrieve(card.id)
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.ephemeral_keys.delete(made.id)


def test_the_version_must_be_named(simulator: SimulatorProcess, client: stripe.StripeClient) -> None:
    status, _, body = call(simulator, "POST", "/v1/ephemeral_keys", f"issuing_card={new_card(client).id}")
    assert (status, body["error"]["type"]) == (400, "invalid_request_error")
    assert "Stripe-Version" in body["error"]["message"]


@pytest.mark.parametrize(
    ("params", "code", "param"),
    [
        ({}, None, "issuing_card"),
        ({"issuing_card": "ic_none"}, "resource_missing", "issuing_card"),
        ({"customer": "cus_none"}, "resource_missing", "customer"),
        ({"issuing_card": "ic_none", "customer": "cus_none"}, None, "issuing_card"),
    ],
)
def test_it_is_for_one_thing_that_exists(
    client: stripe.StripeClient, params: dict[str, str], code: str | None, param: str
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.ephemeral_keys.create(params, VERSION)  # type: ignore[arg-type]
    assert (refused.value.http_status, refused.value.code, refused.value.param) == (400, code, param)


def test_a_card_of_another_account_is_out_of_reach(simulator: SimulatorProcess, client: stripe.StripeClient) -> None:
    card = new_card(simulator.client(simulator.connect()))
    with pytest.raises(stripe.InvalidRequestError, match="No such issuing card"):
        make(client, card.id)


@needs_spec
def test_the_shape_is_the_published_one(client: stripe.StripeClient) -> None:
    made = make(client, new_card(client).id)
    assert load_spec().complaints("POST /v1/ephemeral_keys", 200, made.to_dict()) == []
    gone = client.v1.ephemeral_keys.delete(made.id)
    assert load_spec().complaints("DELETE /v1/ephemeral_keys/{ephemeral_key}", 200, gone.to_dict()) == []
