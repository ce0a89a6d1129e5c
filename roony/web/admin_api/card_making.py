"""A card promised by a person's yes: made at once, without its numbers being fetched for anybody."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog

from roony.flows.card_making import keep_make_card
from roony.flows.context import FlowContext
from roony.store.tables import OutboxPromise

log = structlog.get_logger("roony.web")

# How long an approver waits to see the card made, in seconds. The work goes on without them.
CARD_SECONDS = 10.0

# Held so that they are not collected half-way.
_running: set[asyncio.Future[Any]] = set()


async def make_card(context: FlowContext, promise: OutboxPromise) -> None:
    """Keeps the promise now, as its first holder; when that fails, the worker takes the row up after the lease."""
    work = asyncio.ensure_future(keep_make_card(context, promise))
    _running.add(work)
    work.add_done_callback(_finished)
    await asyncio.wait({work}, timeout=CARD_SECONDS)


def _finished(work: asyncio.Future[Any]) -> None:
    _running.discard(work)
    if not work.cancelled() and (error := work.exception()) is not None:
        log.error("card.making_failed", error=type(error).__name__)
