"""Alerts: what a person has to see to, until somebody has."""

from __future__ import annotations

from starlette.responses import Response
from starlette.routing import Route

from roony.core.alert import Alert
from roony.store.queries.paging import equal
from roony.web.dashboard.view import View, page

STATUSES = ("open", "closed", "all")


def routes() -> list[Route]:
    """The page."""
    return [page("/alerts", _list)]


async def _list(view: View) -> Response:
    status = view.filter("status", STATUSES) or "open"
    rows, pages = await view.rows(Alert, *equal(Alert, {"status": None if status == "all" else status}))
    return view.page("alerts.html", "Alerts", live=("alert",), rows=rows, pages=pages, chosen=status)
