"""Discrepancies: what does not fit what was approved, until a person settles it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Query

from roony.core.settlement import Discrepancy
from roony.flows.refund import assign_refund
from roony.flows.resolution import ResolveDiscrepancy
from roony.store.queries.paging import equal
from roony.web import answers, stripe_shapes
from roony.web.admin_api.lists import get_row, list_rows
from roony.web.admin_api.part import new_part
from roony.web.auth import CallerOf, ContextOf
from roony.web.errors import accepted
from roony.web.schemas import DiscrepancyKind, Id, ListQuery, ResolveBody
from roony.web.shape import gives

router = new_part("Discrepancies")


class DiscrepancyQuery(ListQuery):
    """Which discrepancies."""

    status: Literal["open", "resolved"] | None = None
    kind: DiscrepancyKind | None = None
    purchase_id: Id | None = None


@router.get("/discrepancies", **gives(stripe_shapes.DiscrepancyList))
async def list_discrepancies(
    caller: CallerOf, context: ContextOf, query: Annotated[DiscrepancyQuery, Query()]
) -> dict[str, Any]:
    """Discrepancies, newest first."""
    where = equal(Discrepancy, {"status": query.status, "kind": query.kind, "purchase_id": query.purchase_id})
    return await list_rows(context, Discrepancy, caller.organization_id, query, answers.discrepancy, *where)


@router.get("/discrepancies/{id}", **gives(stripe_shapes.DiscrepancyAnswer))
async def get_discrepancy(id: str, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """One discrepancy."""
    return answers.discrepancy(await get_row(context, Discrepancy, caller.organization_id, id, "discrepancy"))


@router.post("/discrepancies/{id}/resolve", **gives(stripe_shapes.DiscrepancyAnswer, 409))
async def resolve_discrepancy(id: str, body: ResolveBody, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """Say how it ended; the note stays with it.

    `learn_alias` takes the name of a merchant_mismatch as one more of the approved merchant; `purchase_id` says what an
    unmatched_refund gives back, and its budgets follow.
    """
    org, actor, by = caller.organization_id, caller.actor, caller.authority
    if body.purchase_id is not None:
        row = accepted(await assign_refund(context, org, id, body.purchase_id, actor, body.note, by))
    else:
        command = ResolveDiscrepancy(org, id, actor, body.note, body.learn_alias)
        row = accepted(await context.till.submit(command, by=by))
    return answers.discrepancy(row)
