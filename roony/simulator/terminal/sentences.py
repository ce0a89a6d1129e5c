"""Why an authorization was approved or declined, in words for a person (the reasons are those of facts 2.4)."""

from __future__ import annotations

from typing import Any

_APPROVED = {
    "card_active": "No webhook endpoint is asked for this account, and Stripe's own checks passed.",
    "webhook_approved": "The webhook answered yes.",
    "webhook_timeout": "The webhook did not answer within 2 seconds; this account approves in that case.",
    "webhook_error": "The webhook's answer was not usable; this account approves in that case.",
    "network_fallback": "Stripe could not be reached, and the card network approved in its place.",
}
_DECLINED = {
    "account_disabled": "Card issuing is not active for this account.",
    "card_canceled": "The card is canceled.",
    "card_expired": "The card is past its date.",
    "card_inactive": "The card is not activated.",
    "cardholder_blocked": "The cardholder is blocked.",
    "cardholder_inactive": "The cardholder is inactive.",
    "cardholder_verification_required": "The cardholder still has to be verified.",
    "insecure_authorization_method": "The card was used in a way that is not safe enough.",
    "insufficient_funds": "The account's Issuing balance does not cover the amount.",
    "network_fallback": "Stripe could not be reached, and the card network declined in its place.",
    "not_allowed": "Stripe does not allow this purchase.",
    "pin_blocked": "The PIN of the card is blocked.",
    "spending_controls": "A spending control of the card or the cardholder refuses it; no webhook was asked.",
    "stripe_internal_error": "Stripe itself failed.",
    "suspected_fraud": "The purchase looks like fraud.",
    "verification_failed": "The security code or the expiry date is wrong.",
    "webhook_declined": "The webhook answered no.",
    "webhook_error": "The webhook's answer was not usable; this account declines in that case.",
    "webhook_timeout": "The webhook did not answer within 2 seconds; this account declines in that case.",
}


def reason_in_words(entry: dict[str, Any]) -> str:
    """Return the sentence for one entry of `request_history`, with the message that came with it."""
    known = _APPROVED if entry["approved"] else _DECLINED
    sentence = known.get(entry["reason"], f"The reason given is {entry['reason']}.")
    message = entry["reason_message"]
    return f"{sentence} {message}" if message and message not in sentence else sentence
