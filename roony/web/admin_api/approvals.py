"""Approvals: what waits for a person, and that person's yes or no."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Query
from sqlalchemy import ColumnElement, and_, or_

from roony.core.approval import Approval
from roony.core.purchase import Purchase
from roony.flows.approval import Approve, ApproveIds, Deny
from roony.flows.card_making import make_card
from roony.flows.context import FlowContext
from roony.flows.raise_at_stripe import raise_card
from roony.flows.raising import ApproveRaise, RaiseIds
from roony.flows.renewal import ApproveRenewal
from roony.store.tables import approvals
from roony.web import answers
from roony.web.admin_api.lists import get_row, list_rows
from roony.web.admin_api.part import new_part
from roony.web.admin_api.purchases import show_purchase
from roony.web.auth import CallerOf, ContextOf
from roony.web.errors import accepted
from roony.web.schemas import ApproveBody, DenyBody, ListQuery

# How long an approver waits to see the card made, in seconds. The work goes on without them.
CARD_SECONDS = 10.0

router = new_part("Approvals")


class ApprovalQuery(ListQuery):
    """Which approvals."""

    status: Literal["pending", "approved", "denied", "expired"] | None = None


@router.get("/approvals", response_model=None)
async def list_approvals(
    caller: CallerOf, context: ContextOf, query: Annotated[ApprovalQuery, Query()]
) -> dict[str, Any]:
    """Approvals, newest first, each with what its approver is to see."""
    now = context.clock()
    return await list_rows(
        context, Approval, caller.organization_id, query, lambda row: answers.approval(row, now),
        *_in_status(query.status, now),
    )  # fmt: skip


@router.get("/approvals/{id}", response_model=None)
async def get_approval(id: str, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """One approval."""
    row = await get_row(context, Approval, caller.organization_id, id, "approval")
    return answers.approval(row, context.clock())


@router.post("/approvals/{id}/approve", response_model=None)
async def approve(id: str, caller: CallerOf, context: ContextOf, body: ApproveBody | None = None) -> dict[str, Any]:
    """Say yes. The rules are checked again; what they no longer allow is declined all the same."""
    body = body or ApproveBody()
    row = await get_row(context, Approval, caller.organization_id, id, "approval")
    purchase = await get_row(context, Purchase, caller.organization_id, row.purchase_id, "purchase")
    if row.kind == "raise":
        await _approve_raise(context, row, purchase, caller.actor, body)
        return await show_purchase(context, caller.organization_id, row.purchase_id)
    if row.kind == "renewal":
        renewal = ApproveRenewal(
            caller.organization_id, row, purchase, caller.actor, body.note, context.new_id("out"), body.amount
        )
        accepted(await context.till.submit(renewal))
        return await show_purchase(context, caller.organization_id, row.purchase_id)
    ids = ApproveIds(context.new_id("hold"), context.new_id("crd"), context.new_id("out"))
    command = Approve(caller.organization_id, id, purchase, caller.actor, body.note, ids, body.amount)
    approved = accepted(await context.till.submit(command))
    if approved.promise is not None:
        await make_card(context, approved.promise, CARD_SECONDS)
    return await show_purchase(context, caller.organization_id, row.purchase_id)


@router.post("/approvals/{id}/deny", response_model=None)
async def deny(id: str, caller: CallerOf, context: ContextOf, body: DenyBody | None = None) -> dict[str, Any]:
    """Say no: the purchase is declined and its hold taken back; one whose price should rise stays as it is."""
    note = body.note if body is not None else ""
    command = Deny(caller.organization_id, id, caller.actor, note, context.new_id("out"))
    purchase = accepted(await context.till.submit(command))
    return await show_purchase(context, caller.organization_id, purchase.id)


async def _approve_raise(
    context: FlowContext, approval: Approval, purchase: Purchase, actor: str, body: ApproveBody
) -> None:
    """A yes to a higher price. Raises Refused where Stripe does not take the new limit."""
    ids = RaiseIds(context.new_id("hold"), context.new_id("apr"), context.new_id("out"))
    command = ApproveRaise(approval.organization_id, approval, purchase, actor, body.note, ids, body.amount)
    raised = accepted(await context.till.submit(command))
    if raised.promise is not None:
        refused = await raise_card(context, raised.promise, CARD_SECONDS)
        if refused is not None:
            accepted(refused)


def _in_status(status: str | None, now: int) -> list[ColumnElement[bool]]:
    """A pending one past its time counts as expired, whether or not the worker came by."""
    column, late = approvals.c.status, approvals.c.expires_at <= now
    if status is None:
        return []
    if status == "pending":
        return [column == "pending", ~late]
    if status == "expired":
        return [or_(column == "expired", and_(column == "pending", late))]
    return [column == status]
