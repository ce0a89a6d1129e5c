"""Events by type and by delivery: groups, pages over several types, and what is left of it after a kill (facts 5)."""

from __future__ import annotations

import urllib.error
from pathlib import Path
from typing import Any

import pytest
import stripe

from tests.support.served import until
from tests.support.simulator import Receiver, SimulatorProcess, authorize, new_card, new_cardholder, said

HOLDER, CARD = "issuing_cardholder.created", "issuing_card.created"
DAY = 86400


def listed(client: stripe.StripeClient, **params: Any) -> list[Any]:
    """Return one page of events."""
    return list(client.v1.events.list({"limit": 100, **params}).data)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "types"),
    [
        ("issuing_card*", [CARD, HOLDER]),
        ("issuing_cardholder.*", [HOLDER]),
        ("*.created", [CARD, HOLDER]),
        ("topup.*", []),
        ("charge.melted*", []),
        ("issuing_card.creat?d*", []),
        ("issuing_card.[c]reated*", []),
        ("*i" * 40 + "*z", []),  # many stars must not cost many tries
    ],
)
def test_a_star_stands_for_any_rest_of_a_type(client: stripe.StripeClient, name: str, types: list[str]) -> None:
    new_card(client)
    assert [event.type for event in listed(client, type=name)] == types


def test_twenty_types_are_not_too_many(client: stripe.StripeClient) -> None:
    new_card(client)
    twenty = [CARD, *(f"plan.{number}" for number in range(18)), CARD]
    assert [event.type for event in listed(client, types=twenty)] == [CARD]


def test_pages_of_several_types_keep_the_order_of_events(client: stripe.StripeClient) -> None:
    for _ in range(7):
        new_card(client)
        client.v1.test_helpers.issuing.authorizations.capture(authorize(client, new_card(client).id, 100).id)
    wanted = [HOLDER, "issuing_transaction.created"]
    everything = listed(client)
    expected = [event.id for event in everything if event.type in wanted]
    assert (len(everything) < 100, len(expected)) == (True, 21)
    params: Any = {"types": wanted, "limit": 4}
    assert [event.id for event in client.v1.events.list(params).auto_paging_iter()] == expected
    back = client.v1.events.list({**params, "ending_before": everything[-1].id})
    assert [event.id for event in back.auto_paging_iter()] == expected[:20][::-1]
    # A cursor may be an event of a type that is not asked for.
    other = next(place for place, event in enumerate(everything) if place > 10 and event.type == CARD)
    rest = [event.id for event in everything[other:] if event.type in wanted]
    assert [event.id for event in listed(client, types=wanted, starting_after=everything[other].id)] == rest


def test_delivery_success_parts_the_events_in_two(client: stripe.StripeClient, receiver: Receiver) -> None:
    receiver.answer = lambda event: said({}) if event["type"] != CARD else (500, {}, b"")
    new_card(client)
    new_card(client)
    until(lambda: [event.type for event in listed(client, delivery_success=True)], [HOLDER] * 2)
    taken = listed(client, delivery_success=True)
    assert [event.type for event in listed(client, delivery_success=False)] == [CARD] * 2
    assert listed(client, delivery_success=False, type=HOLDER) == []
    assert listed(client, delivery_success=True, type="issuing_card.*") == []
    # What came after the last good event, as a program asks that was down for a while.
    params: Any = {"delivery_success": False, "ending_before": taken[-1].id, "limit": 1}
    assert [event.type for event in client.v1.events.list(params).auto_paging_iter()] == [CARD] * 2


def test_an_event_reads_as_it_was_sent(client: stripe.StripeClient, receiver: Receiver) -> None:
    card = new_card(client, metadata={"a": "1"})
    client.v1.issuing.cards.update(card.id, {"metadata": {"b": "2"}, "status": "inactive"})
    sent = receiver.wait_for("issuing_card.updated")[0]
    read = client.v1.events.retrieve(sent["id"]).to_dict()
    assert {**sent, "pending_webhooks": 0} == {**read, "pending_webhooks": 0}
    assert sent["data"]["previous_attributes"] == {"metadata": {"b": None}, "status": "active"}


def test_what_no_call_caused_names_no_call(simulator: SimulatorProcess, client: stripe.StripeClient) -> None:
    authorization = authorize(client, new_card(client).id, 500)
    simulator.control("clock", {"advance": 8 * DAY})
    event = listed(client, type="issuing_authorization.updated")[0]
    assert event.data.object["id"] == authorization.id
    assert (event.request.id, event.request.idempotency_key) == (None, None)
    caused = listed(client, type="issuing_authorization.created")[0]
    assert caused.request.id == authorization.last_response.request_id


def test_a_disabled_endpoint_is_not_sent_to_again(simulator: SimulatorProcess, client: stripe.StripeClient) -> None:
    with Receiver() as other:
        params: Any = {"url": other.url, "enabled_events": [HOLDER]}
        endpoint = client.v1.webhook_endpoints.create(params)
        new_cardholder(client)
        event = other.wait_for(HOLDER)[0]
        client.v1.webhook_endpoints.update(endpoint.id, {"disabled": True})
        with pytest.raises(urllib.error.HTTPError) as refused:
            simulator.control(f"events/{event['id']}/resend", {"webhook_endpoint": endpoint.id})
        with refused.value as answer:
            assert answer.code == 400
        simulator.control("clock", {"advance": 30 * DAY})
        with pytest.raises(urllib.error.HTTPError) as gone:
            simulator.control(f"events/{event['id']}/resend", {})
        with gone.value as answer:
            assert answer.code == 404
        client.v1.webhook_endpoints.delete(endpoint.id)
        assert len(other.received) == 1


def test_filters_hold_after_a_kill(tmp_path: Path) -> None:
    state = str(tmp_path / "state.db")
    params: Any = {"url": "http://127.0.0.1:9/hook", "enabled_events": [CARD]}
    with SimulatorProcess("--state", state) as first:
        client = first.client()
        client.v1.webhook_endpoints.create(params)
        new_card(client)
        before = [event.to_dict() for event in listed(client)]
        first.stop(kill=True)
    with SimulatorProcess("--state", state) as second:
        client = second.client()
        assert [event.to_dict() for event in listed(client)] == before
        assert [event.type for event in listed(client, delivery_success=False)] == [CARD]
        assert [event.type for event in listed(client, type=HOLDER)] == [HOLDER]
        new_cardholder(client)
        assert [event.type for event in listed(client, type="issuing_cardholder.*")] == [HOLDER, HOLDER]
