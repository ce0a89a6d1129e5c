"""The API's manners: keys, accounts, versions, parameters, pages (facts 7.2, 7.4)."""

from __future__ import annotations

import base64
import http.client
import json
from typing import Any
from urllib.parse import urlsplit

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


@pytest.mark.parametrize("version", ["latest", "2024-01-01", "2026-10-28", "2026-13-01.endive"])
def test_a_version_that_never_was_is_refused(simulator: SimulatorProcess, version: str) -> None:
    status, _, body = call(simulator, "GET", "/v1/balance", headers={"Stripe-Version": version})
    assert (status, body["error"]["type"]) == (400, "invalid_request_error")
    assert version in body["error"]["message"]


@pytest.mark.parametrize(
    "version", ["2020-08-27", "2025-03-31.basil", "2026-10-28.preview", "2026-10-28.endive; x_beta=v1"]
)
def test_every_published_version_is_taken(simulator: SimulatorProcess, version: str) -> None:
    status, headers, _ = call(simulator, "GET", "/v1/balance", headers={"Stripe-Version": version})
    assert (status, headers["stripe-version"]) == (200, version)


def test_an_account_that_is_not_connected_is_refused(simulator: SimulatorProcess) -> None:
    connected = simulator.connect()
    own = simulator.client(simulator.account)
    assert own.v1.balance.retrieve().last_response.headers["Stripe-Account"] == simulator.account
    with pytest.raises(stripe.PermissionError) as refused:
        simulator.client("acct_none").v1.balance.retrieve()
    assert (refused.value.http_status, refused.value.error.code) == (403, "account_invalid")
    assert simulator.secret_key not in str(refused.value)
    assert simulator.client(connected).v1.balance.retrieve().object == "balance"
    simulator.client().oauth.deauthorize({"stripe_user_id": connected})
    with pytest.raises(stripe.PermissionError, match="revoked"):
        simulator.client(connected).v1.balance.retrieve()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/v1/issuing/cards"),
        ("PATCH", "/v1/balance"),
        ("POST", "/v1/balance"),
        ("DELETE", "/v1/issuing/cards/ic_x"),
        ("OPTIONS", "/v1/balance"),
        ("GET", "/v1/cards"),
        ("GET", "/v1/issuing/cards/"),
        ("GET", "/v2/core/events"),
    ],
)
def test_what_no_operation_has_is_an_unrecognized_url(simulator: SimulatorProcess, method: str, path: str) -> None:
    status, headers, body = call(simulator, method, path)
    assert (status, body["error"]["type"]) == (404, "invalid_request_error")
    assert f"Unrecognized request URL ({method}: {path})" in body["error"]["message"]
    assert ("trailing slash" in body["error"]["message"]) == path.endswith("/")
    assert "code" not in body["error"]
    assert headers["content-type"] == "application/json"


def test_a_head_request_is_a_get_without_a_body(simulator: SimulatorProcess) -> None:
    address = urlsplit(simulator.url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=60)
    for path, status in (("/v1/balance", 200), ("/v1/nothing", 404)):
        connection.request("HEAD", path, headers={"Authorization": f"Bearer {simulator.secret_key}"})
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (status, b"")
    connection.close()


def test_bodies_are_forms(simulator: SimulatorProcess) -> None:
    for kind in ("application/json", "text/plain", "multipart/form-data; boundary=x"):
        status, _, body = call(simulator, "POST", "/v1/topups", '{"amount": 5}', {"Content-Type": kind})
        assert (status, "content type" in body["error"]["message"]) == (400, True)
    kind = "application/x-www-form-urlencoded; charset=UTF-8"
    form = "amount=100&amount=200&currency=usd"  # of a name given twice, the last counts
    status, _, body = call(simulator, "POST", "/v1/topups", form, {"Content-Type": kind})
    assert (status, body["amount"]) == (200, 200)


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ("metadata[a]=%ff", 400),
        ("metadata[a]=%00", 400),
        ("metadata%00=a", 400),
        ("metadata=a&metadata[b]=c", 400),
        ("metadata[b]=c&metadata=a", 400),
        ("metadata" + "[a]" * 40 + "=1", 400),
        ("metadata[a", 400),
        ("[metadata]=1", 400),
        ("&".join(f"metadata[k{place}]=v" for place in range(3000)), 400),
        ("metadata[a]=" + "v" * 1_100_000, 413),
    ],
)
def test_forms_that_are_none_are_refused_and_change_nothing(
    simulator: SimulatorProcess, client: stripe.StripeClient, form: str, status: int
) -> None:
    card = new_card(client)
    told, _, body = call(simulator, "POST", f"/v1/issuing/cards/{card.id}", form)
    assert (told, body["error"]["type"]) == (status, "invalid_request_error")
    assert client.v1.issuing.cards.retrieve(card.id).to_dict() == card.to_dict()


def test_an_error_says_all_that_stripe_says(simulator: SimulatorProcess) -> None:
    status, headers, body = call(simulator, "GET", "/v1/issuing/cards/ic_none")
    request = headers["request-id"]
    assert (status, body) == (
        404,
        {
            "error": {
                "code": "resource_missing",
                "doc_url": "https://stripe.com/docs/error-codes/resource-missing",
                "message": "No such issuing card: 'ic_none'",
                "param": "id",
                "request_log_url": f"https://dashboard.stripe.com/{simulator.account}/test/workbench/logs?object={request}",
                "type": "invalid_request_error",
            }
        },
    )
    _, _, nobody = call(simulator, "GET", "/v1/balance", headers={"Authorization": "Bearer sk_test_wrong"})
    assert "request_log_url" not in nobody["error"]


def test_what_a_parameter_names_and_is_not_there_is_a_400(simulator: SimulatorProcess) -> None:
    foreign = new_cardholder(simulator.client(simulator.connect())).id
    for holder in ("ich_none", foreign):
        form = f"cardholder={holder}&currency=usd&type=virtual"
        status, _, body = call(simulator, "POST", "/v1/issuing/cards", form)
        assert (status, body["error"]["code"], body["error"]["param"]) == (400, "resource_missing", "cardholder")


def test_metadata_has_at_most_50_keys_after_merging_too(client: stripe.StripeClient) -> None:
    card = new_card(client, metadata={f"k{place}": "v" for place in range(49)})
    update: Any = client.v1.issuing.cards.update
    with pytest.raises(stripe.InvalidRequestError, match="50 keys") as refused:
        update(card.id, {"metadata": {"a": "1", "b": "2"}, "status": "inactive"})
    assert refused.value.param == "metadata"
    assert client.v1.issuing.cards.retrieve(card.id).to_dict() == card.to_dict()
    swapped = update(card.id, {"metadata": {"a": "1", "k0": "", "b": "2"}})
    assert len(swapped.metadata.to_dict()) == 50


def test_a_blocked_cardholder_stays_blocked(simulator: SimulatorProcess, client: stripe.StripeClient) -> None:
    holder = new_cardholder(client)
    simulator.control(f"cardholders/{holder.id}", {"status": "blocked"})
    for status in ("active", "inactive"):
        with pytest.raises(stripe.InvalidRequestError, match="blocked"):
            client.v1.issuing.cardholders.update(holder.id, {"status": status})  # type: ignore[typeddict-item]
    assert client.v1.issuing.cardholders.retrieve(holder.id).status == "blocked"


def test_parameters_are_refused_as_stripe_does(simulator: SimulatorProcess) -> None:
    def error(body: str) -> tuple[str | None, str | None]:
        status, _, answer = call(simulator, "POST", "/v1/issuing/cards", body)
        assert (status, answer["error"]["type"]) == (400, "invalid_request_error")
        return answer["error"].get("code"), answer["error"].get("param")

    assert error("currency=usd&type=virtual") == ("parameter_missing", "cardholder")
    assert error("currency=usd&type=virtual&colour=red") == ("parameter_unknown", "colour")
    assert error("currency=usd&colour=red&size=5") == ("parameter_unknown", "colour")
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
