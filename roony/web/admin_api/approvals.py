"""Approvals: what waits for people, and their yes or no."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Query
from starlette.concurrency import run_in_threadpool

from roony.core.approval import Approval
from roony.core.errors import Refusal
from roony.flows import approving
from roony.flows.approval import Approver
from roony.flows.context import FlowContext
from roony.store.queries.approvals import approval_page, find_approval
from roony.web import admin_shapes, answers
from roony.web.admin_api.lists import wanted
from roony.web.admin_api.part import new_part
from roony.web.admin_api.purchases import show_purchase
from roony.web.auth import Caller, CallerOf, ContextOf
from roony.web.errors import accepted, found
from roony.web.schemas import ApproveBody, DenyBody, ListQuery
from roony.web.shape import gives

router = new_part("Approvals")


class ApprovalQuery(ListQuery):
    """Which approvals."""

    status: Literal["waiting", "pending", "partly_approved", "approved", "denied", "expired"] | None = None


@router.get("/approvals", **gives(admin_shapes.ApprovalList))
async def list_approvals(
    caller: CallerOf, context: ContextOf, query: Annotated[ApprovalQuery, Query()]
) -> dict[str, Any]:
    """Approvals, newest first, each with what its approver is to see. `waiting`: pending and partly approved ones."""
    now = context.clock()
    page = await run_in_threadpool(
        approval_page, context.database, caller.organization_id, wanted(query), query.status, now
    )
    return answers.listed(page, lambda row: answers.approval(row, now))


@router.get("/approvals/{id}", **gives(admin_shapes.ApprovalAnswer))
async def get_approval(id: str, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """One approval."""
    row = await run_in_threadpool(find_approval, context.database, caller.organization_id, id)
    return answers.approval(found(row, "approval", id), context.clock())


@router.post("/approvals/{id}/approve", **gives(admin_shapes.DecidedPurchase, 409))
async def approve(id: str, caller: CallerOf, context: ContextOf, body: ApproveBody | None = None) -> dict[str, Any]:
    """Say yes. The rules are checked again; what they no longer allow is declined all the same.

    Another `amount` that they do not allow is 409 `amount_not_allowed` with their reasons, and the approval waits on.
    The answer is the purchase, and in `outcome` what the yes did. Above `second_approval_threshold` the first yes is
    written down and the approval waits on as `partly_approved`: another user must agree to the same amount.
    """
    body = body or ApproveBody()
    decided = await approving.approve(context, caller.organization_id, id, _approver(caller), body.note, body.amount)
    return await _answer(context, decided)


@router.post("/approvals/{id}/deny", **gives(admin_shapes.DecidedPurchase, 409))
async def deny(id: str, caller: CallerOf, context: ContextOf, body: DenyBody | None = None) -> dict[str, Any]:
    """Say no: the purchase is declined and its hold taken back; one whose price should rise stays as it is."""
    note = body.note if body is not None else ""
    decided = await approving.deny(context, caller.organization_id, id, _approver(caller), note)
    return await _answer(context, decided)


def _approver(caller: Caller) -> Approver:
    return Approver(caller.actor, caller.user_id, caller.authority)


async def _answer(context: FlowContext, decided: Approval | Refusal) -> dict[str, Any]:
    row = accepted(decided)
    purchase = await show_purchase(context, row.organization_id, row.purchase_id)
    others = [user.name for user in await approving.second_people(context, row)]
    return {**purchase, "outcome": answers.outcome(row, context.clock(), others)}
