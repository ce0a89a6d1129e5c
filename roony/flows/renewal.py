"""A mandate at another price: a person's yes, decided again by the rules, and the limits of its card lifted at Stripe.

1. `ApproveRenewal` decides the new amount as the rules are now, changes the mandate from the next payment on, and
   promises the card's new limits. Each payment is still held against the budgets of its own time.
2. The promise is kept by `keep_card_limits`; until then Stripe goes by the old limits, so the smaller ones count.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from roony.core.approval import Approval, too_late
from roony.core.audit import ROONY
from roony.core.card import Card, compile_card, is_raised, raised_controls, spending_limits
from roony.core.control import strictest
from roony.core.decision import Ask, Decision, Facts, decide
from roony.core.errors import Refusal, not_found
from roony.core.merchant import Merchant
from roony.core.purchase import RECURRING, Purchase
from roony.flows.alert import alert_row, raise_alert
from roony.flows.approval import (
    Approver,
    Yes,
    counted,
    may_say_yes,
    write_first_yes,
    write_last_yes,
    write_refused_yes,
    yes_needs,
)
from roony.flows.card import FinishPromise, dead
from roony.flows.connection import ask_stripe
from roony.flows.context import FlowContext
from roony.flows.movement import audit, card_of
from roony.flows.promise import connection_of, put_off, read_card
from roony.flows.purchase import facts_of
from roony.flows.rules import decision_json
from roony.gateway import issuing
from roony.gateway.errors import StripeCallFailed, StripeRefused
from roony.gateway.pool import GatewayBusy
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs
from roony.store.outbox import new_promise
from roony.store.rows import OutboxPromise

CARD_LIMITS = "set_card_limits"
NOT_LIFTED = "card_limits_not_set"
# Tries before a person is told: about a day of them, the later ones five minutes apart.
LIMIT_TRIES = 300


@dataclass(frozen=True, slots=True)
class ApproveRenewal(Command[Purchase | Refusal]):
    """A yes to the price a merchant asked for on a mandate, or to another `amount`, in minor units."""

    organization_id: str
    approval: Approval
    purchase: Purchase
    approver: Approver
    note: str
    promise_id: str
    amount: int | None = None

    def needs(self, now: int) -> Needs:
        """The approval with its purchase, and all that `decide` looks at."""
        return yes_needs(self.approval.id, self.purchase, self._amount, now)

    @property
    def _amount(self) -> int:
        return self.amount or self.approval.amount or self.purchase.amount

    def apply(self, book: Book, now: int) -> Purchase | Refusal:
        """1 still open, and the mandate still running? · 2 decide · 3 deny for the reasons of now, or change it."""
        org = self.organization_id
        approval, purchase = book.get(Approval, org, self.approval.id), book.get(Purchase, org, self.purchase.id)
        if approval is None or purchase is None or approval.purchase_id != purchase.id:
            return not_found("approval", self.approval.id)
        late = too_late(approval, now)
        if late is None and (purchase.kind != RECURRING or purchase.ended_at is not None):
            message = "This approval is of no use, since its purchase is over; nothing was changed."
            late = Refusal("approval_closed", message, 409, id=approval.id)
        if late is not None:
            return late
        approval = counted(book, approval)
        ask, facts, decision = self._decide(book, purchase, now)
        asked = approval.amount or purchase.amount
        last = may_say_yes(approval, purchase, self.approver, self._amount, asked, facts, decision)
        if isinstance(last, Refusal):
            return last
        # From here the yes must be recorded: only writes below.
        kept = decision_json(book, purchase.chain, ask, decision, facts, now)
        yes = Yes(self.approver, self._amount, self.note, decision, kept)
        if decision.verdict == "declined":
            write_refused_yes(book, approval, purchase, yes, now)
            return purchase
        if not last:
            write_first_yes(book, approval, purchase, yes, now)
            return purchase
        purchase = self._change(book, purchase, facts, decision, now)
        write_last_yes(book, approval, purchase, yes, now)
        return purchase

    def _decide(self, book: Book, purchase: Purchase, now: int) -> tuple[Ask, Facts, Decision]:
        """Every rule of now but the budgets: nothing is held until the next payment comes, and that asks them."""
        merchant, again = Merchant.from_json(purchase.merchant), purchase.recurring
        ask = Ask(self._amount, purchase.currency, merchant, purchase.task_id, True, recurring=again)
        facts = facts_of(book, purchase.chain, ask, now, purchase)
        decision = decide(ask, facts, now)
        reasons = tuple(reason for reason in decision.reasons if reason.code != "BUDGET_EXCEEDED")
        if decision.verdict == "declined" and not reasons:
            decision = decision._replace(verdict="approved", reasons=())
        return ask, facts, decision._replace(reasons=reasons)

    def _change(self, book: Book, purchase: Purchase, facts: Facts, decision: Decision, now: int) -> Purchase:
        """The new price for every payment to come, and the promise to let the card carry it."""
        card = card_of(book, purchase)
        more = (decision.hold_amount - purchase.hold_amount) * (purchase.payments - purchase.payments_made)
        purchase = purchase._replace(amount=self._amount, hold_amount=decision.hold_amount, updated_at=now)
        book.put(purchase)
        if card is None:
            return purchase
        card = card._replace(hard_limit=card.hard_limit + more, updated_at=now)
        book.put(card)
        controls = strictest([scoped for _, scoped in facts.controls])
        wanted = compile_card(purchase, card.id, controls, single_use=False)
        wanted["spending_controls"]["spending_limits"] = spending_limits(purchase, card.hard_limit)
        promise = new_promise(self.organization_id, self.promise_id, CARD_LIMITS, card.id, {"card": wanted}, now)
        book.promise(promise)
        return purchase


async def keep_card_limits(context: FlowContext, promise: OutboxPromise) -> None:
    """Sets all controls of a card at Stripe and compares what it has then; a card that is over needs no more.

    Stripe replaces what is sent, so all of them are sent (facts section 10, trap 17).
    """
    org = promise.organization_id
    card = await read_card(context, promise)
    connection = await connection_of(context, org, card.connection_id)
    wanted = json.loads(promise.params)["card"]
    over = card.status in ("expired", "canceled") or card.stripe_status == "canceled"
    if card.stripe_card_id is None or over or connection.status in ("revoked", "expired") or _is_old(card, wanted):
        await context.till.submit(FinishPromise(org, promise))
        return
    id = card.stripe_card_id
    try:
        found = await ask_stripe(context, connection, issuing.retrieve_card, id)
        sent = {**wanted, "spending_controls": raised_controls(wanted, found)}
        controls = sent["spending_controls"]
        made = await ask_stripe(context, connection, issuing.update_card_controls, id, controls, promise.key)
    except StripeRefused:
        await context.till.submit(TellLimits(org, card.id, promise))
        return
    except (StripeCallFailed, GatewayBusy) as error:
        if promise.tries + 1 >= LIMIT_TRIES:
            await context.till.submit(TellLimits(org, card.id, promise))
            return
        await put_off(context, promise, error)
        return
    if not is_raised(sent, made):
        await context.till.submit(TellLimits(org, card.id, promise))
        return
    await context.till.submit(FinishPromise(org, promise))


def _is_old(card: Card, wanted: dict[str, Any]) -> bool:
    """A newer price was approved meanwhile: the promise of that one sets the limits."""
    return bool(wanted["spending_controls"]["spending_limits"][-1]["amount"] != card.hard_limit)


@dataclass(frozen=True, slots=True)
class TellLimits(Command[None]):
    """Stripe did not take the new limits of a card: the promise is dead, and a person is told."""

    organization_id: str
    card_id: str
    promise: OutboxPromise

    def needs(self, now: int) -> Needs:
        """The card with its purchase, and the alert about it."""
        org = self.organization_id
        return Needs(rows=((Card, org, self.card_id), alert_row(org, NOT_LIFTED, self.card_id)))

    def apply(self, book: Book, now: int) -> None:
        """Says what that means: Stripe declines the new price, whatever is answered here."""
        card = book.need(Card, self.organization_id, self.card_id)
        purchase = book.need(Purchase, self.organization_id, card.purchase_id)
        book.finish_promise(dead(self.promise, "stripe_refuses", now))
        told = (
            f"Stripe did not take the new limits of card {card.id} of purchase {purchase.id}, so it will decline the"
            " new price. Cancel the purchase and let the agent ask again."
        )
        raise_alert(book, self.organization_id, NOT_LIFTED, card.id, told, now)
        audit(book, purchase, ROONY, "card.limits_not_set", now, card=card.id)
