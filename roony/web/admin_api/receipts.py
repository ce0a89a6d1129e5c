"""Receipts that agents handed in, for the owner, and the purchases that lack one."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from roony.core.purchase import Purchase
from roony.core.receipt import ENDINGS, Receipt
from roony.core.retention import removed_words
from roony.store.queries.paging import equal
from roony.store.queries.receipts import find_content, without_receipt
from roony.web import admin_shapes, answers, shapes
from roony.web.admin_api.lists import get_row, list_rows, wanted
from roony.web.admin_api.part import new_part
from roony.web.auth import CallerOf, ContextOf
from roony.web.errors import found, refuse
from roony.web.receipts import FILES, shown
from roony.web.schemas import Id, ListQuery
from roony.web.shape import error, gives

router = new_part("Receipts")


class ReceiptQuery(ListQuery):
    """Which receipts."""

    purchase_id: Id | None = None
    agent_id: Id | None = None


class MissingQuery(ListQuery):
    """Whose purchases."""

    agent_id: Id | None = None
    project_id: Id | None = None


@router.get("/receipts", **gives(admin_shapes.ReceiptList))
async def list_receipts(
    caller: CallerOf, context: ContextOf, query: Annotated[ReceiptQuery, Query()]
) -> dict[str, Any]:
    """Receipts without their content, newest first."""
    where = equal(Receipt, {"purchase_id": query.purchase_id, "agent_id": query.agent_id})
    return await list_rows(context, Receipt, caller.organization_id, query, shown, *where)


@router.get("/receipts/missing", **gives(admin_shapes.MissingReceiptList))
async def list_missing(caller: CallerOf, context: ContextOf, query: Annotated[MissingQuery, Query()]) -> dict[str, Any]:
    """Settled purchases without any receipt, the oldest first."""
    where = equal(Purchase, {"agent_id": query.agent_id, "project_id": query.project_id})
    page = await run_in_threadpool(without_receipt, context.database, caller.organization_id, wanted(query), *where)
    return answers.listed(page, _missing)


@router.get("/receipts/{id}", **gives(shapes.ReceiptAnswer))
async def get_receipt(id: str, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """One receipt without its content."""
    return shown(await get_row(context, Receipt, caller.organization_id, id, "receipt"))


@router.get(
    "/receipts/{id}/content", response_class=Response, response_model=None,
    responses={200: {"content": FILES}, **error(410)},
)  # fmt: skip
async def get_content(id: str, caller: CallerOf, context: ContextOf) -> Response:
    """The file, as a download: an agent sent it, so no browser is to show it as a page of ours."""
    row = await get_row(context, Receipt, caller.organization_id, id, "receipt")
    if row.content_removed_at is not None:
        raise refuse(410, f"The file was {removed_words(row.content_removed_at)}.", "content_removed")
    content = await run_in_threadpool(find_content, context.database, caller.organization_id, id)
    headers = {
        "Content-Disposition": f'attachment; filename="{row.id}.{ENDINGS[row.media_type]}"',
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(found(content, "receipt", id), media_type=row.media_type, headers=headers)


def _missing(row: Purchase) -> dict[str, Any]:
    return {
        "purchase_id": row.id, "agent_id": row.agent_id, "project_id": row.project_id, "amount": row.captured,
        "currency": row.currency, "description": row.description, "created_at": answers.time(row.created_at),
    }  # fmt: skip
