"""Connect OAuth: the page, the code, the tokens, the end of a connection (facts 6.2)."""

from __future__ import annotations

import urllib.error
import urllib.request
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import stripe
from stripe import oauth_error

from tests.support.simulator import Receiver, SimulatorProcess, new_cardholder

DEAUTHORIZED = "account.application.deauthorized"


def fetch(simulator: SimulatorProcess, **query: str) -> str:
    """Return the OAuth page."""
    asked = {"client_id": simulator.client_id, "response_type": "code", "redirect_uri": "http://localhost:9/b", **query}
    with urllib.request.urlopen(f"{simulator.url}/oauth/authorize?{urlencode(asked)}", timeout=60) as answer:  # noqa: S310
        return str(answer.read().decode())


def test_a_person_approves_or_refuses(simulator: SimulatorProcess) -> None:
    page = fetch(simulator, scope="read_write", state='"><b>')
    assert "simulation" in page
    assert 'value="approve"' in page
    assert '"><b>' not in page
    approved = urlsplit(simulator.redirect({"action": "approve"}, scope="read_write", state="s 1"))
    answer = parse_qs(approved.query)
    assert (answer["state"], answer["scope"], answer["code"][0][:3]) == (["s 1"], ["read_write"], "ac_")
    refused = parse_qs(urlsplit(simulator.redirect({"action": "refuse"})).query)
    assert (refused["error"], refused["state"], "code" in refused) == (["access_denied"], ["s1"], False)


@pytest.mark.parametrize(
    "query",
    [
        {"client_id": "ca_other"},
        {"redirect_uri": "https://evil.example/b"},
        {"redirect_uri": "http://evil.example/b"},
        {"scope": "admin"},
        {"response_type": "token"},
        {"redirect_uri": "http://["},
        {"redirect_uri": "http://localhost:port/b"},
        {"redirect_uri": "http://localhost:9/b#part"},
        {"redirect_uri": "https://localhost:9/b"},
    ],
)
def test_wrong_requests_are_not_redirected(simulator: SimulatorProcess, query: dict[str, str]) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        fetch(simulator, **query)
    with refused.value as answer:
        assert answer.code == 400


def test_registered_addresses_are_allowed(simulator: SimulatorProcess) -> None:
    simulator.control("redirect_uris", {"uris": ["https://roony.example/back"]})
    assert "simulation" in fetch(simulator, redirect_uri="https://roony.example/back")


def test_the_tokens_speak_for_the_account(simulator: SimulatorProcess) -> None:
    oauth = simulator.client().oauth
    token = oauth.token({"grant_type": "authorization_code", "code": simulator.approve("Acme")})
    assert (token.scope, token.livemode, token.token_type) == ("read_write", False, "bearer")
    assert token.access_token.startswith("sk_test_")
    assert token.stripe_publishable_key.startswith("pk_test_")
    direct = simulator.client(key=token.access_token)
    account = direct.v1.accounts.retrieve_current()
    assert (account.id, account.business_profile.name) == (token.stripe_user_id, "Acme")
    new_cardholder(direct)
    fresh = oauth.token({"grant_type": "refresh_token", "refresh_token": token.refresh_token})
    with pytest.raises(stripe.AuthenticationError):
        direct.v1.accounts.retrieve_current()
    assert simulator.client(key=fresh.access_token).v1.accounts.retrieve_current().id == account.id
    with pytest.raises(oauth_error.InvalidGrantError):
        oauth.token({"grant_type": "refresh_token", "refresh_token": fresh.access_token})


def test_trap_23_a_code_used_twice_ends_the_connection(simulator: SimulatorProcess, receiver: Receiver) -> None:
    code, oauth = simulator.approve(), simulator.client().oauth
    account = oauth.token({"grant_type": "authorization_code", "code": code}).stripe_user_id
    assert simulator.client(account).v1.balance.retrieve().issuing
    with pytest.raises(oauth_error.InvalidGrantError):
        oauth.token({"grant_type": "authorization_code", "code": code})
    with pytest.raises(stripe.PermissionError):
        simulator.client(account).v1.balance.retrieve()
    event = receiver.wait_for(DEAUTHORIZED)[0]
    assert (event["account"], event["data"]["object"]["object"]) == (account, "application")


def test_codes_last_five_minutes(simulator: SimulatorProcess) -> None:
    code = simulator.approve()
    simulator.control("clock", {"advance": 300})
    with pytest.raises(oauth_error.InvalidGrantError, match="expired"):
        simulator.client().oauth.token({"grant_type": "authorization_code", "code": code})


def test_errors_are_oauths_own(simulator: SimulatorProcess) -> None:
    oauth = simulator.client().oauth
    with pytest.raises(oauth_error.InvalidGrantError):
        oauth.token({"grant_type": "authorization_code", "code": "ac_unknown"})
    with pytest.raises(oauth_error.UnsupportedGrantTypeError):
        oauth.token({"grant_type": "password"})  # type: ignore[typeddict-item]
    with pytest.raises(oauth_error.InvalidClientError):
        simulator.client(key="sk_test_wrong").oauth.token({"grant_type": "authorization_code", "code": "ac_x"})


def test_a_connection_can_be_ended_and_made_again(simulator: SimulatorProcess, receiver: Receiver) -> None:
    account = simulator.connect("Acme")
    oauth = simulator.client().oauth
    assert oauth.deauthorize({"stripe_user_id": account}).stripe_user_id == account
    receiver.wait_for(DEAUTHORIZED)
    with pytest.raises(stripe.PermissionError):
        new_cardholder(simulator.client(account))
    with pytest.raises(oauth_error.InvalidClientError):
        oauth.deauthorize({"stripe_user_id": account})
    assert account in fetch(simulator)
    address = simulator.redirect({"action": "approve", "account": account}, scope="read_write")
    code = parse_qs(urlsplit(address).query)["code"][0]
    token = oauth.token({"grant_type": "authorization_code", "code": code})
    assert token.stripe_user_id == account
    assert new_cardholder(simulator.client(account)).id


def test_read_only_may_not_write(simulator: SimulatorProcess) -> None:
    client = simulator.client(simulator.connect(scope="read_only"))
    assert client.v1.issuing.cards.list().data == []
    with pytest.raises(stripe.PermissionError):
        new_cardholder(client)


def test_accounts_made_by_the_platform_are_connected(simulator: SimulatorProcess) -> None:
    client = simulator.client()
    account = client.v1.accounts.create({"country": "US", "capabilities": {"card_issuing": {"requested": True}}})
    assert account.capabilities.card_issuing == "active"
    assert new_cardholder(simulator.client(account.id)).id
    assert [one.id for one in client.v1.accounts.list().data] == [account.id]
    assert client.v1.accounts.retrieve(account.id).type == "custom"


def test_what_the_platform_filled_in_is_used_and_nonsense_passed_over(simulator: SimulatorProcess) -> None:
    known = {"business_name": "Acme & Sons", "country": "DE", "email": "a@example.org", "url": "https://acme.example"}
    query = {f"stripe_user[{name}]": value for name, value in known.items()}
    assert 'value="Acme &amp; Sons"' in fetch(simulator, **query, always_prompt="true", stripe_landing="register")
    oauth = simulator.client().oauth
    code = parse_qs(urlsplit(simulator.redirect({"action": "approve"}, **query)).query)["code"][0]
    token = oauth.token({"grant_type": "authorization_code", "code": code})
    account = simulator.client().v1.accounts.retrieve(token.stripe_user_id)
    assert (account.business_profile.name, account.country, account.default_currency) == ("Acme & Sons", "DE", "eur")
    assert (account.email, account.business_profile.url) == ("a@example.org", "https://acme.example")
    wrong = {
        "stripe_user[country]": "XX",
        "stripe_user[email]": "nobody",
        "stripe_user[url]": "acme",
        "stripe_user[a]": "b",
    }
    code = parse_qs(urlsplit(simulator.redirect({"action": "approve"}, **wrong)).query)["code"][0]
    token = oauth.token({"grant_type": "authorization_code", "code": code})
    account = simulator.client().v1.accounts.retrieve(token.stripe_user_id)
    assert (account.country, account.email, account.business_profile.url) == ("US", None, None)


def test_a_token_that_may_only_read_does_not_write(simulator: SimulatorProcess) -> None:
    oauth = simulator.client().oauth
    token = oauth.token({"grant_type": "authorization_code", "code": simulator.approve(scope="read_write")})
    lesser = oauth.token({"grant_type": "refresh_token", "refresh_token": token.refresh_token, "scope": "read_only"})
    reading = simulator.client(key=lesser.access_token)
    assert reading.v1.issuing.cards.list().data == []
    with pytest.raises(stripe.PermissionError):
        new_cardholder(reading)
    assert new_cardholder(simulator.client(key=token.access_token)).id  # another scope: it was not revoked


def test_a_missing_refresh_token_is_told_as_such(simulator: SimulatorProcess) -> None:
    with pytest.raises(oauth_error.InvalidRequestError):
        simulator.client().oauth.token({"grant_type": "refresh_token"})
