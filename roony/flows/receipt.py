"""Receipts that agents hand in, kept with their purchase."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from roony.core.agent import Agent
from roony.core.errors import Refusal, not_found
from roony.core.purchase import Purchase
from roony.core.receipt import MAX_RECEIPTS, Receipt, ReceiptContent, receipt_of, wrong_receipt
from roony.flows.context import FlowContext
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs


async def keep_receipt(
    context: FlowContext, agent: Agent, purchase_id: str, media_type: str, content: bytes, until: float
) -> tuple[Receipt, bool] | Refusal:
    """Keeps a receipt of one of the agent's purchases, by `until` (monotonic seconds); whether it is new.

    Looking through it and its hash take their time, which nobody's money waits for.
    """
    org = agent.organization_id
    wrong = await asyncio.to_thread(wrong_receipt, media_type, content)
    if wrong is not None:
        return wrong
    receipt = await asyncio.to_thread(receipt_of, org, purchase_id, agent.id, media_type, content)
    return await context.till.submit(KeepReceipt(org, receipt, content), until)


@dataclass(frozen=True, slots=True)
class KeepReceipt(Command[tuple[Receipt, bool] | Refusal]):
    """One receipt of an agent's purchase; answers it, and whether it is new. The same bytes again change nothing."""

    organization_id: str
    receipt: Receipt
    content: bytes = field(repr=False)

    def needs(self, now: int) -> Needs:
        """The purchase, and the receipts it has, without what is in them."""
        org, id = self.organization_id, self.receipt.purchase_id
        return Needs(rows=((Purchase, org, id),), groups=((Receipt, org, id),), holds=False)

    def apply(self, book: Book, now: int) -> tuple[Receipt, bool] | Refusal:
        """1 whose purchase, and did it get a card · 2 is it there already, or one too many · 3 kept, audited."""
        org, id = self.organization_id, self.receipt.purchase_id
        purchase = book.get(Purchase, org, id)
        if purchase is None or purchase.agent_id != self.receipt.agent_id:
            return not_found("purchase", id)
        if purchase.card_id is None:
            return Refusal("nothing_bought", "The purchase never had a card: there is nothing to receipt.", 409, id=id)
        kept = book.group(Receipt, org, id)
        before = next((row for row in kept if row.id == self.receipt.id), None)
        if before is not None:
            return before, False
        if len(kept) >= MAX_RECEIPTS:
            return Refusal("too_many_receipts", f"A purchase has at most {MAX_RECEIPTS} receipts.", 409, id=id)
        # From here it must succeed: only writes below.
        receipt = self.receipt._replace(created_at=now)
        book.put(receipt)
        book.put(ReceiptContent(org, receipt.id, self.content))
        body = {
            "purchase": id, "agent": receipt.agent_id, "media_type": receipt.media_type, "size": receipt.size,
            "sha256": receipt.sha256,
        }  # fmt: skip
        book.record(org, receipt.agent_id, "receipt.kept", receipt.id, body, now)
        return receipt, True
