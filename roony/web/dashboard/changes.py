"""Changes that loosen rules: what waits for a second person, and what became of the others."""

from __future__ import annotations

import json

from starlette.responses import Response
from starlette.routing import Route

from roony.core.loosening import ProposedChange, current_status, values_in_words
from roony.store.queries.paging import equal
from roony.web.dashboard.view import View, page

STATUSES = ("waiting", "confirmed", "withdrawn", "all")


def routes() -> list[Route]:
    """The page."""
    return [page("/changes", _list)]


async def _list(view: View) -> Response:
    status = view.filter("status", STATUSES) or "waiting"
    now = view.context.clock()
    rows, next_page = await view.rows(
        ProposedChange, *equal(ProposedChange, {"status": None if status == "all" else status})
    )
    shown = [
        (row, current_status(row, now), [(one, *values_in_words(one)) for one in json.loads(row.differences)])
        for row in rows
    ]
    return view.page("changes.html", "Changes", rows=shown, next=next_page, chosen=status, live=("change.",))
