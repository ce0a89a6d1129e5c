"""Unusual patterns in the recorded past: what would have been told of each agent. Nothing is written."""

from __future__ import annotations

import time
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import Query
from starlette.concurrency import run_in_threadpool

from roony.core.anomaly.facts import Finding
from roony.core.anomaly.past import would_have_told
from roony.core.anomaly.telling import message, pattern_settings
from roony.core.duration import DAY
from roony.flows.context import FlowContext
from roony.flows.pattern import read_past
from roony.store.queries.organizations import find_organization
from roony.store.queries.paging import decode_cursor, encode_cursor
from roony.store.queries.patterns import agents_after, count_agents
from roony.web import answers
from roony.web.admin_api.part import new_part
from roony.web.admin_api.replay import give_back, take_place
from roony.web.auth import CallerOf, ContextOf
from roony.web.errors import past_time, refuse
from roony.web.pattern_shapes import PatternPast, PatternQuery
from roony.web.shape import gives

router = new_part("Alerts")

# After so many seconds no other agent is begun for one answer; the cursor goes on behind the last one.
PAGE_SECONDS = 2.0
# What is usual is learned anew for each of these days.
MAX_PAST_DAYS = 400


@router.get("/patterns", **gives(PatternPast))
async def look_at_past(caller: CallerOf, context: ContextOf, query: Annotated[PatternQuery, Query()]) -> dict[str, Any]:
    """Run the rules about unusual patterns over the recorded past, with what is set now, and say what they would tell.

    By agent; nothing is written. An answer ends after `limit` agents, or after two seconds.
    """
    until = context.clock()
    since = past_time(query.since, until)
    if until - since > MAX_PAST_DAYS * DAY:
        words = f"At most {MAX_PAST_DAYS} days are looked through, one after the other: say a later time."
        raise refuse(422, words, field="since")
    after = decode_cursor(query.cursor, (str,))[0] if query.cursor else ""
    take_place(caller.organization_id)
    try:
        return await run_in_threadpool(_page, context, caller.organization_id, since, until, after, query.limit)
    finally:
        give_back(caller.organization_id)


def _page(context: FlowContext, organization_id: str, since: int, until: int, after: str, limit: int) -> dict[str, Any]:
    ends = time.monotonic() + PAGE_SECONDS
    agents = agents_after(context.database, organization_id, after, limit + 1)
    shown: list[dict[str, Any]] = []
    for id, name in agents[:limit]:
        shown.append(_agent(context, organization_id, id, name, since, until))
        if time.monotonic() > ends:
            break
    more = len(shown) < len(agents)
    return {
        "data": shown, "next_cursor": encode_cursor([shown[-1]["agent_id"]]) if more else None,
        "agents": count_agents(context.database, organization_id),
        "since": answers.time(since), "until": answers.time(until),
    }  # fmt: skip


def _agent(context: FlowContext, organization_id: str, id: str, name: str, since: int, until: int) -> dict[str, Any]:
    organization = find_organization(context.database, organization_id)
    zone = ZoneInfo(organization.time_zone)
    past = read_past(context.database, organization_id, id, since)
    told = would_have_told(past, since, until, zone, pattern_settings(organization.settings))
    looked = past.facts.between(since, until)
    return {
        "agent_id": id, "agent": name, "purchases": len(looked.asks), "payments": len(looked.payments),
        "whole": past.whole, "told": [_found(finding, zone) for finding in told],
    }  # fmt: skip


def _found(finding: Finding, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "pattern": finding.pattern, "at": answers.time(finding.at), "since": answers.time(finding.since),
        "seen": finding.seen, "usual": finding.usual, "threshold": finding.threshold,
        "message": message(finding, zone),
    }  # fmt: skip
