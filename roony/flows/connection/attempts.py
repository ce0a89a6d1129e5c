"""Attempts to connect an account that nobody finished: ended once they can no longer be, and written down."""

from __future__ import annotations

import asyncio

from sqlalchemy import bindparam, select

from roony.core.audit import ROONY
from roony.core.duration import SECOND
from roony.flows.connection.activation import OPEN_FOR, EndPending
from roony.flows.context import FlowContext
from roony.store.tables import connections

# How often they are looked for, in microseconds, and how many are ended at one look.
LOOK_PACE = 20 * SECOND
MAX_ENDS = 100

_OVER = (
    select(connections.c.organization_id, connections.c.id)
    .where(connections.c.status == "pending", connections.c.created_at <= bindparam("before"))
    .order_by(connections.c.created_at)
    .limit(MAX_ENDS)
)


class AttemptDuty:
    """One for each worker. Of many processes that find the same attempt, one ends it."""

    def __init__(self, context: FlowContext) -> None:
        """The first look comes at once."""
        self._context = context
        self._looked: int | None = None

    async def due(self, now: int) -> list[EndPending]:
        """The attempts to end now."""
        if self._looked is not None and abs(now - self._looked) < LOOK_PACE:
            return []
        self._looked = now
        rows = await asyncio.to_thread(self._context.database.read, _OVER, {"before": now - OPEN_FOR})
        return [EndPending(org, id, "not_finished", ROONY) for org, id in rows]
