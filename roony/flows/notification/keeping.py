"""What the owner does with endpoints that takes more than one commit, or a secret that is shown this once."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from sqlalchemy import func, select

from roony.core.errors import Refusal, not_found
from roony.core.notification import WebhookEndpoint
from roony.flows.context import FlowContext
from roony.flows.notification.endpoint import (
    MAX_ENDPOINTS,
    AskReplay,
    CreateEndpoint,
    RotateEndpointSecret,
    secret_row,
)
from roony.outbound.guard import Blocked
from roony.outbound.signature import new_secret
from roony.store import deliveries, tables
from roony.store.authority import Authority
from roony.store.queries.paging import find
from roony.store.vault import VaultError, row_name

# Deliveries begun again at one request; who wants more asks again from there.
MAX_REPLAY = 10_000

Made = tuple[WebhookEndpoint, str]


async def create_endpoint(
    context: FlowContext,
    organization_id: str,
    url: str,
    description: str,
    types: tuple[str, ...],
    actor: str,
    by: Authority | None = None,
) -> Made | Refusal:
    """The endpoint and its secret, which is shown this once and kept sealed."""
    wrong = wrong_url(context, url)
    if wrong is not None:
        return wrong
    table = tables.webhook_endpoints
    there = select(func.count()).where(table.c.organization_id == organization_id, table.c.status != "removed")
    # Two at once may both pass: the number only bounds the work for each notice.
    if (await asyncio.to_thread(context.database.read, there))[0][0] >= MAX_ENDPOINTS:
        return Refusal("too_many_endpoints", f"There are {MAX_ENDPOINTS} endpoints already. Remove one first.", 409)
    endpoint_id, secret = context.new_id("whe"), new_secret()
    sealed = context.vault.seal(secret, row_name(*secret_row(endpoint_id, "sealed", organization_id)))
    command = CreateEndpoint(organization_id, endpoint_id, url, description, types, sealed, actor)
    answer = await context.till.submit(command, by=by)
    return answer if isinstance(answer, Refusal) else (answer, secret)


async def rotate_secret(
    context: FlowContext, organization_id: str, endpoint_id: str, overlap: int, actor: str, by: Authority | None = None
) -> Made | Refusal:
    """A fresh secret, shown this once; the old one signs too for `overlap` seconds."""
    before = await asyncio.to_thread(find, context.database, WebhookEndpoint, organization_id, endpoint_id)
    if before is None or before.status == "removed":
        return not_found("webhook endpoint", endpoint_id)
    current, old = (row_name(*secret_row(endpoint_id, name, organization_id)) for name in ("sealed", "sealed_before"))
    try:
        kept = context.vault.seal(context.vault.open(before.sealed, current), old)
    except VaultError:
        # Nobody can sign with it any more: it has no overlap.
        overlap, kept = 0, ""
    secret = new_secret()
    sealed = context.vault.seal(secret, current)
    command = RotateEndpointSecret(organization_id, endpoint_id, sealed, kept, before.sealed, overlap, actor)
    answer = await context.till.submit(command, by=by)
    return answer if isinstance(answer, Refusal) else (answer, secret)


class Replayed(NamedTuple):
    """How many deliveries were begun again; `next_since`, in microseconds, where to go on if there may be more."""

    begun: int
    next_since: int | None


async def replay_since(
    context: FlowContext, organization_id: str, endpoint_id: str, since: int, actor: str, by: Authority | None = None
) -> Replayed | Refusal:
    """Begins everything again that the endpoint was told since then, the oldest first, at most `MAX_REPLAY`."""
    asked = await context.till.submit(AskReplay(organization_id, endpoint_id, since, actor), by=by)
    if isinstance(asked, Refusal):
        return asked
    total = 0
    while total < MAX_REPLAY:
        begun = await context.till.write(deliveries.replay_since(organization_id, endpoint_id, since, asked))
        total += len(begun)
        if len(begun) < deliveries.REPLAY_ROWS:
            return Replayed(total, None)
        since = begun[-1]
    return Replayed(total, since)


def wrong_url(context: FlowContext, url: str) -> Refusal | None:
    """Why this address is never sent to, as far as it shows without resolving its name."""
    try:
        context.poster.guard.check_url(url)
    except Blocked as blocked:
        return Refusal(f"url_{blocked.code}", str(blocked), 422, field="url")
    return None
