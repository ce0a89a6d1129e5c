"""Faults on demand: every kind, where it strikes, how often, and what it leaves behind (facts 7.2, 7.3)."""

from __future__ import annotations

import json
import time
import urllib.error
from typing import Any

import pytest
import stripe

from tests.support.simulator import SimulatorProcess, new_card, new_cardholder

TOPUP: Any = {"amount": 500, "currency": "usd"}
REASONS = ("global-rate", "endpoint-rate", "global-concurrency", "endpoint-concurrency", "resource-specific")


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
    simulator.control("faults", [{"endpoint": endpoint, "kind": "error_kept", "count": 1}])
    for _ in range(2):  # nothing was made, and the key knows nothing else
        with pytest.raises(stripe.APIError):
            create("e")
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


@pytest.mark.parametrize("reason", REASONS)
def test_each_rate_limit_says_which_it_is(
    simulator: SimulatorProcess, client: stripe.StripeClient, reason: str
) -> None:
    rule = {"endpoint": "GET /v1/balance", "kind": "rate_limit", "reason": reason, "count": 1}
    simulator.control("faults", [rule])
    with pytest.raises(stripe.RateLimitError) as limited:
        client.v1.balance.retrieve()
    assert (limited.value.http_status, limited.value.error.code) == (429, "rate_limit")
    assert limited.value.headers["Stripe-Rate-Limited-Reason"] == reason
    assert client.v1.balance.retrieve().object == "balance"


def test_a_lock_timeout_has_no_reason(simulator: SimulatorProcess, client: stripe.StripeClient) -> None:
    simulator.control("faults", [{"endpoint": "/v1/*", "kind": "lock_timeout", "count": 1}])
    with pytest.raises(stripe.RateLimitError) as locked:
        client.v1.balance.retrieve()
    assert (locked.value.http_status, locked.value.error.code) == (429, "lock_timeout")
    assert "Stripe-Rate-Limited-Reason" not in locked.value.headers


@pytest.mark.parametrize(("kind", "status"), [("unauthorized", 401), ("forbidden", 403)])
def test_a_key_or_a_permission_may_be_missing_for_a_while(
    simulator: SimulatorProcess, client: stripe.StripeClient, kind: str, status: int
) -> None:
    simulator.control("faults", [{"endpoint": "GET /v1/balance", "kind": kind, "count": 1}])
    with pytest.raises(stripe.StripeError) as refused:
        client.v1.balance.retrieve()
    assert refused.value.http_status == status
    assert client.v1.balance.retrieve().object == "balance"


@pytest.mark.parametrize(("kind", "made"), [("drop_before", 0), ("drop_after", 1)])
def test_a_lost_connection_comes_before_or_after_the_effect(
    simulator: SimulatorProcess, client: stripe.StripeClient, kind: str, made: int
) -> None:
    simulator.control("faults", [{"endpoint": "POST /v1/topups", "kind": kind, "count": 1}])
    with pytest.raises(stripe.APIConnectionError):
        client.v1.topups.create(TOPUP)
    assert len(client.v1.topups.list().data) == made


def test_a_slow_answer_is_late_and_right(simulator: SimulatorProcess, client: stripe.StripeClient) -> None:
    simulator.control("faults", [{"endpoint": "POST /v1/topups", "kind": "slow", "seconds": 0.5, "count": 1}])
    started = time.monotonic()
    assert client.v1.topups.create(TOPUP).amount == 500
    assert time.monotonic() - started >= 0.5


def test_the_header_decides_whether_the_sdk_retries(simulator: SimulatorProcess) -> None:
    client = simulator.client(max_network_retries=1)
    rule = {"endpoint": "POST /v1/topups", "kind": "rate_limit", "count": 1, "should_retry": True}
    simulator.control("faults", [rule])
    assert client.v1.topups.create(TOPUP).amount == 500
    simulator.control("faults", [{**rule, "kind": "error_after", "should_retry": False}])
    with pytest.raises(stripe.APIError):
        client.v1.topups.create(TOPUP)
    assert simulator.control("faults")["faults"][0]["count"] == 0
    assert len(client.v1.topups.list().data) == 2


def test_a_500_under_a_key_carries_the_header_too(simulator: SimulatorProcess, client: stripe.StripeClient) -> None:
    rule = {"endpoint": "POST /v1/topups", "kind": "error_after", "count": 1, "should_retry": False}
    simulator.control("faults", [rule])
    with pytest.raises(stripe.APIError) as failed:
        client.v1.topups.create(TOPUP, {"idempotency_key": "a"})
    assert failed.value.headers["Stripe-Should-Retry"] == "false"


def test_chance_is_the_same_with_the_same_seed(simulator: SimulatorProcess, client: stripe.StripeClient) -> None:
    def luck(seed: int) -> list[bool]:
        rule = {"endpoint": "GET /v1/balance", "kind": "conflict", "probability": 0.5, "seed": seed}
        simulator.control("faults", [rule])
        met = []
        for _ in range(30):
            try:
                client.v1.balance.retrieve()
                met.append(False)
            except stripe.APIError:
                met.append(True)
        return met

    first = luck(1)
    assert 0 < sum(first) < 30
    assert luck(1) == first
    assert luck(2) != first


def test_a_fault_strikes_its_operation_only(simulator: SimulatorProcess, client: stripe.StripeClient) -> None:
    card = new_card(client)
    simulator.control("faults", [{"endpoint": "POST /v1/issuing/cards/{card}", "kind": "error_before"}])
    assert client.v1.issuing.cards.retrieve(card.id).id == card.id
    assert client.v1.issuing.cards.list().data
    for _ in range(3):  # without a count, for ever
        with pytest.raises(stripe.APIError):
            client.v1.issuing.cards.update(card.id, {"status": "inactive"})
    assert client.v1.issuing.cards.retrieve(card.id).status == "active"
    simulator.control("faults", [])
    assert client.v1.issuing.cards.update(card.id, {"status": "inactive"}).status == "inactive"


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "explode"},
        {"endpoint": "balance"},
        {"count": -1},
        {"count": True},
        {"probability": 1.5},
        {"probability": True},
        {"seconds": 1000},
        {"reason": "bad-luck"},
        {"should_retry": "yes"},
        {"colour": "red"},
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_and_changes_nothing(
    simulator: SimulatorProcess, wrong: dict[str, Any]
) -> None:
    rule = {"endpoint": "GET /v1/balance", "kind": "conflict", "count": 7}
    simulator.control("faults", [rule])
    with pytest.raises(urllib.error.HTTPError) as refused:
        simulator.control("faults", [rule, {**rule, **wrong}])
    with refused.value as answer:
        assert (answer.status, json.loads(answer.read())["error"]["type"]) == (400, "invalid_request_error")
    assert [one["count"] for one in simulator.control("faults")["faults"]] == [7]


def test_a_reset_ends_all_faults(simulator: SimulatorProcess, client: stripe.StripeClient) -> None:
    simulator.control("faults", [{"endpoint": "/v1/*", "kind": "conflict"}])
    simulator.control("reset", {})
    assert client.v1.balance.retrieve().object == "balance"
