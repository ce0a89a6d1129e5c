"""Endpoints in tests: happenings to tell, the worker's part of sending, and what became of it."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from typing import Any

from sqlalchemy import select

from roony.core.notification import NoticeDelivery
from roony.flows.context import FlowContext
from roony.flows.duty_lease import DutyLease
from roony.flows.notification.sending import Notifier
from roony.store import tables
from roony.store.book import Book
from tests.support.receiver import Arrived, Receiver
from tests.support.serving import Company, ServedRoony
from tests.support.tills import Do

ADMIN = "/api/v1/admin"
ENDPOINTS = f"{ADMIN}/webhook_endpoints"
DELIVERIES = f"{ADMIN}/webhook_deliveries"
# More than anything here needs.
MAX_STEPS = 30


def endpoint(company: Company, receiver: Receiver, *types: str) -> dict[str, Any]:
    """An endpoint at the receiver."""
    made: dict[str, Any] = company.owner.send("POST", ENDPOINTS, {"url": receiver.url, "types": list(types)}, 201)
    return made


def happen(roony: ServedRoony, company: Company, *names: str, action: str = "alert.opened") -> None:
    """Something happens, once for each name."""
    for name in names:
        body = {"kind": "test", "subject": name, "message": f"{name} happened"}
        record = partial(recorded, company.id, action, f"alt_{name}", body)
        roony.context.till.submit_and_wait(Do(record, organization_id=company.id))


def recorded(organization_id: str, action: str, subject: str, body: dict[str, Any], book: Book, now: int) -> None:
    """Puts an audit record into the chain."""
    book.record(organization_id, "roony", action, subject, body, now)


async def one_step(context: FlowContext) -> int:
    """What the worker does at one look; returns how much it was."""
    done, pieces = await Notifier(context, DutyLease(context)).step(context.clock())
    await asyncio.gather(*pieces)
    return done


async def cancel_all(context: FlowContext) -> None:
    """Nothing waits any more."""
    await context.till.write(
        lambda writer: writer.run("UPDATE notice_deliveries SET status = 'canceled' WHERE status = 'pending'")
    )


async def work(context: FlowContext) -> None:
    """What the worker does, until there is nothing to do."""
    notifier = Notifier(context, DutyLease(context))
    for _ in range(MAX_STEPS):
        done, pieces = await notifier.step(context.clock())
        await asyncio.gather(*pieces)
        if not done:
            return
    raise AssertionError("it does not come to rest")


def names_of(arrived: list[Arrived]) -> list[str]:
    """Which happenings arrived, in their order."""
    return [json.loads(one.body)["data"]["subject"] for one in arrived]


def rows(roony: ServedRoony, company: Company) -> list[NoticeDelivery]:
    """All deliveries of a company in the order of the chain."""
    table = tables.notice_deliveries
    found = roony.context.database.read(
        select(table).where(table.c.organization_id == company.id).order_by(table.c.sequence)
    )
    return [NoticeDelivery(*row) for row in found]


def alerts(company: Company) -> list[dict[str, Any]]:
    """Open alerts about webhooks."""
    found: list[dict[str, Any]] = company.owner.get(f"{ADMIN}/alerts?status=open&kind=webhook_failing")["data"]
    return found
