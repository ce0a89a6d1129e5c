"""The audit log: who did what and when, checked on the spot, and taken away whole."""

from __future__ import annotations

import json
import zoneinfo
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, time, timedelta

from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from roony.core.agent import Organization
from roony.core.audit import AuditRecord
from roony.store.database import Database
from roony.store.queries.history import audit_between, audit_page
from roony.store.queries.paging import Page, Slice, equal
from roony.web.admin_api.audit import chain_lines
from roony.web.dashboard.view import View, page
from roony.web.pages import HEADERS

FILTERS = ("actor", "action", "subject")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def routes() -> list[Route]:
    """The page, and the file."""
    return [page("/audit", _list), page("/audit/export", _export)]


async def _list(view: View) -> Response:
    given = {name: view.filter(name) for name in FILTERS}
    since, until = view.filter("since"), view.filter("until")
    zone = view.organization.time_zone
    window = (start_of(since, zone), start_of(until, zone, 1))

    def read(database: Database, _organization_id: str, wanted: Slice) -> Page[AuditRecord]:
        where = equal(AuditRecord, given) + audit_between(database, view.organization, *window)
        return audit_page(database, view.organization.id, wanted, *where)

    rows = await view.read(read, view.slice())
    return view.page(
        "audit.html", "Audit log", rows=[(row, json.loads(row.body)) for row in rows.rows], given=given, since=since,
        until=until, next=view.next_page(rows.next_cursor),
    )  # fmt: skip


async def _export(view: View) -> Response:
    """The file that `roony audit verify` reads."""
    disposition = {"Content-Disposition": 'attachment; filename="audit.jsonl"'}
    return StreamingResponse(
        _file(view, view.organization), headers={**HEADERS, **disposition}, media_type="application/x-ndjson"
    )


async def _file(view: View, organization: Organization) -> AsyncIterator[bytes]:
    async for lines in chain_lines(view.context, organization):
        yield lines
    head = {"sequence": organization.audit_sequence, "hash": organization.audit_hash}
    yield json.dumps({"head": head}).encode() + b"\n"


def start_of(text: str | None, zone: str, days: int = 0) -> int | None:
    """When a day written like 2026-11-28 begins there, so many days later, in microseconds UTC; None for no date."""
    try:
        day = date.fromisoformat(text or "") + timedelta(days=days)
        return (datetime.combine(day, time(), zoneinfo.ZoneInfo(zone)) - _EPOCH) // timedelta(microseconds=1)
    except (ValueError, OverflowError):
        return None
