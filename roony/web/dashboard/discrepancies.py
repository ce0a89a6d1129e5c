"""Discrepancies: what does not fit what was approved, and how a person settles it."""

from __future__ import annotations

import json

from starlette.responses import Response
from starlette.routing import Route

from roony.core.finding import told
from roony.core.merchant import Merchant, alias_of
from roony.core.purchase import Purchase
from roony.core.settlement import DISCREPANCY_KINDS, Discrepancy
from roony.store.database import Database
from roony.store.queries.merchants import known_merchant
from roony.store.queries.names import names_of
from roony.store.queries.overview import newest_purchases
from roony.store.queries.paging import equal, find
from roony.store.queries.purchase_search import purchases_by_id
from roony.web.dashboard.other_names import is_worth_asking
from roony.web.dashboard.view import View, page
from roony.web.dashboard.words import label

# Purchases looked at for some that a refund may belong to, and how many of them are offered.
LOOKED_AT = 200
OFFERED = 20
STATUSES = ("open", "resolved", "all")
# What each kind says, and what to do.
MEANINGS = {
    "merchant_mismatch": "Money was taken under another name than that of the approved merchant. Are they the same?",
    "category_mismatch": "The merchant is of another category than was approved.",
    "country_mismatch": "The merchant is in another country than was approved.",
    "currency_mismatch": "Money was taken in another currency than was approved.",
    "over_capture": "More was taken than was authorized and set aside.",
    "extra_capture": "Money was taken again after the authorization had ended.",
    "late_capture": "Money was taken after the authorization had expired.",
    "force_capture": "Money was taken that nobody had asked Roony for.",
    "approved_without_roony": "Stripe approved a payment without an answer of Roony.",
    "answer_not_honoured": "Stripe did something else than Roony answered.",
    "unmatched_refund": "Money came back, and it is not known what it was paid for.",
    "unknown_card": "A card was used that Roony did not make. What happens to such cards is in the settings.",
    "card_left_open": "A card that should have ended can still pay. Cancel it in Stripe's Dashboard.",
    "missing_at_stripe": "Roony knows of something that Stripe does not list.",
    "missing_here": "Stripe lists something that Roony does not know of.",
}


def routes() -> list[Route]:
    """The pages."""
    return [page("/discrepancies", _list), page("/discrepancies/{id}", _one)]


async def _list(view: View) -> Response:
    status = view.filter("status", STATUSES) or "open"
    kind = view.filter("kind", DISCREPANCY_KINDS)
    where = equal(Discrepancy, {"status": None if status == "all" else status, "kind": kind})
    rows, pages = await view.rows(Discrepancy, *where)
    bought = await view.read(purchases_by_id, [row.purchase_id for row in rows])
    return view.page(
        "discrepancies.html", "Discrepancies", live=("discrepancy",), rows=[(row, told(row.found)) for row in rows],
        about={id: (one, merchant_name(one)) for id, one in bought.items()}, pages=pages, chosen=status,
        statuses=STATUSES, kind=kind, kinds=DISCREPANCY_KINDS,
    )  # fmt: skip


async def _one(view: View) -> Response:
    row = await view.row(Discrepancy, "discrepancy")
    purchase = await view.read(_purchase, row.purchase_id) if row.purchase_id else None
    waits = row.kind == "unmatched_refund" and row.status == "open"
    offered = await view.read(newest_purchases, LOOKED_AT) if waits else []
    return view.page(
        "discrepancy.html", label(row.kind), row=row, meaning=MEANINGS[row.kind], expected=told(row.expected),
        found=told(row.found), merchant=merchant_name(purchase) if purchase else None,
        names=await view.read(names_of, [row.resolved_by]),
        teaches=await _teaches(view, row, purchase),
        offered=[(one, merchant_name(one)) for one in offered if one.captured > one.refunded][:OFFERED],
    )  # fmt: skip


async def _teaches(view: View, row: Discrepancy, purchase: Purchase | None) -> bool:
    """True if the name that was found can be learned, and that changes something."""
    if row.kind != "merchant_mismatch" or row.status != "open" or purchase is None:
        return False
    found, known = Merchant.from_json(row.found), await view.read(known_merchant, purchase.merchant_key)
    alias = alias_of(found.name, noise=(found.country,) if found.country else ())
    return await is_worth_asking(view, purchase, known, found, alias)


def merchant_name(purchase: Purchase) -> str:
    """The name of the merchant as the agent gave it."""
    return str(json.loads(purchase.merchant)["name"])


def _purchase(database: Database, organization_id: str, id: str) -> Purchase | None:
    return find(database, Purchase, organization_id, id)
