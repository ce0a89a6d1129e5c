"""How the right to a new authorization ends: canceled, expired, denied, failed; the card follows at Stripe."""

from __future__ import annotations

from dataclasses import dataclass

from roony.core.approval import Approval
from roony.core.card import OPEN_STATUSES, Card
from roony.core.errors import Refusal, not_found
from roony.core.purchase import RECURRING, Purchase
from roony.flows.movement import audit, card_of, follow
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs
from roony.store.outbox import new_promise


def end_card(book: Book, purchase: Purchase, reason: str, promise_id: str, now: int) -> Purchase:
    """Ends the right to a new authorization for `reason`; promises Stripe's cancel where a card exists.

    A card that is still being made keeps its hold: the command that records it looks again (section 5).
    """
    card = card_of(book, purchase)
    if purchase.approval_id is not None:
        approval = book.need(Approval, purchase.organization_id, purchase.approval_id)
        if approval.status == "pending":
            status = "expired" if reason == "expired" else "denied"
            book.put(approval._replace(status=status, decided_at=now, note=approval.note or f"Purchase {reason}."))
    if purchase.ended_at is None:
        purchase = purchase._replace(ended_at=now, ended_reason=reason)
    if card is not None and card.status in OPEN_STATUSES:
        if card.status != "used":
            card = card._replace(status="expired" if reason == "expired" else "canceled", updated_at=now)
            book.put(card)
        if card.stripe_status != "canceled":
            promise_card_status(book, card, "canceled", promise_id, now)
    return follow(book, purchase, reason, now)


def promise_card_status(book: Book, card: Card, status: str, promise_id: str, now: int) -> None:
    """Promises to set a card's status at Stripe: `canceled` is final, `inactive` and `active` freeze and unfreeze.

    The key is derived from the promise, so that a repeat after a crash is the same call.
    """
    params = {"status": status}
    book.promise(new_promise(card.organization_id, promise_id, "set_card_status", card.id, params, now))


@dataclass(frozen=True, slots=True)
class CancelPurchase(Command[Purchase | Refusal]):
    """Ends a purchase before it was used, or a mandate at any time, by its agent (`agent_id` set) or by the owner."""

    organization_id: str
    purchase_id: str
    actor: str
    promise_id: str
    agent_id: str | None = None

    def needs(self, now: int) -> Needs:
        """The purchase with all that belongs to it."""
        return Needs(rows=((Purchase, self.organization_id, self.purchase_id),))

    def apply(self, book: Book, now: int) -> Purchase | Refusal:
        """Ends the right to a new authorization; a hold with an authorization open stays (section 4)."""
        purchase = book.get(Purchase, self.organization_id, self.purchase_id)
        if purchase is None or (self.agent_id is not None and purchase.agent_id != self.agent_id):
            return not_found("purchase", self.purchase_id)
        if purchase.status == "canceled" or (purchase.kind == RECURRING and purchase.ended_reason == "canceled"):
            return purchase
        # A mandate ends at any time; what is on its way stays held.
        goes_on = purchase.kind == RECURRING and purchase.ended_at is None and purchase.status == "authorized"
        if not goes_on and purchase.status not in ("awaiting_approval", "issuing", "ready"):
            return Refusal(
                "not_cancelable",
                f"The purchase is {purchase.status} and can no longer be canceled.",
                409,
                id=purchase.id,
            )
        purchase = end_card(book, purchase, "canceled", self.promise_id, now)
        audit(book, purchase, self.actor, "purchase.canceled", now)
        return purchase
