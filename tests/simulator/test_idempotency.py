"""Idempotency keys: what is kept, for whom, for how long, and what it takes to use a key again (facts 7.1)."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import stripe

from tests.support.raw_http import call
from tests.support.simulator import Receiver, SimulatorProcess, new_card, new_cardholder, said

CARDS = "/v1/issuing/cards"


def test_a_key_replays_the_first_answer(simulator: SimulatorProcess, client: stripe.StripeClient) -> None:
    holder = new_cardholder(client).id
    body = f"cardholder={holder}&currency=usd&type=virtual"
    key = {"Idempotency-Key": "k1"}
    status, headers, first = call(simulator, "POST", "/v1/issuing/cards", body, key)
    assert (status, "idempotent-replayed" in headers) == (200, False)
    _, headers, again = call(simulator, "POST", "/v1/issuing/cards", body, key)
    assert (headers["idempotent-replayed"], again) == ("true", first)
    status, _, other = call(simulator, "POST", "/v1/issuing/cards", body + "&status=active", key)
    assert (status, other["error"]["type"]) == (400, "idempotency_error")
    assert len(client.v1.issuing.cards.list().data) == 1
    simulator.control("clock", {"advance": 24 * 3600})
    _, headers, later = call(simulator, "POST", "/v1/issuing/cards", body, key)
    assert "idempotent-replayed" not in headers
    assert later["id"] != first["id"]


def test_a_refused_validation_does_not_use_up_the_key(simulator: SimulatorProcess, client: stripe.StripeClient) -> None:
    holder, key = new_cardholder(client).id, {"Idempotency-Key": "k2"}
    assert call(simulator, "POST", "/v1/issuing/cards", "currency=usd", key)[0] == 400
    body = f"cardholder={holder}&currency=usd&type=virtual"
    assert call(simulator, "POST", "/v1/issuing/cards", body, key)[0] == 200


def test_a_key_in_use_is_a_conflict(simulator: SimulatorProcess, receiver: Receiver) -> None:
    client = simulator.client()
    card = new_card(client)
    asked, go_on = threading.Event(), threading.Event()

    def slowly(event: dict[str, Any]) -> Any:
        if event["type"] == "issuing_authorization.request":
            asked.set()
            go_on.wait(60)
        return said({"approved": True})

    receiver.answer = slowly
    options: Any = {"idempotency_key": "same"}
    helpers = client.v1.test_helpers.issuing.authorizations
    first = threading.Thread(target=lambda: helpers.create({"card": card.id, "amount": 5}, options))
    first.start()
    assert asked.wait(60)
    with pytest.raises(stripe.APIError) as refused:
        helpers.create({"card": card.id, "amount": 5}, options)
    go_on.set()
    first.join(60)
    assert (refused.value.http_status, refused.value.error.code) == (409, "idempotency_key_in_use")
    assert len(client.v1.issuing.authorizations.list().data) == 1


def test_a_replay_names_the_first_request(simulator: SimulatorProcess) -> None:
    key = {"Idempotency-Key": "named"}
    _, first, _ = call(simulator, "POST", "/v1/topups", "amount=500&currency=usd", key)
    assert (first["idempotency-key"], first["original-request"]) == ("named", first["request-id"])
    _, again, _ = call(simulator, "POST", "/v1/topups", "currency=usd&amount=500", key)
    assert (again["idempotent-replayed"], again["original-request"]) == ("true", first["request-id"])
    assert again["request-id"] != first["request-id"]
    assert len(simulator.client().v1.topups.list().data) == 1


def test_a_key_is_for_one_endpoint(client: stripe.StripeClient) -> None:
    options: Any = {"idempotency_key": "one endpoint"}
    card = new_card(client)
    client.v1.issuing.cards.update(card.id, {"metadata": {"a": "1"}}, options)
    with pytest.raises(stripe.IdempotencyError, match=f"'/v1/issuing/cardholders' vs '{CARDS}/{card.id}'") as refused:
        client.v1.issuing.cardholders.create({"name": "Jenny Rosen", "billing": card.cardholder.billing}, options)
    assert (refused.value.http_status, refused.value.error.type) == (400, "idempotency_error")
    with pytest.raises(stripe.IdempotencyError, match="same parameters"):
        client.v1.issuing.cards.update(card.id, {"metadata": {"a": "2"}}, options)
    assert client.v1.issuing.cards.retrieve(card.id).metadata["a"] == "1"


def test_parameters_in_the_address_count_too(simulator: SimulatorProcess) -> None:
    key = {"Idempotency-Key": "query"}
    assert call(simulator, "POST", "/v1/topups?amount=500&currency=usd", "", key)[0] == 200
    status, _, other = call(simulator, "POST", "/v1/topups?amount=501&currency=usd", "", key)
    assert (status, other["error"]["type"]) == (400, "idempotency_error")
    assert [one.amount for one in simulator.client().v1.topups.list().data] == [500]


def test_each_account_has_its_own_keys(simulator: SimulatorProcess) -> None:
    options: Any = {"idempotency_key": "shared"}
    made = {
        client.v1.topups.create({"amount": 500, "currency": "usd"}, options).id
        for client in (simulator.client(), simulator.client(simulator.connect()))
    }
    assert len(made) == 2


def test_reading_and_deleting_ignore_keys(simulator: SimulatorProcess, client: stripe.StripeClient) -> None:
    key = {"Idempotency-Key": "ignored"}
    first, second = new_card(client), new_card(client)
    for card in (first, second):
        status, headers, body = call(simulator, "GET", f"{CARDS}/{card.id}", headers=key)
        assert (status, body["id"], "idempotency-key" in headers) == (200, card.id, False)
    accounts = [client.v1.accounts.create({"type": "custom"}).id for _ in range(2)]
    for account in accounts:
        status, headers, body = call(simulator, "DELETE", f"/v1/accounts/{account}", headers=key)
        assert (status, body["id"], "idempotent-replayed" in headers) == (200, account, False)


def test_a_key_has_at_most_255_characters(simulator: SimulatorProcess) -> None:
    body = "amount=500&currency=usd"
    assert call(simulator, "POST", "/v1/topups", body, {"Idempotency-Key": "k" * 255})[0] == 200
    status, _, refused = call(simulator, "POST", "/v1/topups", body, {"Idempotency-Key": "k" * 256})
    assert (status, refused["error"]["type"]) == (400, "invalid_request_error")
    assert len(simulator.client().v1.topups.list().data) == 1


def test_what_the_state_of_things_refuses_is_kept(simulator: SimulatorProcess, client: stripe.StripeClient) -> None:
    card = new_card(client)
    client.v1.issuing.cards.update(card.id, {"status": "canceled"})
    key = {"Idempotency-Key": "too late"}
    status, first_headers, first = call(simulator, "POST", f"{CARDS}/{card.id}", "status=active", key)
    assert (status, "idempotent-replayed" in first_headers) == (400, False)
    status, headers, again = call(simulator, "POST", f"{CARDS}/{card.id}", "status=active", key)
    assert (status, headers["idempotent-replayed"], again) == (400, "true", first)
    assert first["error"]["request_log_url"].endswith(first_headers["request-id"])


def test_what_is_not_there_is_kept_too(simulator: SimulatorProcess) -> None:
    key = {"Idempotency-Key": "not there"}
    for replayed in (None, "true"):
        status, headers, body = call(simulator, "POST", f"{CARDS}/ic_none", "status=active", key)
        assert (status, body["error"]["code"]) == (404, "resource_missing")
        assert headers.get("idempotent-replayed") == replayed


@pytest.mark.parametrize("kind", ["rate_limit", "lock_timeout", "conflict", "error_before", "drop_before"])
def test_what_comes_before_the_key_is_not_kept(
    simulator: SimulatorProcess, client: stripe.StripeClient, kind: str
) -> None:
    simulator.control("faults", [{"endpoint": "POST /v1/topups", "kind": kind, "count": 1}])
    options: Any = {"idempotency_key": "later"}
    with pytest.raises(stripe.StripeError):
        client.v1.topups.create({"amount": 500, "currency": "usd"}, options)
    done = client.v1.topups.create({"amount": 500, "currency": "usd"}, options)
    assert "Idempotent-Replayed" not in done.last_response.headers
    assert [one.id for one in client.v1.topups.list().data] == [done.id]


def test_a_wrong_key_of_the_api_does_not_use_up_an_idempotency_key(simulator: SimulatorProcess) -> None:
    options: Any = {"idempotency_key": "who"}
    with pytest.raises(stripe.AuthenticationError):
        simulator.client(key="sk_test_wrong").v1.topups.create({"amount": 500, "currency": "usd"}, options)
    done = simulator.client().v1.topups.create({"amount": 500, "currency": "usd"}, options)
    assert "Idempotent-Replayed" not in done.last_response.headers


def test_events_name_the_key_and_the_request_that_made_them(client: stripe.StripeClient) -> None:
    done = client.v1.topups.create({"amount": 500, "currency": "usd"}, {"idempotency_key": "told"})
    events = client.v1.events.list({"type": "topup.created"}).data
    assert [(one.request.id, one.request.idempotency_key) for one in events] == [  # type: ignore[union-attr]
        (done.last_response.request_id, "told")
    ]


def test_a_slow_request_holds_its_key(simulator: SimulatorProcess, client: stripe.StripeClient) -> None:
    simulator.control("faults", [{"endpoint": "POST /v1/topups", "kind": "slow", "seconds": 1.5, "count": 1}])
    options: Any = {"idempotency_key": "slow"}
    first: list[Any] = []
    params: Any = {"amount": 500, "currency": "usd"}
    thread = threading.Thread(target=lambda: first.append(client.v1.topups.create(params, options)))
    thread.start()
    while simulator.control("faults")["faults"][0]["count"]:
        assert thread.is_alive()
    with pytest.raises(stripe.APIError) as refused:
        client.v1.topups.create(params, options)
    assert (refused.value.http_status, refused.value.error.code) == (409, "idempotency_key_in_use")
    thread.join(60)
    assert client.v1.topups.create(params, options).id == first[0].id
