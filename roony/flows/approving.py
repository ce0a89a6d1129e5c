"""A person's word on an approval, whichever door it came through: the command of its kind, then what it promised.

1 approval and purchase are read: they name the facts · 2 the command decides under the lock · 3 the card is made, or
its limit lifted, while the person waits a little · 4 the approval is read again: that is the answer.
"""

from __future__ import annotations

import asyncio

from sqlalchemy import select

from roony.core.approval import Approval
from roony.core.errors import Refusal, not_found
from roony.core.purchase import Purchase
from roony.core.user import User, may_approve
from roony.flows.approval import Approve, ApproveIds, Approver, Deny
from roony.flows.card_making import make_card
from roony.flows.context import FlowContext
from roony.flows.raise_at_stripe import raise_card
from roony.flows.raising import ApproveRaise, RaiseIds
from roony.flows.renewal import ApproveRenewal
from roony.flows.tracing import trace_approval
from roony.log_ids import learn
from roony.store.queries.approvals import find_approval
from roony.store.queries.paging import find
from roony.store.tables import users

# How long an approver waits to see the card made, in seconds. The work goes on without them.
CARD_SECONDS = 10.0


async def approve(
    context: FlowContext, organization_id: str, id: str, approver: Approver, note: str, amount: int | None
) -> Approval | Refusal:
    """A yes to `amount` in minor units; None: to what was asked for. Their right to it is checked once more."""
    read = context.database
    approval = await asyncio.to_thread(find, read, Approval, organization_id, id)
    if approval is None:
        return not_found("approval", id)
    purchase = await asyncio.to_thread(find, read, Purchase, organization_id, approval.purchase_id)
    if purchase is None:
        return not_found("purchase", approval.purchase_id)
    do = {"raise": _raise, "renewal": _renew}.get(approval.kind, _buy)
    refused = await do(context, approval, purchase, approver, note, amount)
    return refused or await _as_it_is(context, organization_id, id)


async def deny(
    context: FlowContext, organization_id: str, id: str, approver: Approver, note: str
) -> Approval | Refusal:
    """A no."""
    command = Deny(organization_id, id, approver.actor, note, context.new_id("out"))
    denied = await context.till.submit(command, by=approver.authority)
    if isinstance(denied, Refusal):
        return denied
    return await _as_it_is(context, organization_id, id)


async def second_people(context: FlowContext, approval: Approval) -> list[User]:
    """Who could be the second one to agree, when one did: everybody who may approve but that one."""
    if approval.first_approved_by is None:
        return []
    statement = select(users).where(users.c.organization_id == approval.organization_id, users.c.disabled_at.is_(None))
    rows = await asyncio.to_thread(context.database.read, statement.order_by(users.c.name, users.c.id))
    people = [User(*values) for values in rows]
    return [user for user in people if may_approve(user) and user.id != approval.first_approved_by]


async def _buy(
    context: FlowContext, approval: Approval, purchase: Purchase, approver: Approver, note: str, amount: int | None
) -> Refusal | None:
    ids = ApproveIds(context.new_id("hold"), context.new_id("crd"), context.new_id("out"))
    command = Approve(approval.organization_id, approval.id, purchase, approver, note, ids, amount)
    approved = await context.till.submit(command, by=approver.authority)
    if isinstance(approved, Refusal):
        return approved
    if approved.promise is not None:
        await make_card(context, approved.promise, CARD_SECONDS)
    return None


async def _raise(
    context: FlowContext, approval: Approval, purchase: Purchase, approver: Approver, note: str, amount: int | None
) -> Refusal | None:
    """The refusal may be Stripe's, which did not take the new limit: the yes stands, the purchase says why."""
    ids = RaiseIds(context.new_id("hold"), context.new_id("apr"), context.new_id("out"))
    command = ApproveRaise(approval.organization_id, approval, purchase, approver, note, ids, amount)
    raised = await context.till.submit(command, by=approver.authority)
    if isinstance(raised, Refusal):
        return raised
    return await raise_card(context, raised.promise, CARD_SECONDS) if raised.promise is not None else None


async def _renew(
    context: FlowContext, approval: Approval, purchase: Purchase, approver: Approver, note: str, amount: int | None
) -> Refusal | None:
    promise_id = context.new_id("out")
    command = ApproveRenewal(approval.organization_id, approval, purchase, approver, note, promise_id, amount)
    renewed = await context.till.submit(command, by=approver.authority)
    return renewed if isinstance(renewed, Refusal) else None


async def _as_it_is(context: FlowContext, organization_id: str, id: str) -> Approval | Refusal:
    found = await asyncio.to_thread(find_approval, context.database, organization_id, id)
    if found is not None:
        learn(purchase_id=found.purchase_id)
        trace_approval(context, found)
    return found or not_found("approval", id)
