"""What every part of a reconciliation works with: its run as it is now, the calls it makes, the reads it counts."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from roony.core.connection import Connection
from roony.core.duration import SECOND
from roony.core.errors import Refusal
from roony.core.reconciliation import Place, Reconciliation
from roony.flows.connection import ask_gently, ask_stripe
from roony.flows.context import FlowContext
from roony.gateway import events
from roony.gateway.client import ConnectionAccess, PlainObject, StripeGateway
from roony.gateway.paging import one_page
from roony.store import outbox
from roony.store.command import Command
from roony.store.rows import OutboxPromise

Answer = TypeVar("Answer")
# Objects given to the till at the same time.
AT_ONCE = 32
# Without the permission to list these the run fails, and nothing else does.
_ONLY_HELP = (events.list_events, events.list_undelivered_events)

# A step may make many calls to a slow Stripe: the lease is renewed before a call when it is this old, in seconds.
RENEW_AFTER = 10.0


class NotTaken(Exception):
    """The till did not take what Stripe told; the page is read again later."""


class LeaseLost(Exception):
    """Another process has taken the run over."""


@dataclass
class Work:
    """One claim of a run. `run` is its row; `place` and `detail` are two columns of it, unpacked."""

    context: FlowContext
    promise: OutboxPromise
    connection: Connection
    run: Reconciliation
    place: Place
    detail: dict[str, Any]
    renewed: float = field(default_factory=time.monotonic)

    @property
    def organization_id(self) -> str:
        """Whose books these are."""
        return self.run.organization_id

    @property
    def since(self) -> int:
        """The first second looked at."""
        return self.run.since // SECOND

    @property
    def until(self) -> int:
        """The last second looked at."""
        return self.run.until // SECOND

    @property
    def account(self) -> str | None:
        """The account that events of this connection name; None for the account of our own key."""
        return self.connection.stripe_account if self.connection.kind != "direct" else None

    async def page(self, listing: Callable[..., Iterator[PlainObject]], **filters: Any) -> list[PlainObject]:
        """One page of a list at Stripe behind the place of the run, which moves on; counted as one read.

        Raises what the call raises, and then the place stays. Lists of events only help beside the webhooks.
        """
        await self._begin_read()
        after = self.place.after

        def read(gateway: StripeGateway, access: ConnectionAccess) -> tuple[list[PlainObject], str | None]:
            return one_page(listing(gateway, access, max_pages=1, starting_after=after, **filters))

        ask = ask_gently if listing in _ONLY_HELP else ask_stripe
        found, following = await ask(self.context, self.connection, read)
        self.place = self.place._replace(after=following)
        return found

    async def ask(self, retrieve: Callable[..., PlainObject], id: str) -> PlainObject:
        """One object at Stripe by its id; counted as one read."""
        await self._begin_read()
        return await ask_stripe(self.context, self.connection, retrieve, id)

    async def _begin_read(self) -> None:
        """Counts it, under a lease that lasts for it. Raises LeaseLost."""
        if time.monotonic() - self.renewed > RENEW_AFTER:
            if not await self.context.till.write(outbox.renew(self.promise, self.context.clock())):
                raise LeaseLost(self.run.id)
            self.renewed = time.monotonic()
        self.count(reads=1)

    async def look(self, query: Callable[..., Answer], *arguments: Any) -> Answer:
        """One cold read of our own."""
        return await asyncio.to_thread(query, self.context.database, *arguments)

    async def apply(self, commands: Sequence[Command[Any]]) -> list[Any]:
        """The till's answers, `AT_ONCE` at a time; an exception of one command is its answer. Raises NotTaken."""
        answers: list[Any] = []
        for start in range(0, len(commands), AT_ONCE):
            some: list[Coroutine[Any, Any, Any]] = [
                self.context.till.submit(command) for command in commands[start : start + AT_ONCE]
            ]
            answers += await asyncio.gather(*some, return_exceptions=True)
        for answer in answers:
            if isinstance(answer, Refusal) and answer.status == 503:
                raise NotTaken(answer.code)
        return answers

    def count(self, **more: int) -> None:
        """Adds to counters of the run."""
        changed = {name: getattr(self.run, name) + number for name, number in more.items()}
        self.run = self.run._replace(**changed)

    def row(self, now: int) -> Reconciliation:
        """The run as it is written."""
        return self.run._replace(place=self.place.to_json(), detail=json.dumps(self.detail), updated_at=now)
