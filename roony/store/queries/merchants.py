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
