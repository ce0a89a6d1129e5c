"""Whose account an event is about, in memory for a moment: what the door needs to know within microseconds."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice

from roony.flows.connection import routes_of
from roony.flows.context import FlowContext
from roony.store.rows import AccountRoute

# Routes change when an account is connected; a card of a revoked one is refused under the lock in any case.
ROUTE_SECONDS = 2.0
MAX_ROUTES = 10_000
# Accounts looked up together: those that are asked for while others are being read wait for one reading of them all.
MOST_TOGETHER = 256

# A Stripe account, None for our own, and its mode.
_Key = tuple[str | None, bool]
_Found = dict[_Key, AccountRoute]


class KnownRoutes:
    """Used from the event loop only. Look-ups have a thread, so that no page and no Stripe call stands before them."""

    def __init__(self, context: FlowContext) -> None:
        """None is known yet."""
        self._context = context
        self._known: dict[_Key, tuple[float, AccountRoute]] = {}
        # What the reading under way will tell, and what the one after it will.
        self._reading: dict[_Key, asyncio.Future[AccountRoute | None]] = {}
        self._wanted: dict[_Key, asyncio.Future[AccountRoute | None]] = {}
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="route")

    async def of(self, account: str | None, livemode: bool, deadline: float) -> AccountRoute | None:
        """The route of an account; None where it is nobody's. Raises TimeoutError at the deadline.

        Whoever comes while a route is looked up waits for that look-up: under load that are dozens.
        """
        key, now = (account, livemode), time.monotonic()
        known = self._known.get(key)
        if known is not None and now < known[0]:
            return known[1]
        async with asyncio.timeout(deadline - now):
            if key in self._reading and (route := await asyncio.shield(self._reading[key])) is not None:
                return route
            # A reading that began before this request came may have missed an account that was connected meanwhile.
            return await asyncio.shield(self._want(key))

    def _want(self, key: _Key) -> asyncio.Future[AccountRoute | None]:
        looking = self._wanted.setdefault(key, asyncio.get_running_loop().create_future())
        if not self._reading:
            self._read()
        return looking

    def _read(self) -> None:
        """Begins to read what is wanted by now."""
        keys = tuple(islice(self._wanted, MOST_TOGETHER))
        reading = asyncio.get_running_loop().run_in_executor(self._thread, routes_of, self._context, keys)
        reading.add_done_callback(partial(self._have_read, time.monotonic()))
        self._reading = {key: self._wanted.pop(key) for key in keys}

    def _have_read(self, began: float, reading: asyncio.Future[_Found]) -> None:
        done, self._reading = self._reading, {}
        if reading.cancelled():
            for looking in (*done.values(), *self._wanted.values()):
                looking.cancel()
            self._wanted.clear()
            return
        error = reading.exception()
        found = reading.result() if error is None else {}
        if len(self._known) + len(found) > MAX_ROUTES:
            self._known.clear()
        self._known |= {key: (began + ROUTE_SECONDS, route) for key, route in found.items()}
        for key, looking in done.items():
            if error is None:
                looking.set_result(found.get(key))
            else:
                looking.set_exception(error)
                # Told to those who still wait, of whom there may be none.
                looking.exception()
        if self._wanted:
            self._read()
