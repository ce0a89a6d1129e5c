"""Replays: what recorded purchases would have become under other rules; nothing is written and nothing is held up."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from typing import Any

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from roony.core.decision import Reason
from roony.core.replay.course import Outcome
from roony.core.replay.report import Report, Sum
from roony.flows.replay import Replay, TooLong, prepare_replay, run_replay, too_long
from roony.web import answers
from roony.web.admin_api.part import NDJSON, new_part
from roony.web.auth import CallerOf, ContextOf
from roony.web.errors import Refused, accepted, error_answer, past_time, refuse, request_id_of
from roony.web.rule_schemas import ReplayAnswer, RulesReplayBody
from roony.web.shape import gives

router = new_part("Budgets and controls")

# Of all organizations together in a process: a replay computes all the while, and authorizations are to be answered
# beside it. Each organization has one of them at most.
MAX_AT_ONCE = 2
_running: set[str] = set()
_TWO_LINES = '{"read": 500, "of": 1204}\n{"since": …, "decisions": 1204, …}\n'


@router.post(
    "/replay",
    **gives(ReplayAnswer, 404, 409, also={NDJSON: {"schema": {"type": "string"}, "example": _TWO_LINES}}),
)
async def replay_rules(body: RulesReplayBody, request: Request, caller: CallerOf, context: ContextOf) -> Response:
    """Decide the purchases since then again under other controls and budgets, and say what would have changed.

    Nothing is written. With `Accept: application/x-ndjson` a line is sent after every page read, `{"read", "of"}`, and
    as the last one the answer, or the error of a replay that took too long.
    """
    until = context.clock()
    since = past_time(body.since, until)
    document = body.rules.model_dump(exclude_unset=True)
    prepared = await run_in_threadpool(
        prepare_replay, context.database, caller.organization_id, document, since, until, context.new_id
    )
    replay = accepted(prepared)
    take_place(caller.organization_id)
    lines = _lines(replay, request_id_of(request))
    if NDJSON in request.headers.get("accept", ""):
        return _LineByLine(lines, caller.organization_id)
    try:
        return await run_in_threadpool(_last, lines)
    finally:
        give_back(caller.organization_id)


def take_place(organization_id: str) -> None:
    """For what computes all the while. On the event loop alone, as all that touches the places.

    Raises Refused (429) when there is none.
    """
    if organization_id in _running:
        raise refuse(429, "Another replay of yours is running. Try again when it is done.", "replay_running")
    if len(_running) >= MAX_AT_ONCE:
        raise refuse(429, "Other organizations' replays are running. Try again in a moment.", "replays_full")
    _running.add(organization_id)


def give_back(organization_id: str) -> None:
    """The place that `take_place` gave."""
    _running.discard(organization_id)


class _LineByLine(StreamingResponse):
    """Gives the organization's place back however it ends, also for a caller who is gone before the first line."""

    def __init__(self, lines: Iterator[str], organization_id: str) -> None:
        super().__init__(lines, media_type=NDJSON, headers={"x-accel-buffering": "no"})
        self._organization_id = organization_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            give_back(self._organization_id)


def _lines(replay: Replay, request_id: str) -> Iterator[str]:
    """A line for each page, then the answer, or the error of a replay that took too long."""
    report = Report()
    try:
        for read in run_replay(replay, report):
            yield _line({"read": read, "of": replay.purchases})
        yield _line(_answer(replay, report))
    except TooLong:
        yield bytes(error_answer(too_long(), request_id).body).decode() + "\n"


def _last(lines: Iterator[str]) -> Response:
    """The answer as one JSON value. Raises Refused for a replay that took too long."""
    [text] = deque(lines, maxlen=1)
    answer = json.loads(text)
    if "error" in answer:
        raise Refused(too_long())
    return JSONResponse(answer)


def _line(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False) + "\n"


def _answer(replay: Replay, report: Report) -> dict[str, Any]:
    return {
        "since": answers.time(replay.rules.since), "until": answers.time(replay.until), "decisions": report.decisions,
        "unchanged": report.unchanged, "changed": report.changed, "cannot_be_told": dict(report.untold),
        "sums": [_sum(each) for each in report.sums],
        "agents": [
            {"agent_id": id, "name": replay.agents.get(id, ""), "sums": [_sum(each) for each in sums]}
            for id, sums in report.by_agent.items()
        ],
        "changes": [_change(outcome) for outcome in report.shown],
        "changes_left_off": report.changed - len(report.shown), "new": replay.new,
    }  # fmt: skip


def _sum(row: Sum) -> dict[str, Any]:
    return row._asdict()


def _change(outcome: Outcome) -> dict[str, Any]:
    past = outcome.purchase
    return {
        "purchase_id": past.id, "agent_id": past.chain.agent_id, "step": outcome.step, "at": answers.time(outcome.at),
        "merchant": past.merchant, "amount": outcome.amount, "currency": past.currency,
        "before": {"verdict": outcome.before, "reasons": _reasons(outcome.before_reasons)},
        "after": {"verdict": outcome.after, "reasons": _reasons(outcome.after_reasons)},
    }  # fmt: skip


def _reasons(reasons: tuple[Reason, ...]) -> list[dict[str, Any]]:
    return [{"code": r.code, "message": r.message, **({"scope": r.scope} if r.scope else {})} for r in reasons]
