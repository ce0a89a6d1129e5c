"""Receipts as they are shown, and the purchases that lack one."""

from __future__ import annotations

from sqlalchemy import ColumnElement, exists, select

from roony.core.purchase import Purchase
from roony.core.receipt import ReceiptContent
from roony.store.database import Database
from roony.store.queries.paging import Page, Slice, cut, keyset
from roony.store.tables import purchases, receipt_contents, receipts


def find_content(database: Database, organization_id: str, receipt_id: str) -> bytes | None:
    """The bytes of a receipt, or None."""
    of = receipt_contents.c
    rows = database.read(select(receipt_contents).where(of.organization_id == organization_id, of.id == receipt_id))
    return bytes(ReceiptContent(*rows[0]).content) if rows else None


def without_receipt(
    database: Database, organization_id: str, wanted: Slice, *where: ColumnElement[bool]
) -> Page[Purchase]:
    """Settled purchases of which something was captured and that have no receipt, the oldest first."""
    has_one = exists().where(
        receipts.c.organization_id == purchases.c.organization_id, receipts.c.purchase_id == purchases.c.id
    )
    of = purchases.c
    statement = select(purchases).where(
        of.organization_id == organization_id, of.status == "settled", of.captured > 0, ~has_one, *where
    )
    statement = keyset(statement, wanted, of.created_at, of.id, descending=False)
    rows = [Purchase(*values) for values in database.read(statement)]
    return cut(rows, wanted, lambda row: (row.created_at, row.id))
