"""A person decides: approve with the rules checked again, deny, or too late.

A yes goes 1 still waiting? · 2 the rules of now, without what the purchase itself holds and counts: another amount that
they refuse changes nothing, the amount that was asked for is over · 3 does it take a second person? then it is written
down and the other one is waited for · 4 the old hold voided, the new one placed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import NamedTuple

from roony.core.approval import NOT_ALLOWED_NOW, Approval, as_it_counts, is_last_yes, not_for_this_amount, too_late
from roony.core.audit import ROONY
from roony.core.budget import Budget, period_start
from roony.core.control import strictest
from roony.core.decision import Ask, Decision, Facts, decide
from roony.core.duration import HOUR
from roony.core.errors import Refusal, not_found
from roony.core.hashing import text_hash
from roony.core.ledger import Hold
from roony.core.merchant import Merchant
from roony.core.purchase import Purchase, RecentPurchase, Velocity, fingerprint
from roony.core.user import User
from roony.flows.ending import end_card
from roony.flows.movement import audit, periods_of, place_hold, void_hold
from roony.flows.purchase import count_change, facts_of, promise_card, remember_wish
from roony.flows.rules import decision_json
from roony.store.authority import Authority
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs
from roony.store.rows import KnownMerchant, OutboxPromise


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


class Yes(NamedTuple):
    """What a person said yes to, in minor units, and what the rules of now said to that.

    `kept` is that decision as it is stored, with its inputs and the versions of the controls.
    """

    approver: Approver
    amount: int
    note: str
    decision: Decision
    kept: str


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
        return yes_needs(self.approval_id, self.purchase, self._amount, now)

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
        last = may_say_yes(approval, purchase, self.approver, self._amount, purchase.amount, facts, decision)
        if isinstance(last, Refusal):
            return last
        # From here it must succeed: only writes below.
        kept = decision_json(
            book, purchase.chain, ask, decision, facts, now, purchase if decision.verdict == "declined" else None
        )
        yes = Yes(self.approver, self._amount, self.note, decision, kept)
        if decision.verdict == "declined":
            return self._refused(book, approval, purchase, yes, now)
        if not last:
            write_first_yes(book, approval, purchase, yes, now)
            return Approved(purchase, None)
        return self._approved(book, approval, purchase, facts, yes, now)

    def _approved(
        self, book: Book, approval: Approval, purchase: Purchase, facts: Facts, yes: Yes, now: int
    ) -> Approved:
        count_change(book, purchase, self._amount, now)
        purchase = void_hold(book, purchase, now)._replace(
            # The account may be another one than at the ask; decide() looked at the one of now.
            connection_id=facts.connection.id if facts.connection else purchase.connection_id,
            amount=self._amount,
            hold_amount=yes.decision.hold_amount,
            fingerprint=fingerprint(
                purchase.task_id, purchase.merchant_key, self._amount, purchase.currency, purchase.kind
            ),
        )
        purchase = place_hold(book, purchase, self.ids.hold, now)
        remember_wish(book, purchase, facts, now)
        purchase, promise = promise_card(book, purchase, facts, self.ids.card, self.ids.promise, now)
        write_last_yes(book, approval, purchase, yes, now)
        return Approved(purchase, promise)

    def _refused(self, book: Book, approval: Approval, purchase: Purchase, yes: Yes, now: int) -> Approved:
        """The rules no longer allow it: the yes is recorded, the purchase declined for the reasons of now."""
        purchase = void_hold(book, purchase, now)._replace(
            decision=yes.kept, ended_at=now, ended_reason="declined", status="declined", updated_at=now
        )
        book.put(purchase)
        write_refused_yes(book, approval, purchase, yes, now)
        return Approved(purchase, None)


def decision_needs(purchase: Purchase, amount: int, now: int) -> Needs:
    """The purchase, and all that `decide_again` looks at."""
    org = purchase.organization_id
    print_of = fingerprint(purchase.task_id, purchase.merchant_key, amount, purchase.currency, purchase.kind)
    return Needs(
        rows=(
            (Purchase, org, purchase.id),
            (RecentPurchase, org, purchase.agent_id, print_of),
            (Velocity, org, purchase.agent_id, now // HOUR),
            (KnownMerchant, org, purchase.merchant_key),
        ),
        chains=(purchase.chain,),
    )


def yes_needs(approval_id: str, purchase: Purchase, amount: int, now: int) -> Needs:
    """The approval and the users it counts, with all that the decision looks at."""
    org, needs = purchase.organization_id, decision_needs(purchase, amount, now)
    return needs._replace(rows=(*needs.rows, (Approval, org, approval_id)), groups=((User, org, org),))


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


def may_say_yes(
    approval: Approval, purchase: Purchase, approver: Approver, amount: int, asked: int, facts: Facts,
    decision: Decision,
) -> bool | Refusal:  # fmt: skip
    """True if this yes decides, False if it is the first of two; or why it changes nothing."""
    last = is_last_yes(approval, approver.user_id, amount, purchase.currency, second_threshold(facts))
    return not_for_this_amount(approval, amount, asked, decision) or last


def counted(book: Book, approval: Approval) -> Approval:
    """The approval as it counts now, by the users of the organization as they are under the lock."""
    org = approval.organization_id
    return as_it_counts(approval, book.group(User, org, org))


def write_first_yes(book: Book, approval: Approval, purchase: Purchase, yes: Yes, now: int) -> None:
    """One of two people has agreed to this amount; nothing else changes until the other one does."""
    book.put(
        approval._replace(
            first_approved_by=yes.approver.user_id, first_approved_at=now, approved_amount=yes.amount,
            note=yes.note or approval.note, decision=yes.kept,
        )
    )  # fmt: skip
    audit(
        book, purchase, yes.approver.actor, "approval.partly_approved", now, approval=approval.id, amount=yes.amount,
        note=yes.note, before=approval.approved_amount, decision_hash=text_hash(yes.kept), **_about(purchase),
    )  # fmt: skip


def write_last_yes(book: Book, approval: Approval, purchase: Purchase, yes: Yes, now: int) -> None:
    """The yes that decides; `first` in its record is the one who agreed to the same amount before, if two had to."""
    if approval.approved_amount != yes.amount or approval.first_approved_by == yes.approver.user_id:
        # One yes is enough for this amount by now; the one before was to another amount, or of the same person.
        approval = approval._replace(first_approved_by=None, first_approved_at=None)
    first = approval.first_approved_by
    book.put(
        approval._replace(
            status="approved", decided_by=yes.approver.actor, decided_at=now, note=yes.note or approval.note,
            approved_amount=yes.amount, decision=yes.kept,
        )
    )  # fmt: skip
    audit(
        book, purchase, yes.approver.actor, "approval.approved", now, approval=approval.id, amount=yes.amount,
        note=yes.note, first=first, reasons=[reason.code for reason in yes.decision.reasons],
        decision_hash=text_hash(yes.kept), **_about(purchase),
    )  # fmt: skip


def write_refused_yes(book: Book, approval: Approval, purchase: Purchase, yes: Yes, now: int) -> None:
    """A yes to what the rules no longer allow: the approval is denied for their reasons."""
    book.put(
        approval._replace(
            status="denied", decided_by=yes.approver.actor, decided_at=now, note=yes.note or NOT_ALLOWED_NOW,
            decision=yes.kept,
        )
    )  # fmt: skip
    audit(
        book, purchase, yes.approver.actor, "approval.refused_by_rules", now, approval=approval.id, amount=yes.amount,
        reasons=[reason.code for reason in yes.decision.reasons], decision_hash=text_hash(yes.kept),
        **_about(purchase),
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
