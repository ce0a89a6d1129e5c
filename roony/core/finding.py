"""What does not fit, as a function of what is known: the same facts in any order give the same findings (section 8)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from roony.core.authorization import Authorization, AuthorizationDecision
from roony.core.categories import category_words
from roony.core.hashing import derived_id
from roony.core.mandate import Payment, part_of, payment_of
from roony.core.merchant import Merchant
from roony.core.money import CURRENCIES, format_amount
from roony.core.purchase import Purchase
from roony.core.refund import is_same_merchant
from roony.core.settlement import HistoryEntry, StripeTransaction, honoured

# The merchant of an authorization of which only a capture has told so far.
NO_MERCHANT = "{}"
# Looked at anew whenever something was booked on the purchase.
ABOUT_AUTHORIZATIONS = ("over_capture", "late_capture", "extra_capture")
ABOUT_TRANSACTIONS = ("force_capture", "unmatched_refund", "currency_mismatch", "merchant_mismatch")
# Looked at when Stripe states the authorization.
ABOUT_ANSWERS = ("approved_without_roony", "answer_not_honoured")
MISMATCHES = ("merchant_mismatch", "category_mismatch", "country_mismatch", "currency_mismatch")


class Finding(NamedTuple):
    """Something that does not fit now, about a Stripe id: what was expected and what was found."""

    expected: str
    found: str


class Explained(NamedTuple):
    """Nothing that does not fit (any more); `note` is written on a finding that said otherwise."""

    note: str


# Findings name amounts in minor units, before whom they are by: what a merchant calls itself is left as it is.
_AMOUNT = re.compile(r"\b(\d{1,12}) ([a-z]{3})\b")

# What is found about (kind, subject).
Findings = dict[tuple[str, str], Finding | Explained]


def discrepancy_id(kind: str, subject: str) -> str:
    """The id of a finding, derived from what it is about, so that finding it again writes nothing new."""
    return derived_id("dis", kind, subject)


def capture_findings(
    purchase: Purchase,
    authorizations: Iterable[Authorization],
    captures: Sequence[StripeTransaction],
    is_approved: Callable[[StripeTransaction], bool],
    payments: Sequence[Payment] = (),
) -> Findings:
    """Looks at every authorization of a purchase and every capture booked on it.

    `is_approved` says whether a capture names the approved merchant. One that names the same as its authorization is
    no finding of its own. Of a mandate, `payments` are what was set aside for each payment.
    """
    known_ones = list(authorizations)
    findings: Findings = {}
    merchants: dict[str | None, Merchant] = {}
    for known in known_ones:
        if known.merchant != NO_MERCHANT:
            merchants[known.id] = Merchant.from_json(known.merchant)
        booked = [capture for capture in captures if capture.authorization_id == known.id]
        findings[("over_capture", known.id)] = _over(_of_payment(purchase, known, payments, known_ones), known)
        findings[("late_capture", known.id)] = _late(known, booked)
        findings[("extra_capture", known.id)] = _extra(known, booked)
    for capture in captures:
        findings[("force_capture", capture.id)] = _forced(capture)
        findings[("currency_mismatch", capture.id)] = _currency(purchase, capture)
        stated = merchants.get(capture.authorization_id)
        as_stated = stated is not None and is_same_merchant(Merchant.from_json(capture.merchant), stated)
        fits = as_stated or is_approved(capture)
        findings[("merchant_mismatch", capture.id)] = (
            Explained("The merchant is known by this name.") if fits else Finding(purchase.merchant, capture.merchant)
        )
    return findings


def answer_findings(known: Authorization, decisions: Iterable[AuthorizationDecision], hold: int) -> Findings:
    """Compares what Stripe recorded with what we answered, request by request, and then the amounts in all.

    Stripe may authorize more than was answered, as at a fuel pump, where 1.00 is asked for and 100.00 set aside (facts
    2.6). Inside the hold that is nobody's loss.
    """
    ours = {decision.ordinal: decision for decision in decisions if decision.code != "STALE"}
    alone: Finding | Explained = Explained("A decision of Roony is known by now.")
    other: Finding | Explained = Explained("Stripe recorded what Roony answered.")
    granted, approved = 0, False
    for ordinal, entry in enumerate(history_of(known)):
        decision = ours.get(ordinal)
        if decision is None:
            if entry.approved and isinstance(alone, Explained):
                alone = Finding("a decision of Roony", entry.reason)
            continue
        answered = bool(decision.approved) and decision.answered == "approved"
        if not honoured(answered, entry) and isinstance(other, Explained):
            other = Finding(decision.code, entry.reason)
        granted, approved = granted + decision.approved_amount * answered, approved or entry.approved
    as_answered = approved and isinstance(alone, Explained) and isinstance(other, Explained)
    if as_answered and known.amount > max(granted, hold):
        other = Finding(f"{granted} {known.currency} approved", f"{known.amount} {known.currency} authorized")
    return {("approved_without_roony", known.id): alone, ("answer_not_honoured", known.id): other}


def history_of(known: Authorization) -> list[HistoryEntry]:
    """The request_history as Stripe last told it."""
    return [HistoryEntry(bool(approved), reason, amount) for approved, reason, amount in json.loads(known.history)]


def _of_payment(
    purchase: Purchase, known: Authorization, payments: Sequence[Payment], authorizations: Iterable[Authorization]
) -> Purchase:
    """What the hold of an authorization has to cover: the whole purchase, or of a mandate this one payment."""
    if not payments:
        return purchase
    payment = payment_of(known, payments)
    return part_of(purchase, payment, [a for a in authorizations if payment_of(a, payments) == payment])


def _over(purchase: Purchase, known: Authorization) -> Finding | Explained:
    """More than was authorized, and more than was set aside: a tip inside the tolerance is none (section 4)."""
    over = known.captured > known.amount and purchase.captured > purchase.hold_amount
    if over and known.history_length > 0:
        return Finding(f"{known.amount} {known.currency} authorized", f"{known.captured} {known.currency} captured")
    return Explained("What is authorized by now covers what was captured.")


def _late(known: Authorization, booked: list[StripeTransaction]) -> Finding | Explained:
    finals = json.loads(known.finals)
    late = _unlisted(booked, finals["expired"]) if "expired" in finals else []
    if late:
        return Finding("nothing after expiry", _sum(late))
    return Explained("Stripe lists what was captured before expiry.")


def _extra(known: Authorization, booked: list[StripeTransaction]) -> Finding | Explained:
    """A capture that a statement of an end does not list came after it. A declined one is captured never."""
    finals = json.loads(known.finals)
    for status in ("reversed", "closed"):
        extra = _unlisted(booked, finals[status]) if status in finals else []
        if extra:
            return Finding(f"nothing after it was {status}", _sum(extra))
    if booked and known.history_length > 0 and not known.provisional and not known.approved:
        return Finding("nothing, since it was declined", _sum(booked))
    return Explained("The authorization covers what was captured.")


def _unlisted(booked: list[StripeTransaction], listed: list[str]) -> list[StripeTransaction]:
    return [capture for capture in booked if capture.id not in listed]


def _sum(captures: list[StripeTransaction]) -> str:
    return f"{sum(capture.amount for capture in captures)} {captures[0].currency}"


def _forced(capture: StripeTransaction) -> Finding | Explained:
    if capture.authorization_id is None:
        return Finding("an authorization", f"{capture.amount} {capture.currency} captured without one")
    return Explained("Stripe has named its authorization.")


def _currency(purchase: Purchase, capture: StripeTransaction) -> Finding | Explained:
    if capture.currency != purchase.currency:
        return Finding(purchase.currency, capture.currency)
    return Explained("It is the currency of the purchase.")


def told(text: str) -> list[tuple[str, str]] | str:
    """What was expected or found: what is known of a merchant, or words, with amounts as people write them."""
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        ours, by, theirs = text.partition(" by ")
        return _AMOUNT.sub(_written, ours) + by + theirs
    said = [(name, str(part)) for name, part in value.items() if part]
    return [(name, category_words(part) if name == "category" else part) for name, part in said] or "not known"


def in_words(text: str) -> str:
    """The same on one line."""
    value = told(text)
    if isinstance(value, str):
        return value
    return ", ".join(f"{name.replace('_', ' ')} {part}" for name, part in value)


def _written(amount: re.Match[str]) -> str:
    return format_amount(int(amount[1]), amount[2]) if amount[2] in CURRENCIES else amount[0]
