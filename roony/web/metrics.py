"""`/metrics` for Prometheus: what this process counted, and what the database says is waiting, open and used.

Labels are words of the code. Organizations are named only where ROONY_METRICS_TOKEN is set, to whoever has it.
"""

from __future__ import annotations

import hmac
import os
import shutil
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from roony import __version__
from roony.core.duration import SECOND
from roony.flows.context import FlowContext
from roony.outbound.traces import MAX_QUEUED
from roony.store.lanes import MAX_WAITING
from roony.store.queries.gauges import Gauges, Waiting
from roony.web.exposition import MEDIA_TYPE, Exposition, Sample
from roony.web.figures import Figures
from roony.web.frame import RequestCounts
from roony.web.webhook import ANSWER_SECONDS

# Organizations that are told of one by one; of more, those with the smallest ids.
MAX_ORGANIZATIONS = 100
# Where Linux tells of a process, and how much memory one page of it is.
_PROC = Path("/proc/self")
_PAGE = os.sysconf("SC_PAGE_SIZE")


async def metrics(request: Request) -> Response:
    """All figures. With a token in the settings, for its bearer only, and then with those of each organization."""
    token: str = request.app.state.options.metrics_token
    if token and not _is_bearer(request, token):
        return PlainTextResponse("ROONY_METRICS_TOKEN is set: send it as a bearer token.\n", 401, {
            "www-authenticate": "Bearer",
        })  # fmt: skip
    state = request.app.state
    context: FlowContext = state.context
    page = Exposition()
    _process(page)
    _authorizations(page, context, state)
    _decisions(page, context)
    _till(page, context)
    _queues(page, context, state)
    _stripe(page, context)
    _rest(page, context, state)
    _traces(page, context)
    _sqlite(page, context)
    figures: Figures | None = await state.figures.now()
    page.gauge("roony_database_answers", "1 while the figures that follow could be read.", int(figures is not None))
    if figures is not None:
        _database(page, figures, context.clock())
        if token:
            _organizations(page, figures)
    return PlainTextResponse(page.text(), headers={"content-type": MEDIA_TYPE})


def _is_bearer(request: Request, token: str) -> bool:
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    return kind.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode())


def _process(page: Exposition) -> None:
    # Several processes may answer at one address: this one counts for itself.
    pid = {"pid": str(os.getpid())}
    page.family("roony_process_info", "gauge", "The process that answers; each counts for itself.", [(pid, 1)])
    page.family("roony_build_info", "gauge", "The version that runs.", [({"version": __version__}, 1)])
    page.counter("process_cpu_seconds_total", "Processor time used.", time.process_time())
    with suppress(OSError, IndexError, ValueError):  # Elsewhere than on Linux these are left out.
        memory = int((_PROC / "statm").read_text().split()[1]) * _PAGE
        page.gauge("process_resident_memory_bytes", "Memory in use.", memory)
        page.gauge("process_open_fds", "Open files and sockets.", sum(1 for _ in (_PROC / "fd").iterdir()))


def _authorizations(page: Exposition, context: FlowContext, state: Any) -> None:
    about = "Time to the answer to a real-time authorization request, from its first byte to the last of the answer."
    page.histogram("roony_authorization_seconds", about, state.latency)
    about = "Answers to real-time authorization requests, by outcome and code."
    page.family("roony_authorizations_total", "counter", about, _by(context.measures.authorizations, "outcome", "code"))
    about = "After so long the door declines (LATE); Stripe itself waits 2 s."
    page.gauge("roony_authorization_deadline_seconds", about, ANSWER_SECONDS)


def _decisions(page: Exposition, context: FlowContext) -> None:
    measures = context.measures
    about = "Asks for a purchase, by verdict; refused ones left no purchase."
    page.family("roony_decisions_total", "counter", about, [({"verdict": k}, n) for k, n in _sorted(measures.verdicts)])
    about = "Reasons of these verdicts; one ask may have several."
    page.family("roony_decision_reasons_total", "counter", about, _by(measures.reasons, "verdict", "reason"))
    about = "What was put off to be tried again, by what it is."
    page.family("roony_retries_total", "counter", about, [({"of": k}, n) for k, n in _sorted(measures.retries)])


_TILL = {
    "commits": "Commits of the till.",
    "commands": "Commands in them.",
    "authorizations": "Authorizations among these.",
    "refused_busy": "Commands refused because a lane was full.",
    "refused_late": "Commands refused because their answer would have come too late.",
    "withdrawn": "Answers taken back, since they came too late for their caller.",
    "failed_batches": "Batches whose write or commit failed.",
}


def _till(page: Exposition, context: FlowContext) -> None:
    for name, value in context.till.counters()._asdict().items():
        page.counter(f"roony_till_{name}_total", _TILL[name], value)
    page.histogram("roony_till_batch_commands", "Commands in one commit.", context.till.tally.batches)
    page.histogram("roony_till_commit_seconds", "Time of one commit on the database.", context.till.tally.commits)
    page.gauge("roony_till_away", "1 while the database is away and everything is refused.", int(context.till.away))


def _queues(page: Exposition, context: FlowContext, state: Any) -> None:
    depths = {name: (depth, MAX_WAITING) for name, depth in context.till.tally.waiting().items()}
    depths |= {
        "events": (state.keeper.waiting, MAX_WAITING),
        "stripe_calls": (context.pool.calls, context.pool.most),
    }
    if context.traces is not None:
        depths["traces"] = (context.traces.waiting, MAX_QUEUED)
    about = "What waits in each queue of this process; Stripe calls with those that run."
    page.family("roony_queue_depth", "gauge", about, [({"queue": name}, depth) for name, (depth, _) in depths.items()])
    about = "How many each queue takes before it refuses."
    page.family("roony_queue_limit", "gauge", about, [({"queue": name}, most) for name, (_, most) in depths.items()])


_PACE = {
    "waited": "Calls that waited for their turn under Stripe's rate limits.",
    "turned_away": "Calls not sent, since their turn was too far away.",
    "slowed": "Answers 429 of Stripe's.",
}


def _stripe(page: Exposition, context: FlowContext) -> None:
    calls = context.gateway.calls
    about = "Calls to Stripe by operation and outcome: ok, not_sent, or why they failed."
    page.family("roony_stripe_calls_total", "counter", about, _by(calls.copy(), "operation", "outcome"))
    page.histogram("roony_stripe_call_seconds", "Time of calls to Stripe.", calls.seconds)
    if context.gateway.pace is not None:
        for name, value in context.gateway.pace.counts()._asdict().items():
            page.counter(f"roony_stripe_{name}_total", _PACE[name], value)


def _rest(page: Exposition, context: FlowContext, state: Any) -> None:
    counts: RequestCounts = state.counts
    about = "Requests answered, by method and status; Stripe's door is not among them."
    answered = {(method, str(status)): count for (method, status), count in counts.answered.items()}
    page.family("roony_http_requests_total", "counter", about, _by(answered, "method", "status"))
    about = "Messages at Stripe's door refused because no secret here made their signature."
    page.counter("roony_webhooks_refused_total", about, state.forged.total)
    page.gauge("roony_waiting", "Requests and streams that wait for something to happen.", state.feed.waiting)
    heard = context.measures.heard_at
    if heard is not None:
        about = "Time since the worker of this process began a round; it does several a second."
        page.gauge("roony_worker_silent_seconds", about, max(0.0, time.monotonic() - heard))


def _traces(page: Exposition, context: FlowContext) -> None:
    traces = context.traces
    if traces is not None:
        page.counter("roony_traces_sent_total", "Spans that the collector took.", traces.sent)
        page.counter("roony_traces_dropped_total", "Spans lost, since the collector was slow or away.", traces.dropped)


def _sqlite(page: Exposition, context: FlowContext) -> None:
    path = context.database.path
    if path is None:
        return
    sizes: list[Sample] = []
    for name, file in (("database", path), ("wal", path.with_name(f"{path.name}-wal"))):
        with suppress(OSError):
            sizes.append(({"file": name}, file.stat().st_size))
    page.family("roony_sqlite_bytes", "gauge", "Size of the database file and of its write-ahead log.", sizes)
    with suppress(OSError):
        free = shutil.disk_usage(path.parent).free
        page.gauge("roony_disk_free_bytes", "Room left where the database file lies.", free)


def _database(page: Exposition, figures: Figures, now: int) -> None:
    gauges = figures.gauges
    _waiting(page, "inbox", "Stripe events not handled yet", gauges.events, now)
    page.gauge("roony_inbox_dead", "Stripe events given up; a person replays them.", gauges.dead_events)
    _waiting(page, "outbox", "Promises not kept yet", gauges.promises, now)
    about = "Audit records that no signed checkpoint is over yet"
    page.gauge("roony_audit_unsigned_records", f"{about}, all chains.", gauges.unsigned.number)
    _oldest(page, "audit_unsigned", about, gauges.unsigned, now)
    about = "Stripe events of accounts that nobody here has connected, counted up to 10,000."
    page.gauge("roony_events_of_unknown_accounts", about, figures.ownerless)
    for name, about, numbers in _open(gauges):
        page.gauge(f"roony_{name}", f"{about}, all organizations.", sum(numbers.values()))
    if figures.budgets is None:
        return
    used = {(scope, str(share)): number for (scope, share), number in figures.budgets.used.items()}
    about = "Limited budgets of which at least this share is held or spent in their current period."
    page.family("roony_budgets", "gauge", about, _by(used, "scope", "used_at_least"))


def _open(gauges: Gauges) -> Iterable[tuple[str, str, dict[str, int]]]:
    yield "discrepancies_open", "Discrepancies that nobody has resolved", gauges.discrepancies
    yield "approvals_waiting", "Approvals that wait for a person", gauges.approvals
    yield "alerts_open", "Alerts that are open", gauges.alerts


def _waiting(page: Exposition, name: str, about: str, waiting: Waiting, now: int) -> None:
    page.gauge(f"roony_{name}_waiting", f"{about}, counted up to 10,000.", waiting.number)
    _oldest(page, name, about, waiting, now)


def _oldest(page: Exposition, name: str, about: str, waiting: Waiting, now: int) -> None:
    age = max(0.0, (now - waiting.oldest) / SECOND) if waiting.oldest is not None else 0.0
    page.gauge(f"roony_{name}_oldest_seconds", f"{about}: the age of the oldest; 0 without any.", age)


def _organizations(page: Exposition, figures: Figures) -> None:
    shares = figures.budgets.largest if figures.budgets is not None else {}
    numbers = list(_open(figures.gauges))
    ids = {id for _, _, each in numbers for id in each} | {id for id, _ in shares}
    named = set(sorted(ids)[:MAX_ORGANIZATIONS])
    for name, about, each in numbers:
        samples = [({"organization": id}, each.get(id, 0)) for id in sorted(named)]
        page.family(f"roony_organization_{name}", "gauge", f"{about}, by organization.", samples)
    about = "The largest share of a limit that a budget of this scope has used, by organization."
    used = {key: share for key, share in shares.items() if key[0] in named}
    page.family("roony_organization_budget_used_ratio", "gauge", about, _by(used, "organization", "scope"))
    page.gauge("roony_organizations_left_out", "Organizations with figures that are not named.", len(ids) - len(named))


def _by(counted: Mapping[tuple[str, str], float], first: str, second: str) -> list[Sample]:
    return [({first: one, second: other}, number) for (one, other), number in sorted(dict(counted).items())]


def _sorted(counted: Counter[str]) -> list[tuple[str, int]]:
    return sorted(dict(counted).items())
