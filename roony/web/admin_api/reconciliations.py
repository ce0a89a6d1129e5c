"""Reconciliations: begin to compare with Stripe, and see how far it is and what it found."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Query, Request
from pydantic import Field

from roony.core.reconciliation import Reconciliation
from roony.flows.reconciliation import start_by_hand
from roony.store.queries.paging import equal
from roony.web import answers, stripe_shapes
from roony.web.admin_api.lists import get_row, list_rows
from roony.web.admin_api.part import new_part
from roony.web.auth import CallerOf, ContextOf
from roony.web.errors import accepted, past_time
from roony.web.schemas import Body, Id, ListQuery
from roony.web.shape import example, gives

router = new_part("Reconciliations")


class ReconciliationBody(Body):
    """What to compare; nothing is required."""

    model_config = example(since="2h")

    since: Annotated[str | None, Field(max_length=40, description="RFC 3339, or 90m, 2h, 7d: all events since")] = None
    connection_id: Id | None = None


class ReconciliationQuery(ListQuery):
    """Which runs."""

    status: Literal["running", "finished", "failed"] | None = None
    cause: Literal["timed", "person", "gap"] | None = None
    connection_id: Id | None = None


@router.post("/reconciliations", **gives(stripe_shapes.ReconciliationsStarted, 404, 409, status=202))
async def start_reconciliations(
    body: ReconciliationBody, request: Request, caller: CallerOf, context: ContextOf
) -> dict[str, Any]:
    """Fetch what webhooks did not bring and compare with Stripe, one run for each connection; look at them later."""
    since = past_time(body.since, context.clock()) if body.since is not None else None
    org, by = caller.organization_id, caller.authority
    runs = accepted(await start_by_hand(context, org, since, body.connection_id, caller.actor, by))
    request.app.state.wake_worker()
    return {"data": [answers.reconciliation(run) for run in runs]}


@router.get("/reconciliations", **gives(stripe_shapes.ReconciliationList))
async def list_reconciliations(
    caller: CallerOf, context: ContextOf, query: Annotated[ReconciliationQuery, Query()]
) -> dict[str, Any]:
    """Runs, newest first."""
    given = {"status": query.status, "cause": query.cause, "connection_id": query.connection_id}
    where = equal(Reconciliation, given)
    return await list_rows(context, Reconciliation, caller.organization_id, query, answers.reconciliation, *where)


@router.get("/reconciliations/{id}", **gives(stripe_shapes.ReconciliationAnswer))
async def get_reconciliation(id: str, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """One run."""
    row = await get_row(context, Reconciliation, caller.organization_id, id, "reconciliation")
    return answers.reconciliation(row)
