"""Whether Roony listened: said in the database, again and again, by every process that Stripe reaches.

All of them hold one lease together, so its row tells from when to when there was always one. A start judges by it
whether there was a gap (`flows/reconciliation/start.py`), and a copy of the database tells it of the copy's time.
"""

from __future__ import annotations

import asyncio

import structlog
from sqlalchemy import bindparam, select

from roony.flows.context import FlowContext
from roony.store import lease
from roony.store.database import Database
from roony.store.tables import leases

log = structlog.get_logger("roony.listening")

LISTENING = "listening"
EVERYBODY = "everybody"
# A pause that is none, such as a restart, and how often it is said, in seconds.
PAUSE_SECONDS = 120
SAY_SECONDS = 20.0

_SINCE = select(leases.c.since).where(leases.c.name == LISTENING, leases.c.until > bindparam("now"))


async def keep_listening(context: FlowContext) -> None:
    """Says it until canceled. While the database is away nobody listens: what Stripe sends is refused."""
    while True:
        try:
            await context.till.write(lease.take(LISTENING, EVERYBODY, PAUSE_SECONDS, context.clock))
        except Exception as error:
            # Most often the database is away; whatever it is, answering goes on.
            log.warning("listening.not_said", error=type(error).__name__)
        await asyncio.sleep(SAY_SECONDS)


def listened_since(database: Database, now: int) -> int | None:
    """Since when somebody has always listened, in microseconds; None where nobody does. Blocks."""
    rows = database.read(_SINCE, {"now": now})
    return rows[0][0] if rows else None
