"""The merchant's side, played by a test: the helpers under /v1/test_helpers/issuing (facts 8)."""

from __future__ import annotations

from typing import Any

from roony.simulator import fraud_challenges, settlement
from roony.simulator.exchange import check_currency, convert
from roony.simulator.identifiers import new_id, random_digits
from roony.simulator.records import Record
from roony.simulator.refusals import invalid, missing
from roony.simulator.stripe_api import authorizations, transactions
from roony.simulator.stripe_api.merchants import (
    DETAILS,
    FLEET,
    FUEL,
    MERCHANT,
    fleet,
    fuel,
    merchant_data,
    origin,
    purchase_details,
)
from roony.simulator.stripe_api.operations import Call, Operation
from roony.simulator.stripe_api.parameters import Boolean, Field, Group, Integer, Text
from roony.simulator.views import View, authorization_view, body_view

_URL = "/v1/test_helpers/issuing/authorizations"
_ONE = _URL + "/{authorization}"
_TRANSACTIONS = "/v1/test_helpers/issuing/transactions"
_LARGEST = 99_999_999  # minor units: eight digits, as in Stripe's amounts
_CHECKS = ("address_line1_check", "address_postal_code_check", "cvc_check", "expiry_check")
_MATCHES = ("match", "mismatch", "not_provided")
_PRESENT = ("chip", "contactless", "swipe")


async def create(call: Call) -> View:
    """Let a merchant ask for money; returns after the decision (up to 2 s when somebody is asked)."""
    world = call.world
    card = world.find(world.cards, call.account, call.params["card"], "issuing card", "card")
    request = _request(call.params, card["body"]["currency"])
    record = _record(call, card, request)
    await call.network.authorize(record, request)
    return authorization_view(world, record)


def _request(params: Any, card_currency: str) -> dict[str, Any]:
    """Return `pending_request`: what is asked for, in card currency and as the merchant asks."""
    currency = check_currency(params.get("currency", card_currency), "currency")
    amount, merchant_amount = params.get("amount"), params.get("merchant_amount")
    if amount is None and merchant_amount is None:
        raise missing("amount")
    merchant_currency = check_currency(params.get("merchant_currency", currency), "merchant_currency")
    if amount is None:
        amount = convert(merchant_amount, merchant_currency, card_currency)
    else:
        amount = convert(amount, currency, card_currency)
    if merchant_amount is None:
        merchant_amount = convert(amount, card_currency, merchant_currency)
    details = params.get("amount_details")
    return {
        "amount": amount,
        "amount_details": None if details is None else {"atm_fee": None, "cashback_amount": None, **details},
        "currency": card_currency,
        "is_amount_controllable": params.get("is_amount_controllable", False),
        "merchant_amount": merchant_amount,
        "merchant_currency": merchant_currency,
        "network_risk_score": None,
    }


def _record(call: Call, card: Record, request: dict[str, Any]) -> Record:
    params = call.params
    method = params.get("authorization_method", "online")
    identifier = new_id("iauth")
    body = {
        "id": identifier,
        "object": "issuing.authorization",
        "amount": 0,
        "amount_details": request["amount_details"],
        "approved": False,
        "authorization_method": method,
        "card_presence": "present" if method in _PRESENT else "not_present",
        "cardholder": card["cardholder"],
        "created": call.world.clock.now(),
        "currency": request["currency"],
        "fleet": fleet(params.get("fleet")),
        "fraud_challenges": None,
        "fuel": fuel(params.get("fuel")),
        "livemode": False,
        "merchant_amount": 0,
        "merchant_currency": request["merchant_currency"],
        "merchant_data": merchant_data(params.get("merchant_data")),
        "metadata": {},
        "network_data": {
            "acquiring_institution_id": params.get("network_data", {}).get("acquiring_institution_id"),
            "system_trace_audit_number": random_digits(6),
            "transaction_id": random_digits(15),
        },
        "pending_request": None,
        "request_history": [],
        "status": "pending",
        "token": None,
        "treasury": None,
        "verification_data": _verification(params.get("verification_data")),
        "verified_by_fraud_challenge": None,
        "wallet": params.get("wallet"),
    }
    empty: dict[str, Any] = {"moves": [], "transactions": [], "held": 0, "captured": 0, "counted": 0}
    links = {"account": call.account, "card": card["id"], "cardholder": card["cardholder"]}
    kept = {"payment_counted": False, "risks": params.get("risk_assessment", {})}
    return {"id": identifier, **links, "body": body, **empty, **kept}


def _verification(given: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "address_line1_check": "not_provided",
        "address_postal_code_check": "not_provided",
        "authentication_exemption": None,
        "cvc_check": "match",
        "expiry_check": "match",
        "postal_code": None,
        "three_d_secure": None,
        **(given or {}),
    }


async def increment(call: Call) -> View:
    """Let the merchant ask for more on an open authorization."""
    record = authorizations.found(call)
    body = record["body"]
    if body["status"] != "pending" or not body["approved"] or body["pending_request"] is not None:
        raise invalid(f"This authorization is {body['status']} and cannot be incremented.")
    amount = call.params["increment_amount"]
    request = {
        "amount": amount,
        "amount_details": None,
        "currency": body["currency"],
        "is_amount_controllable": call.params.get("is_amount_controllable", False),
        "merchant_amount": settlement.merchant_share(body, amount),
        "merchant_currency": body["merchant_currency"],
        "network_risk_score": None,
    }
    await call.network.increment(record, request)
    return authorization_view(call.world, record)


def capture(call: Call) -> View:
    """Let the merchant take the money: all (the default), less, more, or in several pieces."""
    record = authorizations.found(call)
    details = purchase_details(call.params.get("purchase_details"))
    close = call.params.get("close_authorization", True)
    settlement.capture(call.world, record, call.params.get("capture_amount"), close=close, details=details)
    return authorization_view(call.world, record)


def reverse(call: Call) -> View:
    """Let the merchant give back all or a part."""
    record = settlement.reverse(call.world, authorizations.found(call), call.params.get("reverse_amount"))
    return authorization_view(call.world, record)


def expire(call: Call) -> View:
    """Let the time of an authorization run out."""
    return authorization_view(call.world, settlement.expire(call.world, authorizations.found(call)))


def finalize_amount(call: Call) -> View:
    """Let a fuel pump say the real amount."""
    record = authorizations.found(call)
    changes = {
        name: read(call.params[name]) for name, read in (("fuel", fuel), ("fleet", fleet)) if name in call.params
    }
    settlement.finalize_amount(call.world, record, call.params["final_amount"], changes)
    return authorization_view(call.world, record)


def respond(call: Call) -> View:
    """Let the cardholder answer the fraud challenge: it was me, or it was not."""
    record = authorizations.found(call)
    fraud_challenges.respond(call.world, record, confirmed=call.params["confirmed"])
    return authorization_view(call.world, record)


def force_capture(call: Call) -> View:
    """Let a merchant take money without asking."""
    return _unasked(call, settlement.force_capture)


def unlinked_refund(call: Call) -> View:
    """Let money come from a merchant where nothing was bought."""
    return _unasked(call, settlement.unlinked_refund)


def _unasked(call: Call, book: Any) -> View:
    world, params = call.world, call.params
    card = world.find(world.cards, call.account, params["card"], "issuing card", "card")
    card_currency = card["body"]["currency"]
    source = origin(params.get("currency"), card_currency, params.get("merchant_data"))
    source["merchant_amount"] = params["amount"]
    amount = convert(params["amount"], source["merchant_currency"], card_currency)
    details = purchase_details(params.get("purchase_details"))
    return body_view(world, book(world, card, amount, source, details))


def refund(call: Call) -> View:
    """Let the merchant give back a captured purchase, or a part of it."""
    refunded = settlement.refund(call.world, transactions.found(call), call.params.get("refund_amount"))
    return body_view(call.world, refunded)


_AMOUNT = Integer(least=0, most=_LARGEST)
_REQUIRED_AMOUNT = Integer(required=True, least=1, most=_LARGEST)
_EXEMPTION = Group(
    fields={
        "claimed_by": Text(required=True, choices=("acquirer", "issuer")),
        "type": Text(required=True, choices=("low_value_transaction", "transaction_risk_analysis", "unknown")),
    }
)
_SECURE = Text(required=True, choices=("attempt_acknowledged", "authenticated", "failed", "required"))
_LEVEL = Text(required=True, choices=("elevated", "highest", "low", "normal", "not_assessed", "unknown"))
_PERCENT = Integer(least=0, most=100)
_RISKS = Group(
    fields={
        "card_testing_risk": Group(
            fields={
                "invalid_account_number_decline_rate_past_hour": _PERCENT,
                "invalid_credentials_decline_rate_past_hour": _PERCENT,
                "level": _LEVEL,
            }
        ),
        "fraud_risk": Group(fields={"level": _LEVEL, "score": _PERCENT}),
        "merchant_dispute_risk": Group(fields={"dispute_rate": _PERCENT, "level": _LEVEL}),
    }
)
_CREATE: dict[str, Field] = {
    "amount": _AMOUNT,
    "amount_details": Group(fields={"atm_fee": _AMOUNT, "cashback_amount": _AMOUNT}),
    "authorization_method": Text(choices=("chip", "contactless", "keyed_in", "online", "swipe")),
    "card": Text(required=True),
    "currency": Text(longest=3),
    "fleet": FLEET,
    "fraud_disputability_likelihood": Text(choices=("neutral", "unknown", "very_likely", "very_unlikely")),
    "fuel": FUEL,
    "is_amount_controllable": Boolean(),
    "merchant_amount": Integer(least=0, most=_LARGEST * 1000),
    "merchant_currency": Text(longest=3),
    "merchant_data": MERCHANT,
    "network_data": Group(fields={"acquiring_institution_id": Text()}),
    "risk_assessment": _RISKS,
    "verification_data": Group(
        fields={
            **{name: Text(choices=_MATCHES) for name in _CHECKS},
            "authentication_exemption": _EXEMPTION,
            "three_d_secure": Group(fields={"result": _SECURE}),
        }
    ),
    "wallet": Text(choices=("apple_pay", "google_pay", "samsung_pay")),
}
_UNASKED: dict[str, Field] = {
    "amount": _REQUIRED_AMOUNT,
    "card": Text(required=True),
    "currency": Text(longest=3),
    "merchant_data": MERCHANT,
    "purchase_details": DETAILS,
}
_CAPTURE: dict[str, Field] = {
    "capture_amount": Integer(least=1, most=_LARGEST),
    "close_authorization": Boolean(),
    "purchase_details": DETAILS,
}
_INCREMENT: dict[str, Field] = {"increment_amount": _REQUIRED_AMOUNT, "is_amount_controllable": Boolean()}
_FINALIZE: dict[str, Field] = {
    "final_amount": Integer(required=True, least=0, most=_LARGEST),
    "fuel": FUEL,
    "fleet": FLEET,
}

OPERATIONS = (
    Operation("POST", _URL, create, _CREATE),
    Operation("POST", _ONE + "/capture", capture, _CAPTURE),
    Operation("POST", _ONE + "/expire", expire),
    Operation("POST", _ONE + "/finalize_amount", finalize_amount, _FINALIZE),
    Operation("POST", _ONE + "/fraud_challenges/respond", respond, {"confirmed": Boolean(required=True)}),
    Operation("POST", _ONE + "/increment", increment, _INCREMENT),
    Operation("POST", _ONE + "/reverse", reverse, {"reverse_amount": Integer(least=1, most=_LARGEST)}),
    Operation("POST", _TRANSACTIONS + "/create_force_capture", force_capture, _UNASKED),
    Operation("POST", _TRANSACTIONS + "/create_unlinked_refund", unlinked_refund, _UNASKED),
    Operation(
        "POST", _TRANSACTIONS + "/{transaction}/refund", refund, {"refund_amount": Integer(least=1, most=_LARGEST)}
    ),
)
