"""For machines that watch Roony: alive, ready, and counters for Prometheus."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any

import structlog
from sqlalchemy import literal, select
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from roony.flows.change_feed import ChangeFeed
from roony.flows.context import FlowContext
from roony.flows.key_rotation import missing_keys
from roony.store.queries.events import ownerless_events
from roony.web.frame import RequestCounts
from roony.web.latency import LatencyCounter

log = structlog.get_logger("roony.web")

# How long the database and the till may take to answer for Roony to call itself ready, in seconds.
READY_SECONDS = 2.0
# How long an answer about the keys of stored tokens is good, in seconds: they change with a restart or by hand.
KEYS_SECONDS = 60.0


class Readiness:
    """Whether a process wants more requests: once it is stopping, others should have them."""

    def __init__(self) -> None:
        """It does."""
        self.stopping = False


def routes() -> list[Route]:
    """Routes that need no key and give away nothing of an organization."""
    return [
        Route("/healthz", _healthz, include_in_schema=False),
        Route("/readyz", _readyz, include_in_schema=False),
        Route("/metrics", _metrics, include_in_schema=False),
    ]


def _healthz(_request: Request) -> Response:
    """The process is alive; nothing else is asked."""
    return JSONResponse({"status": "ok"})


async def _readyz(request: Request) -> Response:
    """The database answers and the till writes. A key that stored tokens need is named when it is missing: what it
    sealed cannot be used, everything else can, so that is no reason to send requests elsewhere."""
    readiness: Readiness = request.app.state.readiness
    if readiness.stopping:
        return JSONResponse({"status": "stopping"}, 503)
    context: FlowContext = request.app.state.context
    checks = {"database": _read_once(context), "till": _write_nothing(context)}
    results = dict(zip(checks, await asyncio.gather(*checks.values()), strict=True))
    ready = all(results.values())
    words = {name: "ok" if good else "unavailable" for name, good in results.items()}
    missing = await _missing_keys(request.app.state, context) if ready else ""
    if missing:
        words["keys"] = f"missing {missing}"
    return JSONResponse({"status": "ok" if ready else "unavailable", **words}, 200 if ready else 503)


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


async def _write_nothing(context: FlowContext) -> bool:
    return await _answers("till", context.till.write(lambda _writer: None))


async def _answers(what: str, asked: Any) -> bool:
    try:
        async with asyncio.timeout(READY_SECONDS):
            await asked
    except Exception as error:
        log.warning("web.not_ready", what=what, error=type(error).__name__)
        return False
    return True


async def _metrics(request: Request) -> Response:
    """Counters in Prometheus' text format."""
    context: FlowContext = request.app.state.context
    counts: RequestCounts = request.app.state.counts
    # Several processes may answer at one address: this one counts for itself.
    lines = ["# TYPE roony_process_info gauge", f'roony_process_info{{pid="{os.getpid()}"}} 1']
    for name, value in context.till.counters()._asdict().items():
        lines += [f"# TYPE roony_till_{name}_total counter", f"roony_till_{name}_total {value}"]
    if context.gateway.pace is not None:
        for name, value in context.gateway.pace.counts()._asdict().items():
            lines += [f"# TYPE roony_stripe_{name}_total counter", f"roony_stripe_{name}_total {value}"]
    lines.append("# TYPE roony_http_requests_total counter")
    lines += [
        f'roony_http_requests_total{{method="{method}",status="{status}"}} {count}'
        for (method, status), count in sorted(counts.answered.items())
    ]
    feed: ChangeFeed = request.app.state.feed
    lines += ["# TYPE roony_waiting gauge", f"roony_waiting {feed.waiting}"]
    latency: LatencyCounter = request.app.state.latency
    lines += await _ownerless(context)
    lines.append(latency.prometheus("roony_authorization_seconds"))
    return PlainTextResponse("\n".join(lines), media_type="text/plain; version=0.0.4")


async def _ownerless(context: FlowContext) -> list[str]:
    """Events of accounts nobody here has connected; left out while the database does not answer."""
    try:
        async with asyncio.timeout(READY_SECONDS):
            count = await run_in_threadpool(ownerless_events, context.database)
    except Exception as error:
        log.warning("web.not_counted", what="ownerless events", error=type(error).__name__)
        return []
    return ["# TYPE roony_events_of_unknown_accounts gauge", f"roony_events_of_unknown_accounts {count}"]
