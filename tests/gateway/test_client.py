"""The configured client: what goes on the wire, what the SDK would do by itself and does not here."""

import logging
import os
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import stripe
from stripe._api_version import _ApiVersion

from roony.core.authorization import STRIPE_VERSION
from roony.gateway.client import ConnectionAccess, StripeGateway, WrongMode
from roony.gateway.errors import StripeCallFailed, StripeRateLimited, StripeUncertain
from roony.gateway.issuing import create_card, fetch_card_details, retrieve_card
from tests.gateway.conftest import SECRET_KEY
from tests.gateway.loopback import Answer, LoopbackStripe

CARD = {"id": "ic_1", "object": "issuing.card", "status": "active"}
ROOT = Path(__file__).resolve().parents[2]


def test_the_pinned_version_is_the_sdks() -> None:
    assert _ApiVersion.CURRENT == STRIPE_VERSION


class TestWhoIsSpokenFor:
    """The headers of each kind of connection."""

    def test_connect_sends_the_platform_key_and_the_account(
        self, wire: LoopbackStripe, gateway: StripeGateway, access: ConnectionAccess
    ) -> None:
        wire.script(Answer(CARD))

        assert retrieve_card(gateway, access, "ic_1") == CARD

        headers = wire.received[0].headers
        assert headers["Authorization"] == f"Bearer {SECRET_KEY}"
        assert headers["Stripe-Account"] == "acct_1"
        assert headers["Stripe-Version"] == STRIPE_VERSION

    def test_direct_sends_no_account_even_after_a_connect_call(
        self, wire: LoopbackStripe, gateway: StripeGateway, access: ConnectionAccess
    ) -> None:
        wire.script(Answer(CARD))
        direct = ConnectionAccess(kind="direct", stripe_account="acct_own", livemode=False)

        retrieve_card(gateway, access, "ic_1")
        retrieve_card(gateway, direct, "ic_1")

        assert "Stripe-Account" not in wire.received[1].headers

    def test_an_app_sends_its_token_in_place_of_the_key(self, wire: LoopbackStripe, gateway: StripeGateway) -> None:
        wire.script(Answer(CARD))
        app = ConnectionAccess(
            kind="stripe_app", stripe_account="acct_1", livemode=False, access_token="token_of_an_hour"
        )

        retrieve_card(gateway, app, "ic_1")

        assert wire.received[0].headers["Authorization"] == "Bearer token_of_an_hour"
        assert "Stripe-Account" not in wire.received[0].headers
        assert "token_of_an_hour" not in repr(app)

    def test_the_other_mode_is_not_spoken_to(self, wire: LoopbackStripe, gateway: StripeGateway) -> None:
        for live in (
            ConnectionAccess(kind="connect", stripe_account="acct_1", livemode=True),
            ConnectionAccess(kind="stripe_app", stripe_account="acct_1", livemode=True, access_token="token"),
        ):
            with pytest.raises(WrongMode):
                retrieve_card(gateway, live, "ic_1")
        assert wire.received == []

    @pytest.mark.parametrize(
        "fields",
        [
            {"kind": "connect", "stripe_account": None},
            {"kind": "stripe_app", "stripe_account": "acct_1"},
            {"kind": "direct", "stripe_account": None, "access_token": "tok"},
            {"kind": "restricted", "stripe_account": "acct_1"},
        ],
    )
    def test_a_half_described_connection_is_refused(self, fields: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match="connection"):
            ConnectionAccess(livemode=False, **fields)


class TestOneAttempt:
    """Retries belong to the outbox."""

    @pytest.mark.parametrize("headers", [{}, {"Stripe-Should-Retry": "true"}])
    @pytest.mark.parametrize("status", [409, 429, 500, 503])
    def test_a_failed_call_is_sent_once(
        self,
        wire: LoopbackStripe,
        gateway: StripeGateway,
        access: ConnectionAccess,
        status: int,
        headers: dict[str, str],
    ) -> None:
        wire.script(Answer({"error": {"type": "api_error"}}, status, headers))

        with pytest.raises((StripeUncertain, StripeRateLimited)):
            create_card(gateway, access, {"type": "virtual"}, "pur_1:1")

        assert len(wire.received) == 1

    def test_a_global_retry_setting_changes_nothing(
        self,
        wire: LoopbackStripe,
        gateway: StripeGateway,
        access: ConnectionAccess,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(stripe, "max_network_retries", 5)
        wire.script(Answer(drop=True))

        with pytest.raises(StripeUncertain):
            retrieve_card(gateway, access, "ic_1")

        assert gateway.sdk._requestor._options.max_network_retries == 0
        assert len(wire.received) == 1

    def test_the_idempotency_key_is_ours(
        self, wire: LoopbackStripe, gateway: StripeGateway, access: ConnectionAccess
    ) -> None:
        wire.script(Answer(CARD))

        create_card(gateway, access, {"type": "virtual"}, "pur_1:1")

        assert wire.received[0].headers["Idempotency-Key"] == "pur_1:1"

    @pytest.mark.parametrize("key", ["", "x" * 256])
    def test_a_key_the_sdk_or_stripe_would_not_keep_is_refused(
        self, wire: LoopbackStripe, gateway: StripeGateway, access: ConnectionAccess, key: str
    ) -> None:
        with pytest.raises(ValueError, match="idempotency key"):
            create_card(gateway, access, {"type": "virtual"}, key)
        assert wire.received == []


def test_any_number_of_threads_shares_the_bounded_connections(
    wire: LoopbackStripe, gateway: StripeGateway, access: ConnectionAccess
) -> None:
    wire.script(Answer(CARD))
    with ThreadPoolExecutor(max_workers=12) as threads:
        list(threads.map(lambda _turn: retrieve_card(gateway, access, "ic_1"), range(60)))

    assert len(wire.received) == 60
    assert len({received.client_port for received in wire.received}) <= 4  # the fixture's pool_size


class TestNothingFromTheSurroundings:
    """No telemetry, redirects, cookies, netrc or log of bodies."""

    def test_telemetry_is_off(
        self, wire: LoopbackStripe, access: ConnectionAccess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(stripe, "enable_telemetry", True)
        wire.script(Answer(CARD, headers={"Request-Id": "req_1"}))
        gateway = StripeGateway(secret_key=SECRET_KEY, api_base=wire.url, connect_base=wire.url)

        retrieve_card(gateway, access, "ic_1")
        retrieve_card(gateway, access, "ic_1")
        gateway.close()

        assert stripe.enable_telemetry is False
        for received in wire.received:
            assert "X-Stripe-Client-Telemetry" not in received.headers
            assert "telemetry_id" not in received.headers["X-Stripe-Client-User-Agent"]

    def test_a_redirect_is_not_followed(
        self, wire: LoopbackStripe, gateway: StripeGateway, access: ConnectionAccess
    ) -> None:
        wire.script(Answer(status=307, headers={"Location": f"{wire.url}/elsewhere"}))

        with pytest.raises(StripeUncertain):
            create_card(gateway, access, {"type": "virtual"}, "pur_1:1")

        assert [received.path for received in wire.received] == ["/v1/issuing/cards"]

    def test_cookies_are_not_kept(self, wire: LoopbackStripe, gateway: StripeGateway, access: ConnectionAccess) -> None:
        wire.script(Answer(CARD, headers={"Set-Cookie": "who=me; Path=/"}))

        retrieve_card(gateway, access, "ic_1")
        retrieve_card(gateway, access, "ic_1")

        assert "Cookie" not in wire.received[1].headers

    def test_netrc_does_not_replace_the_key(
        self, wire: LoopbackStripe, access: ConnectionAccess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login someone password else\n")
        netrc.chmod(0o600)
        monkeypatch.setenv("NETRC", str(netrc))
        wire.script(Answer(CARD))
        gateway = StripeGateway(secret_key=SECRET_KEY, api_base=wire.url, connect_base=wire.url)
        gateway._http._shared_session.trust_env = True  # as with the real hosts

        retrieve_card(gateway, access, "ic_1")
        gateway.close()

        assert wire.received[0].headers["Authorization"] == f"Bearer {SECRET_KEY}"

    def test_a_proxy_setting_does_not_come_between_us_and_the_simulator(
        self, wire: LoopbackStripe, access: ConnectionAccess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        monkeypatch.delenv("NO_PROXY", raising=False)
        wire.script(Answer(CARD))
        gateway = StripeGateway(secret_key=SECRET_KEY, api_base=wire.url, connect_base=wire.url)

        assert retrieve_card(gateway, access, "ic_1") == CARD
        gateway.close()

    def test_the_sdk_logs_no_bodies(
        self,
        wire: LoopbackStripe,
        gateway: StripeGateway,
        access: ConnectionAccess,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """P6: at debug the SDK logs every body it receives."""
        wire.script(Answer({**CARD, "number": "4000056655665556", "cvc": "987", "exp_month": 1, "exp_year": 2031}))

        with caplog.at_level(logging.DEBUG), caplog.at_level(logging.DEBUG, logger="stripe"):
            fetch_card_details(gateway, access, "ic_1")

        assert "4000056655665556" not in caplog.text
        assert not [record for record in caplog.records if record.name == "stripe"]

    def test_the_variable_that_prints_bodies_has_no_effect(self, wire: LoopbackStripe) -> None:
        """P6: STRIPE_LOG=debug, read when the SDK is imported, would print bodies to stderr."""
        wire.script(Answer({**CARD, "number": "4000056655665556", "cvc": "9", "exp_month": 1, "exp_year": 2}))
        program = f"""
            from roony.gateway.client import ConnectionAccess, StripeGateway
            from roony.gateway.issuing import fetch_card_details
            gateway = StripeGateway(secret_key="sk_test_x", api_base={wire.url!r}, connect_base={wire.url!r})
            access = ConnectionAccess(kind="direct", stripe_account=None, livemode=False)
            details = fetch_card_details(gateway, access, "ic_1")
            print("fetched", details.number == "4000056655665556")
        """

        ran = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(program)],
            env={**os.environ, "STRIPE_LOG": "debug"},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )

        assert ran.stdout == "fetched True\n"
        assert "4000056655665556" not in ran.stderr


class TestStart:
    """What a gateway refuses to be built from."""

    def test_an_empty_key(self) -> None:
        with pytest.raises(ValueError, match="secret key is empty"):
            StripeGateway(secret_key="")

    @pytest.mark.parametrize("base", ["http://api.stripe.com", "ftp://127.0.0.1", "api.stripe.com", ""])
    def test_a_key_does_not_travel_in_clear(self, base: str) -> None:
        with pytest.raises(ValueError, match="api_base must be https"):
            StripeGateway(secret_key="sk_test_x", api_base=base)

    def test_the_representation_holds_no_key(self, gateway: StripeGateway) -> None:
        assert SECRET_KEY not in repr(gateway)

    @pytest.mark.parametrize(
        ("key", "live"),
        [("sk_live_x", True), ("rk_live_x", True), ("sk_test_x", False), ("rk_test_x", False)],
    )
    def test_the_mode_is_the_keys(self, key: str, live: bool) -> None:
        assert StripeGateway(secret_key=key).livemode is live


def test_an_sdk_that_breaks_on_an_answer_is_an_uncertain_call(gateway: StripeGateway) -> None:
    def broken() -> Any:
        raise AttributeError("'str' object has no attribute 'get': 4000056655665556")

    with pytest.raises(StripeCallFailed) as caught:
        gateway.perform(broken)

    assert type(caught.value) is StripeUncertain
    assert "4000056655665556" not in str(caught.value)
