"""The archive of events: filters, cursors, thirty days, what is still undelivered, sent again on request (facts 5)."""

from __future__ import annotations

import urllib.error
from typing import Any

import pytest
import stripe

from tests.support.served import until
from tests.support.simulator import REQUEST, Receiver, SimulatorProcess, authorize, new_card, new_cardholder, said
from tests.support.stripe_spec import load_spec, needs_spec

CREATED, UPDATED = "issuing_cardholder.created", "issuing_cardholder.updated"
DAY = 24 * 3600


def until_pending(client: stripe.StripeClient, event: str, count: int) -> None:
    """The receiver has answered; give the simulator the moment it needs to read that."""
    until(lambda: client.v1.events.retrieve(event).pending_webhooks, count)


def until_all_delivered(client: stripe.StripeClient) -> None:
    """Wait until no endpoint lacks an event."""
    until(lambda: client.v1.events.list({"delivery_success": False}).data, [])


def test_types_filter_one_by_one_and_by_group(client: stripe.StripeClient) -> None:
    authorize(client, new_card(client).id, 500)

    def kinds(**params: Any) -> list[str]:
        return [event.type for event in client.v1.events.list({"limit": 100, **params}).data]

    every = kinds()
    assert kinds(type=CREATED) == [CREATED]
    assert kinds(type="issuing_authorization.*") == [one for one in every if one.startswith("issuing_authorization.")]
    assert kinds(type="*") == every
    assert kinds(types=[CREATED, REQUEST]) == [REQUEST, CREATED]
    assert kinds(type="issuing_card") == kinds(type="charge.succeeded") == []


@pytest.mark.parametrize(
    "params",
    [
        {"type": CREATED, "types": [CREATED]},
        {"types": [CREATED] * 21},
        {"delivery_success": "perhaps"},
        {"created": {"after": 1}},
        {"starting_after": "evt_none"},
        {"limit": 0},
    ],
)
def test_wrong_questions_are_refused(client: stripe.StripeClient, params: Any) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.events.list(params)
    assert refused.value.http_status == 400


def test_created_and_cursors_bound_the_list(simulator: SimulatorProcess, client: stripe.StripeClient) -> None:
    holder = new_cardholder(client)
    simulator.control("clock", {"advance": 100})
    for number in range(4):
        client.v1.issuing.cardholders.update(holder.id, {"metadata": {"n": str(number)}})
    events = client.v1.events.list({"type": "issuing_cardholder.*"}).data
    since = events[0].created
    assert [one.type for one in client.v1.events.list({"created": {"lt": since - 50}}).data] == [CREATED]
    assert {one.type for one in client.v1.events.list({"created": {"gte": since - 50}}).data} == {UPDATED}
    page = client.v1.events.list({"type": UPDATED, "limit": 2, "starting_after": events[0].id})
    assert ([one.id for one in page.data], page.has_more) == ([events[1].id, events[2].id], True)
    back = client.v1.events.list({"type": UPDATED, "limit": 1, "ending_before": events[2].id})
    assert ([one.id for one in back.data], back.has_more) == ([events[1].id], True)
    walked = [one.id for one in client.v1.events.list({"limit": 2, "types": [CREATED, UPDATED]}).auto_paging_iter()]
    assert walked == [one.id for one in events]


def test_events_are_seen_for_thirty_days(simulator: SimulatorProcess, client: stripe.StripeClient) -> None:
    new_cardholder(client)
    event = client.v1.events.list({"type": CREATED}).data[0]
    simulator.control("clock", {"advance": 30 * DAY - 60})
    assert client.v1.events.retrieve(event.id).id == event.id
    simulator.control("clock", {"advance": 60})
    assert client.v1.events.list().data == []
    assert client.v1.events.list({"delivery_success": False}).data == []
    with pytest.raises(stripe.InvalidRequestError) as gone:
        client.v1.events.retrieve(event.id)
    assert gone.value.http_status == 404


def test_pending_webhooks_counts_who_has_not_taken_it(client: stripe.StripeClient, receiver: Receiver) -> None:
    with Receiver(lambda _event: (500, {}, b"")) as deaf:
        params: Any = {"url": deaf.url, "enabled_events": [CREATED]}
        endpoint = client.v1.webhook_endpoints.create(params)
        new_cardholder(client)
        told = receiver.wait_for(CREATED)[0]
        deaf.wait_for(CREATED)
        assert told["pending_webhooks"] in (1, 2)
        until_pending(client, told["id"], 1)
        assert [one.id for one in client.v1.events.list({"delivery_success": False}).data] == [told["id"]]
        assert told["id"] not in [one.id for one in client.v1.events.list({"delivery_success": True}).data]
        client.v1.webhook_endpoints.delete(endpoint.id)
    until_pending(client, told["id"], 0)
    assert told["id"] in [one.id for one in client.v1.events.list({"delivery_success": True}).data]


def test_the_account_is_named_to_the_platform_only(simulator: SimulatorProcess) -> None:
    code = simulator.approve(scope="read_write")
    token = simulator.client().oauth.token({"grant_type": "authorization_code", "code": code})
    platform, own = simulator.client(token.stripe_user_id), simulator.client(key=token.access_token)
    new_cardholder(platform)
    event = platform.v1.events.list({"type": CREATED}).data[0]
    assert event["account"] == token.stripe_user_id
    assert "account" not in own.v1.events.retrieve(event.id).to_dict()
    with pytest.raises(stripe.InvalidRequestError):
        simulator.client().v1.events.retrieve(event.id)  # the platform's own archive does not have it


def test_updates_tell_what_was_before(client: stripe.StripeClient) -> None:
    holder = new_cardholder(client, metadata={"a": "1"})
    change: Any = {"metadata": {"a": "2"}, "email": "jenny@example.org"}
    client.v1.issuing.cardholders.update(holder.id, change, {"idempotency_key": "update-1"})
    event = client.v1.events.list({"type": UPDATED}).data[0]
    assert event.data.previous_attributes.to_dict() == {"metadata": {"a": "1"}, "email": None}
    assert event.request.idempotency_key == "update-1"
    assert event.request.id.startswith("req_")


def test_what_was_missed_is_sent_again_on_request(
    simulator: SimulatorProcess, client: stripe.StripeClient, receiver: Receiver
) -> None:
    simulator.control("delivery", {"lose_count": 1})
    new_cardholder(client)
    lost = client.v1.events.list({"delivery_success": False}).data[0]
    assert (lost.type, receiver.received) == (CREATED, [])
    simulator.control(f"events/{lost.id}/resend", {})
    assert receiver.wait_for(CREATED)[0]["id"] == lost.id
    until_all_delivered(client)
    simulator.control(f"events/{lost.id}/resend", {})
    assert [one["id"] for one in receiver.wait_for(CREATED, 2)] == [lost.id, lost.id]
    until_pending(client, lost.id, 0)


def test_one_endpoint_alone_can_be_sent_to_again(
    simulator: SimulatorProcess, client: stripe.StripeClient, receiver: Receiver
) -> None:
    with Receiver() as other:
        params: Any = {"url": other.url, "enabled_events": [CREATED]}
        endpoint = client.v1.webhook_endpoints.create(params)
        new_cardholder(client)
        event = other.wait_for(CREATED)[0]
        receiver.wait_for(CREATED)
        simulator.control(f"events/{event['id']}/resend", {"webhook_endpoint": endpoint.id})
        other.wait_for(CREATED, 2)
        client.v1.webhook_endpoints.delete(endpoint.id)
    until_pending(client, event["id"], 0)
    assert len(receiver.of(CREATED)) == 1


@pytest.mark.parametrize("wish", [{"webhook_endpoint": "we_none"}, {"webhook_endpoint": 5}])
def test_a_resend_to_nobody_is_refused(simulator: SimulatorProcess, client: stripe.StripeClient, wish: Any) -> None:
    new_cardholder(client)
    event = client.v1.events.list({"type": CREATED}).data[0]
    with pytest.raises(urllib.error.HTTPError) as refused:
        simulator.control(f"events/{event.id}/resend", wish)
    with refused.value as answer:
        assert answer.code == 400


def test_the_request_cannot_be_sent_again(simulator: SimulatorProcess, client: stripe.StripeClient) -> None:
    authorize(client, new_card(client).id, 500)
    event = client.v1.events.list({"type": REQUEST}).data[0]
    with pytest.raises(urllib.error.HTTPError) as refused:
        simulator.control(f"events/{event.id}/resend", {})
    with refused.value as answer:
        assert answer.code == 400


def test_the_undelivered_are_found_among_many(simulator: SimulatorProcess, client: stripe.StripeClient) -> None:
    holder = new_cardholder(client)
    simulator.control("delivery", {"lose_count": 1})
    client.v1.issuing.cardholders.update(holder.id, {"metadata": {"n": "lost"}})
    lost = client.v1.events.list({"type": UPDATED}).data[0].id
    for number in range(300):
        client.v1.issuing.cardholders.update(holder.id, {"metadata": {"n": str(number)}})
    until(lambda: [one.id for one in client.v1.events.list({"delivery_success": False}).data], [lost])
    newest = client.v1.events.list({"limit": 1}).data[0].id
    missed = client.v1.events.list({"delivery_success": False, "starting_after": newest})
    assert [one.id for one in missed.data] == [lost]


@needs_spec
def test_each_event_is_as_published(client: stripe.StripeClient, receiver: Receiver) -> None:
    receiver.answer = lambda event: said({"approved": event["type"] == REQUEST})
    card = new_card(client)
    authorize(client, card.id, 500)
    client.v1.issuing.cards.update(card.id, {"status": "canceled"})
    events = client.v1.events.list({"limit": 100}).to_dict()
    assert load_spec().complaints("GET /v1/events", 200, events) == []
    for event in events["data"]:
        assert load_spec().object_complaints(event["data"]["object"]) == []
