"""Every row of the error table, driven over HTTP: what each answer of Stripe is sorted into."""

import threading
from typing import Any

import pytest

from roony.gateway.client import ConnectionAccess, StripeGateway
from roony.gateway.errors import (
    RETRY_AFTER_LIMIT,
    FailureKind,
    OAuthRefused,
    StripeCallFailed,
    StripeForbidden,
    StripeRateLimited,
    StripeRefused,
    StripeUnauthorized,
    StripeUncertain,
    redact,
)
from roony.gateway.issuing import create_card, retrieve_card
from tests.gateway.loopback import Answer, LoopbackStripe
from tests.support.ports import hold_port


def error(error_type: str = "invalid_request_error", **more: Any) -> dict[str, Any]:
    """The body of a Stripe API error."""
    return {"error": {"type": error_type, "message": "as it is", **more}}


def fail(gateway: StripeGateway, access: ConnectionAccess) -> StripeCallFailed:
    """The failure of one card creation."""
    with pytest.raises(StripeCallFailed) as caught:
        create_card(gateway, access, {"type": "virtual", "currency": "usd"}, "pur_1:1")
    return caught.value


TABLE = [
    (400, error(param="currency"), StripeRefused, FailureKind.INVALID_REQUEST),
    (400, error("idempotency_error"), StripeUncertain, FailureKind.IDEMPOTENCY_MISMATCH),
    (400, error(code="idempotency_key_in_use"), StripeUncertain, FailureKind.CONFLICT),
    (400, error(code="rate_limit"), StripeRateLimited, FailureKind.RATE_LIMITED),
    (401, error(), StripeUnauthorized, FailureKind.UNAUTHORIZED),
    (402, error("card_error"), StripeRefused, FailureKind.PAYMENT_REQUIRED),
    (403, error(), StripeForbidden, FailureKind.PERMISSION),
    (403, error(code="account_invalid"), StripeForbidden, FailureKind.ACCOUNT_ACCESS),
    (401, error(code="account_invalid"), StripeForbidden, FailureKind.ACCOUNT_ACCESS),
    (404, error(code="resource_missing"), StripeRefused, FailureKind.NOT_FOUND),
    (408, error(), StripeUncertain, FailureKind.TIMEOUT),
    (409, error("idempotency_error"), StripeUncertain, FailureKind.IDEMPOTENCY_MISMATCH),
    (409, error(code="idempotency_key_in_use"), StripeUncertain, FailureKind.CONFLICT),
    (409, error("api_error"), StripeUncertain, FailureKind.CONFLICT),
    (413, error(), StripeRefused, FailureKind.INVALID_REQUEST),
    (424, error("api_error"), StripeUncertain, FailureKind.DEPENDENCY),
    (425, error(), StripeUncertain, FailureKind.TIMEOUT),
    (429, error(code="rate_limit"), StripeRateLimited, FailureKind.RATE_LIMITED),
    (429, error(code="lock_timeout"), StripeRateLimited, FailureKind.LOCK_TIMEOUT),
    (500, error("api_error"), StripeUncertain, FailureKind.SERVER_ERROR),
    (502, b"<html>bad gateway</html>", StripeUncertain, FailureKind.SERVER_ERROR),
    (503, error("api_error"), StripeUncertain, FailureKind.SERVER_ERROR),
    (504, b"", StripeUncertain, FailureKind.SERVER_ERROR),
    # Words of something in between are no refusal of Stripe's.
    (400, b"<html>proxy</html>", StripeUncertain, FailureKind.UNREADABLE),
    (401, b"<html>proxy</html>", StripeUncertain, FailureKind.UNREADABLE),
    (403, {"blocked": True}, StripeUncertain, FailureKind.UNREADABLE),
    (404, {"error": {}}, StripeUncertain, FailureKind.UNREADABLE),
    (407, b"", StripeUncertain, FailureKind.UNREADABLE),
    (429, b"slow down", StripeRateLimited, FailureKind.RATE_LIMITED),
    # Answers no one promised: all uncertain.
    (200, b"not json", StripeUncertain, FailureKind.UNREADABLE),
    (200, b"\xff\xfe", StripeUncertain, FailureKind.UNREADABLE),
    (200, [1, 2], StripeUncertain, FailureKind.UNREADABLE),
    (302, b"", StripeUncertain, FailureKind.UNREADABLE),
    (400, {"error": None}, StripeUncertain, FailureKind.UNREADABLE),
    (400, {"error": ["odd"]}, StripeUncertain, FailureKind.UNREADABLE),
]


@pytest.mark.parametrize(("status", "body", "raises", "kind"), TABLE)
def test_every_answer_has_its_row(
    wire: LoopbackStripe,
    gateway: StripeGateway,
    access: ConnectionAccess,
    status: int,
    body: Any,
    raises: type[StripeCallFailed],
    kind: FailureKind,
) -> None:
    wire.script(Answer(body, status))

    failed = fail(gateway, access)

    assert type(failed) is raises
    assert failed.failure.kind is kind
    assert len(wire.received) == 1


def test_every_kind_is_reached() -> None:
    elsewhere = {
        FailureKind.CONNECTION,
        FailureKind.TLS,
        FailureKind.OAUTH,
        FailureKind.DETAILS_WITHHELD,
    }
    assert {kind for *_rest, kind in TABLE} | elsewhere == set(FailureKind)


def test_a_refusal_carries_what_stripe_said(
    wire: LoopbackStripe, gateway: StripeGateway, access: ConnectionAccess
) -> None:
    body = error(code="parameter_missing", param="cardholder", message="Missing required param.")
    wire.script(Answer(body, 400, {"Request-Id": "req_7", "Retry-After": "2", "Stripe-Should-Retry": "false"}))

    failed = fail(gateway, access)

    failure = failed.failure
    assert (failure.http_status, failure.code, failure.param) == (400, "parameter_missing", "cardholder")
    assert (failure.message, failure.request_id) == ("Missing required param.", "req_7")
    assert (failure.retry_after_hint, failure.stripe_should_retry) == (2.0, False)
    assert str(failed) == "invalid_request parameter_missing (HTTP 400) [req_7]: Missing required param."


@pytest.mark.parametrize("status", [401, 403, 409, 429, 500])
def test_the_code_is_read_where_the_sdk_drops_it(
    wire: LoopbackStripe, gateway: StripeGateway, access: ConnectionAccess, status: int
) -> None:
    wire.script(Answer(error(code="some_code"), status))

    assert fail(gateway, access).failure.code == "some_code"


def test_lost_account_access_is_told_from_a_missing_permission(
    wire: LoopbackStripe, gateway: StripeGateway, access: ConnectionAccess
) -> None:
    wire.script(Answer(error(code="account_invalid"), 403), Answer(error(code="more_permissions_required"), 403))

    revoked, permission = fail(gateway, access), fail(gateway, access)

    assert isinstance(revoked, StripeForbidden)
    assert revoked.account_access_revoked
    assert isinstance(permission, StripeForbidden)
    assert not permission.account_access_revoked


def test_a_rate_limit_names_its_reason(wire: LoopbackStripe, gateway: StripeGateway, access: ConnectionAccess) -> None:
    wire.script(Answer(error(), 429, {"Stripe-Rate-Limited-Reason": "endpoint-rate", "Retry-After": "9999"}))

    failure = fail(gateway, access).failure

    assert failure.code == "endpoint-rate"
    assert failure.retry_after_hint == RETRY_AFTER_LIMIT


@pytest.mark.parametrize("value", ["soon", "-1", "1e9", "²", "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_a_strange_retry_after_is_no_hint(
    wire: LoopbackStripe, gateway: StripeGateway, access: ConnectionAccess, value: str
) -> None:
    wire.script(Answer(error(), 429, {"Retry-After": value.encode().decode("latin-1")}))

    assert fail(gateway, access).failure.retry_after_hint is None


class TestStripeShouldRetry:
    """Stripe's own word goes before the status (stripe-facts.md 7.2)."""

    def test_true_turns_a_refusal_into_uncertain(
        self, wire: LoopbackStripe, gateway: StripeGateway, access: ConnectionAccess
    ) -> None:
        wire.script(Answer(error(), 400, {"Stripe-Should-Retry": "true"}))

        failed = fail(gateway, access)

        assert type(failed) is StripeUncertain
        assert failed.failure.same_key_may_help

    def test_false_does_not_turn_doubt_into_a_refusal(
        self, wire: LoopbackStripe, gateway: StripeGateway, access: ConnectionAccess
    ) -> None:
        wire.script(Answer(error("api_error"), 500, {"Stripe-Should-Retry": "false"}))

        failed = fail(gateway, access)

        assert type(failed) is StripeUncertain
        assert not failed.failure.same_key_may_help

    def test_absent_leaves_the_same_key_open(
        self, wire: LoopbackStripe, gateway: StripeGateway, access: ConnectionAccess
    ) -> None:
        wire.script(Answer(error("api_error"), 500))

        assert fail(gateway, access).failure.same_key_may_help

    def test_a_key_used_with_other_parameters_never_helps_again(
        self, wire: LoopbackStripe, gateway: StripeGateway, access: ConnectionAccess
    ) -> None:
        """P2: the earlier use may have made a card, so this is neither a refusal nor worth repeating."""
        wire.script(Answer(error("idempotency_error"), 400))

        failed = fail(gateway, access)

        assert not isinstance(failed, StripeRefused)
        assert not failed.failure.same_key_may_help


class TestNoAnswer:
    """Whatever breaks below HTTP is uncertain."""

    def test_a_dropped_connection(self, wire: LoopbackStripe, gateway: StripeGateway, access: ConnectionAccess) -> None:
        wire.script(Answer(drop=True))

        failed = fail(gateway, access)

        assert type(failed) is StripeUncertain
        assert (failed.failure.kind, failed.failure.http_status) == (FailureKind.CONNECTION, None)
        assert len(wire.received) == 1

    def test_silence_past_the_read_timeout(
        self, wire: LoopbackStripe, hasty_gateway: StripeGateway, access: ConnectionAccess
    ) -> None:
        answered = threading.Event()
        wire.script(Answer(drop=True, wait_for=answered))
        try:
            failed = fail(hasty_gateway, access)
        finally:
            answered.set()

        assert type(failed) is StripeUncertain
        assert failed.failure.kind is FailureKind.TIMEOUT

    def test_nobody_listening(self, access: ConnectionAccess) -> None:
        with hold_port() as nobody:
            url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
            gateway = StripeGateway(secret_key="sk_test_x", api_base=url, connect_base=url)

            failed = fail(gateway, access)
            gateway.close()

        assert type(failed) is StripeUncertain
        assert failed.failure.kind is FailureKind.CONNECTION

    def test_a_host_that_speaks_no_tls(self, wire: LoopbackStripe, access: ConnectionAccess) -> None:
        url = wire.url.replace("http://", "https://")
        gateway = StripeGateway(secret_key="sk_test_x", api_base=url, connect_base=url)

        failed = fail(gateway, access)
        gateway.close()

        assert type(failed) is StripeUncertain
        assert failed.failure.kind is FailureKind.TLS


class TestNothingSecretLeaves:
    """P6: messages, representations and chains of failures carry no key, token, code or card number."""

    SECRETS = (
        "sk_test_51AbCdEf",
        "rk_live_abc",
        "whsec_abc/def",
        "ac_123",
        "roony_agent_zzz",
        "4000 0566 5566 5556",
        "4000056655665556",
    )

    def test_a_message_is_cleaned(self, wire: LoopbackStripe, gateway: StripeGateway, access: ConnectionAccess) -> None:
        told = "Invalid: " + " and ".join(self.SECRETS) + " Bearer abc.def\r\nforged line"
        wire.script(Answer(error(message=told, code="sk_live_code"), 400, {"Request-Id": "req_1"}))

        failed = fail(gateway, access)

        shown = f"{failed} {failed!r} {failed.failure!r}"
        for secret in (
            "51AbCdEf",
            "rk_live_abc",
            "whsec_abc",
            "ac_123",
            "zzz",
            "5566",
            "abc.def",
            "sk_live_code",
        ):
            assert secret not in shown
        assert "\n" not in str(failed)
        assert "\r" not in str(failed)

    def test_the_raw_answer_is_not_reachable_from_the_failure(
        self, wire: LoopbackStripe, gateway: StripeGateway, access: ConnectionAccess
    ) -> None:
        wire.script(Answer(error(number="4000056655665556"), 400))

        failed = fail(gateway, access)

        assert failed.__cause__ is None
        assert failed.__context__ is None

    def test_an_unreadable_answer_is_not_quoted(
        self, wire: LoopbackStripe, gateway: StripeGateway, access: ConnectionAccess
    ) -> None:
        wire.script(Answer(b'{"number": "4000056655665556", "cvc": "987"', 200))

        failed = fail(gateway, access)

        assert "4000056655665556" not in repr(failed)
        assert "987" not in repr(failed)

    def test_a_long_message_is_cut(self) -> None:
        assert len(redact("x" * 10_000)) == 500

    def test_ordinary_words_stay(self) -> None:
        told = "No such card: 'ic_1Nabc'; created 1795392000, amount 12999 of acct_1"
        assert redact(told) == told


def test_a_wrongly_made_call_is_no_failure_of_stripe(
    wire: LoopbackStripe, gateway: StripeGateway, access: ConnectionAccess
) -> None:
    with pytest.raises(ValueError, match="card_id is empty"):
        retrieve_card(gateway, access, "")
    assert wire.received == []


def test_an_oauth_refusal_is_a_refusal() -> None:
    assert issubclass(OAuthRefused, StripeRefused)
