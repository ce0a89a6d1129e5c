"""Of many processes one does the timed duties: the one that holds their lease, until it does not renew it any more.

Rows decide what a duty's commands do, so two processes that did one at the same time would spoil nothing. The lease
saves all but one of them the looking; what a duty deletes, which no row decides, is fenced by it.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable
from functools import cache
from typing import TypeVar

from roony.core.lease import Lease
from roony.flows.context import FlowContext
from roony.store import lease
from roony.store.lease import LeaseLost
from roony.store.writer import Writer

Answer = TypeVar("Answer")

DUTIES = "duties"
# How long nobody else begins when the holder is gone, and how often it is renewed or tried, in seconds.
LEASE_SECONDS = 6
TRY_SECONDS = 2.0
# So much earlier the holder stops by itself, in seconds: the clocks of two machines do not run alike.
MARGIN_SECONDS = 1.0


@cache
def _this_process(pid: int) -> str:
    """The same for all of a process, and for no other."""
    return f"{pid}-{secrets.token_hex(8)}"


class DutyLease:
    """One for each worker."""

    def __init__(self, context: FlowContext, holder: str | None = None) -> None:
        """`holder` is who takes it: this process, unless said otherwise."""
        self._context = context
        self._holder = holder or _this_process(os.getpid())
        self._lease: Lease | None = None
        self._good_until = 0.0
        self._tried: float | None = None

    async def held(self) -> bool:
        """Whether the duties are this process's now; takes the lease, or renews it, when it is time to."""
        now = time.monotonic()
        if self._tried is None or now - self._tried >= TRY_SECONDS:
            # From before the write, so that what it took counts.
            self._tried = now
            self._lease = await self._context.till.write(
                lease.take(DUTIES, self._holder, LEASE_SECONDS, self._context.clock)
            )
            self._good_until = now + LEASE_SECONDS - MARGIN_SECONDS
        return self._lease is not None and time.monotonic() < self._good_until

    def fenced(self, work: Callable[[Writer], Answer]) -> Callable[[Writer], Answer]:
        """The same write, for the holder only. Raises LeaseLost, at once or in its commit, for anybody else."""
        if self._lease is None:
            raise LeaseLost(DUTIES)
        return lease.fenced(self._lease, work)
