"""Reports: what was spent on chosen days, in groups, as bars and a table, with the same numbers as files."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

from markupsafe import Markup
from starlette.responses import Response
from starlette.routing import Route

from roony.core.money import format_amount
from roony.store.queries.spending import GROUPS, Spent
from roony.web.dashboard.charts import meter
from roony.web.dashboard.view import View, page
from roony.web.dashboard.words import label
from roony.web.errors import accepted
from roony.web.spending_report import days_of, report

_API = "/api/v1/admin/reports"


def routes() -> list[Route]:
    """The page."""
    return [page("/reports", _report)]


async def _report(view: View) -> Response:
    by, zone, now = view.filter("by", GROUPS) or "month", view.organization.time_zone, view.context.clock()
    chosen = accepted(days_of(view.day("since"), view.day("until"), zone, now))
    made = await view.read(report, by, chosen)
    asked = {"since": chosen.first.isoformat(), "until": chosen.last.isoformat()}
    return view.page(
        "reports.html", "Reports", by=by, chosen=chosen, rows=_bars(made.rows), totals=made.totals,
        unmatched=made.unmatched, groups=[(group, label(group)) for group in GROUPS],
        spend_file=f"{_API}/spend?{urlencode({**asked, 'by': by, 'format': 'csv'})}",
        journal_file=f"{_API}/journal?{urlencode(asked)}",
    )  # fmt: skip


def _bars(rows: Sequence[Spent]) -> list[tuple[Spent, Markup]]:
    """Each group with its bar, of the largest one in its currency."""
    most: dict[str, int] = {}
    for row in rows:
        most[row.currency] = max(most.get(row.currency, 0), row.spent)
    return [
        (row, meter(row.spent, 0, None, most[row.currency], f"{row.name}: {format_amount(row.spent, row.currency)}"))
        for row in rows
    ]
