"""For machines that watch Roony: alive, ready, and where the figures for Prometheus are."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import structlog
from sqlalchemy import literal, select
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from roony.flows.context import FlowContext
from roony.flows.key_rotation import missing_keys
from roony.store import lease
from roony.store.database import NO_ROOM, no_room
from roony.store.migrations import steps_missing
from roony.store.writer import Writer
from roony.web.metrics import metrics

log = structlog.get_logger("roony.web")

# How long the database and the till may take to answer for Roony to call itself ready, in seconds.
READY_SECONDS = 2.0
# How long an answer about the keys of stored tokens is good, in seconds: they change with a restart or by hand.
KEYS_SECONDS = 60.0
# And one about the schema.
SCHEMA_SECONDS = 10.0
# A worker begins several rounds in a second; after so long without one it hangs.
SILENT_SECONDS = 60.0
# Nobody needs a key to ask whether Roony is ready, and each look commits: so often at most, whoever asks.
PROBE_SECONDS = 1.0
# So long after a write that found the disk full nobody looks whether there is room: not ready until then at least.
ROOM_SECONDS = 10.0
OK, UNAVAILABLE = "ok", "unavailable"


class Readiness:
    """Whether a process wants more requests: once it is stopping, others should have them."""

    def __init__(self) -> None:
        """It does."""
        self.stopping = False


class Found(NamedTuple):
    """What a look found, in a word each: whether the database was read, and whether the till can write."""

    database: str
    till: str


class Probe:
    """A look at database and till, shared by all who ask while it is under way or within PROBE_SECONDS of its begin."""

    def __init__(self, context: FlowContext) -> None:
        """Nothing is looked at before somebody asks."""
        self._context = context
        self._due = 0.0
        self._looking: asyncio.Task[Found] | None = None
        # When the newest look began that wrote all it wanted.
        self._wrote = 0.0

    async def found(self) -> Found:
        """What the newest look found, which began PROBE_SECONDS ago at most or has just ended."""
        now = time.monotonic()
        if self._looking is None or (self._looking.done() and now >= self._due):
            self._due = now + PROBE_SECONDS
            self._looking = asyncio.create_task(self._look(), name="readiness")
        # Whoever goes away meanwhile ends their own waiting only, not the look of the others.
        return await asyncio.shield(self._looking)

    async def _look(self) -> Found:
        return Found(*await asyncio.gather(_read_once(self._context), self._write()))

    async def _write(self) -> str:
        """A disk that was full is so until a look finds room: perhaps nobody else is sent here who would write."""
        began, full_at = time.monotonic(), self._context.till.tally.full_at
        doubted = full_at is not None and full_at >= self._wrote
        if full_at is not None and doubted and began - full_at < ROOM_SECONDS:
            return NO_ROOM
        found = await _answers("till", self._context.till.write(_a_row(self._context, doubted)))
        if found == OK:
            self._wrote = began
        return found


def routes() -> list[Route]:
    """Routes that need no key and give away nothing of an organization."""
    return [
        Route("/healthz", _healthz, include_in_schema=False),
        Route("/readyz", _readyz, include_in_schema=False),
        Route("/metrics", metrics, include_in_schema=False),
    ]


def _healthz(_request: Request) -> Response:
    """The process is alive; nothing else is asked."""
    return JSONResponse({"status": "ok"})


async def _readyz(request: Request) -> Response:
    """200 while this process can do its work; each thing that was looked at has a word of its own.

    503: it is stopping, the database does not answer, the till does not write, the schema lacks a step. Named, but no
    reason to send requests elsewhere, since all of them are answered as ever: a worker that is silent (`degraded`), and
    a key that stored tokens need and that is missing.
    """
    readiness: Readiness = request.app.state.readiness
    if readiness.stopping:
        return JSONResponse({"status": "stopping"}, 503)
    context: FlowContext = request.app.state.context
    database, till = await request.app.state.probe.found()
    words = {"database": database, "till": till}
    missing = await _steps_missing(request.app.state, context) if database == OK else ""
    if missing:
        words["schema"] = f"lacks {missing}"
    if (database, till) != (OK, OK) or missing:
        return JSONResponse({"status": UNAVAILABLE, **words}, 503)
    status, heard = OK, context.measures.heard_at
    if heard is not None and (silent := time.monotonic() - heard) > SILENT_SECONDS:
        status, words["worker"] = "degraded", f"silent for {silent:.0f} s"
    keys = await _missing_keys(request.app.state, context)
    if keys:
        words["keys"] = f"missing {keys}"
    return JSONResponse({"status": status, **words})


async def _steps_missing(state: Any, context: FlowContext) -> str:
    """What the schema lacks, looked at every few seconds: it changes under a process only by hand. Empty: nothing."""
    now = time.monotonic()
    due, missing = getattr(state, "steps_missing", (0.0, ""))
    if now >= due:
        try:
            async with asyncio.timeout(READY_SECONDS):
                missing = ", ".join(await asyncio.to_thread(steps_missing, context.database))
        except Exception as error:
            log.warning("web.not_counted", what="steps of the schema", error=type(error).__name__)
        state.steps_missing = (now + SCHEMA_SECONDS, missing)
    return str(missing)


async def _missing_keys(state: Any, context: FlowContext) -> str:
    """The ids of missing keys; looked up once a minute, since it reads every stored token. Empty: all are there."""
    now = time.monotonic()
    due, missing = getattr(state, "missing_keys", (0.0, ""))
    if now >= due:
        try:
            async with asyncio.timeout(READY_SECONDS):
                missing = ", ".join(await missing_keys(context))
        except Exception as error:
            log.warning("web.not_counted", what="missing keys", error=type(error).__name__)
        state.missing_keys = (now + KEYS_SECONDS, missing)
    return str(missing)


async def _read_once(context: FlowContext) -> str:
    return await _answers("database", run_in_threadpool(context.database.read, select(literal(1))))


def _a_row(context: FlowContext, doubted: bool) -> Callable[[Writer], None]:
    """A write that fails where nothing can be written: on a full disk a commit of nothing goes through all the same.

    `doubted`: a write found the disk full.
    """

    def write(writer: Writer) -> None:
        # PostgreSQL's processes would wait for each other's row.
        if writer.backend == "sqlite":
            lease.take("readiness", "readyz", 0, context.clock)(writer)
        if doubted:
            writer.take_room()

    return write


async def _answers(what: str, asked: Any) -> str:
    try:
        async with asyncio.timeout(READY_SECONDS):
            await asked
    except Exception as error:
        log.warning("web.not_ready", what=what, error=type(error).__name__)
        return NO_ROOM if no_room(error) else UNAVAILABLE
    return OK
