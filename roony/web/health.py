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
UNAVAILABLE = "unavailable"


class Readiness:
    """Whether a process wants more requests: once it is stopping, others should have them."""

    def __init__(self) -> None:
        """It does."""
        self.stopping = False


class Found(NamedTuple):
    """What a look found: whether the database was read, and whether the till committed."""

    database: bool
    till: bool


class Probe:
    """A look at database and till, shared by all who ask while it is under way or within PROBE_SECONDS of its begin."""

    def __init__(self, context: FlowContext) -> None:
        """Nothing is looked at before somebody asks."""
        self._context = context
        self._due = 0.0
        self._looking: asyncio.Task[Found] | None = None

    async def found(self) -> Found:
        """What the newest look found, which began PROBE_SECONDS ago at most or has just ended."""
        now = time.monotonic()
        if self._looking is None or (self._looking.done() and now >= self._due):
            self._due = now + PROBE_SECONDS
            self._looking = asyncio.create_task(self._look(), name="readiness")
        # Whoever goes away meanwhile ends their own waiting only, not the look of the others.
        return await asyncio.shield(self._looking)

    async def _look(self) -> Found:
        return Found(*await asyncio.gather(_read_once(self._context), _write(self._context)))


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
    words = {"database": "ok" if database else UNAVAILABLE, "till": "ok" if till else UNAVAILABLE}
    missing = await _steps_missing(request.app.state, context) if database else ""
    if missing:
        words["schema"] = f"lacks {missing}"
    if not (database and till) or missing:
        return JSONResponse({"status": UNAVAILABLE, **words}, 503)
    status, heard = "ok", context.measures.heard_at
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


async def _read_once(context: FlowContext) -> bool:
    return await _answers("database", run_in_threadpool(context.database.read, select(literal(1))))


async def _write(context: FlowContext) -> bool:
    return await _answers("till", context.till.write(_a_row(context)))


def _a_row(context: FlowContext) -> Callable[[Writer], None]:
    """A write that fails where nothing can be written: SQLite commits nothing also on a full disk."""

    def write(writer: Writer) -> None:
        # PostgreSQL's processes would wait for each other, and its server ends by itself where its log has no room.
        if writer.backend == "sqlite":
            lease.take("readiness", "readyz", 0, context.clock)(writer)

    return write


async def _answers(what: str, asked: Any) -> bool:
    try:
        async with asyncio.timeout(READY_SECONDS):
            await asked
    except Exception as error:
        log.warning("web.not_ready", what=what, error=type(error).__name__)
        return False
    return True
