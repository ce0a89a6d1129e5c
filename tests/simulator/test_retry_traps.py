"""Traps 21 to 24 of facts section 10: what retries and the SDK itself make of Stripe's refusals."""

from __future__ import annotations

from typing import Any

import pytest
import stripe
from stripe import oauth_error

from tests.support.raw_http import call
from tests.support.simulator import SimulatorProcess, new_cardholder


def test_trap_21_the_sdk_retries_nothing_by_default_and_a_429_never(
    simulator: SimulatorProcess, client: stripe.StripeClient
) -> None:
    def left() -> int:
        return int(simulator.control("faults")["faults"][0]["count"])

    simulator.control("faults", [{"endpoint": "GET /v1/balance", "kind": "error_before", "count": 2}])
    with pytest.raises(stripe.APIError):
        client.v1.balance.retrieve()
    assert left() == 1
    assert simulator.client(max_network_retries=2).v1.balance.retrieve().issuing
    simulator.control("faults", [{"endpoint": "GET /v1/balance", "kind": "rate_limit", "count": 2}])
    with pytest.raises(stripe.RateLimitError):
        simulator.client(max_network_retries=2).v1.balance.retrieve()
    assert left() == 1


def test_trap_22_another_key_after_a_lost_answer_makes_a_second_card(
    simulator: SimulatorProcess, client: stripe.StripeClient
) -> None:
    create: Any = client.v1.issuing.cards.create
    params = {"cardholder": new_cardholder(client).id, "currency": "usd", "type": "virtual", "status": "active"}
    simulator.control("faults", [{"endpoint": "POST /v1/issuing/cards", "kind": "drop_after", "count": 1}])
    with pytest.raises(stripe.APIConnectionError):
        create(params, {"idempotency_key": "one"})
    same = create(params, {"idempotency_key": "one"})
    assert [card.id for card in client.v1.issuing.cards.list().data] == [same.id]
    second = create(params, {"idempotency_key": "two"})
    assert {card.id for card in client.v1.issuing.cards.list({"status": "active"}).data} == {same.id, second.id}


def test_trap_23_a_second_exchange_of_a_code_disconnects_the_customer(simulator: SimulatorProcess) -> None:
    oauth = simulator.client().oauth
    exchange: Any = {"grant_type": "authorization_code", "code": simulator.approve()}
    account = oauth.token(exchange).stripe_user_id
    assert simulator.client(account).v1.issuing.cards.list().data == []
    with pytest.raises(oauth_error.InvalidGrantError):
        oauth.token(exchange)
    with pytest.raises(stripe.PermissionError):
        simulator.client(account).v1.issuing.cards.list()


def test_trap_23_the_sdk_disconnects_the_customer_by_itself(simulator: SimulatorProcess) -> None:
    simulator.control("faults", [{"endpoint": "POST /oauth/token", "kind": "drop_after", "count": 1}])
    exchange: Any = {"grant_type": "authorization_code", "code": simulator.approve("Retried")}
    with pytest.raises(oauth_error.InvalidGrantError):
        simulator.client(max_network_retries=1).oauth.token(exchange)
    state = simulator.control("state")["accounts"]
    retried = next(one for one in state if one["business_profile"]["name"] == "Retried")
    assert retried["connected"] is False


@pytest.mark.parametrize(
    "params",
    [
        {"grant_type": "password"},
        {"grant_type": "authorization_code"},
        {"grant_type": "authorization_code", "code": "ac_none"},
        {"grant_type": "refresh_token", "refresh_token": "rt_none"},
        {"grant_type": "refresh_token", "refresh_token": "rt_none", "scope": "everything"},
    ],
)
@pytest.mark.parametrize(("path", "base"), [("/oauth/token", "connect"), ("/v1/oauth/token", "api")])
def test_trap_24_oauth_errors_stay_within_the_words_the_sdk_knows(
    client: stripe.StripeClient, path: str, base: Any, params: dict[str, str]
) -> None:
    with pytest.raises(oauth_error.OAuthError):
        client.raw_request("post", path, base=base, **params)


def test_trap_24_another_oauth_error_crashes_the_sdk(simulator: SimulatorProcess, client: stripe.StripeClient) -> None:
    simulator.control("faults", [{"endpoint": "POST /oauth/token", "kind": "error_after", "count": 1}])
    with pytest.raises(AttributeError):
        client.oauth.token({"grant_type": "authorization_code", "code": simulator.approve()})


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("grant_type=authorization_code&code=ac_none", "invalid_grant"),
        ("grant_type=authorization_code", "invalid_request"),
        ("grant_type=refresh_token&refresh_token=rt_none", "invalid_grant"),
        ("grant_type=refresh_token", "invalid_request"),
        ("grant_type=password", "unsupported_grant_type"),
        ("", "unsupported_grant_type"),
        ("grant_type=%ff", "unsupported_grant_type"),
    ],
)
def test_trap_24_each_wrong_exchange_has_its_word(simulator: SimulatorProcess, form: str, expected: str) -> None:
    status, _, body = call(simulator, "POST", "/oauth/token", form)
    assert (status, body["error"]) == (400, expected)
    assert body["error_description"]
