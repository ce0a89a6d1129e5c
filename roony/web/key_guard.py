"""What a known key must also fit: its time, where it is used from, how often; and when it was used."""

from __future__ import annotations

import asyncio
from itertools import islice

import structlog
from fastapi import Request

from roony.core.address import Network, caller_address, is_within, parse_networks
from roony.flows.context import FlowContext
from roony.store import key_use
from roony.store.authority import over
from roony.store.tables import AccessKey
from roony.web.errors import Refused, refuse
from roony.web.rate_limit import RateLimit

log = structlog.get_logger("roony.web")

# Keys whose use waits to be kept; further ones are kept at their next use.
MAX_WAITING = 10_000


class KeyGuard:
    """One for each process."""

    def __init__(self, proxies: tuple[Network, ...] = (), requests_per_minute: int = 0) -> None:
        """`proxies` are believed about whom they speak for; the limit is that of keys without one, 0 for none."""
        self._proxies = proxies
        self._default = requests_per_minute
        self._rates = RateLimit()
        self._uses: dict[str, None] = {}
        self._keeping: asyncio.Task[None] | None = None

    def address_of(self, request: Request) -> str | None:
        """Where a request comes from; None where it cannot be known."""
        forwarded = ",".join(request.headers.getlist("x-forwarded-for"))
        return caller_address(request.client.host if request.client else None, forwarded, self._proxies)

    def problem(self, request: Request, key: AccessKey, now: int) -> Refused | None:
        """Why this key opens nothing now, or nothing from there."""
        refused = over(key, now)
        if refused is not None:
            return Refused(refused)
        networks = parse_networks(key.allowed_addresses.split())
        if networks and not is_within(self.address_of(request), networks):
            message = "This key may not be used from this address. Its owner decides from which ones."
            return refuse(403, message, "address_not_allowed")
        return None

    def count(self, key: AccessKey) -> None:
        """Counts a call. Raises Refused (429) above the limit of the key."""
        limit = key.requests_per_minute or self._default
        seconds = self._rates.wait_after(key.hash, limit) if limit else 0
        if seconds:
            message = f"This key may call {limit} times a minute. Try again in {seconds} seconds."
            raise refuse(429, message, "rate_limited", retry_after=str(seconds))

    def note_use(self, context: FlowContext, key: AccessKey, now: int) -> None:
        """Has the use kept, by a task of its own, unless one of the last minute is kept already."""
        if key.last_used_at is not None and now - key.last_used_at < key_use.EVERY:
            return
        if len(self._uses) < MAX_WAITING:
            self._uses[key.hash] = None
        if self._keeping is None or self._keeping.done():
            self._keeping = asyncio.create_task(self._keep(context), name="key uses")

    async def _keep(self, context: FlowContext) -> None:
        while self._uses:
            some = list(islice(self._uses, key_use.MAX_NOTED))
            try:
                await context.till.write(key_use.note(some, context.clock()))
            except Exception as error:  # No request fails for it; the next use is kept.
                log.warning("key_use.not_kept", keys=len(some), error=type(error).__name__)
            for hashed in some:
                self._uses.pop(hashed, None)
