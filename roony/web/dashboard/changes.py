"""Changes that loosen rules: what waits for a second person, and what became of the others."""

from __future__ import annotations

import json

from starlette.responses import Response
from starlette.routing import Route

from roony.core.loosening import ProposedChange, current_status, values_in_words
from roony.store.queries.names import names_of
from roony.store.queries.paging import equal
from roony.web.dashboard.view import View, page

STATUSES = ("waiting", "confirmed", "withdrawn", "all")


def routes() -> list[Route]:
    """The page."""
    return [page("/changes", _list)]


async def _list(view: View) -> Response:
    status = view.filter("status", STATUSES) or "waiting"
    now = view.context.clock()
    rows, pages = await view.rows(
        ProposedChange, *equal(ProposedChange, {"status": None if status == "all" else status})
    )
    shown = [
        (row, current_status(row, now), [(one, *values_in_words(one)) for one in json.loads(row.differences)])
        for row in rows
    ]
    names = await _names(view, rows)
    return view.page(
        "changes.html", "Changes", rows=shown, pages=pages, chosen=status, live=("change.",),
        named=lambda id: _named(names, id),
    )  # fmt: skip


async def _names(view: View, rows: list[ProposedChange]) -> dict[str, str]:
    """Who wants or decided them, and what they are about, by its id."""
    people = [id for row in rows for id in (row.proposed_by, row.decided_by)]
    about = [one["of"].partition(":")[0] for row in rows for one in json.loads(row.differences)]
    return {**await view.read(names_of, [*people, *about]), view.organization.id: view.organization.name}


def _named(names: dict[str, str], id: str) -> str:
    """What people call it; the tasks of an agent behind its name."""
    whose, _, task = id.partition(":")
    name = names.get(whose, whose)
    return f"{name}, {'each task' if task == '*' else f'task {task}'}" if task else name
