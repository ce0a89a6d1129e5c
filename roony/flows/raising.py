"""A higher price before first use: decided anew, held anew, and only then asked of Stripe.

1. `RaisePurchase` decides the new amount as an ask of now, without what the purchase itself holds and counts.
2. Approved: the old hold is voided and the new one placed in that commit, with a promise to lift the limit at Stripe.
   A person must decide: an approval, nothing held; `ApproveRaise` goes the same way.
3. `RecordRaise` when Stripe has the new limit; `GiveBackRaise` when it refused for good.

Between 2 and 3 the card stands for more here than at Stripe, which goes by its own limit: the smaller one counts.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import NamedTuple

from roony.core.agent import Agent
from roony.core.approval import Approval, approval_lifetime, is_waiting, too_late
from roony.core.audit import ROONY
from roony.core.card import Card, compile_card
from roony.core.connection import Connection
from roony.core.control import strictest
from roony.core.decision import Ask, Decision, Facts, Reason
from roony.core.errors import Refusal, not_found
from roony.core.hashing import text_hash
from roony.core.purchase import RECURRING, Purchase, fingerprint
from roony.core.strictness import may_buy_for
from roony.flows.approval import (
    Approver,
    Yes,
    counted,
    decide_again,
    decision_needs,
    may_say_yes,
    write_first_yes,
    write_last_yes,
    write_refused_yes,
    yes_needs,
)
from roony.flows.card import dead, done
from roony.flows.ending import end_card
from roony.flows.movement import audit, card_of, follow, place_hold, void_hold
from roony.flows.purchase import count_change, remember_wish
from roony.flows.rules import decision_json
from roony.flows.snapshot import snapshot
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs
from roony.store.outbox import LEASE, new_promise
from roony.store.rows import OutboxPromise

RAISE_CARD = "raise_card"


class Raised(NamedTuple):
    """The purchase as it is now, and the promise to lift its card's limit, if this made one."""

    purchase: Purchase
    promise: OutboxPromise | None


class RaiseIds(NamedTuple):
    """The ids a raise may need, made by the caller."""

    hold: str
    approval: str
    promise: str


@dataclass(frozen=True, slots=True)
class RaisePurchase(Command[Raised | Refusal]):
    """Its agent asks for a higher amount. `purchase` is the row as read beforehand: it names the facts."""

    organization_id: str
    purchase: Purchase
    agent_id: str
    amount: int
    ids: RaiseIds

    def needs(self, now: int) -> Needs:
        """The purchase, and all that `decide` looks at."""
        return decision_needs(self.purchase, self.amount, now)

    def apply(self, book: Book, now: int) -> Raised | Refusal:
        """1 still raisable? · 2 nothing new: as it is · 3 decide · 4 refuse, let a person decide, or lift."""
        purchase = book.get(Purchase, self.organization_id, self.purchase.id)
        if purchase is None or purchase.agent_id != self.agent_id:
            return not_found("purchase", self.purchase.id)
        if self.amount == purchase.amount:
            return Raised(purchase, None)
        card = card_of(book, purchase)
        refusal = _not_raisable(book, purchase, card, self.amount, now)
        if refusal is not None or card is None:
            return refusal or _not_now(purchase)
        waiting = book.need(Approval, purchase.organization_id, purchase.approval_id) if purchase.approval_id else None
        if waiting is not None and is_waiting(waiting, now):
            if waiting.amount == self.amount:
                return Raised(purchase, None)
            message = "A person is asked about another amount for this purchase; wait for that decision."
            return Refusal("raise_pending", message, 409, id=waiting.id)
        if not may_buy_for(book.need(Agent, self.organization_id, self.agent_id), purchase.project_id):
            message = "The owner has taken the project of this purchase from its agent. The purchase stays as it is."
            return Refusal("not_raisable", message, 409, id=purchase.id)
        ask, facts, decision = _decide(book, purchase, self.amount, now, by_person=False)
        if decision.verdict == "declined":
            return _declined(book, purchase, self.agent_id, self.amount, decision, now)
        # From here it must succeed: only writes below.
        if decision.verdict == "needs_approval":
            return Raised(self._ask_a_person(book, purchase, facts, decision, now), None)
        return _lift(book, purchase, card, ask, facts, decision, self.ids, self.agent_id, now)

    def _ask_a_person(self, book: Book, purchase: Purchase, facts: Facts, decision: Decision, now: int) -> Purchase:
        """An approval for the new amount; until it is given nothing changes."""
        rules = strictest([scoped for _, scoped in facts.controls])
        shown = snapshot(
            book, purchase._replace(amount=self.amount, hold_amount=decision.hold_amount), decision.reasons,
            facts.budgets, rules.second_approval_threshold, purchase.amount,
        )  # fmt: skip
        approval = Approval(
            purchase.organization_id, self.ids.approval, purchase.id, "pending", shown,
            now + approval_lifetime("raise", rules.approval_expiry_seconds), None, None, "", now, "raise", self.amount,
        )  # fmt: skip
        book.put(approval)
        purchase = purchase._replace(approval_id=approval.id, updated_at=now)
        book.put(purchase)
        audit(
            book, purchase, self.agent_id, "purchase.raise_asked", now, approval=approval.id, amount=self.amount,
            currency=purchase.currency, merchant=json.loads(purchase.merchant)["name"],
            reasons=[reason.code for reason in decision.reasons],
        )  # fmt: skip
        return purchase


@dataclass(frozen=True, slots=True)
class ApproveRaise(Command[Raised | Refusal]):
    """A person's yes to a higher amount, `amount` if it is another one than was asked. The rules are checked again."""

    organization_id: str
    approval: Approval
    purchase: Purchase
    approver: Approver
    note: str
    ids: RaiseIds
    amount: int | None = None

    def needs(self, now: int) -> Needs:
        """The approval with its purchase, and all that `decide` looks at."""
        return yes_needs(self.approval.id, self.purchase, self._amount, now)

    @property
    def _amount(self) -> int:
        return self.amount or self.approval.amount or self.purchase.amount

    def apply(self, book: Book, now: int) -> Raised | Refusal:
        """1 still open, and the purchase still raisable? · 2 decide · 3 lift, or deny for the reasons of now."""
        approval = book.get(Approval, self.organization_id, self.approval.id)
        if approval is None or approval.purchase_id != self.purchase.id:
            return not_found("approval", self.approval.id)
        late = too_late(approval, now)
        if late is not None:
            return late
        approval, purchase = counted(book, approval), book.need(Purchase, self.organization_id, approval.purchase_id)
        card = card_of(book, purchase)
        refusal = _not_raisable(book, purchase, card, self._amount, now)
        if refusal is not None or card is None:
            return refusal or _not_now(purchase)
        ask, facts, decision = _decide(book, purchase, self._amount, now, by_person=True)
        asked = approval.amount or purchase.amount
        last = may_say_yes(approval, purchase, self.approver, self._amount, asked, facts, decision)
        if isinstance(last, Refusal):
            return last
        # From here it must succeed: only writes below.
        kept = decision_json(book, purchase.chain, ask, decision, facts, now)
        yes = Yes(self.approver, self._amount, self.note, decision, kept)
        if decision.verdict == "declined":
            write_refused_yes(book, approval, purchase, yes, now)
            return Raised(purchase, None)
        if not last:
            write_first_yes(book, approval, purchase, yes, now)
            return Raised(purchase, None)
        raised = _lift(book, purchase, card, ask, facts, decision, self.ids, self.approver.actor, now)
        write_last_yes(book, approval, raised.purchase, yes, now)
        return raised


def _not_now(purchase: Purchase) -> Refusal:
    message = f"The purchase is {purchase.status}; its price can be raised while its card is ready and unused."
    return Refusal("not_raisable", message, 409, id=purchase.id)


def _not_raisable(book: Book, purchase: Purchase, card: Card | None, amount: int, now: int) -> Refusal | None:
    """Why this purchase cannot be raised to `amount` now, or None: only upward, before first use, one at a time."""
    if purchase.kind == RECURRING:
        message = (
            "The price of a mandate changes when its merchant asks for another one: a person decides about it then."
        )
        return Refusal("not_raisable", message, 409, id=purchase.id)
    live = card is not None and (card.status, card.stripe_status) == ("active", "active") and now < card.expires_at
    if card is None or not live or purchase.status != "ready" or purchase.ended_at is not None:
        return _not_now(purchase)
    if amount <= purchase.amount:
        message = "A price can only be raised. For a lower one nothing needs to be asked: the merchant takes less."
        return Refusal("raise_not_higher", message, 409, "amount", purchase.id)
    if card.limit_at_stripe is not None:
        message = "An earlier raise of this purchase is still on its way to Stripe. Ask again in a moment."
        return Refusal("raise_in_progress", message, 409, id=purchase.id)
    connection = book.need(Connection, purchase.organization_id, card.connection_id)
    if not connection.approves:
        message = f"The Stripe account of this card is {connection.status}. The owner has to look at it."
        return Refusal("connection_inactive", message, 409, id=purchase.id)
    return None


def _decide(book: Book, purchase: Purchase, amount: int, now: int, *, by_person: bool) -> tuple[Ask, Facts, Decision]:
    """Decides the purchase at `amount`, and never lets an agent have more than a person said yes to."""
    ask, facts, decision = decide_again(book, purchase, amount, now, by_person=by_person)
    if decision.verdict == "approved" and purchase.approval_id is not None:
        # A person may have said yes to less than was asked: no rule of now gives the agent more than that (P7).
        message = "A person was asked about this purchase: a person decides about a higher price too."
        reasons = (Reason("APPROVAL_OVER_THRESHOLD", message),)
        decision = decision._replace(verdict="needs_approval", reasons=reasons)
    return ask, facts, decision


def _declined(book: Book, purchase: Purchase, actor: str, amount: int, decision: Decision, now: int) -> Refusal:
    """The rules do not allow it: a record, and nothing else (P10)."""
    codes = [reason.code for reason in decision.reasons]
    audit(book, purchase, actor, "purchase.raise_declined", now, amount=amount, reasons=codes)
    message = f"{decision.reasons[0].message} The purchase stays as it is."
    return Refusal("raise_declined", message, 409, id=purchase.id, reasons=decision.reasons)


def _lift(
    book: Book, purchase: Purchase, card: Card, ask: Ask, facts: Facts, decision: Decision, ids: RaiseIds,
    actor: str, now: int,
) -> Raised:  # fmt: skip
    """Voids the old hold, places the new one in the periods of now, and promises Stripe's new limit."""
    before = {name: getattr(purchase, name) for name in ("amount", "hold_amount", "fingerprint", "decision")}
    org, amount = purchase.organization_id, ask.amount
    count_change(book, purchase, amount, now)
    purchase = void_hold(book, purchase, now)._replace(
        amount=amount,
        hold_amount=decision.hold_amount,
        fingerprint=fingerprint(purchase.task_id, purchase.merchant_key, amount, purchase.currency),
        decision=decision_json(book, purchase.chain, ask, decision, facts, now, purchase),
        failure=None,
    )
    purchase = place_hold(book, purchase, ids.hold, now)
    book.put(card._replace(hard_limit=purchase.hold_amount, limit_at_stripe=card.hard_limit, updated_at=now))
    remember_wish(book, purchase, facts, now)
    wanted = compile_card(purchase, card.id, strictest([scoped for _, scoped in facts.controls]))
    promise = new_promise(org, ids.promise, RAISE_CARD, card.id, {"card": wanted, "before": before}, now, lease=LEASE)
    book.promise(promise)
    purchase = follow(book, purchase, "raise", now)
    audit(
        book, purchase, actor, "purchase.raised", now, before=before["amount"], amount=amount,
        hold=purchase.hold_amount, reasons=[reason.code for reason in decision.reasons],
        decision_hash=text_hash(purchase.decision),
    )  # fmt: skip
    return Raised(purchase, promise)


def _is_under_way(card: Card, promise: OutboxPromise) -> bool:
    """Whether Stripe still has to get the limit of this promise; a late holder of an older one has no say."""
    [limit] = json.loads(promise.params)["card"]["spending_controls"]["spending_limits"]
    return card.limit_at_stripe is not None and bool(limit["amount"] == card.hard_limit)


@dataclass(frozen=True, slots=True)
class RecordRaise(Command[Purchase]):
    """Stripe has the new limit."""

    organization_id: str
    card_id: str
    promise: OutboxPromise

    def needs(self, now: int) -> Needs:
        """The card with its purchase."""
        return Needs(rows=((Card, self.organization_id, self.card_id),))

    def apply(self, book: Book, now: int) -> Purchase:
        """From now on the card can be used at the new amount; told twice, or of an older raise, nothing changes."""
        card = book.need(Card, self.organization_id, self.card_id)
        purchase = book.need(Purchase, self.organization_id, card.purchase_id)
        book.finish_promise(done(self.promise, now))
        if _is_under_way(card, self.promise):
            book.put(card._replace(limit_at_stripe=None, updated_at=now))
            audit(book, purchase, ROONY, "card.limit_raised", now, card=card.id, limit=card.hard_limit)
        return purchase


@dataclass(frozen=True, slots=True)
class GiveBackRaise(Command[Purchase]):
    """Stripe refused the new limit for good: amount and hold are what they were before, in the hold's own periods.

    `end`: the card came back with less than was asked, and must not be used: it is canceled and the purchase fails.
    """

    organization_id: str
    card_id: str
    promise: OutboxPromise
    code: str
    message: str
    retry_can_help: bool
    seen: tuple[tuple[str, str], ...]
    end: bool
    cancel_promise_id: str

    def needs(self, now: int) -> Needs:
        """The card with its purchase."""
        return Needs(rows=((Card, self.organization_id, self.card_id),))

    def apply(self, book: Book, now: int) -> Purchase:
        """Nothing more than ending the promise when it was recorded or given back before, or a newer raise came."""
        card = book.need(Card, self.organization_id, self.card_id)
        purchase = book.need(Purchase, self.organization_id, card.purchase_id)
        book.finish_promise(dead(self.promise, self.code, now))
        if card.limit_at_stripe is None or not _is_under_way(card, self.promise):
            return purchase
        book.put(card._replace(hard_limit=card.limit_at_stripe, limit_at_stripe=None, updated_at=now))
        failure = {"code": self.code, "message": self.message, "retry_can_help": self.retry_can_help}
        purchase = purchase._replace(**json.loads(self.promise.params)["before"], failure=json.dumps(failure))
        # What was authorized meanwhile stays held: position() takes the larger of hold and committed.
        purchase = follow(book, purchase, "raise_refused", now)
        if self.end:
            purchase = end_card(book, purchase, "failed", self.cancel_promise_id, now)
        audit(
            book, purchase, ROONY, "purchase.raise_refused", now, card=card.id, code=self.code,
            amount=purchase.amount, **dict(self.seen),
        )  # fmt: skip
        return purchase
