"""The overview: where the organization stands, what waits for a person, and the switch that stops everything."""

from __future__ import annotations

import json
import zoneinfo
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from markupsafe import Markup
from starlette.responses import Response
from starlette.routing import Route

from roony.core.approval import what_was_shown
from roony.core.budget import day_begin, period_start
from roony.core.connection import Connection, restrictions_of
from roony.core.duration import local_time
from roony.core.money import format_amount
from roony.core.settlement import Discrepancy
from roony.store.database import Database
from roony.store.queries.approvals import waiting_approvals
from roony.store.queries.connections import standing_connections
from roony.store.queries.overview import DAYS, Used, by_day, newest_purchases, used_most
from roony.store.queries.paging import Slice, equal, newest_first
from roony.store.queries.spending import Span, Spent, spent_in_all
from roony.web.dashboard.charts import NARROW, WIDTH, Point, line_chart, meter, round_axis
from roony.web.dashboard.view import View, page
from roony.web.latency import BOUNDS, LatencyCounter

# Of what waits, so many are shown here; each list has a page of its own.
SHOWN = 5
# Purchases looked at for what was declined of late, and why.
LOOKED_AT = 200
# By when an authorization must be answered, in seconds (design section 7).
DEADLINE = 1.2
DENIED = {"code": "denied_by_a_person", "message": "A person said no."}


def routes() -> list[Route]:
    """The page."""
    return [page("/", _overview)]


class Latency(NamedTuple):
    """How fast this process answered authorizations since it began; in words, since buckets know no exact times."""

    answers: int
    middle: str
    slowest: str
    in_time: str


async def _overview(view: View) -> Response:
    org, now = view.organization, view.context.clock()
    money = (org.currency, org.time_zone, now)
    [month] = await view.read(used_most, "organization", *money) or [Used(org.id, org.name, None, 0, 0)]
    days = await view.read(_days, org.currency, org.time_zone, now)
    declined = [row for row in await view.read(newest_purchases, LOOKED_AT) if row.status == "declined"]
    waiting = await view.read(waiting_approvals, Slice(SHOWN), now)
    connections = await view.read(standing_connections)
    elsewhere = any(row.currency != org.currency for row in connections)
    return view.page(
        "overview.html", "Overview", live=("purchase", "approval", "alert", "discrepancy", "connection", "budget"),
        month=month, month_meter=_meter(view, month, month.spent + month.held), days=days,
        projects=_bars(view, await view.read(used_most, "project", *money)),
        agents=_bars(view, await view.read(used_most, "agent", *money)),
        waiting=[(row, what_was_shown(row)) for row in waiting.rows],
        declined=[(row, json.loads(row.merchant)["name"], _first_reason(row.decision)) for row in declined[:SHOWN]],
        why=Counter(_first_reason(row.decision)["code"] for row in declined).most_common(SHOWN),
        discrepancies=await view.read(_page_of, Discrepancy, {"status": "open"}),
        latency=latency_of(view.request.app.state.latency),
        connections=[(row, _reasons(row)) for row in connections],
        elsewhere=await view.read(_in_other_currencies, *money) if elsewhere else [],
    )  # fmt: skip


def _in_other_currencies(database: Database, organization_id: str, currency: str, zone: str, now: int) -> list[Spent]:
    """What was captured this month in currencies in which the organization has no budgets by itself."""
    span = Span(period_start("month", zone, now), now + 1)
    return [row for row in spent_in_all(database, organization_id, span).totals if row.currency != currency]


def _page_of(database: Any, organization_id: str, row: Any, where: dict[str, str | None]) -> list[Any]:
    return newest_first(database, row, organization_id, Slice(SHOWN), *equal(row, where)).rows


def _first_reason(text: str) -> dict[str, Any]:
    """Why a purchase was declined. Where the rules only asked for a person, that person said no."""
    decision: dict[str, Any] = json.loads(text)
    if decision["verdict"] == "needs_approval":
        return DENIED
    reasons: list[dict[str, Any]] = decision["reasons"]
    return reasons[0] if reasons else {"code": "", "message": ""}


def _reasons(row: Connection) -> list[str]:
    return [item.message for item in restrictions_of(row)] if row.status == "restricted" else []


def _meter(view: View, used: Used, most: int) -> Markup:
    words = f"{used.name}: {format_amount(used.spent, view.organization.currency)} spent, "
    words += f"{format_amount(used.held, view.organization.currency)} held"
    if used.limit is not None:
        words += f", of {format_amount(used.limit, view.organization.currency)}"
    return meter(used.spent, used.held, used.limit, most, words)


def _bars(view: View, rows: Sequence[Used]) -> list[tuple[Used, Markup]]:
    most = max((row.spent + row.held for row in rows), default=0)
    return [(row, _meter(view, row, most)) for row in rows if row.spent or row.held or row.limit is not None]


def _days(database: Any, organization_id: str, currency: str, zone: str, now: int) -> Markup:
    """The line over the days of about a month, in the organization's time zone."""
    here = zoneinfo.ZoneInfo(zone)
    today = local_time(now, here).date()
    dates = [today - timedelta(days=back) for back in range(DAYS - 1, -1, -1)]
    used = {}
    for day in by_day(database, organization_id, currency, day_begin(dates[0], zone)):
        used[local_time(day.start, here).date()] = day.held + day.spent
    points = [
        Point(f"{date.day} {date:%b}", used.get(date, 0), format_amount(used.get(date, 0), currency)) for date in dates
    ]
    marks = [(value, format_amount(value, currency)) for value in round_axis(max(point.value for point in points))]
    total = format_amount(sum(point.value for point in points), currency)
    title = f"Held and spent by day, {points[0].label} to {points[-1].label}: {total} in all"
    axis = [(value, text.partition(".")[0]) for value, text in marks]
    wide, narrow = (line_chart(points, title, axis, width) for width in (WIDTH, NARROW))
    return Markup('<div class="for-wide">{}</div><div class="for-narrow">{}</div>').format(wide, narrow)


def latency_of(counter: LatencyCounter) -> Latency | None:
    """What the histogram says, or None before the first answer."""
    total = sum(counter.buckets)
    if not total:
        return None
    late = sum(number for bound, number in zip((*BOUNDS, 9.9), counter.buckets, strict=True) if bound > DEADLINE)
    return Latency(total, _below(counter, 0.5), _below(counter, 0.99), f"{100 * (total - late) / total:.2f} %")


def _below(counter: LatencyCounter, share: float) -> str:
    """The bound under which this share of the answers came."""
    wanted, below = share * sum(counter.buckets), 0
    for bound, number in zip(BOUNDS, counter.buckets, strict=False):
        below += number
        if below >= wanted:
            return f"under {bound * 1000:g} ms"
    return f"over {BOUNDS[-1]:g} s"
