"""Sending what was handed out: claimed with a lease, one receiver after its own order, put off when it fails.

A crash between sending and recording sends again, under the same `webhook-id`: at least once, never silently lost.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import structlog

from roony.core.alert import Alert, alert_id
from roony.core.duration import SECOND
from roony.core.notification import (
    KEPT,
    MessageRecipient,
    NoticeDelivery,
    Receiver,
    WebhookEndpoint,
    after_failure,
    ended,
    next_try_at,
    waited_too_long,
)
from roony.flows.context import FlowContext
from roony.flows.duty_lease import DutyLease
from roony.flows.notification.endpoint import secret_row
from roony.flows.notification.handing import hand_out_all
from roony.flows.notification.message import send_message
from roony.flows.notification.receiver import EndFailing, GiveUpDelivery, failing_alert, receiver_type
from roony.outbound.post import Sent
from roony.outbound.signature import signed_headers
from roony.store import deliveries
from roony.store.deliveries import Target
from roony.store.queries.paging import find
from roony.store.vault import VaultError, row_name

log = structlog.get_logger("roony.webhooks")

# Receivers spoken to at the same time by one process, and how many of them may be one organization's.
MAX_RECEIVERS = 32
MAX_OF_ORGANIZATION = 8
# A receiver's turn: no further delivery is begun after this, in seconds. Where others wait for a place, its turn is
# over after the shorter one, so that a slow receiver keeps them waiting for hardly more than one try.
TURN_SECONDS = 45.0
SHORT_TURN_SECONDS = 1.0
# Receivers whose last turn is remembered.
MAX_REMEMBERED = 1_000
# How often deliveries that ended long ago are looked for, in seconds, and how soon again where more of them are left.
FORGET_SECONDS, FORGET_MORE_SECONDS = 3_600, 1
UNSENT = "not sent: the receiver answered nothing before it"


class Notifier:
    """One for each process. Any number may work at the same time: cursors are compared, deliveries claimed."""

    def __init__(self, context: FlowContext, lease: DutyLease) -> None:
        """Who holds the lease of the duties forgets what ended long ago."""
        self._context, self._lease = context, lease
        # Receivers spoken to now, with their organization.
        self._busy: dict[str, str] = {}
        # Receivers in the order of their last turn.
        self._served: dict[str, None] = {}
        self._crowded = False
        self._forgot = 0
        self._forget_pause = 0

    async def step(self, now: int) -> tuple[int, list[Coroutine[Any, Any, None]]]:
        """Hands out what is new; returns how much was done, and one piece of sending for each receiver to run."""
        context = self._context
        await self._forget(now)
        done = await hand_out_all(context)
        targets = await asyncio.to_thread(deliveries.due_targets, context.database, now, sorted(self._busy))
        active = [target for target in targets if target.status == "active"]
        for over in [target for target in targets if target.status != "active"][:MAX_RECEIVERS]:
            done += await context.till.write(deliveries.cancel(now, over.organization_id, over.id))
        chosen = next_turns(active, self._busy, list(self._served))
        self._crowded = len(chosen) < len(active)
        claims = (context.till.write(deliveries.claim(now, target.organization_id, target.id)) for target in chosen)
        groups = [group for group in await asyncio.gather(*claims) if group]
        for group in groups:
            # Marked at once, so that the next claim leaves these receivers alone.
            self._busy[group[0].target_id] = group[0].organization_id
            self._remember(group[0].target_id)
        return done + sum(map(len, groups)), [self._send_to_one(group) for group in groups]

    def _remember(self, target_id: str) -> None:
        self._served.pop(target_id, None)
        self._served[target_id] = None
        if len(self._served) > MAX_REMEMBERED:
            del self._served[next(iter(self._served))]

    async def _forget(self, now: int) -> None:
        """Deletes some of what ended long ago, once an hour, or until there is no more of it."""
        if abs(now - self._forgot) < self._forget_pause * SECOND or not await self._lease.held():
            return
        till, gone = self._context.till, []
        for status, kept in KEPT.items():
            gone.append(await till.write(self._lease.fenced(deliveries.forget(status, now - kept * SECOND))))
        self._forgot = now
        self._forget_pause = FORGET_MORE_SECONDS if max(gone) >= deliveries.FORGET_ROWS else FORGET_SECONDS

    async def _send_to_one(self, group: list[NoticeDelivery]) -> None:
        try:
            await send_in_order(self._context, group, self._may_go_on)
        except Exception as error:
            # Their lease ends, and they are claimed again.
            log.exception("webhook.sending_failed", target=group[0].target_id, error=type(error).__name__)
        finally:
            del self._busy[group[0].target_id]

    def _may_go_on(self, seconds: float) -> bool:
        """Whether a turn that has lasted so long goes on."""
        return seconds < (SHORT_TURN_SECONDS if self._crowded else TURN_SECONDS)


def next_turns(waiting: Sequence[Target], busy: Mapping[str, str], served: Sequence[str]) -> list[Target]:
    """Whose turn it is, as far as there are places: of the organization with the fewest turns now, who waited longest.

    `busy` are the receivers spoken to now with their organization, `served` others in the order of their last turn.
    """
    places = {target: place for place, target in enumerate(served)}
    left = sorted(waiting, key=lambda target: places.get(target.id, -1))
    turns = Counter(busy.values())
    chosen: list[Target] = []
    while len(busy) + len(chosen) < MAX_RECEIVERS:
        left = [target for target in left if turns[target.organization_id] < MAX_OF_ORGANIZATION]
        if not left:
            break
        chosen.append(min(left, key=lambda target: turns[target.organization_id]))
        left.remove(chosen[-1])
        turns[chosen[-1].organization_id] += 1
    return chosen


async def send_in_order(
    context: FlowContext, group: Sequence[NoticeDelivery], may_go_on: Callable[[float], bool]
) -> None:
    """One receiver's turn: sends claimed deliveries one after the other, and records each; the rest is given back.

    Only what was sent counts a try. Where the endpoint does not answer at all, the others are put off with the one it
    did not answer, so that nobody waits for it again and again.
    """
    began = time.monotonic()
    endpoint, is_failing = await asyncio.to_thread(_receiver_of, context, group[0])
    for place, delivery in enumerate(group):
        rest = group[place:]
        if endpoint is None or endpoint.status != "active" or (place and not may_go_on(time.monotonic() - began)):
            # For one that is disabled now it is canceled at the next look.
            await context.till.write(deliveries.leave(rest))
            return
        sent = await _send(context, endpoint, delivery)
        due_at = await _record(context, delivery, sent)
        if sent.is_taken and is_failing:
            is_failing = False
            await context.till.submit(EndFailing(delivery.organization_id, delivery.target_id))
        if sent.status is None:
            await _put_off(context, rest[1:], due_at)
            return
        if sent.status == 410:
            endpoint = None


async def _put_off(context: FlowContext, rest: Sequence[NoticeDelivery], due_at: int) -> None:
    """What its receiver's silence keeps waiting is due with the delivery it was silent about; what is too old ends."""
    now = context.clock()
    old = [delivery for delivery in rest if waited_too_long(delivery, now)]
    for delivery in old:
        command = GiveUpDelivery(delivery.organization_id, delivery, None, UNSENT, sent=False)
        await context.till.submit(command)
    young = [delivery for delivery in rest if delivery not in old]
    if young:
        await context.till.write(deliveries.leave(young, due_at, UNSENT))


async def _send(context: FlowContext, endpoint: Receiver, delivery: NoticeDelivery) -> Sent:
    if isinstance(endpoint, MessageRecipient):
        return await send_message(context, endpoint, delivery)
    try:
        signing = secrets_of(context, endpoint)
    except VaultError as error:
        return Sent(None, f"the endpoint's secret cannot be opened: {error}")
    headers = signed_headers(delivery.id, delivery.payload, signing)
    return await context.poster.post(endpoint.url, headers, delivery.payload.encode())


async def _record(context: FlowContext, delivery: NoticeDelivery, sent: Sent) -> int:
    """2xx is delivered; 410 and the last try end it; anything else is tried again later. Returns when that is fit."""
    now, jitter = context.clock(), context.jitter()
    if sent.is_taken:
        await context.till.write(deliveries.settle([ended(delivery, "delivered", sent.status, None, now)]))
        return now
    error = sent.error or f"answered {sent.status}"
    later = after_failure(delivery, sent.status, error, now, jitter)
    log.info("webhook.not_taken", delivery=delivery.id, target=delivery.target_id, tries=delivery.tries, error=error)
    if later is None or sent.status == 410:
        gone = sent.status == 410
        await context.till.submit(GiveUpDelivery(delivery.organization_id, delivery, sent.status, error, gone=gone))
    else:
        context.measures.retries["delivery"] += 1
        await context.till.write(deliveries.settle([later]))
    return next_try_at(delivery, now, jitter)


def secrets_of(context: FlowContext, endpoint: WebhookEndpoint) -> list[str]:
    """The secrets that sign now, the newest first. Raises VaultError."""
    found = [("sealed", endpoint.sealed)]
    if endpoint.sealed_before and endpoint.before_until > context.clock():
        found.append(("sealed_before", endpoint.sealed_before))
    return [
        context.vault.open(sealed, row_name(*secret_row(endpoint.id, column, endpoint.organization_id)))
        for column, sealed in found
    ]


def _receiver_of(context: FlowContext, delivery: NoticeDelivery) -> tuple[Receiver | None, bool]:
    """Whom it is for, and whether an open alert says that they take nothing."""
    row: type[Any] = receiver_type(delivery.target_id)
    found: Receiver | None = find(context.database, row, delivery.organization_id, delivery.target_id)
    id = alert_id(failing_alert(delivery.target_id), delivery.target_id)
    alert = find(context.database, Alert, delivery.organization_id, id)
    return found, alert is not None and alert.status == "open"
