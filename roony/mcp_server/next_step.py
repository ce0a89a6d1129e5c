"""What an agent does next about a purchase, in words: what is true of all of it, not of its status alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from roony.core.money import decimal_text

Json = Mapping[str, Any]

PREVIEWED = {
    "approved": "It would be approved now. Call request_purchase with the same arguments to buy.",
    "needs_approval": "A person would have to decide. Call request_purchase with the same arguments to ask for it.",
    "declined": "It would be declined. Change what `reasons` names, or ask the owner for other rules.",
}
_STEPS = {
    "issuing": "{why} Call get_purchase with purchase_id {id} and wait_seconds 45.",
    "awaiting_approval": "A person has to decide, until {until}. Do not request it again. Call get_purchase with"
    " purchase_id {id} and wait_seconds 45, again and again if need be.",
    "declined": "Not allowed: `decision.reasons` says why. The same request will be declined again; change what the"
    " first reason names, or ask the owner.",
    "authorized": "The merchant has authorized the payment. Nothing more is to be done.",
    "settled": "It is paid. Nothing more is to be done.",
    "canceled": "It is over and nothing can be paid with it. Make a new request if it is still needed.",
    "expired": "Its time is over and nothing can be paid with it. Make a new request if it is still needed.",
    "failed": "The card could not be made and nothing is held; `failure` says why.",
}
# With an action these ended for want of a person's yes, and not as `_STEPS` says.
_WITHOUT_A_YES = frozenset({"declined", "expired"})
_AFTER_FAILURE = {
    True: " Asking once more can help: make a new request with a new request_id.",
    False: " Asking again does not help until the owner has seen to it: tell the person who runs you.",
}
_FROZEN = (
    "The card is frozen: whatever is charged to it is declined. Do not pay. Only the owner can lift that; look again"
    " later with get_purchase, or call cancel_purchase if it is not needed any more."
)
_PAY = " Pay this merchant at most {limit} {currency} before {end}. If you do not pay, call cancel_purchase."
_PAY_EACH = (
    " This merchant may charge at most {limit} {currency} each {interval}, {payments} times in all, before {end}. If"
    " you do not subscribe, call cancel_purchase."
)
_PAYS_ON = " The same card pays again from {since} on."
# Between two payments: what was said of the first one would make an agent pay again, or give up what it has paid for.
_PAID_IN_PART = (
    "{made} of {payments} payments are made. This merchant may charge the same card at most {limit} {currency} each"
    " {interval}, the next time from {since} on. Nothing is to be done; cancel_purchase ends the subscription for good."
)
_READY = {
    None: "The card is ready. Call get_purchase with purchase_id {id} and card_purpose to get its details.",
    "raw": "The card's details are in `credentials`; keep them to yourself.",
    "sealed": "The card's details are sealed in `credentials.jwe`: your own program opens them with its private key"
    " (`roony agent-key open`).",
    "reveal": "A person opens `credentials.url` within 10 minutes; it shows the card once.",
}


def next_step(row: Json, delivery: str | None) -> str:
    """What the agent does now, in a few sentences; first about a payment that was refused.

    `row` is the REST API's purchase, `delivery` the way in which this answer has the card's details, if it has them.
    """
    action = row["action_required"]
    if action is None:
        return _step(row, delivery)
    if row["status"] in _WITHOUT_A_YES:
        return f"{action['message']} {action['next']} Nothing is held."
    return f"The last payment was refused. {action['message']} {action['next']} " + _step(row, delivery)


def _step(row: Json, delivery: str | None) -> str:
    status = row["status"]
    if status == "ready":
        return _FROZEN if row["card"]["status"] == "frozen" else _ready(row, delivery)
    until, failure = (row["approval"] or {}).get("expires_at"), row["failure"]
    why = f"The card is not made yet. {failure['message']}" if failure else "The card is being made."
    said = _STEPS[status].format(id=row["id"], until=until, why=why)
    if status == "failed":
        return said + _AFTER_FAILURE[bool((failure or {}).get("retry_can_help"))]
    since = (row.get("mandate") or {}).get("next_payment_from")
    return said + _PAYS_ON.format(since=since) if since and status in ("authorized", "settled") else said


def _ready(row: Json, delivery: str | None) -> str:
    """How to get at the card, and what it may pay: of a mandate each payment, not all of them at once."""
    card, mandate, currency = row["card"], row.get("mandate"), row["currency"]
    details = _READY[delivery].format(id=row["id"])
    if mandate is None:
        limit = decimal_text(card["hard_limit"], currency)
        return details + _PAY.format(limit=limit, currency=currency.upper(), end=card["expires_at"])
    facts = {
        "limit": decimal_text(row["hold_amount"], currency), "currency": currency.upper(), "end": card["expires_at"],
        "interval": mandate["interval"], "payments": mandate["payments"], "made": mandate["payments_made"],
        "since": mandate["next_payment_from"],
    }  # fmt: skip
    if mandate["payments_made"] == 0:
        return details + _PAY_EACH.format(**facts)
    return _PAID_IN_PART.format(**facts) if delivery is None else f"{details} {_PAID_IN_PART.format(**facts)}"
