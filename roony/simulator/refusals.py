"""Stripe's error answers: one exception, and a constructor for each kind of refusal (facts 7.2)."""

from __future__ import annotations

from typing import Any

DOCUMENTATION = "https://docs.stripe.com/error-codes"


class Refusal(Exception):
    """An answer other than success, in Stripe's shape.

    `stored` says whether the idempotency layer keeps it: failed validation is not kept (facts 7.1).
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        headers: dict[str, str] | None = None,
        stored: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}
        self.stored = stored
        error: dict[str, Any] = {}
        if code is not None:
            error["code"] = code
            error["doc_url"] = f"{DOCUMENTATION}/{code.replace('_', '-')}"
        error["message"] = message
        if param is not None:
            error["param"] = param
        error["type"] = kind
        self.body = {"error": error}


def invalid(message: str, param: str | None = None, code: str | None = None) -> Refusal:
    """A 400: the request cannot be understood or is not allowed in this state."""
    return Refusal(400, message, code=code, param=param)


def missing(param: str) -> Refusal:
    """A 400 for a required parameter that was not sent."""
    return invalid(f"Missing required param: {param}.", param, "parameter_missing")


def unknown_parameter(param: str) -> Refusal:
    """A 400 for a parameter this operation does not have."""
    return invalid(f"Received unknown parameter: {param}", param, "parameter_unknown")


def no_such(kind: str, identifier: str, param: str) -> Refusal:
    """A 404 for an object that does not exist in this account."""
    return Refusal(404, f"No such {kind}: '{identifier}'", code="resource_missing", param=param)


def unauthorized(message: str, code: str | None = None) -> Refusal:
    """A 401: no key, a key nobody has, or one whose time is over."""
    return Refusal(401, message, code=code, headers={"WWW-Authenticate": 'Basic realm="Stripe"'})


def account_refused(key: str, account: str) -> Refusal:
    """A 403: this key may not act for that account (never connected, or revoked)."""
    return Refusal(
        403,
        f"The provided key '{masked(key)}' does not have access to account '{account}' "
        "(or that account does not exist). Application access may have been revoked.",
        code="account_invalid",
    )


def masked(key: str) -> str:
    """Return a key as Stripe shows it in messages: its kind and its last four characters."""
    return f"{key[:8]}{'*' * max(0, len(key) - 12)}{key[-4:]}" if len(key) > 12 else "*" * len(key)
