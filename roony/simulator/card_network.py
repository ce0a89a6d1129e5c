"""The card network's side: an authorization is asked for, decided and recorded (facts 2.1 to 2.7)."""

from __future__ import annotations

from typing import Any

from roony.simulator import fraud_challenges, ledger, own_checks, spending, tokens
from roony.simulator.asking import Asking, Verdict
from roony.simulator.events import emit
from roony.simulator.exchange import share
from roony.simulator.identifiers import random_digits
from roony.simulator.lifecycle import count_authorization
from roony.simulator.records import Record
from roony.simulator.views import authorization_view, frozen, previous_attributes
from roony.simulator.world import World, metadata_merged


class CardNetwork:
    """Brings requests for money to a card, in the order of facts 2.1."""

    def __init__(self, world: World, asking: Asking) -> None:
        self.world = world
        self.asking = asking

    async def authorize(self, record: Record, request: dict[str, Any]) -> Record:
        """Decide a new authorization and announce it.

        1. A reason forced by the control, if one waits for this card.
        2. Stripe's own checks, from the balance to the fraud risk (`own_checks`).
        3. If they pass and an endpoint wants to be asked: the real-time request, at most 2 s.
        4. Hold, count and record; a wallet token may be born, the card may end by this payment.
        5. `issuing_authorization.created`, approved or not.
        """
        body = record["body"]
        body["token"] = tokens.in_use(self.world, record["card"], body["wallet"])
        if fraud_challenges.passed(self.world, record["card"], body["merchant_data"]["network_id"]):
            body["verified_by_fraud_challenge"] = True
        self.world.authorizations.add(record)
        self.world.pending.add(record["id"])
        try:
            verdict = await self._decide(record, request, first=True)
            self._finish(record, request, verdict, None)
        finally:
            self.asking.conclude(record["id"])
        return record

    async def increment(self, record: Record, request: dict[str, Any]) -> Record:
        """Decide a higher amount for an approved authorization; a declined increment changes no money."""
        before = frozen(authorization_view(self.world, record))
        try:
            verdict = await self._decide(record, request, first=False)
            self._finish(record, request, verdict, before)
        finally:
            self.asking.conclude(record["id"])
        return record

    def _finish(self, record: Record, request: dict[str, Any], verdict: Verdict, before: dict[str, Any] | None) -> None:
        """Record and announce a decision; `before` is how an incremented authorization looked."""
        self._conclude(record, request, verdict)
        body = record["body"]
        if before is not None:
            self._announce(record, "issuing_authorization.updated", before)
        else:
            body["approved"] = verdict.approved
            if verdict.approved:
                tokens.issue_if_new(self.world, record)
            else:
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
            self._finish(record, request, _declined("webhook_timeout"), before if body["request_history"] else None)

    async def _decide(self, record: Record, request: dict[str, Any], *, first: bool) -> Verdict:
        card = self.world.cards[record["card"]]
        forced = card.pop("forced", None)
        if forced is not None:
            self.world.cards.touch(card)
            return self._stripes_no(record, forced["reason"]) if not forced["approved"] else _yes(forced, request)
        refused = own_checks.refusal(self.world, record, request["amount"], first=first)
        if refused is not None:
            return self._stripes_no(record, refused)
        if not self.asking.wanted(record["account"]):
            return Verdict(True, "card_active", request["amount"])
        verdict = await self._asked(record, request)
        if verdict.approved and first:
            ended = own_checks.card_refusal(self.world, card)
            return verdict if ended is None else _declined(ended)
        return verdict

    async def _asked(self, record: Record, request: dict[str, Any]) -> Verdict:
        """Ask the endpoint, with the money and the limits taken meanwhile: two asks at once must not both fit."""
        body, amount, account = record["body"], request["amount"], record["account"]
        ledger.reserve(self.world, account, body["currency"], amount)
        spending.count(self.world, record, record["counted"] + amount)
        body["pending_request"] = request
        try:
            return await self.asking.ask(record)
        finally:
            body["pending_request"] = None
            ledger.reserve(self.world, account, body["currency"], -amount)
            spending.count(self.world, record, record["counted"] - amount)

    def _stripes_no(self, record: Record, reason: str) -> Verdict:
        """Return a decline by Stripe; suspected fraud is challenged where the account has that switched on."""
        wanted = bool(self.world.accounts[record["account"]].get("fraud_challenges"))
        return Verdict(False, reason, 0, challenge=wanted and reason == "suspected_fraud")

    def _conclude(self, record: Record, request: dict[str, Any], verdict: Verdict) -> None:
        """Write the answer into the history and, if it is yes, hold the money."""
        body = record["body"]
        amount = verdict.amount if verdict.approved else request["amount"]
        # A part is worth its share of what the merchant asked for in its own currency.
        merchant_amount = share(amount, request["amount"], request["merchant_amount"])
        if verdict.approved:
            body["amount"] += amount
            body["merchant_amount"] += merchant_amount
            ledger.hold(self.world, record, record["held"] + amount)
            spending.count(self.world, record, record["counted"] + amount)
        body["metadata"] = metadata_merged(body["metadata"], verdict.metadata)
        body["request_history"].append(self._entry(body, request, verdict, amount, merchant_amount))
        if verdict.challenge and body["fraud_challenges"] is None:
            fraud_challenges.send(self.world, record)
        self.world.authorizations.touch(record)

    def _entry(
        self, body: dict[str, Any], request: dict[str, Any], verdict: Verdict, amount: int, merchant_amount: int
    ) -> dict[str, Any]:
        now = self.world.clock.now()
        return {
            "amount": amount,
            "amount_details": request["amount_details"],
            "approved": verdict.approved,
            "authorization_code": f"S{random_digits(6)}" if verdict.approved else None,
            "created": now,
            "currency": body["currency"],
            "merchant_amount": merchant_amount,
            "merchant_currency": body["merchant_currency"],
            "network_risk_score": request["network_risk_score"],
            "reason": verdict.reason,
            "reason_message": verdict.message,
            "requested_at": now,
        }

    def _announce(self, record: Record, kind: str, before: dict[str, Any] | None = None) -> None:
        after = authorization_view(self.world, record)
        previous = None if before is None else previous_attributes(before, after)
        emit(self.world, record["account"], kind, after, previous)


def _declined(reason: str) -> Verdict:
    return Verdict(False, reason, 0)


def _yes(forced: dict[str, Any], request: dict[str, Any]) -> Verdict:
    """Return the approval the network gave in Stripe's place: no check, no question (facts 2.4)."""
    return Verdict(True, forced["reason"], request["amount"])
