"""Disputes with the purchase they are about, as far as their capture is known."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import ColumnElement, select

from roony.core.dispute import Dispute
from roony.store.database import Database
from roony.store.queries.paging import Page, Slice, find, newest_first
from roony.store.tables import disputes, stripe_transactions


class DisputeView(NamedTuple):
    """A dispute, and the purchase whose capture it is about; None while that is not known."""

    dispute: Dispute
    purchase_id: str | None


def dispute_page(
    database: Database, organization_id: str, wanted: Slice, *where: ColumnElement[bool]
) -> Page[DisputeView]:
    """Disputes of an organization, newest first."""
    page = newest_first(database, Dispute, organization_id, wanted, *where)
    about = _purchases(database, organization_id, [row.stripe_transaction_id for row in page.rows])
    return Page([DisputeView(row, about.get(row.stripe_transaction_id)) for row in page.rows], page.next_cursor)


def find_dispute(database: Database, organization_id: str, id: str) -> DisputeView | None:
    """One dispute, or None."""
    row = find(database, Dispute, organization_id, id)
    if row is None:
        return None
    about = _purchases(database, organization_id, [row.stripe_transaction_id])
    return DisputeView(row, about.get(row.stripe_transaction_id))


def of_purchase(organization_id: str, purchase_id: str) -> ColumnElement[bool]:
    """The condition that a dispute is about a capture of this purchase."""
    captures = select(stripe_transactions.c.id).where(
        stripe_transactions.c.organization_id == organization_id, stripe_transactions.c.purchase_id == purchase_id
    )
    return disputes.c.stripe_transaction_id.in_(captures)


def _purchases(database: Database, organization_id: str, transaction_ids: list[str]) -> dict[str, str]:
    if not transaction_ids:
        return {}
    known = stripe_transactions.c
    statement = select(known.id, known.purchase_id).where(
        known.organization_id == organization_id, known.id.in_(transaction_ids), known.purchase_id.is_not(None)
    )
    return {row[0]: row[1] for row in database.read(statement)}
