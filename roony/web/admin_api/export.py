"""Everything the organization has here, to be taken away: begun once, then read table by table."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query as Asked
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError
from starlette.concurrency import run_in_threadpool

from roony import __version__
from roony.flows.export import BeginExport
from roony.store.migrations import revisions
from roony.store.queries.export import LEFT_OUT, export_page, exported_tables
from roony.web import answers
from roony.web.admin_api.part import new_part
from roony.web.auth import CallerOf, ContextOf
from roony.web.errors import accepted
from roony.web.query import Query
from roony.web.report_shapes import ExportBegun, ExportedRows
from roony.web.shape import gives

router = new_part("Export")
# Keys of some tables hold words of agents.
MAX_CURSOR = 4_000
_TABLES = {table.name: table for table in exported_tables()}


def _exported(table: str) -> str:
    if table not in _TABLES:
        raise PydanticCustomError("table", "No table of this name is exported")
    return table


class ExportQuery(Query):
    """Which rows."""

    table: Annotated[str, AfterValidator(_exported), Field(json_schema_extra={"enum": list(_TABLES)})]
    cursor: Annotated[str | None, Field(max_length=MAX_CURSOR, description="`next_cursor` of the page before")] = None


@router.post("/export", **gives(ExportBegun, status=201))
async def begin_export(caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """Begin to take everything away: which tables there are, and where the audit chain ends now. It is on record."""
    command = BeginExport(caller.organization_id, caller.actor)
    organization = accepted(await context.till.submit(command, by=caller.authority))
    return {
        "organization_id": organization.id, "begun_at": answers.time(context.clock()), "version": __version__,
        "revision": revisions()[-1], "tables": list(_TABLES), "left_out": LEFT_OUT,
        "audit_head": {"sequence": organization.audit_sequence, "hash": organization.audit_hash},
    }  # fmt: skip


@router.get("/export/rows", **gives(ExportedRows))
async def export_rows(caller: CallerOf, context: ContextOf, query: Annotated[ExportQuery, Asked()]) -> dict[str, Any]:
    """The next rows of one table as they are kept: amounts in minor units, times in microseconds UTC, bytes in base64.

    Without what opens something: hashes of keys, passwords and links, sealed tokens and secrets.
    """
    table = _TABLES[query.table]
    page = await run_in_threadpool(export_page, context.database, table, caller.organization_id, query.cursor)
    return {"data": page.rows, "next_cursor": page.next_cursor}
