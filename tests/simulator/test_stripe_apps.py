"""Stripe Apps: install, tokens of one hour, refresh tokens that rotate, the end of an installation (facts 6.3)."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import stripe
from stripe import oauth_error

from roony.simulator.clock import Clock
from roony.simulator.stripe_api.keys import known_key
from roony.simulator.world import World
from tests.support.simulator import Receiver, SimulatorProcess, new_cardholder

AUTHORIZED, DEAUTHORIZED = "account.application.authorized", "account.application.deauthorized"
PAGE = "/oauth/v2/authorize"
YEAR = 365 * 24 * 3600


def code_of(simulator: SimulatorProcess, **form: str) -> str:
    """Press the button and return the code of the redirect."""
    address = simulator.redirect({"action": "approve", "business_name": "Figma Buyers", **form}, PAGE)
    return parse_qs(urlsplit(address).query)["code"][0]


def exchange(simulator: SimulatorProcess, key: str | None = None, **params: str) -> Any:
    """Call the token address as the SDK can: by a raw request on the api host."""
    client = simulator.client(key=key)
    answer = client.raw_request("post", "/v1/oauth/token", max_network_retries=0, **params)
    return stripe.StripeObject.construct_from(json.loads(answer.body), None).to_dict()


def installed(simulator: SimulatorProcess) -> Any:
    """Install the app on a new business and return its tokens."""
    return exchange(simulator, grant_type="authorization_code", code=code_of(simulator))


def refused(simulator: SimulatorProcess, **params: str) -> str:
    """Return the OAuth error code of an exchange that fails."""
    with pytest.raises(oauth_error.OAuthError) as error:
        exchange(simulator, **params)
    return str(json.loads(str(error.value.http_body))["error"])


def test_a_person_installs_or_refuses(simulator: SimulatorProcess) -> None:
    query = urlencode({"client_id": simulator.client_id, "redirect_uri": "http://localhost:9/b", "state": '"><b>'})
    with urllib.request.urlopen(f"{simulator.url}{PAGE}?{query}", timeout=60) as answer:  # noqa: S310 - our own address
        page = answer.read().decode()
    assert 'value="approve">Install<' in page
    assert '"><b>' not in page
    approved = parse_qs(urlsplit(simulator.redirect({"action": "approve"}, PAGE, state="s 1")).query)
    assert (approved["state"], approved["code"][0][:3], "scope" in approved) == (["s 1"], "ac_", False)
    denied = parse_qs(urlsplit(simulator.redirect({"action": "refuse"}, PAGE)).query)
    assert (denied["error"], "code" in denied) == (["access_denied"], False)


@pytest.mark.parametrize(
    "query", [{"client_id": "ca_other"}, {"redirect_uri": "https://evil.example/b"}, {"scope": "read_write"}]
)
def test_wrong_requests_are_not_redirected(simulator: SimulatorProcess, query: dict[str, str]) -> None:
    with pytest.raises(urllib.error.HTTPError) as refusal:
        simulator.redirect({"action": "approve"}, PAGE, **query)
    with refusal.value as answer:
        assert answer.code == 400


def test_the_token_speaks_for_the_account_and_the_platform_hears_of_it(
    simulator: SimulatorProcess, receiver: Receiver
) -> None:
    tokens = installed(simulator)
    assert (tokens["scope"], tokens["token_type"], tokens["livemode"]) == ("stripe_apps", "bearer", False)
    assert "expires_in" not in tokens
    own = simulator.client(key=tokens["access_token"])
    assert own.v1.accounts.retrieve_current().id == tokens["stripe_user_id"]
    new_cardholder(own)
    assert receiver.wait_for("issuing_cardholder.created")[0]["account"] == tokens["stripe_user_id"]
    assert receiver.of(AUTHORIZED)[0]["account"] == tokens["stripe_user_id"]
    with pytest.raises(stripe.PermissionError):
        simulator.client(tokens["stripe_user_id"]).v1.balance.retrieve()  # an app is used with its token only


def test_an_access_token_lives_one_hour(simulator: SimulatorProcess) -> None:
    tokens = installed(simulator)
    simulator.control("clock", {"advance": 3595})
    simulator.client(key=tokens["access_token"]).v1.balance.retrieve()
    simulator.control("clock", {"advance": 10})
    with pytest.raises(stripe.AuthenticationError) as expired:
        simulator.client(key=tokens["access_token"]).v1.balance.retrieve()
    assert json.loads(str(expired.value.http_body))["error"]["code"] == "api_key_expired"
    renewed = exchange(simulator, grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    assert renewed["stripe_user_id"] == tokens["stripe_user_id"]
    simulator.client(key=renewed["access_token"]).v1.balance.retrieve()


class Ticking(Clock):
    """A second is over at every look."""

    def now(self) -> int:
        self.offset += 1_000_000
        return super().now()


def test_a_key_without_an_end_is_good_whenever_a_second_is_over() -> None:
    world = World(Ticking(), "sk_test_simulator")
    assert known_key(world, "sk_test_simulator")["kind"] == "secret"


def test_a_refresh_token_dies_with_its_use_and_after_a_year(simulator: SimulatorProcess) -> None:
    first = installed(simulator)
    second = exchange(simulator, grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert refused(simulator, grant_type="refresh_token", refresh_token=first["refresh_token"]) == "invalid_grant"
    simulator.client(key=first["access_token"]).v1.balance.retrieve()  # its hour is not over
    simulator.control("clock", {"advance": YEAR + 1})
    assert refused(simulator, grant_type="refresh_token", refresh_token=second["refresh_token"]) == "invalid_grant"


def test_a_code_lives_five_minutes_and_is_of_one_flow(simulator: SimulatorProcess) -> None:
    late = code_of(simulator)
    simulator.control("clock", {"advance": 301})
    assert refused(simulator, grant_type="authorization_code", code=late) == "invalid_grant"
    of_connect = simulator.approve()
    assert refused(simulator, grant_type="authorization_code", code=of_connect) == "invalid_grant"
    with pytest.raises(oauth_error.InvalidGrantError):
        simulator.client().oauth.token({"grant_type": "authorization_code", "code": code_of(simulator)})
    assert refused(simulator, grant_type="password") == "unsupported_grant_type"
    assert refused(simulator, grant_type="authorization_code") == "invalid_request"


def test_a_second_use_of_a_code_revokes_everything(simulator: SimulatorProcess, receiver: Receiver) -> None:
    code = code_of(simulator)
    tokens = exchange(simulator, grant_type="authorization_code", code=code)
    assert refused(simulator, grant_type="authorization_code", code=code) == "invalid_grant"
    assert receiver.wait_for(DEAUTHORIZED)[0]["account"] == tokens["stripe_user_id"]
    with pytest.raises(stripe.AuthenticationError):
        simulator.client(key=tokens["access_token"]).v1.balance.retrieve()
    assert refused(simulator, grant_type="refresh_token", refresh_token=tokens["refresh_token"]) == "invalid_grant"


def test_only_the_secret_key_exchanges_tokens(simulator: SimulatorProcess) -> None:
    tokens = installed(simulator)
    with pytest.raises(stripe.PermissionError):
        exchange(simulator, tokens["access_token"], grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    with pytest.raises(oauth_error.InvalidClientError):
        exchange(simulator, "sk_test_wrong", grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    exchange(simulator, grant_type="refresh_token", refresh_token=tokens["refresh_token"])


def test_the_business_ends_the_installation(simulator: SimulatorProcess, receiver: Receiver) -> None:
    tokens = installed(simulator)
    simulator.control(f"accounts/{tokens['stripe_user_id']}/disconnect", {})
    assert receiver.wait_for(DEAUTHORIZED)[0]["data"]["object"]["object"] == "application"
    with pytest.raises(stripe.AuthenticationError):
        simulator.client(key=tokens["access_token"]).v1.balance.retrieve()
