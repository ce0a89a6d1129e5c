"""The page of whoever is signed in: who they are, password and passkeys, where they are signed in, the way out."""

from __future__ import annotations

from starlette.responses import Response
from starlette.routing import Route

from roony.core.passkey import FRESH_SECONDS
from roony.core.sign_in import LONGEST_PASSWORD, SHORTEST_PASSWORD
from roony.store.authority import is_over
from roony.store.queries.sign_in import passkeys_of, sessions_of
from roony.web.dashboard.view import View, page
from roony.web.passkey_site import NOT_HERE, passkey_site


def routes() -> list[Route]:
    """The page."""
    return [page("/account", _account)]


async def _account(view: View) -> Response:
    user_id, now = view.caller.user_id or "", view.context.clock()
    rows, passkeys = await view.read(sessions_of, user_id), await view.read(passkeys_of, user_id)
    return view.page(
        "account.html", "Your account", sessions=[row for row in rows if not is_over(row, now)],
        shortest=SHORTEST_PASSWORD, longest=LONGEST_PASSWORD,
        passkeys=passkeys, site=passkey_site(view.context), not_here=NOT_HERE, fresh_minutes=FRESH_SECONDS // 60,
    )  # fmt: skip
