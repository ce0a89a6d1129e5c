"""The overview: where the organization stands, what waits for a person, and the switch that stops everything."""

from __future__ import annotations

from starlette.responses import Response
from starlette.routing import Route

from roony.web.dashboard.view import View, page


def routes() -> list[Route]:
    """The page."""
    return [page("/", _overview)]


async def _overview(view: View) -> Response:
    return view.page("overview.html", "Overview", live=("purchase", "approval", "alert", "discrepancy"))
