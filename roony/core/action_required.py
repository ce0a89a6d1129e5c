"""Why a purchase does not go on, as a closed table: a code, a sentence, and what to do about it.

Either the newest payment with its card was refused, or a person was asked and there was no yes.

Nothing of what Stripe or a merchant wrote is in it: an agent reads only these words.
"""

from __future__ import annotations

import json
from typing import NamedTuple

from roony.core.approval import Approval
from roony.core.authorization import Authorization
from roony.core.purchase import Purchase

# Outcomes of 3-D Secure that leave a payment without it (facts section 2.4, verification_data).
_UNPROVED = frozenset({"failed", "required"})
# Reasons of Stripe that a payment without 3-D Secure may be refused with.
_FOR_WANT_OF_PROOF = frozenset({"verification_failed", "insecure_authorization_method", "suspected_fraud"})


class ActionRequired(NamedTuple):
    """What stands in the way of paying: a stable code, the reason, and the next step, in Roony's own words."""

    code: str
    message: str
    next: str


_AGAIN = "Pay once more in a few minutes. If it is refused again, tell the owner."
_OWNER = "Tell the owner; pay again once that is mended."
_ENDED = "Ask for a new purchase if it is still wanted."
_WORDS = (
    ("three_d_secure_required", "The merchant demands 3-D Secure, and nobody confirmed the payment.",
     "A person confirms it with the cardholder's phone while the merchant waits, or pay a merchant that does not ask."),
    ("card_details_wrong", "A check of the card's details failed.",
     "Get the card again and enter number, CVC, expiry and postal code exactly as they are."),
    ("cardholder_unverified", "Stripe wants more details of the cardholder before the card pays.",
     "Tell the owner: `roony cardholder list` says what is missing."),
    ("suspected_fraud", "Stripe suspects fraud at this merchant or with this card.",
     "Do not try again before a person has looked at it."),
    ("balance_too_low", "The account at Stripe had too little balance.",
     "Tell the owner to top it up, then pay again."),
    ("over_card_limit", "The merchant asked for more than the card may pay, or at a merchant the card is not for.",
     "Raise the price of the purchase if the merchant asks for more; otherwise tell the owner."),
    ("card_not_active", "The card was frozen, canceled or not active.", _OWNER),
    ("card_expired", "The time of the card is over.", _ENDED),
    ("card_used", "The card pays once, and it has.", "Ask for a new purchase for another payment."),
    ("frozen", "Payments of this agent, its project or the organization were frozen.", _OWNER),
    ("account_inactive", "The account at Stripe took no payments.", _OWNER),
    ("currency_not_allowed", "The merchant asked in a currency that is not allowed.",
     "Choose the currency of the purchase at the merchant, or ask the owner to allow the other one."),
    ("category_not_allowed", "The merchant's trade, as the card network tells it, is not allowed.",
     "Ask the owner to allow it, or buy elsewhere."),
    ("country_not_allowed", "The merchant's country, as the card network tells it, is not allowed.",
     "Ask the owner to allow it, or buy elsewhere."),
    ("merchant_mismatch", "Another merchant asked for the payment than the one that was approved.",
     "Pay only the merchant of the purchase. Where it bills by another name, ask the owner to confirm that name."),
    ("renewal_too_early", "This period is paid already.", "Wait until `mandate.next_payment_from`."),
    ("over_hold", "The merchant asked for more than is set aside for it.",
     "Raise the price of the purchase before the card is used, or ask for a new one."),
    ("price_changed", "The merchant asked for a new price, and a person has to decide about it.",
     "Wait for the person, then let the merchant try again."),
    ("approval_denied", "A person was asked and said no.",
     "Do not ask for the same again; `approval.note` may say why. Tell the owner if it is still needed."),
    ("approval_expired", "A person was asked, and nobody decided in time.",
     "Tell the owner, and try again when somebody can decide."),
    ("rules_changed", "The rules no longer allowed the payment.", "Ask the owner, or cancel the purchase."),
    ("over_budget", "A budget had no room for the payment.", "Wait for its next period, or ask the owner for more."),
    ("try_again", "The payment could not be decided in time.", _AGAIN),
    ("refused_by_stripe", "Stripe refused the payment by itself.", _AGAIN),
)  # fmt: skip
ACTIONS = {code: ActionRequired(code, message, step) for code, message, step in _WORDS}

# What our own answers are for an agent; each code of `core.authorization.CODES` that a purchase's card can get.
OF_OURS = {
    "CARD_NOT_ACTIVE": "card_not_active",
    "CARD_EXPIRED": "card_expired",
    "CARD_USED": "card_used",
    "FROZEN": "frozen",
    "CONNECTION_INACTIVE": "account_inactive",
    "CURRENCY_MISMATCH": "currency_not_allowed",
    "CATEGORY_MISMATCH": "category_not_allowed",
    "COUNTRY_MISMATCH": "country_not_allowed",
    "MERCHANT_MISMATCH": "merchant_mismatch",
    "RENEWAL_TOO_EARLY": "renewal_too_early",
    "OVER_HOLD": "over_hold",
    "PRICE_CHANGED": "price_changed",
    "RULES_CHANGED": "rules_changed",
    "OVER_BUDGET": "over_budget",
    "LATE": "try_again",
    "STALE": "try_again",
    "UNREADABLE": "try_again",
    "BUSY": "try_again",
}
# What Stripe refuses by itself (facts section 2.4, `reason`); any other word is `refused_by_stripe`.
OF_STRIPE = {
    "account_disabled": "account_inactive",
    "card_canceled": "card_not_active",
    "card_expired": "card_expired",
    "card_inactive": "card_not_active",
    "cardholder_blocked": "card_not_active",
    "cardholder_inactive": "card_not_active",
    "cardholder_verification_required": "cardholder_unverified",
    "insufficient_funds": "balance_too_low",
    "spending_controls": "over_card_limit",
    "suspected_fraud": "suspected_fraud",
    "verification_failed": "card_details_wrong",
    "webhook_error": "try_again",
    "webhook_timeout": "try_again",
    "stripe_internal_error": "try_again",
}
# What became of a question to a person, where that was no yes.
OF_PEOPLE = {"denied": "approval_denied", "expired": "approval_expired"}


def may_need_action(purchase: Purchase) -> bool:
    """True while its card may still pay: a purchase for one payment until that is settled, a mandate to its end."""
    return purchase.ended_at is None and purchase.status in ("ready", "authorized")


def without_a_yes(purchase: Purchase, approval: Approval | None) -> ActionRequired | None:
    """What to do about a purchase that ended because people were asked and there was no yes.

    None where it ended otherwise, or the rules refused their yes: then `decision` says why.
    """
    if approval is None or approval.kind != "purchase":
        return None
    if (approval.status, purchase.status) not in (("denied", "declined"), ("expired", "expired")):
        return None
    return ACTIONS[OF_PEOPLE[approval.status]] if json.loads(purchase.decision)["verdict"] != "declined" else None


def action_required(
    known: Authorization, answer: str | None, approval: Approval | None = None
) -> ActionRequired | None:
    """What the newest request on an authorization calls for; None where it was approved or nothing is known of it.

    `answer` is the code of our own answer to that request, None where Roony was not asked. Stripe's word counts over
    ours once it is told, for it may have refused what we approved. `approval` is the purchase's newest one.
    """
    asked = approval if approval is not None and _is_about(known, approval) else None
    found = _refusal(known, answer, price_asked=asked is not None and asked.status != "approved")
    if found is ACTIONS["price_changed"] and asked is not None:
        return ACTIONS[OF_PEOPLE.get(asked.status, found.code)]
    return found


def _refusal(known: Authorization, answer: str | None, *, price_asked: bool) -> ActionRequired | None:
    history = json.loads(known.history)
    if known.provisional or len(history) < known.history_length:
        return _ours(answer)
    if not history or history[-1][0]:
        return None
    reason = history[-1][1]
    if reason == "webhook_declined" and answer is not None:
        return _ours(answer) or ACTIONS["try_again"]
    if reason in _FOR_WANT_OF_PROOF and known.three_d_secure in _UNPROVED:
        return ACTIONS["three_d_secure_required"]
    if reason == "spending_controls" and price_asked:
        return ACTIONS["price_changed"]
    return ACTIONS[OF_STRIPE.get(reason, "refused_by_stripe")]


def _ours(answer: str | None) -> ActionRequired | None:
    return ACTIONS[OF_OURS[answer]] if answer in OF_OURS else None


def _is_about(known: Authorization, approval: Approval) -> bool:
    """True if people are or were asked about the price of this payment, and not about that of an earlier one."""
    return approval.kind == "renewal" and (approval.decided_at is None or known.created_at <= approval.decided_at)
