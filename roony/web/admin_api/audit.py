"""The audit chain: to read, and to take away whole for a verification that needs no database."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import Query
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from roony.core.audit import AuditRecord
from roony.flows.context import FlowContext
from roony.store.queries.history import audit_from, audit_page
from roony.store.queries.organizations import find_organization
from roony.store.queries.paging import equal
from roony.web import admin_shapes, answers
from roony.web.admin_api.lists import wanted
from roony.web.admin_api.part import new_part
from roony.web.auth import CallerOf, ContextOf
from roony.web.errors import refuse
from roony.web.schemas import ListQuery, ShortText
from roony.web.shape import gives

router = new_part("Audit")

# Records read at a time during an export.
EXPORT_PAGE = 1_000
_LINES = {
    "application/x-ndjson": {
        "schema": {"type": "string"},
        "example": '{"id":"aud_3c8f20d6b1e74a95","sequence":1,"at":1795874531520000,"action":"organization.created"}\n',
    }
}


class AuditQuery(ListQuery):
    """Which records, or all of them as lines (`format=jsonl`, which goes with no other parameter)."""

    format: Literal["json", "jsonl"] = "json"
    action: ShortText | None = None
    actor: ShortText | None = None
    subject: ShortText | None = None


@router.get("/audit", **gives(admin_shapes.AuditList, also=_LINES))
async def list_audit_records(
    caller: CallerOf, context: ContextOf, query: Annotated[AuditQuery, Query()]
) -> Response | dict[str, Any]:
    """Records, newest first; with `format=jsonl` the whole chain in order, each line as it was hashed."""
    if query.format == "jsonl":
        # Lines that leave something out would look like a broken chain.
        for name in sorted(query.model_fields_set - {"format"}):
            raise refuse(422, "The lines are always all of them: leave it out.", field=name)
        lines = _lines(context, caller.organization_id)
        return StreamingResponse(lines, media_type="application/x-ndjson")
    where = equal(AuditRecord, {"action": query.action, "actor": query.actor, "subject": query.subject})
    page = await run_in_threadpool(audit_page, context.database, caller.organization_id, wanted(query), *where)
    return answers.listed(page, answers.audit_record)


async def _lines(context: FlowContext, organization_id: str) -> AsyncIterator[bytes]:
    """The chain as far as it went when the export began, so that an export always ends."""
    organization = await run_in_threadpool(find_organization, context.database, organization_id)
    sequence = 0
    while sequence < organization.audit_sequence:
        limit = min(EXPORT_PAGE, organization.audit_sequence - sequence)
        rows = await run_in_threadpool(audit_from, context.database, organization_id, sequence, limit)
        if not rows:
            return
        sequence = rows[-1].sequence
        yield b"".join(json.dumps(row._asdict()).encode() + b"\n" for row in rows)
