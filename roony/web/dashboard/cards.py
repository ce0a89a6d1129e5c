"""Cards with what they may still take, and the switch for each; never their numbers."""

from __future__ import annotations

from starlette.responses import Response
from starlette.routing import Route

from roony.core.card import STATUSES, Card
from roony.core.merchant import Merchant
from roony.store.queries.names import names_of
from roony.store.queries.paging import equal
from roony.store.queries.purchase_search import purchases_by_id
from roony.web.dashboard.view import View, page
from roony.web.dashboard.words import label

# With these nothing was paid yet: the card can be canceled, and its purchase with it.
_UNUSED = frozenset({"creating", "active", "frozen"})
_OVER = frozenset({"expired", "canceled"})


def routes() -> list[Route]:
    """The page."""
    return [page("/cards", _list)]


async def _list(view: View) -> Response:
    status = view.filter("status", STATUSES)
    rows, pages = await view.rows(Card, *equal(Card, {"status": status}))
    of = await view.read(purchases_by_id, [row.purchase_id for row in rows])
    return view.page(
        "cards.html", "Cards", live=("card", "purchase"), chosen=status, pages=pages,
        rows=[(row, of[row.purchase_id], Merchant.from_json(of[row.purchase_id].merchant).name) for row in rows],
        names=await view.read(names_of, [row.agent_id for row in of.values()]),
        statuses=[(one, label(one)) for one in STATUSES],
        freezable={row.id for row in rows if row.status not in _OVER and row.stripe_status != "canceled"},
        cancelable={row.id for row in rows if row.status in _UNUSED},
    )  # fmt: skip
