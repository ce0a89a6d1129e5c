"""Captures and refunds as Stripe booked them, with the purchase each belongs to."""

from __future__ import annotations

import json

from starlette.responses import Response
from starlette.routing import Route

from roony.core.settlement import StripeTransaction
from roony.store.queries.names import names_of
from roony.store.queries.purchase_search import purchases_by_id
from roony.store.queries.spending import of_type
from roony.store.tables import stripe_transactions
from roony.web.dashboard.view import View, page


def routes() -> list[Route]:
    """The page."""
    return [page("/transactions", _list)]


async def _list(view: View) -> Response:
    kind, of = view.filter("type", ("capture", "refund")), view.filter("of", ("purchase", "none"))
    table = stripe_transactions.c
    where = [*of_type(kind), *view.between(table.created_at)]
    if of is not None:
        where.append(table.purchase_id.is_not(None) if of == "purchase" else table.purchase_id.is_(None))
    rows, pages = await view.rows(StripeTransaction, *where)
    bought = await view.read(purchases_by_id, [row.purchase_id for row in rows])
    return view.page(
        "transactions.html", "Transactions", live=("purchase",), kind=kind, of=of, bought=bought, pages=pages,
        rows=[(row, json.loads(row.merchant).get("name") or "no name") for row in rows],
        names=await view.read(names_of, [row.agent_id for row in bought.values()]),
        filtered=view.is_filtered,
    )  # fmt: skip
