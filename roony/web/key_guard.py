"""Before a key is looked up: how many unknown ones came from there. After: its time, its place, how often; its use."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from itertools import islice

import structlog
from fastapi import Request

from roony.core.address import Network, caller_address, is_within, parse_networks, place_of
from roony.flows.context import FlowContext
from roony.store import key_use
from roony.store.authority import over
from roony.store.rows import AccessKey
from roony.web.errors import Refused, refuse
from roony.web.rate_limit import RateLimit

log = structlog.get_logger("roony.web")

# Unknown keys of one address in a minute. Above it none that is new here is looked up for that address.
WRONG_KEYS_PER_MINUTE = 120
# Keys that were found lately, by their hashes: they are looked up whatever else comes from their address.
MAX_FOUND = 10_000
# Keys whose use waits to be kept; further ones are kept at their next use.
MAX_WAITING = 10_000


class KeyGuard:
    """One for each process."""

    def __init__(self, proxies: tuple[Network, ...] = (), requests_per_minute: int = 0) -> None:
        """`proxies` are believed about whom they speak for; the limit is that of keys without one, 0 for none."""
        self._proxies = proxies
        self._default = requests_per_minute
        self._rates = RateLimit()
        self._wrong = RateLimit()
        self._found: OrderedDict[str, None] = OrderedDict()
        self._uses: dict[str, None] = {}
        self._keeping: asyncio.Task[None] | None = None

    def address_of(self, request: Request) -> str | None:
        """Where a request comes from; None where it cannot be known."""
        forwarded = ",".join(request.headers.getlist("x-forwarded-for"))
        return caller_address(request.client.host if request.client else None, forwarded, self._proxies)

    def admit(self, request: Request, hashed: str) -> None:
        """Before a key is looked up. Raises Refused (429) where too many unknown ones came from its address, unless it
        was found before: whoever guesses locks out nobody beside them."""
        if hashed in self._found:
            return
        seconds = self._wrong.wait_before(place_of(self.address_of(request)), WRONG_KEYS_PER_MINUTE)
        if seconds:
            message = f"There were too many unknown keys from your address. Wait {seconds} seconds."
            raise refuse(429, message, "rate_limited", retry_after=str(seconds))

    def note_unknown(self, request: Request) -> None:
        """Counts a key that nobody has."""
        self._wrong.wait_after(place_of(self.address_of(request)), WRONG_KEYS_PER_MINUTE)

    def note_found(self, hashed: str) -> None:
        """Remembers one that somebody has."""
        self._found[hashed] = None
        self._found.move_to_end(hashed)
        if len(self._found) > MAX_FOUND:
            self._found.popitem(last=False)

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

    def note_use(self, context: FlowContext, key: AccessKey, now: int) -> bool:
        """Has the use kept, by a task of its own; False where one of the last minute is kept already."""
        if key.last_used_at is not None and now - key.last_used_at < key_use.EVERY:
            return False
        if len(self._uses) < MAX_WAITING:
            self._uses[key.hash] = None
        if self._keeping is None or self._keeping.done():
            self._keeping = asyncio.create_task(self._keep(context), name="key uses")
        return True

    async def _keep(self, context: FlowContext) -> None:
        while self._uses:
            some = list(islice(self._uses, key_use.MAX_NOTED))
            try:
                await context.till.write(key_use.note(some, context.clock()))
            except Exception as error:  # No request fails for it; the next use is kept.
                log.warning("key_use.not_kept", keys=len(some), error=type(error).__name__)
            for hashed in some:
                self._uses.pop(hashed, None)
