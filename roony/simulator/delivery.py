"""Delivery of events: signed, in parallel, retried, and on request duplicated, shuffled, delayed or lost (facts 5)."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import heapq
import hmac
import json
import logging
import random
import time
from typing import Any

import httpx2

from roony.simulator.events import event_view, taken
from roony.simulator.records import Record
from roony.simulator.views import View
from roony.simulator.world import World

log = logging.getLogger(__name__)

# Stripe's sandbox tries 3 more times over a few hours, live mode for 3 days (facts 5). A developer waits for neither:
# here the second try comes after 1 second, and each later one twice as late, 9 hours in all.
MAX_TRIES = 16
MAX_AT_ONCE = 32
_FIRST_RETRY_SECONDS = 1.0
_ANSWER_SECONDS = 10.0
_SHUFFLE_SECONDS = 0.25
_LONGEST_SLEEP_SECONDS = 60.0


def sign(body: bytes, secrets: list[str], timestamp: int) -> str:
    """Return the `Stripe-Signature` header: HMAC-SHA256 over `t.body`, one v1 for each active secret."""
    signed = str(timestamp).encode() + b"." + body
    marks = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets]
    return ",".join([f"t={timestamp}", *(f"v1={mark}" for mark in marks)])


def signing_secrets(endpoint: Record, now: int) -> list[str]:
    """Return the secrets that sign at a time: the endpoint's own, then those rolled but not yet over (facts 5)."""
    ending = [old["secret"] for old in endpoint.get("ending", ()) if old["until"] > now]
    return [*endpoint["secrets"], *ending]


def encode(view: View) -> bytes:
    """Return the exact bytes that are signed and sent."""
    return json.dumps(view, ensure_ascii=False).encode()


class Delivery:
    """Sends promised events until each endpoint has taken them, whatever happens to the receivers."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.log = world.delivery_log
        self._queue: list[tuple[float, int, bool, str]] = []  # due, order, copy, id
        self._seen = 0
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._client = httpx2.AsyncClient(timeout=_ANSWER_SECONDS, trust_env=False, follow_redirects=False)
        self.set_options({})
        world.clock.when_moved(self._wake.set)

    def set_options(self, options: dict[str, Any]) -> dict[str, Any]:
        """Change how events travel: `duplicate`, `shuffle`, `delay`, `lose`, `lose_count`, `seed`."""
        defaults = {"duplicate": 0, "shuffle": False, "delay": 0, "lose": 0, "lose_count": 0, "seed": 0}
        self.options = {**defaults, **options}
        self._random = random.Random(self.options["seed"])
        return self.options

    def restart(self) -> None:
        """Drop what is on its way and look at all promised deliveries again (at start, and after a reset)."""
        for task in self._tasks:
            task.cancel()
        self._queue.clear()
        for promised in self.world.deliveries:
            self._push(promised, promised["due"])
        self._seen = self.world.deliveries.last
        self._wake.set()

    def look(self) -> None:
        """Take up deliveries promised since the last look; called after each request."""
        for promised in self.world.deliveries.added_after(self._seen):
            self._seen = promised["order"]
            self._take_up(promised)
        self._wake.set()

    def _take_up(self, promised: Record) -> None:
        if self._lost():
            # Never sent and never tried again: only GET /v1/events?delivery_success=false still knows it.
            self.world.deliveries.remove(promised["id"])
            return
        for copy in range(1 + self.options["duplicate"]):
            due = promised["due"] + self.options["delay"]
            if self.options["shuffle"]:
                due += self._random.uniform(0, _SHUFFLE_SECONDS)
            self._push(promised, due, copy=copy > 0)

    def _lost(self) -> bool:
        if self.options["lose_count"] > 0:
            self.options["lose_count"] -= 1
            return True
        return self._random.random() < self.options["lose"]

    def _push(self, promised: Record, due: float, *, copy: bool = False) -> None:
        heapq.heappush(self._queue, (due, promised["order"], copy, promised["id"]))

    async def run(self) -> None:
        """Send what is due, sleep until the next is, for ever."""
        self.restart()
        while True:
            self._wake.clear()
            now = self.world.clock.exact()
            # At most so many are on their way at once; the others wait in the queue, not each in a task of its own.
            while self._queue and self._queue[0][0] <= now and len(self._tasks) < MAX_AT_ONCE:
                _, order, copy, identifier = heapq.heappop(self._queue)
                task = asyncio.create_task(self._send(identifier, order, copy=copy))
                self._tasks.add(task)
                task.add_done_callback(self._sent)
            free = len(self._tasks) < MAX_AT_ONCE
            pause = self._queue[0][0] - now if self._queue and free else _LONGEST_SLEEP_SECONDS
            with contextlib.suppress(TimeoutError):
                # Not wait_for: on Python 3.11 it swallows a cancel that comes together with the wake, for ever.
                async with asyncio.timeout(min(pause, _LONGEST_SLEEP_SECONDS)):
                    await self._wake.wait()

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a delivery failed inside the simulator", exc_info=error)
        self._wake.set()

    async def close(self) -> None:
        """Stop sending; what was not taken stays promised."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.aclose()

    async def _send(self, identifier: str, order: int, *, copy: bool) -> None:
        """Send one event to one endpoint; a copy goes out even if the original was taken, and changes nothing."""
        promised = self.world.deliveries.get(identifier)
        if not copy and (promised is None or promised["order"] != order):
            return  # taken meanwhile, or a resend has taken its place
        event_id, _, endpoint_id = identifier.partition("/")
        event, endpoint = self.world.events.get(event_id), self.world.endpoints.get(endpoint_id)
        if event is None or endpoint is None or endpoint["body"]["status"] != "enabled":
            self.world.deliveries.remove(identifier)
            return
        view = event_view(event, connected=endpoint["connect"], version=endpoint["body"]["api_version"])
        begun = time.monotonic()
        outcome = await self._post(encode(view), endpoint)
        self.log.add(
            event=event_id,
            kind=event["type"],
            endpoint=endpoint_id,
            url=endpoint["body"]["url"],
            outcome=outcome,
            tries=1 + (promised["tries"] if promised else 0),
            seconds=time.monotonic() - begun,
        )
        if promised is not None and not copy and self.world.deliveries.get(identifier) is promised:
            # Else a resend has taken its place, or the world was reset meanwhile.
            self._note(promised, event, isinstance(outcome, int) and 200 <= outcome < 300)

    async def _post(self, body: bytes, endpoint: Record) -> int | str:
        """Return the status of the answer, or the name of what went wrong; a redirect is an answer like any other."""
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Stripe/1.0 (simulated; roony simulator)",
            # A fresh timestamp and signature for each try (facts 5).
            "Stripe-Signature": sign(body, signing_secrets(endpoint, self.world.clock.now()), self.world.clock.now()),
        }
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                answer = await self._client.post(endpoint["body"]["url"], content=body, headers=headers)
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, TimeoutError) as error:
            log.info("webhook to %s failed: %s", endpoint["body"]["url"], type(error).__name__)
            return type(error).__name__
        return answer.status_code

    def _note(self, promised: Record, event: Record, was_taken: bool) -> None:
        if was_taken:
            taken(self.world, event, promised["endpoint"])
        else:
            self._again(promised)
        self.world.save()

    def _again(self, promised: Record) -> None:
        """Try again later, twice as late each time; after the last try only the archive knows of it."""
        promised["tries"] += 1
        if promised["tries"] >= MAX_TRIES:
            self.world.deliveries.remove(promised["id"])
            return
        promised["due"] = self.world.clock.exact() + _FIRST_RETRY_SECONDS * 2 ** (promised["tries"] - 1)
        self.world.deliveries.touch(promised)
        self._push(promised, promised["due"])
        self._wake.set()
