"""Stripe's own checks of a request, before anyone is asked: what they find is never asked about (facts 2.1)."""

from __future__ import annotations

from typing import Any

from roony.simulator import ledger, spending, tokens
from roony.simulator.lifecycle import past_its_date
from roony.simulator.records import Record
from roony.simulator.world import World

# Reasons without a cause that a test could bring about; the control sets them for a card's next request.
FORCED_REASONS = (
    "account_disabled",
    "card_canceled",
    "card_expired",
    "card_inactive",
    "cardholder_blocked",
    "cardholder_inactive",
    "cardholder_verification_required",
    "insecure_authorization_method",
    "insufficient_funds",
    "network_fallback",
    "not_allowed",
    "pin_blocked",
    "spending_controls",
    "stripe_internal_error",
    "suspected_fraud",
    "verification_failed",
)
_MISMATCHES = ("cvc_check", "expiry_check")
# The two risks Stripe blocks by itself, at the highest level only; what is merely elevated is asked about.
_BLOCKING_RISKS = ("card_testing_risk", "fraud_risk")


def refusal(world: World, record: Record, amount: int, *, first: bool) -> str | None:
    """Return Stripe's reason to refuse `amount` more minor units on an authorization, or None.

    Account, balance, card, token, cardholder, verification, spending controls and fraud risk, in this order; a
    card's status and a token's block only new authorizations, opened ones may still grow (facts 1.3).
    """
    body, account = record["body"], world.accounts[record["account"]]
    card = world.cards[record["card"]]
    if account["body"]["capabilities"].get("card_issuing") != "active":
        return "account_disabled"
    if amount > max(ledger.available(world, record["account"], body["currency"]), 0):
        return "insufficient_funds"
    reason = (card_refusal(world, card) or _token_refusal(world, record)) if first else None
    reason = reason or _cardholder_refusal(world, card) or _verification_refusal(body)
    if reason is None and not spending.allows(world, card, body, amount):
        reason = "spending_controls"
    if reason is None and first and suspected(record):
        reason = "suspected_fraud"
    return reason


def card_refusal(world: World, card: Record) -> str | None:
    """Return why a card takes no new authorizations, or None."""
    if card["body"]["status"] != "active":
        return f"card_{card['body']['status']}"
    return "card_expired" if past_its_date(world, card) else None


def suspected(record: Record) -> bool:
    """Whether Stripe's risk controls stop an authorization; a passed fraud challenge lets it through (facts 2.4)."""
    risks = record["risks"]
    highest = any(risks.get(name, {}).get("level") == "highest" for name in _BLOCKING_RISKS)
    return highest and not record["body"]["verified_by_fraud_challenge"]


def _token_refusal(world: World, record: Record) -> str | None:
    token = record["body"]["token"]
    return "not_allowed" if token is not None and tokens.suspended(world, token) else None


def _cardholder_refusal(world: World, card: Record) -> str | None:
    cardholder = world.cardholders[card["cardholder"]]["body"]
    if cardholder["status"] != "active":
        return f"cardholder_{cardholder['status']}"
    if cardholder["requirements"]["disabled_reason"] is not None:
        return "cardholder_verification_required"
    return None


def _verification_refusal(body: dict[str, Any]) -> str | None:
    data = body["verification_data"]
    failed = (data["three_d_secure"] or {}).get("result") == "failed"
    return "verification_failed" if failed or any(data[name] == "mismatch" for name in _MISMATCHES) else None
