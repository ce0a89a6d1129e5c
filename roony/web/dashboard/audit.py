"""The audit log: who did what and when, checked on the spot, and taken away whole."""

from __future__ import annotations

import json
from datetime import date, timedelta

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from roony.core.audit import AuditRecord
from roony.core.budget import day_begin
from roony.core.checkpoint import Checkpoint
from roony.store import checkpoints
from roony.store.database import Database
from roony.store.queries.history import audit_between, audit_page
from roony.store.queries.names import names_of
from roony.store.queries.paging import Page, Slice, equal
from roony.store.rows import SigningKey
from roony.web.admin_api.checkpoints import file_of
from roony.web.dashboard.view import View, page
from roony.web.pages import HEADERS

FILTERS = ("actor", "action", "subject")


def routes() -> list[Route]:
    """The page, and the file."""
    return [page("/audit", _list), page("/audit/export", _export)]


async def _list(view: View) -> Response:
    given = {name: view.filter(name) for name in FILTERS}
    days = {name: view.day(name) for name in ("from", "to")}
    window = (_begin(view, days["from"]), _begin(view, days["to"], 1))

    def read(database: Database, _organization_id: str, wanted: Slice) -> Page[AuditRecord]:
        where = equal(AuditRecord, given) + audit_between(database, view.organization, *window)
        return audit_page(database, view.organization.id, wanted, *where)

    rows = await view.read(read, view.slice())
    names = await view.read(names_of, [id for row in rows.rows for id in (row.actor, row.subject)])
    keys, newest = await run_in_threadpool(_signing, view)
    return view.page(
        "audit.html", "Audit log", keys=keys, newest=newest,
        rows=[(row, json.loads(row.body)) for row in rows.rows], given=given, days=days, names=names,
        pages=view.pages(rows),
    )  # fmt: skip


def _signing(view: View) -> tuple[list[SigningKey], Checkpoint | None]:
    """The keys that sign, the newest first, and the newest checkpoint."""
    database = view.context.database
    return checkpoints.signing_keys_of(database), checkpoints.newest(database, view.organization.id)


async def _export(view: View) -> Response:
    """The file that `roony audit verify` reads."""
    disposition = {"Content-Disposition": 'attachment; filename="audit.jsonl"'}
    return StreamingResponse(
        file_of(view.context, view.organization), headers={**HEADERS, **disposition}, media_type="application/x-ndjson"
    )


def _begin(view: View, day: date | None, later: int = 0) -> int | None:
    """When a day begins, so many days `later`, in the organization's time zone."""
    return day_begin(day + timedelta(days=later), view.organization.time_zone) if day is not None else None
