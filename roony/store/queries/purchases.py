"""Purchases as they are shown: with their card and their approval, read together."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, select

from roony.core.approval import Approval
from roony.core.card import Card
from roony.core.purchase import Purchase
from roony.core.settlement import StripeTransaction
from roony.store.database import Database
from roony.store.queries.paging import Page, Slice, cut, keyset
from roony.store.tables import approvals, cards, purchases, stripe_transactions


class PurchaseView(NamedTuple):
    """A purchase with the card and the approval it has, as of one moment."""

    purchase: Purchase
    card: Card | None
    approval: Approval | None


def _statement(organization_id: str) -> Select[Any]:
    joined = purchases.outerjoin(
        cards, and_(cards.c.organization_id == purchases.c.organization_id, cards.c.id == purchases.c.card_id)
    ).outerjoin(
        approvals,
        and_(approvals.c.organization_id == purchases.c.organization_id, approvals.c.id == purchases.c.approval_id),
    )
    return select(purchases, cards, approvals).select_from(joined).where(purchases.c.organization_id == organization_id)


def _view(values: Any) -> PurchaseView:
    first, second = len(Purchase._fields), len(Purchase._fields) + len(Card._fields)
    card = Card(*values[first:second]) if values[first] is not None else None
    approval = Approval(*values[second:]) if values[second] is not None else None
    return PurchaseView(Purchase(*values[:first]), card, approval)


def find_purchase(
    database: Database, organization_id: str, purchase_id: str, agent_id: str | None = None
) -> PurchaseView | None:
    """One purchase; with `agent_id` only if it is that agent's (P7)."""
    statement = _statement(organization_id).where(purchases.c.id == purchase_id)
    if agent_id is not None:
        statement = statement.where(purchases.c.agent_id == agent_id)
    rows = database.read(statement)
    return _view(rows[0]) if rows else None


def purchase_page(
    database: Database, organization_id: str, wanted: Slice, *where: ColumnElement[bool]
) -> Page[PurchaseView]:
    """Purchases, newest first."""
    statement = keyset(_statement(organization_id).where(*where), wanted, purchases.c.created_at, purchases.c.id)
    rows = [_view(values) for values in database.read(statement)]
    return cut(rows, wanted, lambda view: (view.purchase.created_at, view.purchase.id))


def transactions_of_agent(
    database: Database, organization_id: str, agent_id: str, wanted: Slice
) -> Page[StripeTransaction]:
    """Captures and refunds on one agent's purchases, newest first."""
    joined = stripe_transactions.join(
        purchases,
        and_(
            purchases.c.organization_id == stripe_transactions.c.organization_id,
            purchases.c.id == stripe_transactions.c.purchase_id,
        ),
    )
    statement = (
        select(stripe_transactions)
        .select_from(joined)
        .where(stripe_transactions.c.organization_id == organization_id, purchases.c.agent_id == agent_id)
    )
    statement = keyset(statement, wanted, stripe_transactions.c.created_at, stripe_transactions.c.id)
    rows = [StripeTransaction(*values) for values in database.read(statement)]
    return cut(rows, wanted, lambda row: (row.created_at, row.id))
