"""The API's manners: keys, accounts, versions, parameters, pages, idempotency (facts 7)."""

from __future__ import annotations

import base64
import json
import threading
import urllib.error
import urllib.request
from typing import Any

import pytest
import stripe

from tests.support.simulator import Receiver, SimulatorProcess, authorize, new_card, new_cardholder, said

Headers = dict[str, str]


def call(
    simulator: SimulatorProcess, method: str, path: str, body: str | None = None, headers: Headers | None = None
) -> tuple[int, Headers, Any]:
    """Send a request as it is, without the SDK's help."""
    data = body.encode() if body is not None else None
    request = urllib.request.Request(f"{simulator.url}{path}", data, method=method)  # noqa: S310 - our own address
    for name, value in {"Authorization": f"Bearer {simulator.secret_key}", **(headers or {})}.items():
        request.add_header(name, value)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - as above
            return answer.status, _lower(answer.headers), json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, _lower(error.headers), json.loads(error.read())


def _lower(headers: Any) -> Headers:
    return {name.lower(): value for name, value in headers.items()}


def test_every_answer_names_its_request_and_its_version_and_says_what_it_is(simulator: SimulatorProcess) -> None:
    status, headers, _ = call(simulator, "GET", "/v1/balance", headers={"Stripe-Version": "2026-09-30.endive"})
    assert status == 200
    assert headers["request-id"].startswith("req_")
    assert headers["stripe-version"] == "2026-09-30.endive"
    assert "simulation" in headers["server"]
    status, headers, _ = call(simulator, "GET", "/v1/nothing")
    assert (status, headers["request-id"][:4]) == (404, "req_")


@pytest.mark.parametrize("header", ["Bearer sk_test_wrong", "Basic !!", "Bearer", ""])
def test_unknown_keys_are_refused(simulator: SimulatorProcess, header: str) -> None:
    status, _, body = call(simulator, "GET", "/v1/balance", headers={"Authorization": header})
    assert (status, body["error"]["type"]) == (401, "invalid_request_error")


def test_basic_authentication_works(simulator: SimulatorProcess) -> None:
    header = "Basic " + base64.b64encode(f"{simulator.secret_key}:".encode()).decode()
    assert call(simulator, "GET", "/v1/balance", headers={"Authorization": header})[0] == 200


def test_a_version_that_is_none_is_refused(simulator: SimulatorProcess) -> None:
    assert call(simulator, "GET", "/v1/balance", headers={"Stripe-Version": "latest"})[0] == 400


def test_parameters_are_refused_as_stripe_does(simulator: SimulatorProcess) -> None:
    def error(body: str) -> tuple[str | None, str | None]:
        status, _, answer = call(simulator, "POST", "/v1/issuing/cards", body)
        assert (status, answer["error"]["type"]) == (400, "invalid_request_error")
        return answer["error"].get("code"), answer["error"].get("param")

    assert error("currency=usd&type=virtual") == ("parameter_missing", "cardholder")
    assert error("currency=usd&type=virtual&colour=red") == ("parameter_unknown", "colour")
    assert error("currency=usd&type=paper") == (None, "type")
    assert error("currency=usd&type=virtual&exp_month=x") == ("parameter_invalid_integer", "exp_month")
    assert error("currency=&type=virtual") == ("parameter_invalid_empty", "currency")
    limits = "spending_controls[spending_limits][0]"
    assert error(f"currency=usd&type=virtual&{limits}[amount]=5") == ("parameter_missing", f"{limits}[interval]")


def test_lists_can_be_spelled_with_and_without_positions(simulator: SimulatorProcess) -> None:
    holder = new_cardholder(simulator.client()).id
    for first, second in (("[0]", "[1]"), ("[]", "[]")):
        controls = "spending_controls[allowed_categories]"
        limits = "spending_controls[spending_limits]" + first
        body = (
            f"cardholder={holder}&currency=usd&type=virtual&{controls}{first}=bakeries&{controls}{second}=caterers"
            f"&{limits}[amount]=5&{limits}[interval]=daily"
        )
        status, _, card = call(simulator, "POST", "/v1/issuing/cards", body)
        assert status == 200
        assert card["spending_controls"]["allowed_categories"] == ["bakeries", "caterers"]
        assert card["spending_controls"]["spending_limits"][0]["amount"] == 5


def test_pages_go_both_ways(client: stripe.StripeClient) -> None:
    holder = new_cardholder(client).id
    made = [new_card(client, holder).id for _ in range(5)]
    newest = made[::-1]
    first = client.v1.issuing.cards.list({"limit": 2})
    assert ([card.id for card in first.data], first.has_more) == (newest[:2], True)
    rest = client.v1.issuing.cards.list({"limit": 3, "starting_after": newest[1]})
    assert ([card.id for card in rest.data], rest.has_more) == (newest[2:], False)
    back = client.v1.issuing.cards.list({"limit": 2, "ending_before": newest[3]})
    assert ([card.id for card in back.data], back.has_more) == (newest[1:3], True)
    assert [card.id for card in client.v1.issuing.cards.list({"limit": 1}).auto_paging_iter()] == newest
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.issuing.cards.list({"limit": 101})


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
            go_on.wait(5)
        return said({"approved": True})

    receiver.answer = slowly
    options: Any = {"idempotency_key": "same"}
    helpers = client.v1.test_helpers.issuing.authorizations
    first = threading.Thread(target=lambda: helpers.create({"card": card.id, "amount": 5}, options))
    first.start()
    assert asked.wait(5)
    with pytest.raises(stripe.APIError) as refused:
        helpers.create({"card": card.id, "amount": 5}, options)
    go_on.set()
    first.join(5)
    assert (refused.value.http_status, refused.value.error.code) == (409, "idempotency_key_in_use")
    assert len(client.v1.issuing.authorizations.list().data) == 1


def test_faults_come_before_or_after_the_effect(simulator: SimulatorProcess, client: stripe.StripeClient) -> None:
    holder = new_cardholder(client).id
    endpoint = "POST /v1/issuing/cards"

    def create(key: str) -> Any:
        params: Any = {"cardholder": holder, "currency": "usd", "type": "virtual"}
        return client.v1.issuing.cards.create(params, {"idempotency_key": key})

    def made() -> int:
        return len(client.v1.issuing.cards.list().data)

    simulator.control("faults", [{"endpoint": endpoint, "kind": "rate_limit", "count": 1}])
    with pytest.raises(stripe.RateLimitError) as limited:
        create("a")
    assert limited.value.headers["Stripe-Rate-Limited-Reason"] == "global-rate"
    assert create("a").id
    simulator.control("faults", [{"endpoint": endpoint, "kind": "error_before", "count": 1}])
    with pytest.raises(stripe.APIError):
        create("b")
    assert made() == 1
    simulator.control("faults", [{"endpoint": endpoint, "kind": "error_after", "count": 1}])
    for _ in range(2):  # the stored 500 is replayed
        with pytest.raises(stripe.APIError):
            create("c")
    assert made() == 2
    simulator.control("faults", [{"endpoint": endpoint, "kind": "drop_after", "count": 1}])
    with pytest.raises(stripe.APIConnectionError):
        create("d")
    assert made() == 3
    assert create("d").last_response.headers["Idempotent-Replayed"] == "true"
    assert made() == 3


def test_slow_and_conflict_faults_follow_a_template(simulator: SimulatorProcess, client: stripe.StripeClient) -> None:
    card = new_card(client)
    rules = [{"endpoint": "GET /v1/issuing/cards/{card}", "kind": "conflict", "count": 1}]
    simulator.control("faults", rules)
    assert client.v1.issuing.cards.list().data
    with pytest.raises(stripe.APIError) as refused:
        client.v1.issuing.cards.retrieve(card.id)
    assert refused.value.http_status == 409
    assert simulator.control("faults")["faults"][0]["count"] == 0
    assert client.v1.issuing.cards.retrieve(card.id).id == card.id


def test_the_state_dump_shows_no_secrets(simulator: SimulatorProcess, client: stripe.StripeClient) -> None:
    card = new_card(client)
    secret: Any = client.v1.issuing.cards.retrieve(card.id, {"expand": ["number", "cvc"]})
    authorize(client, card.id, 500)
    dump = json.dumps(simulator.control("state"))
    assert card.id in dump
    for hidden in (secret.number, simulator.secret_key, simulator.webhook_secret):
        assert hidden not in dump
