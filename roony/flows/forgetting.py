"""A timed duty: what is over for long is deleted, some of it at a time."""

from __future__ import annotations

import asyncio

from roony.core.duration import SECOND
from roony.flows.context import FlowContext
from roony.flows.duty_lease import DutyLease
from roony.store import forgetting

# How often it is looked for, in seconds.
PACE = 600


class ForgetDuty:
    """One for each worker; who holds the lease of the duties deletes."""

    def __init__(self, context: FlowContext, lease: DutyLease) -> None:
        """The first look comes at once."""
        self._context, self._lease = context, lease
        self._looked: dict[str, int] = {}

    async def look(self, now: int) -> tuple[()]:
        """Deletes some of each kind for which it is time again; of what there is more, some at every look.

        A kind that cannot be deleted has its turn again with the next pace: then its error is raised. No commands come
        of it.
        """
        due = [kind for kind in forgetting.KINDS if self._is_due(kind, now)]
        if not due or not await self._lease.held():
            return ()
        # Together, so that they share a commit.
        till, fenced = self._context.till, self._lease.fenced
        writes = [till.write(fenced(forgetting.forget(kind, now))) for kind in due]
        done = await asyncio.gather(*writes, return_exceptions=True)
        for kind, deleted in zip(due, done, strict=True):
            if isinstance(deleted, BaseException) or deleted < forgetting.FORGET_ROWS:
                self._looked[kind] = now
        for failed in done:
            if isinstance(failed, BaseException):
                raise failed
        return ()

    def _is_due(self, kind: str, now: int) -> bool:
        looked = self._looked.get(kind)
        return looked is None or abs(now - looked) >= PACE * SECOND
