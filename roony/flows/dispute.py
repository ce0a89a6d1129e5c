"""A dispute as Stripe tells it: kept, merged by rank, audited; it moves no budget (design section 4)."""

from __future__ import annotations

from dataclasses import dataclass

from roony.core.audit import STRIPE
from roony.core.dispute import Dispute, merge_dispute
from roony.core.settlement import StripeTransaction
from roony.flows.event_outcome import finished
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs
from roony.store.rows import InboxEvent


@dataclass(frozen=True, slots=True)
class BookDispute(Command[str]):
    """One `issuing_dispute` event. Which purchase it is about follows from its transaction, whenever that is told."""

    organization_id: str
    statement: Dispute
    event: InboxEvent | None = None

    def needs(self, now: int) -> Needs:
        """The dispute, and the capture it is about."""
        org, said = self.organization_id, self.statement
        return Needs(rows=((Dispute, org, said.id), (StripeTransaction, org, said.stripe_transaction_id)))

    def apply(self, book: Book, now: int) -> str:
        """Merges it into what is known; an older one changes nothing."""
        org, said = self.organization_id, self.statement
        known = book.get(Dispute, org, said.id)
        after = merge_dispute(known, said)
        if after != known:
            book.put(after)
            disputed = book.get(StripeTransaction, org, said.stripe_transaction_id)
            body = {
                "status": after.status,
                "funds": after.funds,
                "reason": after.reason,
                "amount": after.amount,
                "stripe_transaction": after.stripe_transaction_id,
                "purchase": disputed.purchase_id if disputed is not None else None,
                "event": self.event.id if self.event is not None else None,
            }
            book.record(org, STRIPE, "dispute.stated", said.id, body, now)
        finished(book, self.event, org, "applied", None, now)
        return "applied"
