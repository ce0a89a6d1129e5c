"""Handing out: each notice of the audit chain becomes one delivery for each receiver that chose it, in one write.

The cursor moves in the same write, by comparison: whatever crashes or runs beside it, each notice is handed out once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

import structlog
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from roony.core.audit import AuditRecord
from roony.core.notice import notices_of
from roony.core.notification import NoticeDelivery, WebhookEndpoint, is_chosen, new_delivery, payload_of
from roony.flows.context import FlowContext
from roony.flows.notification.message import People
from roony.store import deliveries, tables
from roony.store.database import Database
from roony.store.other_writes import MAX_ROWS

log = structlog.get_logger("roony.webhooks")

# Records looked at for one write.
RECORDS_AT_ONCE = 100


async def hand_out_all(context: FlowContext) -> int:
    """One write for each organization whose chain has grown; returns how many cursors were moved.

    A record that cannot be told is logged and keeps its own organization waiting, and no other.
    """
    moved = 0
    waiting = await asyncio.to_thread(deliveries.behind, context.database)
    for organization_id, seen, head in waiting:
        try:
            reached, rows = await asyncio.to_thread(_read, context, organization_id, seen, head)
        except OperationalError:
            raise
        except Exception as error:
            log.exception("notice.not_told", organization=organization_id, after=seen, error=type(error).__name__)
            continue
        moved += await context.till.write(deliveries.hand_out(organization_id, seen, reached, rows))
    return moved


def _read(context: FlowContext, organization_id: str, seen: int, head: int) -> tuple[int, list[NoticeDelivery]]:
    """What the next records tell whom, and how far that is.

    Records first, receivers after: one that was made before any of these records is then among them.
    """
    database, now = context.database, context.clock()
    records = deliveries.records_after(database, organization_id, seen, RECORDS_AT_ONCE)
    endpoints = active_endpoints(database, organization_id)
    people = People(database, organization_id, context.public_url())
    if not endpoints and not people.recipients:
        # Nobody listens: a receiver made meanwhile begins behind this head.
        return head, []
    rows: list[NoticeDelivery] = []
    reached = seen
    for record in records:
        more = list(_told(record, endpoints, people, now))
        if rows and len(rows) + len(more) > MAX_ROWS:
            break
        rows += more
        reached = record.sequence
    return reached, rows


def active_endpoints(database: Database, organization_id: str) -> list[WebhookEndpoint]:
    """The endpoints that are told something. Blocks."""
    table = tables.webhook_endpoints
    found = database.read(select(table).where(table.c.organization_id == organization_id, table.c.status == "active"))
    return [WebhookEndpoint(*row) for row in found]


def _told(
    record: AuditRecord, endpoints: Sequence[WebhookEndpoint], people: People, now: int
) -> Iterator[NoticeDelivery]:
    for place, notice in enumerate(notices_of(record)):
        payload = payload_of(notice)
        for endpoint in endpoints:
            if record.sequence > endpoint.since and is_chosen(endpoint.types, notice.type):
                yield new_delivery(notice, endpoint.id, place, payload, now)
        yield from people.told(notice, place, now)
