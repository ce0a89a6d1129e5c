"""The card network's side: an authorization is asked for, decided and recorded (facts 2.1 to 2.7)."""

from __future__ import annotations

from typing import Any

from roony.simulator import ledger, spending
from roony.simulator.asking import Asking, Verdict
from roony.simulator.events import emit
from roony.simulator.exchange import convert
from roony.simulator.identifiers import random_digits
from roony.simulator.lifecycle import count_authorization, past_its_date
from roony.simulator.records import Record
from roony.simulator.views import authorization_view, frozen, previous_attributes
from roony.simulator.world import World

_MISMATCHES = ("cvc_check", "expiry_check")


class CardNetwork:
    """Brings requests for money to a card, in the order of facts 2.1."""

    def __init__(self, world: World, asking: Asking) -> None:
        self.world = world
        self.asking = asking

    async def authorize(self, record: Record, request: dict[str, Any]) -> Record:
        """Decide a new authorization and announce it.

        1. Stripe's own checks: balance, card, cardholder, expiry and verification, spending controls.
        2. If they pass and an endpoint wants to be asked: the real-time request, at most 2 s.
        3. Hold, count and record; the card may end by this payment.
        4. `issuing_authorization.created`, approved or not.
        """
        self.world.authorizations.add(record)
        self.world.pending.add(record["id"])
        verdict = await self._decide(record, request, first=True)
        self._finish(record, request, verdict, None)
        return record

    async def increment(self, record: Record, request: dict[str, Any]) -> Record:
        """Decide a higher amount for an approved authorization; a declined increment changes no money."""
        before = frozen(authorization_view(self.world, record))
        verdict = await self._decide(record, request, first=False)
        self._finish(record, request, verdict, before)
        return record

    def _finish(self, record: Record, request: dict[str, Any], verdict: Verdict, before: dict[str, Any] | None) -> None:
        """Record and announce a decision; `before` is how an incremented authorization looked."""
        self._conclude(record, request, verdict)
        body = record["body"]
        if before is not None:
            self._announce(record, "issuing_authorization.updated", before)
        else:
            body["approved"] = verdict.approved
            if not verdict.approved:
                body.update(status="closed", amount=request["amount"], merchant_amount=request["merchant_amount"])
                self.world.pending.discard(record["id"])
            self._announce(record, "issuing_authorization.created")
        if verdict.approved:
            count_authorization(self.world, record, captured=False)

    def settle_interrupted(self) -> None:
        """Decline what was being asked when the last process ended: nobody waits for that answer any more."""
        for identifier in list(self.world.pending):
            record = self.world.authorizations[identifier]
            body = record["body"]
            request, body["pending_request"] = body["pending_request"], None
            if request is None:
                continue
            before = frozen(authorization_view(self.world, record))
            spending.count(self.world, record, record["counted"] - request["amount"])
            verdict = _declined("webhook_timeout", "The simulator ended before the answer came.")
            self._finish(record, request, verdict, None if not body["request_history"] else before)

    async def _decide(self, record: Record, request: dict[str, Any], *, first: bool) -> Verdict:
        refused = self._stripes_own_checks(record, request["amount"], first=first)
        if refused is not None:
            return refused
        if not self.asking.wanted(record["account"]):
            return Verdict(True, "card_active", request["amount"])
        body, amount, account = record["body"], request["amount"], record["account"]
        # While somebody thinks, the money and the limits are taken: two asks at once must not both fit.
        ledger.reserve(self.world, account, body["currency"], amount)
        spending.count(self.world, record, record["counted"] + amount)
        body["pending_request"] = request
        try:
            verdict = await self.asking.ask(record)
        finally:
            body["pending_request"] = None
            ledger.reserve(self.world, account, body["currency"], -amount)
            spending.count(self.world, record, record["counted"] - amount)
        if verdict.approved and first:
            ended = self._card_refusal(self.world.cards[record["card"]])
            return ended or verdict
        return verdict

    def _stripes_own_checks(self, record: Record, amount: int, *, first: bool) -> Verdict | None:
        world, body, account = self.world, record["body"], record["account"]
        card = world.cards[record["card"]]
        if world.accounts[account]["body"]["capabilities"].get("card_issuing") != "active":
            return _declined("account_disabled")
        if amount > ledger.available(world, account, body["currency"]):
            return _declined("insufficient_funds")
        # A card's status blocks only new authorizations; opened ones may still grow (facts 1.3).
        refused = self._card_refusal(card) if first else None
        refused = refused or self._cardholder_refusal(card)
        if refused is None and any(body["verification_data"][name] == "mismatch" for name in _MISMATCHES):
            refused = _declined("verification_failed")
        if refused is None:
            message = spending.refusal(world, card, body, amount)
            refused = _declined("spending_controls", message) if message else None
        return refused

    def _card_refusal(self, card: Record) -> Verdict | None:
        if card["body"]["status"] != "active":
            return _declined(f"card_{card['body']['status']}")
        return _declined("card_expired") if past_its_date(self.world, card) else None

    def _cardholder_refusal(self, card: Record) -> Verdict | None:
        cardholder = self.world.cardholders[card["cardholder"]]["body"]
        if cardholder["status"] != "active":
            return _declined(f"cardholder_{cardholder['status']}")
        if cardholder["requirements"]["disabled_reason"] is not None:
            return _declined("cardholder_verification_required")
        return None

    def _conclude(self, record: Record, request: dict[str, Any], verdict: Verdict) -> None:
        """Write the answer into the history and, if it is yes, hold the money."""
        body, now = record["body"], self.world.clock.now()
        amount = verdict.amount if verdict.approved else request["amount"]
        partial = verdict.approved and amount != request["amount"]
        merchant_amount = request["merchant_amount"]
        if partial:
            merchant_amount = convert(amount, body["currency"], body["merchant_currency"])
        if verdict.approved:
            body["amount"] += amount
            body["merchant_amount"] += merchant_amount
            ledger.hold(self.world, record, record["held"] + amount)
            spending.count(self.world, record, record["counted"] + amount)
        if verdict.metadata:
            body["metadata"] = {**body["metadata"], **verdict.metadata}
        body["request_history"].append(
            {
                "amount": amount,
                "amount_details": request["amount_details"],
                "approved": verdict.approved,
                "authorization_code": random_digits(6) if verdict.approved else None,
                "created": now,
                "currency": body["currency"],
                "merchant_amount": merchant_amount,
                "merchant_currency": body["merchant_currency"],
                "network_risk_score": request["network_risk_score"],
                "reason": verdict.reason,
                "reason_message": verdict.message,
                "requested_at": now,
            }
        )
        self.world.authorizations.touch(record)

    def _announce(self, record: Record, kind: str, before: dict[str, Any] | None = None) -> None:
        after = authorization_view(self.world, record)
        previous = None if before is None else previous_attributes(before, after)
        emit(self.world, record["account"], kind, after, previous)


def _declined(reason: str, message: str | None = None) -> Verdict:
    return Verdict(False, reason, 0, message)
