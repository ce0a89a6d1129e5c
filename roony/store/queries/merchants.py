"""The merchants an organization has bought from, in the order of their names."""

from __future__ import annotations

from sqlalchemy import select

from roony.store.database import Database
from roony.store.queries.paging import Page, Slice, cut, keyset
from roony.store.rows import KnownMerchant
from roony.store.tables import known_merchants


def merchant_page(database: Database, organization_id: str, wanted: Slice) -> Page[KnownMerchant]:
    """One page of them, with what was learned of each."""
    table = known_merchants
    statement = keyset(
        select(table).where(table.c.organization_id == organization_id), wanted, table.c.merchant_key, descending=False
    )
    rows = [KnownMerchant(*values) for values in database.read(statement)]
    return cut(rows, wanted, lambda row: (row.merchant_key,))


def known_merchant(database: Database, organization_id: str, merchant_key: str) -> KnownMerchant | None:
    """One of them, with what was learned of it, or None where nothing was bought from it yet."""
    table = known_merchants
    where = (table.c.organization_id == organization_id, table.c.merchant_key == merchant_key)
    found = database.read(select(table).where(*where))
    return KnownMerchant(*found[0]) if found else None
