"""Stripe's error answers: one exception, and a constructor for each kind of refusal (facts 7.2)."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

DOCUMENTATION = "https://stripe.com/docs/error-codes"
_HELP = "Please see https://stripe.com/docs or we can help at https://support.stripe.com/."
_SLASH = (
    "If you are trying to list objects, remove the trailing slash. If you are trying to retrieve an object, make sure "
    "you passed a valid (non-empty) identifier in your code. "
)


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

    @property
    def error(self) -> dict[str, Any]:
        """What the answer says."""
        return self.body["error"]

    def name_log(self, account: str, request: str) -> None:
        """Say where Stripe's Dashboard would show the request; only for requests of a known account."""
        logs = f"https://dashboard.stripe.com/{account}/test/workbench/logs"
        self.error.setdefault("request_log_url", f"{logs}?object={request}")


def invalid(message: str, param: str | None = None, code: str | None = None) -> Refusal:
    """A 400: the request cannot be understood or is not allowed in this state."""
    return Refusal(400, message, code=code, param=param)


def not_now(message: str, param: str | None = None) -> Refusal:
    """A 400: understood, but not allowed in the state things are in. Its idempotency key keeps it."""
    return Refusal(400, message, param=param, stored=True)


def locked(kind: str) -> Refusal:
    """A 429 that is no rate limit: another request is at work on the object (facts 7.3)."""
    message = "because another API request or Stripe process is currently accessing it."
    return Refusal(429, f"This {kind} cannot be accessed right now {message}", code="lock_timeout")


def from_execution(refusal: Refusal, params: Container[str]) -> Refusal:
    """Return a refusal that came while an operation ran, as Stripe answers it.

    An object named by a parameter that does not exist is a 400, one named by the path a 404. What was refused for the
    state things are in is kept under its idempotency key; a parameter that failed validation is not (facts 7.1).
    """
    param, code = refusal.error.get("param"), refusal.error.get("code")
    if refusal.status == 404 and param is not None and param.partition("[")[0] in params:
        refusal.status = 400
    if refusal.status in (400, 402, 404) and (param is None or code == "resource_missing"):
        refusal.stored = True
    return refusal


def unrecognized(method: str, path: str) -> Refusal:
    """A 404 for a method and path that no operation has."""
    slash = _SLASH if path.endswith("/") else ""
    return Refusal(404, f"Unrecognized request URL ({method}: {path[:200]}). {slash}{_HELP}")


def missing(param: str) -> Refusal:
    """A 400 for a required parameter that was not sent."""
    return invalid(f"Missing required param: {param}.", param, "parameter_missing")


def unknown_parameter(*params: str) -> Refusal:
    """A 400 for parameters this operation does not have; `param` names the first."""
    plural = "s" if len(params) > 1 else ""
    return invalid(f"Received unknown parameter{plural}: {', '.join(params)}", params[0], "parameter_unknown")


def no_such(kind: str, identifier: str, param: str) -> Refusal:
    """A 404 for an object that does not exist in this account; a 400 where a parameter names it (`from_execution`)."""
    return Refusal(404, f"No such {kind}: '{identifier[:200]}'", code="resource_missing", param=param)


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
