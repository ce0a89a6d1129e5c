"""A person decides: approve with the rules checked again, deny, or too late.

A yes goes 1 still waiting? · 2 the rules of now, without what the purchase itself holds and counts · 3 does it take a
second person? then it is written down and the other one is waited for · 4 the old hold voided, the new one placed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import NamedTuple

from roony.core.approval import NOT_ALLOWED_NOW, Approval, is_last_yes, too_late
from roony.core.budget import Budget, period_start
from roony.core.control import strictest
from roony.core.decision import Ask, Decision, Facts, decide
from roony.core.errors import Refusal, not_found
from roony.core.ledger import Hold
from roony.core.merchant import Merchant
from roony.core.purchase import HOUR, Purchase, RecentPurchase, Velocity, fingerprint
from roony.core.role import may
from roony.core.user import User
from roony.flows.ending import end_card
from roony.flows.movement import ROONY, audit, periods_of, place_hold, void_hold
from roony.flows.purchase import count_change, facts_of, promise_card
from roony.flows.rules import decision_json
from roony.store.authority import Authority
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs
from roony.store.tables import KnownMerchant, OutboxPromise


class Approver(NamedTuple):
    """Who decides: the name in audit records, and the user it is, None for a key that belongs to none.

    `authority` is looked at again under the lock; only what Roony's own tests decide has none.
    """

    actor: str
    user_id: str | None
    authority: Authority | None = None


class Approved(NamedTuple):
    """The purchase after a yes, and the card it promised.

    `promise` is None when the rules refused it after all, and while a second person is waited for.
    """

    purchase: Purchase
    promise: OutboxPromise | None


class ApproveIds(NamedTuple):
    """The ids an approval may need, made by the caller."""

    hold: str
    card: str
    promise: str


@dataclass(frozen=True, slots=True)
class Approve(Command[Approved | Refusal]):
    """A yes, for the amount asked or a changed one. `purchase` is the row as read beforehand: it names the facts."""

    organization_id: str
    approval_id: str
    purchase: Purchase
    approver: Approver
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
            groups=((User, org, org),),
        )

    @property
    def _amount(self) -> int:
        return self.purchase.amount if self.amount is None else self.amount

    def apply(self, book: Book, now: int) -> Approved | Refusal:
        """As the module says; a refusal leaves nothing behind."""
        approval = book.get(Approval, self.organization_id, self.approval_id)
        if approval is None or approval.purchase_id != self.purchase.id or approval.kind != "purchase":
            return not_found("approval", self.approval_id)
        late = too_late(approval, now)
        if late is not None:
            return late
        approval, purchase = counted(book, approval), book.need(Purchase, self.organization_id, approval.purchase_id)
        ask, facts, decision = decide_again(book, purchase, self._amount, now, by_person=True)
        last = is_last_yes(approval, self.approver.user_id, self._amount, purchase.currency, second_threshold(facts))
        if isinstance(last, Refusal):
            return last
        if decision.verdict == "declined":
            refused = decision_json(book, purchase.chain, ask, decision, facts, now)
            return self._refused(book, approval, purchase, refused, now)
        # From here it must succeed: only writes below.
        if not last:
            write_first_yes(book, approval, purchase, self.approver, self._amount, self.note, now)
            return Approved(purchase, None)
        return self._approved(book, approval, purchase, facts, decision, now)

    def _approved(
        self, book: Book, approval: Approval, purchase: Purchase, facts: Facts, decision: Decision, now: int
    ) -> Approved:
        count_change(book, purchase, self._amount, now)
        purchase = void_hold(book, purchase, now)._replace(
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
        write_last_yes(book, approval, purchase, self.approver, self._amount, self.note, decision, now)
        return Approved(purchase, promise)

    def _refused(self, book: Book, approval: Approval, purchase: Purchase, decision: str, now: int) -> Approved:
        """The rules no longer allow it: the yes is recorded, the purchase declined for the reasons of now."""
        purchase = void_hold(book, purchase, now)._replace(
            decision=decision, ended_at=now, ended_reason="declined", status="declined", updated_at=now
        )
        book.put(purchase)
        reasons = [reason["code"] for reason in json.loads(decision)["reasons"]]
        write_refused_yes(book, approval, purchase, self.approver, self._amount, self.note, reasons, now)
        return Approved(purchase, None)


def decide_again(
    book: Book, purchase: Purchase, amount: int, now: int, *, by_person: bool
) -> tuple[Ask, Facts, Decision]:
    """Decides the purchase at `amount` as if it were asked now; what it holds and counts itself is left out."""
    merchant = Merchant.from_json(purchase.merchant)
    ask = Ask(
        amount, purchase.currency, merchant, purchase.task_id, allow_duplicate=by_person, recurring=purchase.recurring
    )
    facts = facts_of(book, purchase.chain, ask, now, purchase)
    hold = book.get(Hold, purchase.organization_id, purchase.hold_id) if purchase.hold_id else None
    own = set(periods_of(hold)) if hold is not None else set()
    budgets = tuple(
        (budget, held - (purchase.held if _in(own, budget, now) else 0), spent) for budget, held, spent in facts.budgets
    )
    facts = replace(facts, budgets=budgets)
    return ask, facts, decide(ask, facts, now)


def _in(periods: set[tuple[str, int]], budget: Budget, now: int) -> bool:
    return (budget.id, period_start(budget.period, budget.time_zone, now)) in periods


def second_threshold(facts: Facts) -> int | None:
    """The amount above which two people must agree, by the strictest control of the chain."""
    return strictest([scoped for _, scoped in facts.controls]).second_approval_threshold


def counted(book: Book, approval: Approval) -> Approval:
    """The approval as it counts now: the first yes of somebody who may approve no more is none."""
    if approval.first_approved_by is None:
        return approval
    org = approval.organization_id
    people = {user.id for user in book.group(User, org, org) if user.disabled_at is None and may(user.role, "approve")}
    if approval.first_approved_by in people:
        return approval
    return approval._replace(first_approved_by=None, first_approved_at=None, approved_amount=None)


def write_first_yes(
    book: Book, approval: Approval, purchase: Purchase, approver: Approver, amount: int, note: str, now: int
) -> None:
    """One of two people has agreed to `amount`; nothing else changes until the other one does."""
    book.put(
        approval._replace(
            first_approved_by=approver.user_id, first_approved_at=now, approved_amount=amount,
            note=note or approval.note,
        )
    )  # fmt: skip
    audit(
        book, purchase, approver.actor, "approval.partly_approved", now, approval=approval.id, amount=amount, note=note,
        before=approval.approved_amount, **_about(purchase),
    )  # fmt: skip


def write_last_yes(
    book: Book, approval: Approval, purchase: Purchase, approver: Approver, amount: int, note: str, decision: Decision,
    now: int,
) -> None:  # fmt: skip
    """The yes that decides; `first` in its record is the one who agreed to the same amount before, if two had to."""
    if approval.approved_amount != amount or approval.first_approved_by == approver.user_id:
        # One yes is enough for this amount by now; the one before was to another amount, or of the same person.
        approval = approval._replace(first_approved_by=None, first_approved_at=None)
    first = approval.first_approved_by
    book.put(
        approval._replace(
            status="approved", decided_by=approver.actor, decided_at=now, note=note or approval.note,
            approved_amount=amount,
        )
    )  # fmt: skip
    audit(
        book, purchase, approver.actor, "approval.approved", now, approval=approval.id, amount=amount, note=note,
        first=first, reasons=[reason.code for reason in decision.reasons], **_about(purchase),
    )  # fmt: skip


def write_refused_yes(
    book: Book, approval: Approval, purchase: Purchase, approver: Approver, amount: int, note: str, reasons: list[str],
    now: int,
) -> None:  # fmt: skip
    """A yes to what the rules no longer allow: the approval is denied for their reasons."""
    book.put(
        approval._replace(status="denied", decided_by=approver.actor, decided_at=now, note=note or NOT_ALLOWED_NOW)
    )
    audit(
        book, purchase, approver.actor, "approval.refused_by_rules", now, approval=approval.id, amount=amount,
        reasons=reasons, **_about(purchase),
    )  # fmt: skip


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
        audit(
            book, purchase, self.actor, "approval.denied", now, approval=approval.id, note=self.note, **_about(purchase)
        )
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
        audit(book, purchase, ROONY, "approval.expired", now, approval=approval.id, **_about(purchase))
        return purchase


def _about(purchase: Purchase) -> dict[str, str]:
    """What a message about an approval names beside its amount."""
    return {"currency": purchase.currency, "merchant": json.loads(purchase.merchant)["name"]}
