"""Alerts: what a person has to know and see to."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Query

from roony.core.alert import Alert
from roony.flows.alert import CloseAlert
from roony.store.queries.paging import equal
from roony.web import admin_shapes, answers
from roony.web.admin_api.lists import get_row, list_rows
from roony.web.admin_api.part import new_part
from roony.web.auth import CallerOf, ContextOf
from roony.web.errors import accepted
from roony.web.schemas import ListQuery, ShortText
from roony.web.shape import gives

router = new_part("Alerts")


class AlertQuery(ListQuery):
    """Which alerts."""

    status: Literal["open", "closed"] | None = None
    kind: ShortText | None = None


@router.get("/alerts", **gives(admin_shapes.AlertList))
async def list_alerts(caller: CallerOf, context: ContextOf, query: Annotated[AlertQuery, Query()]) -> dict[str, Any]:
    """Alerts, newest first."""
    where = equal(Alert, {"status": query.status, "kind": query.kind})
    return await list_rows(context, Alert, caller.organization_id, query, answers.alert, *where)


@router.get("/alerts/{id}", **gives(admin_shapes.AlertAnswer))
async def get_alert(id: str, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """One alert."""
    return answers.alert(await get_row(context, Alert, caller.organization_id, id, "alert"))


@router.post("/alerts/{id}/close", **gives(admin_shapes.AlertAnswer))
async def close_alert(id: str, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """Say that somebody has seen to it; it is opened again should its cause come again."""
    command = CloseAlert(caller.organization_id, id, caller.actor)
    return answers.alert(accepted(await context.till.submit(command, by=caller.authority)))
