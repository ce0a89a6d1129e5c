"""The audit chain: to read, and to take away whole for a verification that needs no database."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from roony.core.agent import Organization
from roony.core.audit import GENESIS, AuditRecord
from roony.flows.context import FlowContext
from roony.store.queries.history import audit_between, audit_from, audit_page, check_chain
from roony.store.queries.organizations import find_organization
from roony.store.queries.paging import decode_cursor, encode_cursor, equal
from roony.web import admin_shapes, answers
from roony.web.admin_api.lists import wanted
from roony.web.admin_api.part import NDJSON, new_part
from roony.web.auth import CallerOf, ContextOf
from roony.web.errors import past_time, refuse
from roony.web.schemas import Body, ListQuery, ShortText
from roony.web.shape import gives

router = new_part("Audit")

# Records read at a time during an export.
EXPORT_PAGE = 1_000
# Records that one call verifies: hashing them holds up other answers of this process.
CHECKED_AT_ONCE = 2_000
_LINES = {
    NDJSON: {
        "schema": {"type": "string"},
        "example": '{"id":"aud_3c8f20d6b1e74a95","sequence":1,"at":1795874531520000,"action":"organization.created"}\n',
    }
}


Moment = Annotated[str, Field(max_length=40, description="RFC 3339, or 90m, 2h, 7d ago")]


class AuditQuery(ListQuery):
    """Which records, or all of them as lines (`format=jsonl`, which goes with no other parameter)."""

    format: Literal["json", "jsonl"] = "json"
    action: ShortText | None = None
    actor: ShortText | None = None
    subject: ShortText | None = None
    since: Moment | None = None
    until: Moment | None = None


class CheckBody(Body):
    """Where the call before ended; nothing is required."""

    cursor: Annotated[str | None, Field(max_length=500, description="`next_cursor` of the call before")] = None


@router.get("/audit", **gives(admin_shapes.AuditList, also=_LINES))
async def list_audit_records(
    caller: CallerOf, context: ContextOf, query: Annotated[AuditQuery, Query()]
) -> Response | dict[str, Any]:
    """Records, newest first; with `format=jsonl` the whole chain in order, each line as it was hashed."""
    organization = await run_in_threadpool(find_organization, context.database, caller.organization_id)
    if query.format == "jsonl":
        # Lines that leave something out would look like a broken chain.
        for name in sorted(query.model_fields_set - {"format"}):
            raise refuse(422, "The lines are always all of them: leave it out.", field=name)
        return StreamingResponse(chain_lines(context, organization), media_type=NDJSON)
    now = context.clock()
    since = past_time(query.since, now) if query.since is not None else None
    until = past_time(query.until, now, "until") if query.until is not None else None
    where = equal(AuditRecord, {"action": query.action, "actor": query.actor, "subject": query.subject})
    where += await run_in_threadpool(audit_between, context.database, organization, since, until)
    page = await run_in_threadpool(audit_page, context.database, caller.organization_id, wanted(query), *where)
    return answers.listed(page, answers.audit_record)


@router.post("/audit/verify", **gives(admin_shapes.CheckedChain))
async def verify_chain(caller: CallerOf, context: ContextOf, body: CheckBody) -> dict[str, Any]:
    """Check that the chain is whole, up to 2,000 records with each call, from the first to the newest.

    While there is a `next_cursor`, the next call with it goes on. `problem` says what is wrong with the first record
    that is not true; null while all fit.
    """
    organization = await run_in_threadpool(find_organization, context.database, caller.organization_id)
    sequence, digest = decode_cursor(body.cursor, (int, str)) if body.cursor is not None else (0, GENESIS)
    broken, end = await run_in_threadpool(
        check_chain, context.database, organization, (sequence, digest), CHECKED_AT_ONCE
    )
    through = broken is not None or end[0] >= organization.audit_sequence
    if broken is not None:
        message = f"Record {broken.sequence} is not true: {broken.problem}. Compare with an earlier export."
    elif through:
        message = f"The chain is whole: {end[0]} records, each holds the hash of the one before it."
    else:
        message = f"Records 1 to {end[0]} of {organization.audit_sequence} fit."
    return {
        "records": end[0] - sequence, "problem": broken.problem if broken is not None else None, "message": message,
        "head": {"sequence": organization.audit_sequence, "hash": organization.audit_hash},
        "next_cursor": None if through else encode_cursor(end),
    }  # fmt: skip


async def chain_lines(context: FlowContext, organization: Organization) -> AsyncIterator[bytes]:
    """The chain as far as the organization's row says, so that an export always ends."""
    sequence = 0
    while sequence < organization.audit_sequence:
        limit = min(EXPORT_PAGE, organization.audit_sequence - sequence)
        rows = await run_in_threadpool(audit_from, context.database, organization.id, sequence, limit)
        if not rows:
            return
        sequence = rows[-1].sequence
        yield b"".join(json.dumps(row._asdict()).encode() + b"\n" for row in rows)
