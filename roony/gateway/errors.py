"""One closed table that sorts every failed Stripe call by what it says about the effect of the call.

Four answers matter to whoever made the call: it certainly did not happen (`StripeRefused`), nobody knows
whether it happened (`StripeUncertain`: same key again, or look first), it was not even tried
(`StripeRateLimited`, `StripeUnauthorized`, `StripeForbidden`). Facts: stripe-facts.md sections 6.2, 7.1, 7.2
and 7.3.

The table reads the status, the error body and the headers, never the SDK's exception classes: those drop the
error code for 401, 403, 409, 429 and 5xx, and fold unlike statuses together. What is raised carries text
cleaned of secrets and card-like numbers, and no link back to the SDK's exception, whose attributes hold the
raw body.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import requests
import stripe

MESSAGE_LIMIT = 500
"""Longest message kept, in characters."""

RETRY_AFTER_LIMIT = 60.0
"""Longest Retry-After believed, in seconds: Stripe does not document it, so it may be a proxy's."""


class FailureKind(StrEnum):
    """Why a call failed. Closed: the last row of the table catches what no other row knows."""

    INVALID_REQUEST = "invalid_request"
    NOT_FOUND = "not_found"
    PAYMENT_REQUIRED = "payment_required"
    OAUTH = "oauth"
    DETAILS_WITHHELD = "details_withheld"
    UNAUTHORIZED = "unauthorized"
    PERMISSION = "permission"
    ACCOUNT_ACCESS = "account_access"
    RATE_LIMITED = "rate_limited"
    LOCK_TIMEOUT = "lock_timeout"
    CONFLICT = "conflict"
    IDEMPOTENCY_MISMATCH = "idempotency_mismatch"
    DEPENDENCY = "dependency"
    SERVER_ERROR = "server_error"
    TIMEOUT = "timeout"
    CONNECTION = "connection"
    TLS = "tls"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class StripeFailure:
    """What is known about one failed call; safe to log and to store.

    `http_status` is None when no answer arrived. `code` is Stripe's error code, the OAuth error, or for a
    rate limit without a code its `Stripe-Rate-Limited-Reason`. `retry_after_hint` is in seconds, None when
    nothing was said. `stripe_should_retry` is the `Stripe-Should-Retry` header, None when absent.
    """

    kind: FailureKind
    http_status: int | None
    code: str | None
    message: str
    request_id: str | None
    retry_after_hint: float | None = None
    stripe_should_retry: bool | None = None
    param: str | None = None

    @property
    def same_key_may_help(self) -> bool:
        """False where the same key only replays the same answer: then look at Stripe first."""
        return self.stripe_should_retry is not False and self.kind is not FailureKind.IDEMPOTENCY_MISMATCH


class StripeCallFailed(Exception):
    """Any failed call; `failure` says why. Callers catch one of the five kinds below."""

    def __init__(self, failure: StripeFailure) -> None:
        super().__init__(failure)
        self.failure = failure

    def __str__(self) -> str:
        failure = self.failure
        status = "no answer" if failure.http_status is None else f"HTTP {failure.http_status}"
        named = f" {failure.code}" if failure.code else ""
        request = f" [{failure.request_id}]" if failure.request_id else ""
        return f"{failure.kind}{named} ({status}){request}: {failure.message}"


class StripeRefused(StripeCallFailed):
    """A definite refusal in Stripe's own words: nothing was done. Only this lets an attempt number rise."""


class OAuthRefused(StripeRefused):
    """The OAuth endpoint refused; `error` is its error string, `description` its sentence (section 6.2)."""

    @property
    def error(self) -> str:
        return self.failure.code or "unknown"

    @property
    def description(self) -> str:
        return self.failure.message


class StripeUncertain(StripeCallFailed):
    """Nobody knows whether it was done: same key again while `failure.same_key_may_help`, else look."""


class StripeRateLimited(StripeCallFailed):
    """429: turned away before the idempotency layer; nothing was done, the same key may be sent later."""


class StripeUnauthorized(StripeCallFailed):
    """401: the key or token is not accepted; nothing was done."""


class StripeForbidden(StripeCallFailed):
    """403: a permission is missing or the account is no longer ours to act for; nothing was done."""

    @property
    def account_access_revoked(self) -> bool:
        """True when Stripe says that this key has no access to this account (code `account_invalid`)."""
        return self.failure.kind is FailureKind.ACCOUNT_ACCESS


@dataclass(frozen=True, slots=True)
class _Row:
    """One line: matches when the status is in `statuses` and type and code, where given, are equal."""

    statuses: range
    kind: FailureKind
    raises: type[StripeCallFailed]
    error_type: str | None = None
    code: str | None = None


def _only(status: int) -> range:
    return range(status, status + 1)


# First match wins. Four lines that surprise:
# * idempotency_key_in_use comes with the type idempotency_error too, but only says that the first request is not
#   answered yet: the same key will help later.
# * any other idempotency_error says that this key was used before with other parameters. That is a bug of ours, but the
#   earlier use may have made a card, so it is no proof that nothing exists and must not let the attempt rise
#   (promise P2).
# * 408 and 425 are a proxy's words; the request may have gone on without it.
# * A 4xx without a Stripe error body never gets here: what a proxy refuses says nothing about Stripe
#   (`_sort`).
_TABLE: tuple[_Row, ...] = (
    _Row(_only(429), FailureKind.LOCK_TIMEOUT, StripeRateLimited, code="lock_timeout"),
    _Row(_only(429), FailureKind.RATE_LIMITED, StripeRateLimited),
    _Row(_only(400), FailureKind.RATE_LIMITED, StripeRateLimited, code="rate_limit"),
    _Row(range(400, 500), FailureKind.CONFLICT, StripeUncertain, code="idempotency_key_in_use"),
    _Row(range(400, 500), FailureKind.IDEMPOTENCY_MISMATCH, StripeUncertain, error_type="idempotency_error"),
    _Row(range(401, 404), FailureKind.ACCOUNT_ACCESS, StripeForbidden, code="account_invalid"),
    _Row(_only(401), FailureKind.UNAUTHORIZED, StripeUnauthorized),
    _Row(_only(403), FailureKind.PERMISSION, StripeForbidden),
    _Row(_only(409), FailureKind.CONFLICT, StripeUncertain),
    _Row(_only(424), FailureKind.DEPENDENCY, StripeUncertain),
    _Row(_only(408), FailureKind.TIMEOUT, StripeUncertain),
    _Row(_only(425), FailureKind.TIMEOUT, StripeUncertain),
    _Row(_only(402), FailureKind.PAYMENT_REQUIRED, StripeRefused),
    _Row(_only(404), FailureKind.NOT_FOUND, StripeRefused),
    _Row(range(400, 500), FailureKind.INVALID_REQUEST, StripeRefused),
    _Row(range(500, 600), FailureKind.SERVER_ERROR, StripeUncertain),
    _Row(range(1000), FailureKind.UNREADABLE, StripeUncertain),
)

# OAuth errors that mean "try again" whatever the status (RFC 6749, 4.1.2.1); others under 500 are refusals.
_OAUTH_TEMPORARY = frozenset({"server_error", "temporarily_unavailable"})

_SECRET = re.compile(r"\b(sk|rk|ek|rt|ac|whsec|roony)_[A-Za-z0-9_*.\-]+")
_BEARER = re.compile(r"\b(Bearer|Basic)\s+\S+", re.IGNORECASE)
_CARD_NUMBER = re.compile(r"(?<!\d)\d(?:[ \-]?\d){12,18}(?!\d)")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e]+")


def redact(text: str) -> str:
    """`text` on one short line, without keys, tokens, OAuth codes and numbers of 13 to 19 digits.

    Numbers are removed without asking whether their check digit fits: a lost digit in a log costs nothing.
    """
    line = _UNPRINTABLE.sub(" ", text)
    line = _BEARER.sub(r"\1 [redacted]", line)
    line = _SECRET.sub(r"\1_[redacted]", line)
    line = _CARD_NUMBER.sub("[number redacted]", line)
    return line[:MESSAGE_LIMIT]


def failure_from_sdk(error: stripe.StripeError) -> StripeCallFailed:
    """The sorted failure for an SDK exception; returned, so that the caller can raise it unchained."""
    if error.http_status is None:
        return _no_answer(error)
    if isinstance(error, stripe.oauth_error.OAuthError):
        return _oauth(error)
    return _sort(error)


def failure_from_bug(error: Exception) -> StripeCallFailed:
    """The failure for an exception the SDK should not have let out, such as an AttributeError.

    The request may have been carried out, so it is uncertain. Only the class is named: its text may quote the
    answer.
    """
    message = f"the Stripe SDK could not read the answer ({type(error).__name__})"
    return StripeUncertain(StripeFailure(FailureKind.UNREADABLE, None, None, message, None))


def unreadable(message: str) -> StripeUncertain:
    """An answer that arrived with success but lacks what it must contain."""
    return StripeUncertain(StripeFailure(FailureKind.UNREADABLE, 200, None, redact(message), None))


def _no_answer(error: stripe.StripeError) -> StripeCallFailed:
    # Even a refused connection stays uncertain: a proxy in between may have sent the request on before it
    # broke, and telling the harmless cases apart by exception class would gain one look-up and risk a second
    # card.
    cause = error.__cause__
    if isinstance(cause, requests.exceptions.SSLError):
        kind = FailureKind.TLS
    elif isinstance(cause, requests.exceptions.Timeout):
        kind = FailureKind.TIMEOUT
    else:
        kind = FailureKind.CONNECTION
    reason = f"{type(cause).__name__}: {cause}" if cause is not None else type(error).__name__
    return StripeUncertain(StripeFailure(kind, None, None, redact(f"no answer from Stripe ({reason})"), None))


def _oauth(error: stripe.oauth_error.OAuthError) -> StripeCallFailed:
    headers = _lower(error.headers)
    status = error.http_status or 0
    code = _word(error.code)
    temporary = code in _OAUTH_TEMPORARY or status in (409, 429) or not 400 <= status < 500
    failure = StripeFailure(
        kind=FailureKind.SERVER_ERROR if temporary else FailureKind.OAUTH,
        http_status=error.http_status,
        code=code,
        message=redact(str(error.user_message or "")),
        request_id=_word(headers.get("request-id")),
        retry_after_hint=_retry_after(headers),
        stripe_should_retry=_should_retry(headers),
    )
    return StripeUncertain(failure) if temporary else OAuthRefused(failure)


def _sort(error: stripe.StripeError) -> StripeCallFailed:
    status = error.http_status or 0
    body = _error_body(error.json_body)
    headers = _lower(error.headers)
    error_type, code = _word(body.get("type")), _word(body.get("code"))
    # The last row matches every status, so next() always finds one.
    row = next(row for row in _TABLE if _matches(row, status, error_type, code))
    kind, raises = row.kind, row.raises
    should_retry = _should_retry(headers)
    if not body and 400 <= status < 500 and status != 429:
        kind, raises = FailureKind.UNREADABLE, StripeUncertain
    elif should_retry is True and raises is StripeRefused:
        # Stripe's own word goes before its status (7.2): what may succeed under the same key is no definite
        # refusal.
        raises = StripeUncertain
    failure = StripeFailure(
        kind=kind,
        http_status=status,
        code=code or _word(headers.get("stripe-rate-limited-reason")),
        message=redact(_text(body.get("message")) or "no explanation in the answer"),
        request_id=_word(headers.get("request-id")),
        retry_after_hint=_retry_after(headers),
        stripe_should_retry=should_retry,
        param=_word(body.get("param")),
    )
    return raises(failure)


def _matches(row: _Row, status: int, error_type: str | None, code: str | None) -> bool:
    return status in row.statuses and row.error_type in (None, error_type) and row.code in (None, code)


def _error_body(body: object) -> Mapping[str, Any]:
    """The `error` object of a Stripe answer; empty when the answer is not Stripe's."""
    error = body.get("error") if isinstance(body, dict) else None
    return error if isinstance(error, dict) else {}


def _lower(headers: Mapping[str, str] | None) -> dict[str, str]:
    return {str(name).lower(): str(value) for name, value in (headers or {}).items()}


def _should_retry(headers: Mapping[str, str]) -> bool | None:
    return {"true": True, "false": False}.get(headers.get("stripe-should-retry", "").strip().lower())


def _retry_after(headers: Mapping[str, str]) -> float | None:
    value = headers.get("retry-after", "").strip()
    return min(float(value), RETRY_AFTER_LIMIT) if value.isascii() and value.isdigit() else None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _word(value: object) -> str | None:
    """A short identifier from outside, cleaned like a message; None when absent or not text."""
    return redact(value)[:100] if isinstance(value, str) and value else None
