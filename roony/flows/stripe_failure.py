"""What an agent is told when Stripe fails: a closed table of our own codes and sentences, never Stripe's words.

Stripe's code, parameter and request id go into the log and the audit record, where the owner finds them.
"""

from __future__ import annotations

from typing import NamedTuple

from roony.gateway.errors import FailureKind, StripeCallFailed, StripeFailure
from roony.gateway.pool import GatewayBusy


class Told(NamedTuple):
    """`code` is stable. `retry_can_help`: whether the same ask may go well later with nobody changing anything."""

    code: str
    message: str
    retry_can_help: bool


_OWNER = "Asking again gives the same answer: the owner finds Stripe's reason in the audit record and has to act."

_BUSY = Told("stripe_busy", "Stripe takes no more requests just now. Roony tries again by itself.", True)
_NO_ANSWER = Told("stripe_unavailable", "Stripe does not answer as it should. Roony tries again by itself.", True)
_NOT_AUTHORIZED = Told(
    "stripe_not_authorized",
    "Stripe does not accept Roony's key for this account any more. The owner has to connect the account again.",
    False,
)
_OURS = Told("not_yet", "Roony could not do this just now and tries again by itself.", True)
REVOKED = Told("connection_revoked", "The Stripe account is no longer connected. The owner has to connect it.", False)
ISSUING_NOT_ACTIVE = Told(
    "issuing_not_active",
    "Stripe has switched card issuing off for this account. The owner has to settle it with Stripe.",
    False,
)

_TOLD: dict[FailureKind, Told] = {
    FailureKind.RATE_LIMITED: _BUSY,
    FailureKind.LOCK_TIMEOUT: _BUSY,
    FailureKind.CONFLICT: _BUSY,
    FailureKind.SERVER_ERROR: _NO_ANSWER,
    FailureKind.DEPENDENCY: _NO_ANSWER,
    FailureKind.TIMEOUT: _NO_ANSWER,
    FailureKind.CONNECTION: _NO_ANSWER,
    FailureKind.TLS: _NO_ANSWER,
    FailureKind.UNREADABLE: _NO_ANSWER,
    FailureKind.IDEMPOTENCY_MISMATCH: _NO_ANSWER,
    FailureKind.UNAUTHORIZED: _NOT_AUTHORIZED,
    FailureKind.OAUTH: _NOT_AUTHORIZED,
    FailureKind.ACCOUNT_ACCESS: REVOKED,
    FailureKind.PERMISSION: Told(
        "stripe_permission_missing",
        "Roony lacks a permission at Stripe for this. The owner sees at the connection which one, and can grant it.",
        False,
    ),
    FailureKind.PAYMENT_REQUIRED: Told("stripe_refused", f"Stripe refused the request. {_OWNER}", False),
    FailureKind.INVALID_REQUEST: Told("stripe_refused", f"Stripe refused the request. {_OWNER}", False),
    FailureKind.NOT_FOUND: Told(
        "missing_at_stripe", f"Something this needs is not there at Stripe any more. {_OWNER}", False
    ),
    FailureKind.DETAILS_WITHHELD: Told(
        "details_withheld", "Stripe does not hand out the numbers of this card to Roony. The owner has to look.", False
    ),
}

# What a refused card is about, by the first part of the parameter Stripe names (facts 7.2); no text is read for it.
_REFUSED_PARAMETER: dict[str, Told] = {
    "cardholder": Told(
        "cardholder_not_ready", "Stripe wants something about the cardholder first; the owner has to supply it.", False
    ),
    "status": Told(
        "cardholder_not_ready", "Stripe wants something about the cardholder first; the owner has to supply it.", False
    ),
    "currency": Told(
        "currency_not_issued", "Stripe makes no card in this currency for the account. Ask in another one.", False
    ),
    "spending_controls": Told(
        "controls_refused", "Stripe does not take the rules for this purchase; the owner has to change them.", False
    ),
}


def told(error: Exception) -> Told:
    """What to say of any failed try; a full pool of our own counts as Stripe being busy."""
    if isinstance(error, StripeCallFailed):
        return _TOLD[error.failure.kind]
    return _BUSY if isinstance(error, GatewayBusy) else _OURS


def told_refused(failure: StripeFailure) -> Told:
    """What to say of a definite refusal; the parameter Stripe names tells more than the kind."""
    parameter = (failure.param or "").partition("[")[0]
    if failure.kind is FailureKind.INVALID_REQUEST and parameter in _REFUSED_PARAMETER:
        return _REFUSED_PARAMETER[parameter]
    return _TOLD[failure.kind]


def seen_at_stripe(failure: StripeFailure) -> dict[str, str]:
    """What the owner may see of a failure, for an audit record: names and the request id, no sentences."""
    named = {"stripe_code": failure.code, "stripe_param": failure.param, "stripe_request": failure.request_id}
    return {"stripe_kind": failure.kind.value, **{name: value for name, value in named.items() if value}}
