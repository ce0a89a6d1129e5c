"""What delivery does when an endpoint does not take an event, and on request: retries, order, losses (facts 5)."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from typing import Any

import pytest
import stripe

from roony.simulator.delivery import MAX_AT_ONCE, MAX_TRIES
from tests.support.served import until
from tests.support.simulator import Receiver, SimulatorProcess, new_cardholder, said

CREATED = "issuing_cardholder.created"


def waiting(simulator: SimulatorProcess) -> list[dict[str, Any]]:
    """Return the deliveries that are still to be made."""
    return list(simulator.control("state")["undelivered"])


def until_tried(simulator: SimulatorProcess, tries: int) -> dict[str, Any]:
    """Return the one delivery under way once so many tries have failed."""
    found: list[dict[str, Any]] = []

    def tried() -> list[int]:
        found[:] = waiting(simulator)
        return [one["tries"] for one in found]

    until(tried, [tries])
    return found[0]


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 401, 404, 410, 429, 500])
def test_anything_but_a_2xx_is_a_failure(simulator: SimulatorProcess, receiver: Receiver, status: int) -> None:
    with Receiver() as elsewhere:
        receiver.answer = lambda event: (status, {"Location": elsewhere.url}, b"")
        new_cardholder(simulator.client())
        until_tried(simulator, 1)
        receiver.answer = lambda event: (204, {}, b"")
        simulator.control("clock", {"advance": 2})
        receiver.wait_for(CREATED, 2)
        assert elsewhere.received == []  # a redirect is never followed


def test_retries_come_later_each_time_and_end(
    simulator: SimulatorProcess, client: stripe.StripeClient, receiver: Receiver
) -> None:
    receiver.answer = lambda event: (500, {}, b"")
    new_cardholder(client)
    signed = []
    for tries in range(1, MAX_TRIES):
        promised = until_tried(simulator, tries)
        signed.append(int(receiver.received[-1][1].partition(",")[0].removeprefix("t=")))
        now = simulator.control("clock")["now"]
        assert promised["due"] - now <= 2 ** (tries - 1) + 1
        assert promised["due"] - signed[-1] >= 2 ** (tries - 1)
        simulator.control("clock", {"advance": 2 ** (tries - 1) + 1})
    receiver.wait_for(CREATED, MAX_TRIES)
    until(lambda: waiting(simulator), [])
    lost = client.v1.events.list({"delivery_success": False}).data
    assert [(event.type, event.pending_webhooks) for event in lost] == [(CREATED, 1)]
    assert signed[-1] - signed[0] >= 2 ** (MAX_TRIES - 2) - 1
    simulator.control("clock", {"advance": 86400})
    client.v1.issuing.cardholders.update(lost[0].data.object["id"], {"metadata": {"a": "1"}})
    receiver.wait_for("issuing_cardholder.updated")
    assert len(receiver.of(CREATED)) == MAX_TRIES


def test_so_many_are_on_their_way_at_once_and_no_more(simulator: SimulatorProcess, receiver: Receiver) -> None:
    release, count = threading.Event(), MAX_AT_ONCE + 8

    def hold(event: dict[str, Any]) -> Any:
        release.wait(9)
        return said({})

    receiver.answer = hold
    client = simulator.client()
    for _ in range(count):
        new_cardholder(client)
    receiver.wait_for(CREATED, MAX_AT_ONCE)
    for _ in range(20):
        assert len(waiting(simulator)) == count
    assert len(receiver.received) == MAX_AT_ONCE
    release.set()
    told = receiver.wait_for(CREATED, count)
    assert len({event["id"] for event in told}) == count


def test_shuffled_events_all_come_in_another_order(simulator: SimulatorProcess, receiver: Receiver) -> None:
    simulator.control("delivery", {"shuffle": True, "seed": 3})
    client = simulator.client()
    made = [new_cardholder(client).id for _ in range(12)]
    told = [event["data"]["object"]["id"] for event in receiver.wait_for(CREATED, 12)]
    assert sorted(told) == sorted(made)
    assert told != made


def test_a_seed_loses_the_same_events_again(simulator: SimulatorProcess, client: stripe.StripeClient) -> None:
    patterns = []
    for _ in range(2):
        simulator.control("reset", {})
        simulator.control("delivery", {"lose": 0.5, "seed": 7, "delay": 3600})
        for _ in range(10):
            new_cardholder(client)
        kept = {one["event"] for one in waiting(simulator)}
        patterns.append([event.id in kept for event in client.v1.events.list({"type": CREATED}).data])
    assert patterns[0] == patterns[1]
    assert {True, False} == set(patterns[0])


def test_options_go_back_to_normal_when_they_are_not_named(simulator: SimulatorProcess, receiver: Receiver) -> None:
    simulator.control("delivery", {"lose": 1, "duplicate": 3})
    client = simulator.client()
    new_cardholder(client)
    options = simulator.control("delivery", {})["delivery"]
    assert options == {"duplicate": 0, "shuffle": False, "delay": 0, "lose": 0, "lose_count": 0, "seed": 0}
    second = new_cardholder(client)
    assert [event["data"]["object"]["id"] for event in receiver.wait_for(CREATED)] == [second.id]


@pytest.mark.parametrize(
    "options",
    [
        b'{"melt": 1}',
        b'{"lose": 1.5}',
        b'{"lose": NaN}',
        b'{"delay": Infinity}',
        b'{"delay": -1}',
        b'{"duplicate": 101}',
        b'{"duplicate": true}',
        b'{"shuffle": 1}',
        b'{"lose_count": "2"}',
        b'{"seed": []}',
        b'{"seed": null}',
        b"[]",
        b"{",
    ],
)
def test_wrong_options_are_refused_and_change_nothing(
    simulator: SimulatorProcess, receiver: Receiver, options: bytes
) -> None:
    request = urllib.request.Request(f"{simulator.url}/_simulator/delivery", options)  # noqa: S310 - our own address
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=60)  # noqa: S310 - as above
    with refused.value as answer:
        assert (answer.code, json.loads(answer.read())["error"]["type"]) == (400, "invalid_request_error")
    new_cardholder(simulator.client())
    receiver.wait_for(CREATED)
