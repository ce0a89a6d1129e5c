"""The page of whoever is signed in: who they are, where they are signed in, and the way out."""

from __future__ import annotations

from starlette.responses import Response
from starlette.routing import Route

from roony.core.sign_in import LONGEST_PASSWORD, SHORTEST_PASSWORD
from roony.store.authority import is_over
from roony.store.queries.sign_in import sessions_of
from roony.web.dashboard.view import View, page


def routes() -> list[Route]:
    """The page."""
    return [page("/account", _account)]


async def _account(view: View) -> Response:
    rows = await view.read(sessions_of, view.caller.user_id) if view.caller.user_id else []
    now = view.context.clock()
    return view.page(
        "account.html", "Your account", sessions=[row for row in rows if not is_over(row, now)],
        shortest=SHORTEST_PASSWORD, longest=LONGEST_PASSWORD,
    )  # fmt: skip
