"""A refund that waits in the queue is assigned to a purchase by a person."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from roony.core.errors import Refusal, not_found
from roony.core.purchase import Purchase
from roony.core.settlement import Discrepancy, StripeTransaction, belonging
from roony.flows.context import FlowContext
from roony.flows.discrepancy import record_end
from roony.flows.stripe_transaction import settle
from roony.store.authority import Authority
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs
from roony.store.linked import Node
from roony.store.queries.paging import find

_QUEUED = "unmatched_refund"


async def assign_refund(
    context: FlowContext,
    organization_id: str,
    discrepancy_id: str,
    purchase_id: str,
    actor: str,
    note: str,
    by: Authority | None = None,
) -> Discrepancy | Refusal:
    """Resolves an `unmatched_refund` by giving the refund to a purchase; answers the discrepancy as it is then.

    Refuses with 404 `not_found`, 409 `already_resolved`, 422 `not_a_refund` and `currency_differs`, 409
    `nothing_to_refund` where all that was captured was given back, and as the till does.
    """
    row = await asyncio.to_thread(find, context.database, Discrepancy, organization_id, discrepancy_id)
    if row is None:
        return not_found("discrepancy", discrepancy_id)
    refund = await asyncio.to_thread(find, context.database, StripeTransaction, organization_id, row.subject)
    if row.kind != _QUEUED or refund is None:
        return Refusal("not_a_refund", "Only a refund that waits is assigned to a purchase.", 422, "purchase_id")
    command = AssignRefund(organization_id, discrepancy_id, purchase_id, actor, note, refund)
    return await context.till.submit(command, by=by)


@dataclass(frozen=True, slots=True)
class AssignRefund(Command[Discrepancy | Refusal]):
    """A person says which purchase a queued refund belongs to, and why. What they say stays, whatever Stripe tells.

    More than was captured and not yet refunded, as exchange rates make it, gives back what there is.
    """

    organization_id: str
    discrepancy_id: str
    purchase_id: str
    actor: str
    note: str
    refund: StripeTransaction

    def needs(self, now: int) -> Needs:
        """The finding, the refund, the purchase, and all that hangs together with them."""
        org = self.organization_id
        rows = ((Discrepancy, org, self.discrepancy_id), (StripeTransaction, org, self.refund.id))
        return Needs(rows=(*rows, (Purchase, org, self.purchase_id)), linked=tuple(self._nodes()), renewals=True)

    def _nodes(self) -> set[Node]:
        nodes = {
            Node(self.organization_id, "purchase_id", self.purchase_id),
            Node(self.organization_id, "stripe_card_id", self.refund.stripe_card_id),
        }
        if self.refund.network_transaction_id is not None:
            nodes.add(Node(self.organization_id, "network_transaction_id", self.refund.network_transaction_id))
        return nodes

    def apply(self, book: Book, now: int) -> Discrepancy | Refusal:
        """1 refuse · 2 resolve and assign · 3 let totals, held and spent follow."""
        org = self.organization_id
        row, refund = book.get(Discrepancy, org, self.discrepancy_id), book.need(StripeTransaction, org, self.refund.id)
        purchase = book.get(Purchase, org, self.purchase_id)
        if row is None or row.subject != refund.id:
            return not_found("discrepancy", self.discrepancy_id)
        if row.status == "resolved":
            return Refusal("already_resolved", "Somebody has resolved this discrepancy before.", 409, id=row.id)
        if purchase is None:
            return not_found("purchase", self.purchase_id)
        if purchase.currency != refund.currency:
            sentence = f"The refund is in {refund.currency}, the purchase in {purchase.currency}."
            return Refusal("currency_differs", sentence, 422, "purchase_id")
        if purchase.captured <= purchase.refunded:
            return Refusal("nothing_to_refund", "All that this purchase captured was given back.", 409, id=purchase.id)
        # From here it must succeed: only writes below.
        row = row._replace(status="resolved", note=self.note, resolved_by=self.actor, resolved_at=now)
        book.put(row)
        book.put(belonging(refund, purchase, self.actor))
        body = {
            "purchase": purchase.id, "agent": purchase.agent_id, "before": refund.purchase_id,
            "amount": refund.amount, "currency": refund.currency, "note": self.note,
        }  # fmt: skip
        book.record(org, self.actor, "refund.assigned", refund.id, body, now)
        record_end(book, row, "resolved", self.actor, self.note, now)
        settle(book, self._nodes(), "refund", now)
        return row
