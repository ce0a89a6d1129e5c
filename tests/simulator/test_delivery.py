"""How events travel: signed, retried, duplicated, lost, listed again (facts 5)."""

from __future__ import annotations

import json
from typing import Any

import pytest
import stripe

from roony.simulator.delivery import sign
from tests.support.served import until
from tests.support.simulator import REQUEST, Receiver, SimulatorProcess, authorize, new_card, new_cardholder, said

CREATED = "issuing_cardholder.created"


def test_the_signature_is_stripes() -> None:
    header = sign(b'{"a":1}', ["whsec_test"], 1700000000)
    assert header == "t=1700000000,v1=38877139021993b830af32feea6e18a8da83eb2f6e49ee50bd9e4cf4ca4d3789"


def test_events_name_the_call_that_caused_them(simulator: SimulatorProcess, receiver: Receiver) -> None:
    account = simulator.connect()
    client = simulator.client(account)
    params: Any = {"name": "Jenny Rosen", "billing": {"address": _ADDRESS}}
    holder = client.v1.issuing.cardholders.create(params, {"idempotency_key": "key-1"})
    event = receiver.wait_for(CREATED)[0]
    assert event["request"]["idempotency_key"] == "key-1"
    assert event["request"]["id"] == holder.last_response.request_id
    assert (event["account"], event["livemode"], event["data"]["object"]["id"]) == (account, False, holder.id)
    body, signature = next((body, header) for body, header in receiver.received if holder.id.encode() in body)
    parsed = stripe.Webhook.construct_event(body, signature, simulator.webhook_secret)
    assert parsed.id == event["id"]
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(body, signature, "whsec_other")


_ADDRESS = {"line1": "1 Main St", "city": "San Francisco", "country": "US", "postal_code": "94107"}


def test_what_is_refused_is_sent_again_with_a_fresh_signature(simulator: SimulatorProcess, receiver: Receiver) -> None:
    receiver.answer = lambda event: (503, {}, b"") if len(receiver.of(CREATED)) < 4 else said({})
    client = simulator.client()
    new_cardholder(client)
    waiting = client.v1.events.list({"delivery_success": False}).data
    assert [event.type for event in waiting] == [CREATED]
    assert waiting[0].pending_webhooks == 1
    for count in range(1, 5):
        receiver.wait_for(CREATED, count)
        simulator.control("clock", {"advance": 2**count})
    assert len({header for _, header in receiver.received}) == 4
    assert len({event["id"] for event in receiver.events}) == 1
    _until_undelivered(client)


def _until_undelivered(client: stripe.StripeClient, *wanted: str) -> None:
    """The receiver has answered; give the simulator the moment it needs to read that."""
    listed = client.v1.events.list
    until(lambda: [event.data.object["id"] for event in listed({"delivery_success": False}).data], list(wanted))


def test_duplicates_and_losses_are_made_to_order(simulator: SimulatorProcess, receiver: Receiver) -> None:
    client = simulator.client()
    simulator.control("delivery", {"duplicate": 2, "shuffle": True, "seed": 1})
    new_cardholder(client)
    assert len({event["id"] for event in receiver.wait_for(CREATED, 3)}) == 1
    _until_undelivered(client)
    receiver.received.clear()
    simulator.control("delivery", {"lose_count": 1})
    lost = new_cardholder(client)
    new_cardholder(client)
    assert receiver.wait_for(CREATED)[0]["data"]["object"]["id"] != lost.id
    _until_undelivered(client, lost.id)


def test_delayed_events_come_when_the_clock_says(simulator: SimulatorProcess, receiver: Receiver) -> None:
    simulator.control("delivery", {"delay": 3600})
    new_cardholder(simulator.client())
    assert receiver.received == []
    simulator.control("clock", {"advance": 3600})
    receiver.wait_for(CREATED)


def test_endpoints_hear_of_their_own_accounts_only(simulator: SimulatorProcess, client: stripe.StripeClient) -> None:
    with Receiver() as own, Receiver() as connected:
        made = [
            client.v1.webhook_endpoints.create({"url": own.url, "enabled_events": ["*"]}),
            client.v1.webhook_endpoints.create({"url": connected.url, "enabled_events": ["*"], "connect": True}),
        ]
        assert all(endpoint.secret.startswith("whsec_") for endpoint in made)
        assert "secret" not in client.v1.webhook_endpoints.retrieve(made[0].id).to_dict()
        new_cardholder(client)
        new_cardholder(simulator.client(simulator.connect()))
        assert "account" not in own.wait_for(CREATED)[0]
        assert "account" in connected.wait_for(CREATED)[0]
        assert len(own.of(CREATED)) == len(connected.of(CREATED)) == 1
        body, header = connected.received[0]
        stripe.WebhookSignature.verify_header(body.decode(), header, made[1].secret)
        for endpoint in made:
            client.v1.webhook_endpoints.delete(endpoint.id)


def test_events_can_be_listed_again(simulator: SimulatorProcess) -> None:
    account = simulator.connect()
    client = simulator.client(account)
    authorize(client, new_card(client).id, 500)
    types: Any = ["issuing_authorization.created", "issuing_card.created"]
    listed = client.v1.events.list({"types": types}).data
    assert [event.type for event in listed] == types
    assert all(event["account"] == account for event in listed)
    assert client.v1.events.list({"type": REQUEST}).data[0].type == REQUEST
    first = client.v1.events.list({"limit": 100}).data[-1]
    after = list(client.v1.events.list({"ending_before": first.id, "limit": 2}).auto_paging_iter())
    assert [event.type for event in after][:2] == [CREATED, "issuing_card.created"]
    assert client.v1.events.retrieve(first.id).id == first.id
    simulator.control("clock", {"advance": 31 * 86400})
    for _ in range(4):
        new_cardholder(client)
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.events.retrieve(first.id)


def test_no_secret_travels_in_an_event(simulator: SimulatorProcess, receiver: Receiver) -> None:
    client = simulator.client()
    card = new_card(client)
    secret: Any = client.v1.issuing.cards.retrieve(card.id, {"expand": ["number"]})
    authorize(client, card.id, 500)
    receiver.wait_for("issuing_authorization.created")
    assert secret.number not in json.dumps(receiver.events)
