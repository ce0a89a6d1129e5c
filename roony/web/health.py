"""For machines that watch Roony: alive, ready, and counters for Prometheus."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog
from sqlalchemy import literal, select
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from roony.flows.context import FlowContext
from roony.store.queries.history import ownerless_events
from roony.web.frame import RequestCounts
from roony.web.latency import LatencyCounter

log = structlog.get_logger("roony.web")

# How long the database and the till may take to answer for Roony to call itself ready, in seconds.
READY_SECONDS = 2.0


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
    """The database answers and the till writes."""
    context: FlowContext = request.app.state.context
    checks = {"database": _read_once(context), "till": _write_nothing(context)}
    results = dict(zip(checks, await asyncio.gather(*checks.values()), strict=True))
    ready = all(results.values())
    words = {name: "ok" if good else "unavailable" for name, good in results.items()}
    return JSONResponse({"status": "ok" if ready else "unavailable", **words}, 200 if ready else 503)


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
    lines = []
    for name, value in context.till.counters()._asdict().items():
        lines += [f"# TYPE roony_till_{name}_total counter", f"roony_till_{name}_total {value}"]
    lines.append("# TYPE roony_http_requests_total counter")
    lines += [
        f'roony_http_requests_total{{method="{method}",status="{status}"}} {count}'
        for (method, status), count in sorted(counts.answered.items())
    ]
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
