"""A person decides: approve with the rules checked again, deny, or too late."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, NamedTuple

from roony.core.approval import Approval, current_status
from roony.core.decision import Ask, decide
from roony.core.errors import Refusal, not_found
from roony.core.merchant import Merchant
from roony.core.purchase import HOUR, Purchase, RecentPurchase, Velocity, fingerprint
from roony.flows.ending import end_card
from roony.flows.movement import ROONY, audit, place_hold, void_hold
from roony.flows.purchase import facts_of, promise_card
from roony.flows.rules import decision_json
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs
from roony.store.tables import KnownMerchant, OutboxPromise


class Approved(NamedTuple):
    """The purchase after a yes, and the card it promised; `promise` is None when the rules refused it after all."""

    purchase: Purchase
    promise: OutboxPromise | None


class ApproveIds(NamedTuple):
    """The ids an approval may need, made by the caller."""

    hold: str
    card: str
    promise: str


def too_late(approval: Approval, now: int) -> Refusal | None:
    """Why nobody can decide any more, or None."""
    status = current_status(approval, now)
    if status == "pending":
        return None
    return Refusal("approval_closed", f"This approval is already {status}; nothing was changed.", 409, id=approval.id)


@dataclass(frozen=True, slots=True)
class Approve(Command[Approved | Refusal]):
    """A yes, for the amount asked or a changed one. `purchase` is the row as read beforehand: it names the facts."""

    organization_id: str
    approval_id: str
    purchase: Purchase
    actor: str
    note: str
    ids: ApproveIds
    amount: int | None = None

    def needs(self, now: int) -> Needs:
        """The approval with its purchase, and all that `decide` looks at."""
        org, was = self.organization_id, self.purchase
        print_of = fingerprint(was.task_id, was.merchant_key, self._amount, was.currency, was.kind)
        return Needs(
            rows=(
                (Approval, org, self.approval_id),
                (RecentPurchase, org, was.agent_id, print_of),
                (Velocity, org, was.agent_id, now // HOUR),
                (KnownMerchant, org, was.merchant_key),
            ),
            chains=(was.chain,),
        )

    @property
    def _amount(self) -> int:
        return self.purchase.amount if self.amount is None else self.amount

    def apply(self, book: Book, now: int) -> Approved | Refusal:
        """1 still open? · 2 decide again without the purchase's own hold · 3 void the old hold, place the new one."""
        approval = book.get(Approval, self.organization_id, self.approval_id)
        if approval is None or approval.purchase_id != self.purchase.id or approval.kind != "purchase":
            return not_found("approval", self.approval_id)
        late = too_late(approval, now)
        if late is not None:
            return late
        purchase = book.need(Purchase, self.organization_id, approval.purchase_id)
        merchant, again = Merchant.from_json(purchase.merchant), purchase.recurring
        ask = Ask(self._amount, purchase.currency, merchant, purchase.task_id, True, recurring=again)
        # The old hold is taken back first, so that the budgets decide() sees are without it.
        purchase = void_hold(book, purchase, now)
        facts = facts_of(book, purchase.chain, ask, now, purchase)
        decision = decide(ask, facts, now)
        if decision.verdict == "declined":
            refused = decision_json(book, purchase.chain, ask, decision, facts, now)
            return self._refused(book, approval, purchase, refused, now)
        # From here the approval must succeed: only writes below.
        book.put(approval._replace(status="approved", decided_by=self.actor, decided_at=now, note=self.note))
        purchase = purchase._replace(
            # The account may be another one than at the ask; decide() looked at the one of now.
            connection_id=facts.connection.id if facts.connection else purchase.connection_id,
            amount=self._amount,
            hold_amount=decision.hold_amount,
            fingerprint=fingerprint(
                purchase.task_id, purchase.merchant_key, self._amount, purchase.currency, purchase.kind
            ),
        )
        purchase = place_hold(book, purchase, self.ids.hold, now)
        book.put(RecentPurchase(purchase.organization_id, purchase.agent_id, purchase.fingerprint, purchase.id, now))
        purchase, promise = promise_card(book, purchase, facts, self.ids.card, self.ids.promise, now)
        audit(
            book,
            purchase,
            self.actor,
            "approval.approved",
            now,
            approval=approval.id,
            amount=purchase.amount,
            note=self.note,
            reasons=[r.code for r in decision.reasons],
        )
        return Approved(purchase, promise)

    def _refused(self, book: Book, approval: Approval, purchase: Purchase, decision: str, now: int) -> Approved:
        """The rules no longer allow it: the yes is recorded, the purchase declined for the reasons of now."""
        book.put(
            approval._replace(
                status="denied",
                decided_by=self.actor,
                decided_at=now,
                note=self.note or "The rules no longer allow it.",
            )
        )
        purchase = purchase._replace(
            decision=decision, ended_at=now, ended_reason="declined", status="declined", updated_at=now
        )
        book.put(purchase)
        audit(
            book,
            purchase,
            self.actor,
            "approval.refused_by_rules",
            now,
            approval=approval.id,
            reasons=[r["code"] for r in json.loads(decision)["reasons"]],
        )
        return Approved(purchase, None)


@dataclass(frozen=True, slots=True)
class Deny(Command[Purchase | Refusal]):
    """A no: the purchase is declined and its hold taken back. One to a new price leaves the purchase as it is."""

    organization_id: str
    approval_id: str
    actor: str
    note: str
    promise_id: str

    def needs(self, now: int) -> Needs:
        """The approval with its purchase."""
        return Needs(rows=((Approval, self.organization_id, self.approval_id),))

    def apply(self, book: Book, now: int) -> Purchase | Refusal:
        """Nothing when it is too late; the refusal says what happened."""
        approval = book.get(Approval, self.organization_id, self.approval_id)
        if approval is None:
            return not_found("approval", self.approval_id)
        late = too_late(approval, now)
        if late is not None:
            return late
        book.put(approval._replace(status="denied", decided_by=self.actor, decided_at=now, note=self.note))
        purchase = book.need(Purchase, self.organization_id, approval.purchase_id)
        if approval.kind == "purchase":
            purchase = end_card(book, purchase, "declined", self.promise_id, now)
        audit(book, purchase, self.actor, "approval.denied", now, approval=approval.id, note=self.note)
        return purchase


@dataclass(frozen=True, slots=True)
class ExpireApproval(Command[Purchase | None]):
    """Nobody decided in time: the purchase expires, its hold is taken back. A new price that waited changes nothing."""

    organization_id: str
    approval_id: str
    promise_id: str

    def needs(self, now: int) -> Needs:
        """The approval with its purchase."""
        return Needs(rows=((Approval, self.organization_id, self.approval_id),))

    def apply(self, book: Book, now: int) -> Purchase | None:
        """None when there was nothing to do."""
        approval = book.get(Approval, self.organization_id, self.approval_id)
        if approval is None or approval.status != "pending" or now < approval.expires_at:
            return None
        book.put(approval._replace(status="expired", decided_at=now, note="Nobody decided in time."))
        purchase = book.need(Purchase, self.organization_id, approval.purchase_id)
        if approval.kind == "purchase":
            purchase = end_card(book, purchase, "expired", self.promise_id, now)
        audit(book, purchase, ROONY, "approval.expired", now, approval=approval.id)
        return purchase


def shown(approval: Approval) -> dict[str, Any]:
    """What the approver is shown, as it was when the purchase was asked for."""
    snapshot: dict[str, Any] = json.loads(approval.snapshot)
    return snapshot
