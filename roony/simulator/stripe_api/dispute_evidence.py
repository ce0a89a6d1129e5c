"""Evidence of a dispute: what each reason may say, what it shows, and what it must have before submission."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from roony.simulator.refusals import invalid
from roony.simulator.stripe_api.parameters import Boolean, Field, Group, Integer, Text

# Files are named by id and not looked up: the simulator has no Files API.
_TEXT = Text(clearable=True)
_TIME = Integer(clearable=True, least=0)
_PRODUCT = Text(clearable=True, choices=("merchandise", "service"))
_RETURN = Text(clearable=True, choices=("merchant_rejected", "successful"))
_PLAIN: dict[str, Field] = {"additional_documentation": _TEXT, "explanation": _TEXT}
_BY_REASON: dict[str, dict[str, Field]] = {
    "canceled": {
        **_PLAIN,
        "canceled_at": _TIME,
        "cancellation_policy_provided": Boolean(clearable=True),
        "cancellation_reason": _TEXT,
        "expected_at": _TIME,
        "product_description": _TEXT,
        "product_type": _PRODUCT,
        "return_status": _RETURN,
        "returned_at": _TIME,
    },
    "duplicate": {
        **_PLAIN,
        "card_statement": _TEXT,
        "cash_receipt": _TEXT,
        "check_image": _TEXT,
        "original_transaction": Text(),
    },
    "fraudulent": _PLAIN,
    "merchandise_not_as_described": {
        **_PLAIN,
        "received_at": _TIME,
        "return_description": _TEXT,
        "return_status": _RETURN,
        "returned_at": _TIME,
    },
    "no_valid_authorization": _PLAIN,
    "not_received": {**_PLAIN, "expected_at": _TIME, "product_description": _TEXT, "product_type": _PRODUCT},
    "other": {**_PLAIN, "product_description": _TEXT, "product_type": _PRODUCT},
    "service_not_as_described": {**_PLAIN, "canceled_at": _TIME, "cancellation_reason": _TEXT, "received_at": _TIME},
}
# Stripe checks completeness at submission by a table that was not at hand: this is what the fields themselves imply.
_REQUIRED: dict[str, tuple[str, ...]] = {
    "canceled": ("explanation", "canceled_at", "cancellation_policy_provided", "cancellation_reason", "product_type"),
    "duplicate": (),
    "fraudulent": ("explanation",),
    "merchandise_not_as_described": ("explanation", "received_at", "return_status"),
    "no_valid_authorization": ("explanation",),
    "not_received": ("explanation", "expected_at", "product_description", "product_type"),
    "other": ("explanation",),
    "service_not_as_described": ("explanation", "canceled_at", "cancellation_reason", "received_at"),
}
_PROOFS_OF_DUPLICATE = ("original_transaction", "card_statement", "cash_receipt", "check_image")
_DEFAULT_REASON = "fraudulent"

EVIDENCE = Group(
    fields={
        **{reason: Group(clearable=True, fields=fields) for reason, fields in _BY_REASON.items()},
        "reason": Text(choices=tuple(_BY_REASON)),
    }
)


def merged_evidence(old: Mapping[str, Any] | None, given: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the evidence after an update: what is sent replaces that field, what is not sent stays.

    The part named by the reason is always there; another part is shown only once something was said in it.
    """
    given = given or {}
    named = next((name for name in given if name != "reason"), _DEFAULT_REASON)
    reason = given.get("reason") or (old["reason"] if old else named)
    parts = {name: dict(part) for name, part in (old or {}).items() if name != "reason"}
    for name, change in given.items():
        if name == "reason":
            continue
        if change is None:
            parts.pop(name, None)
        else:
            parts[name] = {**dict.fromkeys(_BY_REASON[name]), **parts.get(name, {}), **change}
    parts.setdefault(reason, dict.fromkeys(_BY_REASON[reason]))
    return {"reason": reason, **parts}


def check_complete(evidence: Mapping[str, Any]) -> None:
    """Refuse evidence that lacks what its reason needs before it can go to the card network."""
    reason = evidence["reason"]
    part = evidence[reason]
    needed = list(_REQUIRED[reason])
    if reason == "canceled" and part["product_type"] == "merchandise":
        needed += ["return_status", "returned_at"]
    if reason == "merchandise_not_as_described" and part["return_status"] is not None:
        needed.append("returned_at" if part["return_status"] == "successful" else "return_description")
    if reason == "duplicate" and all(part[name] is None for name in _PROOFS_OF_DUPLICATE):
        raise invalid(
            f"Evidence for reason `duplicate` needs one of {', '.join(_PROOFS_OF_DUPLICATE)} before submission.",
            "evidence[duplicate]",
        )
    for name in needed:
        if part[name] is None:
            raise invalid(
                f"Evidence for reason `{reason}` needs `{name}` before the dispute can be submitted.",
                f"evidence[{reason}][{name}]",
            )
