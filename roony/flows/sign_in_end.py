"""A timed duty: what is left of sign-ins long over is deleted, some of it at a time."""

from __future__ import annotations

from roony.core.sign_in import SECOND
from roony.flows.context import FlowContext
from roony.store import sign_in_end

# How often it is looked for, in seconds.
PACE = 600


class SignInDuty:
    """One for each worker. Of many processes that find the same rows, one deletes them."""

    def __init__(self, context: FlowContext) -> None:
        """The first look comes at once."""
        self._context = context
        self._looked: int | None = None

    async def look(self, now: int) -> None:
        """Deletes some, if it is time again."""
        if self._looked is not None and abs(now - self._looked) < PACE * SECOND:
            return
        self._looked = now
        await self._context.till.write(sign_in_end.forget(now))
