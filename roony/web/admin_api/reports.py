"""Reports: what was spent, in groups, and every line of it as an accounting journal."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import BaseModel, ConfigDict
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from roony.flows.context import FlowContext
from roony.store.queries.organizations import find_organization
from roony.store.queries.paging import Slice, encode_cursor
from roony.store.queries.spending import Spent, booked_lines
from roony.web import report_shapes
from roony.web.admin_api.part import new_part
from roony.web.auth import CallerOf, ContextOf
from roony.web.errors import accepted
from roony.web.schemas import Day
from roony.web.shape import gives
from roony.web.spending_report import (
    JOURNAL_COLUMNS,
    SPEND_COLUMNS,
    Days,
    days_of,
    head,
    journal_csv,
    report,
    spend_csv,
)

router = new_part("Reports")

# Captures and refunds read at a time for a journal.
JOURNAL_PAGE = 1_000
_TYPE = "text/csv; charset=utf-8"
_SPEND_FILE = {"text/csv": {"schema": {"type": "string"}, "example": ",".join(SPEND_COLUMNS) + "\r\n"}}
_JOURNAL_FILE = {"text/csv": {"schema": {"type": "string"}, "example": ",".join(JOURNAL_COLUMNS) + "\r\n"}}


class DaysQuery(BaseModel):
    """On which days, both included, in the organization's time zone; without them this month until today."""

    model_config = ConfigDict(extra="forbid")

    since: Day | None = None
    until: Day | None = None


class SpendQuery(DaysQuery):
    """In which groups."""

    by: Literal["agent", "project", "merchant", "category", "month"] = "month"
    format: Literal["json", "csv"] = "json"


@router.get("/reports/spend", **gives(report_shapes.SpendAnswer, also=_SPEND_FILE))
async def report_spend(
    caller: CallerOf, context: ContextOf, query: Annotated[SpendQuery, Query()]
) -> Response | dict[str, Any]:
    """What was captured and given back, by agent, project, merchant, category or month, the most first."""
    days = await _days(context, caller.organization_id, query)
    made = await run_in_threadpool(report, context.database, caller.organization_id, query.by, days)
    if query.format == "csv":
        text = head(SPEND_COLUMNS) + spend_csv(made.rows)
        return Response(text, media_type=_TYPE, headers=_as_file(f"spend-by-{query.by}", days))
    return {
        "by": made.by, "since": days.first.isoformat(), "until": days.last.isoformat(), "time_zone": days.time_zone,
        "rows": [{"id": row.id, "name": row.name, **_sums(row)} for row in made.rows],
        "totals": [_sums(row) for row in made.totals], "unmatched": [_sums(row) for row in made.unmatched],
    }  # fmt: skip


@router.get(
    "/reports/journal", response_class=Response, response_model=None, responses={200: {"content": _JOURNAL_FILE}},
)  # fmt: skip
async def report_journal(caller: CallerOf, context: ContextOf, query: Annotated[DaysQuery, Query()]) -> Response:
    """Every capture and refund as two lines, a debit and a credit of the same amount, in the order of Stripe's time."""
    days = await _days(context, caller.organization_id, query)
    lines = _journal(context, caller.organization_id, days)
    return StreamingResponse(lines, media_type=_TYPE, headers=_as_file("journal", days))


async def _days(context: FlowContext, organization_id: str, query: DaysQuery) -> Days:
    organization = await run_in_threadpool(find_organization, context.database, organization_id)
    first, last = (date.fromisoformat(day) if day else None for day in (query.since, query.until))
    return accepted(days_of(first, last, organization.time_zone, context.clock()))


def _sums(row: Spent) -> dict[str, Any]:
    return {
        "currency": row.currency, "captured_amount": row.captured, "refunded_amount": row.refunded,
        "spent_amount": row.spent, "purchases": row.purchases,
    }  # fmt: skip


def _as_file(name: str, days: Days) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}-{days.first}-{days.last}.csv"'}


async def _journal(context: FlowContext, organization_id: str, days: Days) -> AsyncIterator[str]:
    """Page after page until the last line of the span; each of a full page is followed by the rest."""
    yield head(JOURNAL_COLUMNS)
    cursor: str | None = None
    while True:
        wanted = Slice(JOURNAL_PAGE, cursor)
        lines = await run_in_threadpool(booked_lines, context.database, organization_id, days.span, wanted)
        page = lines[:JOURNAL_PAGE]
        yield await run_in_threadpool(journal_csv, context.database, organization_id, page, days.time_zone)
        if len(lines) <= JOURNAL_PAGE:
            return
        cursor = encode_cursor((page[-1].transaction.created_at, page[-1].transaction.id))
