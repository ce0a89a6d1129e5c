"""Finding purchases: by the id of anything that belongs to one, and by merchant."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import ColumnElement, select

from roony.core.approval import Approval
from roony.core.authorization import Authorization
from roony.core.card import Card
from roony.core.merchant import normalise
from roony.core.purchase import Purchase
from roony.core.receipt import Receipt
from roony.core.settlement import StripeTransaction
from roony.store.database import Database
from roony.store.tables import TABLE_OF, known_merchants, purchases

# Merchants whose names begin with what was typed: of more than these, none is looked for.
MOST_MERCHANTS = 20
# What an id looks like that leads to a purchase, and the row it is of.
_LEADING: dict[str, type] = {
    "pur": Purchase, "crd": Card, "apr": Approval, "rcp": Receipt, "iauth": Authorization, "ipi": StripeTransaction,
}  # fmt: skip


def purchase_with(database: Database, organization_id: str, id: str) -> str | None:
    """The purchase that this is the id of, or of whose card, approval, receipt, authorization or capture."""
    row = _LEADING.get(id.partition("_")[0])
    if row is None:
        return None
    table = TABLE_OF[row].c
    column = table.id if row is Purchase else table.purchase_id
    found = database.read(select(column).where(table.organization_id == organization_id, table.id == id))
    return found[0][0] if found else None


def of_merchant(database: Database, organization_id: str, text: str) -> ColumnElement[bool]:
    """Purchases at the merchant of this name, and at those the organization bought from whose name begins like it."""
    key = normalise(text)
    known = known_merchants.c
    statement = (
        select(known.merchant_key)
        .where(known.organization_id == organization_id, known.merchant_key.startswith(key, autoescape=True))
        .order_by(known.merchant_key)
        .limit(MOST_MERCHANTS)
    )
    keys = {key, *(row[0] for row in database.read(statement))}
    return purchases.c.merchant_key.in_(sorted(keys)) if len(keys) > 1 else purchases.c.merchant_key == key


def purchases_by_id(database: Database, organization_id: str, ids: Iterable[str | None]) -> dict[str, Purchase]:
    """Those of the organization among these ids: what a page of cards or captures belongs to."""
    wanted = {id for id in ids if id is not None}
    if not wanted:
        return {}
    statement = select(purchases).where(purchases.c.organization_id == organization_id, purchases.c.id.in_(wanted))
    return {row.id: row for row in (Purchase(*values) for values in database.read(statement))}
