"""Whose account an event is about, in memory for a moment: what the door needs to know within microseconds."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from roony.flows.connection import route_of
from roony.flows.context import FlowContext
from roony.store.rows import AccountRoute

# Routes change when an account is connected; a card of a revoked one is refused under the lock in any case.
ROUTE_SECONDS = 2.0
MAX_ROUTES = 10_000

# A Stripe account, None for our own, and its mode.
_Key = tuple[str | None, bool]


class KnownRoutes:
    """Used from the event loop only. Look-ups have a thread, so that no page and no Stripe call stands before them."""

    def __init__(self, context: FlowContext) -> None:
        """None is known yet."""
        self._context = context
        self._known: dict[_Key, tuple[float, AccountRoute | None]] = {}
        # When each look-up under way began, by `time.monotonic()`.
        self._looking: dict[_Key, tuple[float, asyncio.Future[AccountRoute | None]]] = {}
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
            while True:
                began, looking = self._looking.get(key) or self._look(key)
                route = await asyncio.shield(looking)
                # One that began before this request came may have missed an account that was connected meanwhile.
                if route is not None or began >= now:
                    return route

    def _look(self, key: _Key) -> tuple[float, asyncio.Future[AccountRoute | None]]:
        began = time.monotonic()
        looking = asyncio.get_running_loop().run_in_executor(self._thread, route_of, self._context, *key)
        self._looking[key] = began, looking
        looking.add_done_callback(partial(self._looked, key, began))
        return began, looking

    def _looked(self, key: _Key, began: float, looking: asyncio.Future[AccountRoute | None]) -> None:
        del self._looking[key]
        if looking.cancelled() or looking.exception() is not None:
            return
        if len(self._known) >= MAX_ROUTES:
            self._known.clear()
        route = looking.result()
        if route is not None:
            self._known[key] = (began + ROUTE_SECONDS, route)
