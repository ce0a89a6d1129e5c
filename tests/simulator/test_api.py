"""The API's manners: keys, accounts, versions, parameters, pages (facts 7.2, 7.4)."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
import stripe

from tests.support.raw_http import call
from tests.support.simulator import SimulatorProcess, authorize, new_card, new_cardholder


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


def test_the_state_dump_shows_no_secrets(simulator: SimulatorProcess, client: stripe.StripeClient) -> None:
    card = new_card(client)
    secret: Any = client.v1.issuing.cards.retrieve(card.id, {"expand": ["number", "cvc"]})
    authorize(client, card.id, 500)
    dump = json.dumps(simulator.control("state"))
    assert card.id in dump
    for hidden in (secret.number, simulator.secret_key, simulator.webhook_secret):
        assert hidden not in dump
