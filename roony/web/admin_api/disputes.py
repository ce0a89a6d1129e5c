"""Disputes of captures, as Stripe tells them; they move no budget."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from starlette.concurrency import run_in_threadpool

from roony.core.dispute import Dispute
from roony.store.queries.disputes import dispute_page, find_dispute, of_purchase
from roony.store.queries.paging import equal
from roony.web import answers, stripe_shapes
from roony.web.admin_api.lists import wanted
from roony.web.admin_api.part import new_part
from roony.web.auth import CallerOf, ContextOf
from roony.web.errors import found
from roony.web.schemas import Id, ListQuery, ShortText
from roony.web.shape import gives

router = new_part("Disputes")


class DisputeQuery(ListQuery):
    """Which disputes."""

    status: ShortText | None = None
    purchase_id: Id | None = None


@router.get("/disputes", **gives(stripe_shapes.DisputeList))
async def list_disputes(
    caller: CallerOf, context: ContextOf, query: Annotated[DisputeQuery, Query()]
) -> dict[str, Any]:
    """Disputes, newest first."""
    org = caller.organization_id
    where = equal(Dispute, {"status": query.status})
    if query.purchase_id is not None:
        where.append(of_purchase(org, query.purchase_id))
    page = await run_in_threadpool(dispute_page, context.database, org, wanted(query), *where)
    return answers.listed(page, answers.dispute)


@router.get("/disputes/{id}", **gives(stripe_shapes.DisputeAnswer))
async def get_dispute(id: str, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """One dispute."""
    view = await run_in_threadpool(find_dispute, context.database, caller.organization_id, id)
    return answers.dispute(found(view, "dispute", id))
