"""Purchases: a list to search and filter, and one purchase as a timeline with every check, payment and record."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import ColumnElement
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from roony.core.agent import Agent, Project
from roony.core.merchant import Merchant, alias_of
from roony.core.purchase import RECURRING, STATUSES, Purchase
from roony.store.database import Database
from roony.store.queries.merchants import known_merchant
from roony.store.queries.names import choices, names_of
from roony.store.queries.paging import Slice, equal
from roony.store.queries.purchase_search import of_merchant, purchase_with
from roony.store.queries.purchases import purchase_page
from roony.store.queries.timeline import Everything, everything_about
from roony.store.rows import KnownMerchant
from roony.store.tables import purchases
from roony.web.dashboard.checks import checks, kept_decisions
from roony.web.dashboard.other_names import aliases_of, is_worth_asking
from roony.web.dashboard.timeline import steps, who
from roony.web.dashboard.view import View, page
from roony.web.dashboard.words import label
from roony.web.errors import found
from roony.web.pages import HEADERS

# A purchase that waits, or whose card is unused, can still be taken back.
_CANCELABLE = frozenset({"awaiting_approval", "issuing", "ready"})


def routes() -> list[Route]:
    """The pages."""
    return [page("/purchases", _list), page("/purchases/{id}", _one)]


async def _list(view: View) -> Response:
    searched = view.filter("search")
    if searched is not None and (id := await view.read(purchase_with, searched)) is not None:
        return RedirectResponse(f"/purchases/{id}", 303, HEADERS)
    chosen = {
        "agent_id": view.filter("agent"), "project_id": view.filter("project"),
        "status": view.filter("status", tuple(STATUSES)),
    }  # fmt: skip
    where = [*equal(Purchase, chosen), *view.between(purchases.c.created_at)]
    page, names = await view.read(_page, view.slice(), where, searched)
    return view.page(
        "purchases.html", "Purchases", live=("purchase",),
        rows=[(row, Merchant.from_json(row.purchase.merchant).name) for row in page.rows], names=names,
        pages=view.pages(page), statuses=[(status, label(status)) for status in STATUSES],
        agents=await view.read(choices, Agent), projects=await view.read(choices, Project), searched=searched,
        filtered=view.is_filtered, chosen=chosen,
    )  # fmt: skip


def _page(
    database: Database, organization_id: str, wanted: Slice, where: list[ColumnElement[bool]], merchant: str | None
) -> tuple[Any, dict[str, str]]:
    if merchant is not None:
        where = [*where, of_merchant(database, organization_id, merchant)]
    page = purchase_page(database, organization_id, wanted, *where)
    ids = [id for row in page.rows for id in (row.purchase.agent_id, row.purchase.project_id)]
    return page, names_of(database, organization_id, ids)


async def _one(view: View) -> Response:
    id = view.request.path_params["id"]
    all_of = found(await view.read(everything_about, id), "purchase", id)
    row = all_of.parts.view.purchase
    merchant, known = Merchant.from_json(row.merchant), await view.read(known_merchant, row.merchant_key)
    return view.page(
        "purchase.html", merchant.name, live=("purchase", "authorization", "approval", "discrepancy", "card"),
        row=row, merchant=merchant, all_of=all_of, names=all_of.names,
        metadata=json.loads(row.metadata), failure=json.loads(row.failure) if row.failure else None,
        steps=steps(all_of, view.context.clock()), who=who,
        decisions=[(name, decision["verdict"], checks(decision)) for name, decision in kept_decisions(row.decision)],
        other_name=await _other_name(view, all_of, known), aliases=aliases_of(known),
        cancelable=row.status in _CANCELABLE or _goes_on(row),
    )  # fmt: skip


async def _other_name(view: View, all_of: Everything, known: KnownMerchant | None) -> str | None:
    """Under which name the newest payment was declined, where a person may say that it is the approved merchant's."""
    action = all_of.parts.view.action
    if action is None or action.code != "merchant_mismatch":
        return None
    # Nothing is known of a merchant before Stripe has told of it.
    found = Merchant(**{"name": "", **json.loads(all_of.parts.authorizations[0].authorization.merchant)})
    asked = await is_worth_asking(view, all_of.parts.view.purchase, known, found, alias_of(found.name))
    return found.name if asked else None


def _goes_on(row: Purchase) -> bool:
    """A mandate ends when it is canceled, also while one of its payments is under way."""
    return row.kind == RECURRING and row.ended_at is None and row.status == "authorized"
