"""Webhook endpoints: what may be enabled, how many there are, whose secret signs, when nothing is sent (facts 5)."""

from __future__ import annotations

import json
import urllib.error
from collections.abc import Iterator
from typing import Any

import pytest
import stripe

from roony.simulator.event_types import API_VERSIONS, EVENT_TYPES
from tests.support.served import until
from tests.support.simulator import REQUEST, Receiver, SimulatorProcess, authorize, new_card, new_cardholder
from tests.support.stripe_spec import load_spec, needs_spec

CREATED = "issuing_cardholder.created"


@pytest.fixture
def made(client: stripe.StripeClient) -> Iterator[Any]:
    """A maker of endpoints that are gone after the test; the reset keeps the platform's own."""
    endpoints = client.v1.webhook_endpoints
    identifiers: list[str] = []

    def make(**params: Any) -> Any:
        wanted: Any = {"url": "http://127.0.0.1:9/hook", "enabled_events": ["*"], **params}
        endpoint = endpoints.create(wanted)
        identifiers.append(endpoint.id)
        return endpoint

    yield make
    for identifier in identifiers:
        endpoints.delete(identifier)


@needs_spec
def test_the_words_are_the_published_ones() -> None:
    fields = load_spec().parameters("POST /v1/webhook_endpoints")["properties"]
    assert set(EVENT_TYPES) == set(fields["enabled_events"]["items"]["enum"])
    assert list(API_VERSIONS) == fields["api_version"]["enum"]


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"enabled_events": ["issuing_card.melted"]}, "enabled_events[0]"),
        ({"enabled_events": ["*", "issuing_card"]}, "enabled_events[1]"),
        ({"api_version": "2025-01-01"}, "api_version"),
        ({"url": "example.org/hook"}, "url"),
        ({"url": "http://["}, "url"),
        ({"url": "http://example.org:99999/"}, "url"),
        ({"secret": "whsec_mine"}, "secret"),
        ({"connect": "maybe"}, "connect"),
    ],
)
def test_other_words_are_refused_and_leave_nothing(
    client: stripe.StripeClient, made: Any, params: Any, param: str
) -> None:
    before = [one.id for one in client.v1.webhook_endpoints.list().data]
    with pytest.raises(stripe.InvalidRequestError) as refused:
        made(**params)
    assert (refused.value.http_status, refused.value.param) == (400, param)
    assert [one.id for one in client.v1.webhook_endpoints.list().data] == before


def test_what_is_made_reads_back_without_its_secret(client: stripe.StripeClient, made: Any) -> None:
    types = [CREATED, REQUEST]
    endpoint = made(enabled_events=types, description="Books", metadata={"a": "1", "b": "2"}, connect=True)
    assert endpoint.secret.startswith("whsec_")
    read = client.v1.webhook_endpoints.retrieve(endpoint.id).to_dict()
    assert read == {name: value for name, value in endpoint.to_dict().items() if name != "secret"}
    assert read in [one.to_dict() for one in client.v1.webhook_endpoints.list().data]
    assert (read["status"], read["enabled_events"], read["application"]) == ("enabled", types, "ca_simulator")
    change: Any = {"metadata": {"a": "", "c": "3"}, "description": "", "enabled_events": ["*"]}
    changed = client.v1.webhook_endpoints.update(endpoint.id, change)
    assert (changed.metadata.to_dict(), changed.description, changed.enabled_events) == (
        {"b": "2", "c": "3"},
        None,
        ["*"],
    )
    with pytest.raises(stripe.InvalidRequestError, match="unknown parameter"):
        client.v1.webhook_endpoints.update(endpoint.id, {"api_version": API_VERSIONS[-1]})  # type: ignore[typeddict-unknown-key]


def test_there_are_sixteen_at_most(client: stripe.StripeClient, made: Any) -> None:
    for _ in range(16 - len(client.v1.webhook_endpoints.list({"limit": 100}).data)):
        made()
    with pytest.raises(stripe.InvalidRequestError, match="maximum of 16"):
        made()
    assert len(client.v1.webhook_endpoints.list({"limit": 100}).data) == 16


def test_three_other_versions_at_most(made: Any) -> None:
    for version in (API_VERSIONS[-1], *API_VERSIONS[-4:-1], API_VERSIONS[-2]):
        made(api_version=version)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        made(api_version=API_VERSIONS[-5])
    assert refused.value.param == "api_version"


def test_events_are_told_in_the_endpoints_version(client: stripe.StripeClient, made: Any) -> None:
    with Receiver() as pinned:
        made(url=pinned.url, api_version="2025-04-30.basil")
        new_cardholder(client)
        event = pinned.wait_for(CREATED)[0]
    assert event["api_version"] == "2025-04-30.basil"
    assert client.v1.events.retrieve(event["id"]).api_version == "2026-10-28.endive"


def test_while_a_secret_is_rolled_both_sign(
    simulator: SimulatorProcess, client: stripe.StripeClient, made: Any
) -> None:
    with Receiver() as receiver:
        endpoint = made(url=receiver.url, enabled_events=[CREATED])
        rolled = simulator.control(f"webhook_endpoints/{endpoint.id}/roll_secret", {"expires_in": 3600})
        assert rolled["secret"].startswith("whsec_")
        assert rolled["secret"] != endpoint.secret
        new_cardholder(client)
        receiver.wait_for(CREATED)
        body, header = receiver.received[0]
        assert header.count("v1=") == 2
        for secret in (endpoint.secret, rolled["secret"]):
            stripe.WebhookSignature.verify_header(body.decode(), header, secret)
        simulator.control("clock", {"advance": 3600})
        new_cardholder(client)
        receiver.wait_for(CREATED, 2)
        body, header = receiver.received[1]
        stripe.WebhookSignature.verify_header(body.decode(), header, rolled["secret"])
        assert header.count("v1=") == 1


def test_the_real_time_request_is_signed_by_both_too(
    simulator: SimulatorProcess, client: stripe.StripeClient, receiver: Receiver
) -> None:
    own = next(one for one in client.v1.webhook_endpoints.list().data if one.application is None)
    card = new_card(client)
    rolled = simulator.control(f"webhook_endpoints/{own.id}/roll_secret", {"expires_in": 86400})["secret"]
    assert authorize(client, card.id, 500).approved
    body, header = next(one for one in receiver.received if json.loads(one[0])["type"] == REQUEST)
    for secret in (simulator.webhook_secret, rolled):
        stripe.WebhookSignature.verify_header(body.decode(), header, secret)


@pytest.mark.parametrize("seconds", [86401, -1, 1.5, True, "60"])
def test_a_secret_lives_on_for_a_day_at_most(simulator: SimulatorProcess, made: Any, seconds: Any) -> None:
    endpoint = made()
    with pytest.raises(urllib.error.HTTPError) as refused:
        simulator.control(f"webhook_endpoints/{endpoint.id}/roll_secret", {"expires_in": seconds})
    with refused.value as answer:
        assert answer.code == 400


def test_a_disabled_endpoint_gets_nothing(client: stripe.StripeClient, receiver: Receiver, made: Any) -> None:
    with Receiver() as quiet:
        endpoint = made(url=quiet.url)
        assert client.v1.webhook_endpoints.update(endpoint.id, {"disabled": True}).status == "disabled"
        new_cardholder(client)
        receiver.wait_for(CREATED)
        assert client.v1.webhook_endpoints.update(endpoint.id, {"disabled": False}).status == "enabled"
        after = new_cardholder(client)
        heard = quiet.wait_for(CREATED)
    assert [event["data"]["object"]["id"] for event in heard] == [after.id]


def test_no_event_waits_for_an_endpoint_that_is_gone(client: stripe.StripeClient) -> None:
    params: Any = {"url": "http://127.0.0.1:9/hook", "enabled_events": [CREATED]}
    endpoint = client.v1.webhook_endpoints.create(params)
    new_cardholder(client)
    event = client.v1.events.list({"type": CREATED}).data[0]
    assert event.pending_webhooks >= 1
    deleted = client.v1.webhook_endpoints.delete(endpoint.id)
    assert (deleted.id, deleted.deleted) == (endpoint.id, True)
    # The other endpoint may not have answered yet.
    until(lambda: client.v1.events.retrieve(event.id).pending_webhooks, 0)
    assert client.v1.events.list({"delivery_success": False}).data == []
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.webhook_endpoints.retrieve(endpoint.id)
    assert refused.value.http_status == 404
