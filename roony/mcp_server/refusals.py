"""Refusals as a model reads them: a stable code, a sentence, and what to do about it. Never a traceback."""

from __future__ import annotations

from typing import Any

from roony.client import RoonyError, Unreachable
from roony.mcp_server.arguments import BadArgument

# The REST API's names of what a tool calls differently.
_ARGUMENTS = {
    "merchant.name": "merchant",
    "merchant.url": "merchant_url",
    "merchant.category": "merchant_category",
    "merchant.country": "merchant_country",
    "recurring": "repeat_every",
    "recurring.interval": "repeat_every",
    "recurring.payments": "payments",
    "Idempotency-Key": "request_id",
    "purpose": "card_purpose",
}
_AGAIN = "Wait {wait} and call again with the same arguments{name}: nothing is bought twice."
_CORRECT = "Correct the argument that `field` names and call again. Nothing was written."
_STEPS: dict[str | int, str] = {
    "possible_duplicate": "If it is the same wish, call get_purchase with the purchase in `id`. If you mean to buy it"
    " once more, call again with allow_duplicate true and a new request_id; a person may have to decide.",
    "idempotency_conflict": "This request_id belongs to another request: use a new one for a new purchase, or repeat"
    " the first request exactly.",
    "too_many_deliveries": "Its details were handed out as often as is allowed. Use the ones you have, or cancel the"
    " purchase and request a new one.",
    "card_not_ready": "The message says why. Do not ask for the card again before that has changed, or call"
    " cancel_purchase.",
    "no_public_key": "Tell the person who runs you: the message says what is missing.",
    400: _CORRECT,
    401: "The agent's key is not accepted: the person who runs you has to set another one.",
    403: "The agent's key does not allow this: the owner has to. Do not try again.",
    404: "Check the id: it has to be one of your own purchases.",
    409: "It cannot be done as things are now; call get_purchase to see how they are.",
    413: "Send shorter texts.",
    422: _CORRECT,
    429: _AGAIN,
    500: _AGAIN,
    502: _AGAIN,
    503: _AGAIN,
    504: _AGAIN,
}
_DEFAULT = "Tell the person who runs you."
INTERNAL = {
    "error": {
        "code": "internal",
        "message": "Something went wrong in Roony.",
        "what_to_do": "Look at the purchase before you ask for it again; tell the person who runs you.",
    }
}


class NotRequested(Exception):
    """A request that Roony refused or did not answer; a repetition has to carry this `request_id`."""

    def __init__(self, error: RoonyError, request_id: str) -> None:
        super().__init__(error.code)
        self.error = error
        self.request_id = request_id


def bad_argument(wrong: BadArgument) -> dict[str, Any]:
    """An argument that was refused before Roony was asked."""
    error = {"code": "invalid", "message": wrong.message, "what_to_do": _CORRECT}
    return {"error": {**error, "field": wrong.field} if wrong.field is not None else error}


def refused(error: RoonyError, request_id: str | None = None) -> dict[str, Any]:
    """What Roony refused, or that it did not answer; `request_id` is the one that a repetition has to carry."""
    shown: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.field is not None:
        shown["field"] = _ARGUMENTS.get(error.field, error.field)
    if error.id is not None:
        shown["id"] = error.id
    if error.reasons:
        shown["reasons"] = error.reasons
    if error.retry_after is not None:
        shown["retry_after_seconds"] = error.retry_after
    if error.request_id is not None:
        shown["log_reference"] = error.request_id
    wait = f"{error.retry_after:.0f} seconds" if error.retry_after is not None else "a moment"
    name = f' and request_id "{request_id}"' if request_id is not None else ""
    step = _AGAIN if isinstance(error, Unreachable) else _STEPS.get(error.code) or _STEPS.get(error.status or 0)
    shown["what_to_do"] = (step or _DEFAULT).format(wait=wait, name=name)
    return {"error": shown}
