"""Sending what was handed out: claimed with a lease, one receiver after its own order, put off when it fails.

A crash between sending and recording sends again, under the same `webhook-id`: at least once, never silently lost.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

import structlog
from sqlalchemy import select

from roony.core.notification import NoticeDelivery, WebhookEndpoint, after_failure, ended
from roony.flows.context import FlowContext
from roony.flows.notification.endpoint import GiveUpDelivery, secret_row
from roony.flows.notification.handing import hand_out_all
from roony.outbound.post import Sent
from roony.outbound.signature import signed_headers
from roony.store import deliveries, tables
from roony.store.vault import VaultError, row_name

log = structlog.get_logger("roony.webhooks")

# Receivers spoken to at the same time by one process.
MAX_RECEIVERS = 32
# No further delivery of a claim is begun after this, in seconds: the lease has to outlast the last one.
WORK_SECONDS = 45.0


class Notifier:
    """One for each process. Any number may work at the same time: cursors are compared, deliveries claimed."""

    def __init__(self, context: FlowContext) -> None:
        self._context = context
        self._busy: set[str] = set()

    async def step(self, now: int) -> tuple[int, list[Coroutine[Any, Any, None]]]:
        """Hands out what is new; returns how much was done, and one piece of sending for each receiver to run."""
        done = await hand_out_all(self._context)
        free = MAX_RECEIVERS - len(self._busy)
        if free <= 0:
            return done, []
        targets = await asyncio.to_thread(deliveries.due_targets, self._context.database, now, sorted(self._busy))
        claims = (self._context.till.write(deliveries.claim(now, *target)) for target in targets[:free])
        groups = [group for group in await asyncio.gather(*claims) if group]
        # Marked at once, so that the next claim leaves these receivers alone.
        self._busy |= {group[0].target_id for group in groups}
        return done + sum(map(len, groups)), [self._send_to_one(group) for group in groups]

    async def _send_to_one(self, group: list[NoticeDelivery]) -> None:
        try:
            await send_in_order(self._context, group)
        except Exception as error:
            # Their lease ends, and they are claimed again.
            log.exception("webhook.sending_failed", target=group[0].target_id, error=type(error).__name__)
        finally:
            self._busy.discard(group[0].target_id)


async def send_in_order(context: FlowContext, group: list[NoticeDelivery]) -> None:
    """Sends claimed deliveries of one endpoint one after the other, and records each.

    Where the endpoint does not answer at all, the others of the claim count as tried: nobody waits for it again and
    again. What time is too short for is given back.
    """
    began = time.monotonic()
    endpoint = await asyncio.to_thread(_endpoint_of, context, group[0])
    silent: Sent | None = None
    for delivery in group:
        if endpoint is None or endpoint.status != "active":
            row = ended(delivery, "canceled", None, "the endpoint is disabled", context.clock())
            await context.till.write(deliveries.settle([row]))
            continue
        if silent is None and time.monotonic() - began > WORK_SECONDS:
            await context.till.write(deliveries.settle([delivery._replace(lease_until=0)]))
            continue
        sent = silent or await _send(context, endpoint, delivery)
        silent = sent if sent.status is None else None
        await _record(context, delivery, sent)
        if sent.status == 410:
            endpoint = None


async def _send(context: FlowContext, endpoint: WebhookEndpoint, delivery: NoticeDelivery) -> Sent:
    try:
        signing = secrets_of(context, endpoint)
    except VaultError as error:
        return Sent(None, f"the endpoint's secret cannot be opened: {error}")
    headers = signed_headers(delivery.id, delivery.payload, signing)
    return await context.poster.post(endpoint.url, headers, delivery.payload.encode())


async def _record(context: FlowContext, delivery: NoticeDelivery, sent: Sent) -> None:
    """2xx is delivered; 410 and the last try end it; anything else is tried again later."""
    now = context.clock()
    if sent.is_taken:
        await context.till.write(deliveries.settle([ended(delivery, "delivered", sent.status, None, now)]))
        return
    error = sent.error or f"answered {sent.status}"
    later = after_failure(delivery, sent.status, error, now, context.jitter())
    log.info("webhook.not_taken", delivery=delivery.id, target=delivery.target_id, tries=delivery.tries, error=error)
    if later is None or sent.status == 410:
        gone = sent.status == 410
        await context.till.submit(GiveUpDelivery(delivery.organization_id, delivery, sent.status, error, gone=gone))
        return
    await context.till.write(deliveries.settle([later]))


def secrets_of(context: FlowContext, endpoint: WebhookEndpoint) -> list[str]:
    """The secrets that sign now, the newest first. Raises VaultError."""
    found = [("sealed", endpoint.sealed)]
    if endpoint.sealed_before and endpoint.before_until > context.clock():
        found.append(("sealed_before", endpoint.sealed_before))
    return [
        context.vault.open(sealed, row_name(*secret_row(endpoint.id, column, endpoint.organization_id)))
        for column, sealed in found
    ]


def _endpoint_of(context: FlowContext, delivery: NoticeDelivery) -> WebhookEndpoint | None:
    table = tables.webhook_endpoints
    rows = context.database.read(
        select(table).where(table.c.organization_id == delivery.organization_id, table.c.id == delivery.target_id)
    )
    return WebhookEndpoint(*rows[0]) if rows else None
