"""The secrets of endpoints that Roony made, in memory: what the door needs to know within microseconds.

The address of such an endpoint names its connection, so one look tells which secrets may speak, however many accounts
there are and whatever was forged: an unknown connection costs nothing but the look. All of them are read at once, by a
thread of their own, every few seconds, and sooner where a signature fits none of them, but never more often than
`SOONEST`, and never for more than one part in `SHARE` of the time: so a fresh secret counts at once, and a flood of
forged requests costs little, however many endpoints there are.
"""

from __future__ import annotations

import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import structlog
from sqlalchemy import select

from roony.core.connection import Connection
from roony.flows.context import FlowContext
from roony.flows.webhook_endpoint import secret_name
from roony.store.tables import connection_secrets, connections
from roony.store.vault import VaultError, row_name

log = structlog.get_logger("roony.webhook")

# Seconds after which what is in memory is read again, and before which it never is.
FRESH_SECONDS = 3.0
SOONEST = 0.1
# How long a signature that fits nothing waits for it: of the 1.2 s of an answer enough is left to decide.
LONGEST_WAIT = 0.5
# Between two readings there is at least this many times what the last one took.
SHARE = 20
MAX_SECRETS = 20_000

_WITH_ENDPOINTS = (
    select(connections)
    .where(connections.c.webhooks != "{}")
    .order_by(connections.c.organization_id, connections.c.id)
    .limit(MAX_SECRETS)
)
# Those of endpoints that are over are erased.
_SECRETS = (
    select(connection_secrets)
    .where(connection_secrets.c.name.like("webhook.%"), connection_secrets.c.sealed != "")
    .order_by(connection_secrets.c.organization_id, connection_secrets.c.connection_id, connection_secrets.c.name)
    .limit(MAX_SECRETS)
)


class Speaker(NamedTuple):
    """A connection whose own endpoint may speak for it: its account and mode, and (secret, until) in microseconds."""

    connection_id: str
    stripe_account: str
    livemode: bool
    secrets: tuple[tuple[bytes, int | None], ...]

    def good_at(self, now: int) -> list[bytes]:
        """The secrets that count now; one that was rolled away counts for its time."""
        return [secret for secret, until in self.secrets if until is None or now < until]


class WebhookSecrets:
    """Used from the event loop only; reads on a thread of its own."""

    def __init__(self, context: FlowContext) -> None:
        """Nothing is read yet."""
        self._context = context
        self._speakers: dict[str, Speaker] = {}
        self._opened: dict[str, bytes] = {}
        self._read_at = float("-inf")
        # Seconds that the last reading took.
        self._took = 0.0
        self._began = 0.0
        self._reading: asyncio.Future[None] | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="webhook-secrets")

    async def speaker(self, connection_id: str) -> Speaker | None:
        """Who may speak for this connection. What is in memory is used while it is being read again.

        Raises as the database does while nothing was ever read.
        """
        if self._read_at == float("-inf"):
            await self._read()
        elif time.monotonic() - self._read_at > max(FRESH_SECONDS, SHARE * self._took):
            self._begin()
        return self._speakers.get(connection_id)

    async def newer(self, connection_id: str) -> Speaker | None:
        """The same, as of a reading that began after this call: what is in memory may be older than a fresh secret.

        So a reading under way does not do, and where the last one was just made the next is waited for, `LONGEST_WAIT`
        at most; while readings take so long that it would be later, what is in memory has to do.
        """
        came = time.monotonic()
        if self._reading is not None:
            await asyncio.wait({self._reading})
        early = self._read_at + max(SOONEST, SHARE * self._took) - time.monotonic()
        if early <= LONGEST_WAIT:
            await asyncio.sleep(max(0.0, early))
            if self._began < came or self._reading is not None:
                # One that fails leaves what is in memory; it was told of.
                await asyncio.wait({self._begin()})
        return self._speakers.get(connection_id)

    async def _read(self) -> None:
        await asyncio.shield(self._begin())

    def _begin(self) -> asyncio.Future[None]:
        """One reading at a time, whoever wants it."""
        if self._reading is None:
            loop, self._began = asyncio.get_running_loop(), time.monotonic()
            self._reading = asyncio.ensure_future(loop.run_in_executor(self._thread, self._load))
            self._reading.add_done_callback(self._done)
        return self._reading

    def _done(self, reading: asyncio.Future[None]) -> None:
        self._reading = None
        if not reading.cancelled() and (error := reading.exception()) is not None:
            log.warning("webhook.secrets_not_read", error=type(error).__name__)
            if self._read_at == float("-inf"):
                return
        self._read_at = time.monotonic()
        self._took = self._read_at - self._began

    def _load(self) -> None:
        """Every endpoint's secret; each is opened once. One that cannot be opened counts for nothing, and is told."""
        rows = [Connection(*row) for row in self._context.database.read(_WITH_ENDPOINTS)]
        sealed = {(org, id, name): text for org, id, name, text, _ in self._context.database.read(_SECRETS)}
        opened: dict[str, bytes] = {}
        speakers: dict[str, Speaker] = {}
        for row in rows:
            secrets = []
            for endpoint, (_, until) in json.loads(row.webhooks).items():
                name = secret_name(endpoint)
                secret = self._open(row, name, sealed.get((row.organization_id, row.id, name)), opened)
                if secret is not None:
                    secrets.append((secret, until))
            if secrets and row.stripe_account is not None:
                speakers[row.id] = Speaker(row.id, row.stripe_account, bool(row.livemode), tuple(secrets))
        self._speakers, self._opened = speakers, opened

    def _open(self, row: Connection, name: str, sealed: str | None, opened: dict[str, bytes]) -> bytes | None:
        if not sealed:
            return None
        secret = self._opened.get(sealed)
        if secret is None:
            try:
                bound = row_name("connection_secrets", row.organization_id, row.id, name)
                secret = self._context.vault.open(sealed, bound).encode()
            except VaultError as error:
                log.error("webhook.secret_not_opened", connection=row.id, error=str(error)[:200])
                return None
        opened[sealed] = secret
        return secret
