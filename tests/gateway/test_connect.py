"""OAuth at the wire: codes sent once, every refusal typed, tokens not shown."""

import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import stripe

from roony.gateway.client import StripeGateway
from roony.gateway.connect import (
    OAuthTokens,
    app_authorize_url,
    authorize_url,
    deauthorize,
    exchange_app_code,
    exchange_code,
    refresh_app_tokens,
)
from roony.gateway.errors import FailureKind, OAuthRefused, StripeUnauthorized, StripeUncertain
from tests.gateway.loopback import Answer, LoopbackStripe

GRANT = {
    "access_token": "sk_test_granted",
    "refresh_token": "rt_granted",
    "livemode": False,
    "scope": "read_write",
    "stripe_publishable_key": "pk_test_granted",
    "stripe_user_id": "acct_9",
    "token_type": "bearer",
}
TOKEN_CALLS = [exchange_code, exchange_app_code, refresh_app_tokens]

Exchange = Callable[[StripeGateway, str], OAuthTokens]


class TestUrls:
    """Where the owner is sent."""

    def test_connect(self, gateway: StripeGateway) -> None:
        url = urlsplit(authorize_url(gateway, "ca_1", "https://roony.example/connect?x=1&y", "st/ate"))

        assert f"{url.scheme}://{url.netloc}" == gateway.connect_base
        assert url.path == "/oauth/authorize"
        assert parse_qs(url.query) == {
            "client_id": ["ca_1"],
            "redirect_uri": ["https://roony.example/connect?x=1&y"],
            "state": ["st/ate"],
            "scope": ["read_write"],
            "response_type": ["code"],
        }

    def test_an_app_at_the_simulator_and_at_stripe(self, gateway: StripeGateway) -> None:
        here = urlsplit(app_authorize_url(gateway, "ca_1", "https://roony.example/back", "s"))
        real = StripeGateway(secret_key="sk_test_x")
        there = urlsplit(app_authorize_url(real, "ca_1", "https://roony.example/back", "s"))

        assert f"{here.scheme}://{here.netloc}" == gateway.connect_base
        assert there.netloc == "marketplace.stripe.com"
        assert here.path == there.path == "/oauth/v2/authorize"
        assert set(parse_qs(there.query)) == {"client_id", "redirect_uri", "state"}

    @pytest.mark.parametrize("build", [authorize_url, app_authorize_url])
    def test_a_missing_state_is_refused(self, gateway: StripeGateway, build: Callable[..., str]) -> None:
        with pytest.raises(ValueError, match="state is empty"):
            build(gateway, "ca_1", "https://roony.example/back", "")


class TestExchange:
    """A code is presented once, whatever happens (trap 23)."""

    def test_connect_posts_the_code_to_the_connect_host(self, wire: LoopbackStripe, gateway: StripeGateway) -> None:
        wire.script(Answer(GRANT))

        tokens = exchange_code(gateway, "ac_once")

        assert tokens == OAuthTokens("acct_9", "read_write", False, "sk_test_granted", "rt_granted")
        assert wire.received[0].path == "/oauth/token"
        assert wire.received[0].form == {"grant_type": ["authorization_code"], "code": ["ac_once"]}
        assert "Stripe-Account" not in wire.received[0].headers

    def test_an_app_posts_to_the_api_host(self, wire: LoopbackStripe, gateway: StripeGateway) -> None:
        wire.script(Answer({**GRANT, "scope": "stripe_apps"}))

        assert exchange_app_code(gateway, "ac_once").scope == "stripe_apps"
        assert refresh_app_tokens(gateway, "rt_old").refresh_token == "rt_granted"

        assert [received.path for received in wire.received] == ["/v1/oauth/token"] * 2
        assert wire.received[0].form == {"grant_type": ["authorization_code"], "code": ["ac_once"]}
        assert wire.received[1].form == {"grant_type": ["refresh_token"], "refresh_token": ["rt_old"]}

    @pytest.mark.parametrize("call", TOKEN_CALLS)
    def test_tokens_are_not_shown(self, wire: LoopbackStripe, gateway: StripeGateway, call: Exchange) -> None:
        wire.script(Answer(GRANT))

        shown = f"{call(gateway, 'ac_once')} {call(gateway, 'ac_once')!r}"

        assert "sk_test_granted" not in shown
        assert "rt_granted" not in shown

    @pytest.mark.parametrize("call", TOKEN_CALLS)
    @pytest.mark.parametrize(
        "answer",
        [
            Answer(drop=True),
            Answer({"error": "server_error"}, 500, {"Stripe-Should-Retry": "true"}),
            Answer({"error": "temporarily_unavailable"}, 400),
            Answer({"error": {"type": "api_error"}}, 409),
            Answer({"error": "invalid_grant"}, 429),
            Answer({"ok": True}),
            Answer({**GRANT, "livemode": "false"}),
            Answer(b"not json"),
        ],
    )
    def test_an_unknown_outcome_is_uncertain_and_sent_once(
        self, wire: LoopbackStripe, gateway: StripeGateway, call: Exchange, answer: Answer
    ) -> None:
        wire.script(answer)

        with pytest.raises(StripeUncertain):
            call(gateway, "ac_once")

        assert len(wire.received) == 1

    @pytest.mark.parametrize("call", TOKEN_CALLS)
    @pytest.mark.parametrize("answer", [Answer(drop=True), Answer({"error": {"type": "api_error"}}, 503)])
    def test_retries_switched_on_by_mistake_do_not_repeat_it(
        self, wire: LoopbackStripe, gateway: StripeGateway, call: Exchange, answer: Answer
    ) -> None:
        """These two the SDK would send again by itself."""
        gateway.sdk._requestor._options.max_network_retries = 3
        wire.script(answer)

        with pytest.raises(StripeUncertain):
            call(gateway, "ac_once")

        assert len(wire.received) == 1

    def test_silence_is_uncertain(self, wire: LoopbackStripe, hasty_gateway: StripeGateway) -> None:
        answered = threading.Event()
        wire.script(Answer(drop=True, wait_for=answered))
        try:
            with pytest.raises(StripeUncertain) as caught:
                exchange_code(hasty_gateway, "ac_once")
        finally:
            answered.set()

        assert caught.value.failure.kind is FailureKind.TIMEOUT


class TestRefusals:
    """Every OAuth error string is typed, those the SDK breaks on as well (trap 24)."""

    KNOWN = ("invalid_client", "invalid_grant", "invalid_request", "invalid_scope", "unsupported_grant_type")
    UNKNOWN_TO_THE_SDK = ("access_denied", "no_deauth_on_controlled_account", "something_new")

    @pytest.mark.parametrize("status", [400, 401, 403])
    @pytest.mark.parametrize("error", KNOWN + UNKNOWN_TO_THE_SDK)
    def test_each_one(self, wire: LoopbackStripe, gateway: StripeGateway, error: str, status: int) -> None:
        body = {"error": error, "error_description": "Authorization code expired: ac_once"}
        wire.script(Answer(body, status, {"Request-Id": "req_5"}))

        with pytest.raises(OAuthRefused) as caught:
            exchange_code(gateway, "ac_once")

        assert caught.value.error == error
        assert caught.value.description == "Authorization code expired: ac_[redacted]"
        assert caught.value.failure.request_id == "req_5"
        assert caught.value.__context__ is None

    @pytest.mark.parametrize("description", [None, 7, {"odd": 1}])
    def test_a_missing_description_is_the_error(
        self, wire: LoopbackStripe, gateway: StripeGateway, description: Any
    ) -> None:
        wire.script(Answer({"error": "access_denied", "error_description": description}, 400))

        with pytest.raises(OAuthRefused) as caught:
            exchange_code(gateway, "ac_once")

        assert caught.value.description == "access_denied"

    def test_the_sdk_alone_still_breaks_on_them(self, wire: LoopbackStripe) -> None:
        """The trap itself; if this fails, the transport may stop looking."""
        wire.script(Answer({"error": "access_denied"}, 400))
        http = stripe.RequestsClient()
        sdk = stripe.StripeClient("sk_test_x", base_addresses={"connect": wire.url}, http_client=http)

        with pytest.raises(AttributeError):
            sdk.oauth.token({"grant_type": "authorization_code", "code": "ac_once"})
        http.close()

    def test_a_bad_platform_key_is_no_refusal_of_the_code(self, wire: LoopbackStripe, gateway: StripeGateway) -> None:
        wire.script(Answer({"error": {"type": "invalid_request_error", "message": "Invalid API Key"}}, 401))

        with pytest.raises(StripeUnauthorized):
            exchange_code(gateway, "ac_once")


class TestDeauthorize:
    """Ending the access."""

    def test_it_names_client_and_account(self, wire: LoopbackStripe, gateway: StripeGateway) -> None:
        wire.script(Answer({"stripe_user_id": "acct_9"}))

        assert deauthorize(gateway, "acct_9") == "acct_9"

        assert wire.received[0].path == "/oauth/deauthorize"
        assert wire.received[0].form == {"client_id": ["ca_loopback"], "stripe_user_id": ["acct_9"]}

    def test_a_controlled_account_is_a_typed_refusal(self, wire: LoopbackStripe, gateway: StripeGateway) -> None:
        wire.script(Answer({"error": "no_deauth_on_controlled_account"}, 400))

        with pytest.raises(OAuthRefused) as caught:
            deauthorize(gateway, "acct_9")

        assert caught.value.error == "no_deauth_on_controlled_account"

    def test_it_needs_a_client_id(self, wire: LoopbackStripe) -> None:
        gateway = StripeGateway(secret_key="sk_test_x", api_base=wire.url, connect_base=wire.url)
        with pytest.raises(ValueError, match="connect_client_id"):
            deauthorize(gateway, "acct_9")
