"""What waits for a person, as the menu of every page counts it."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import func, select

from roony.store.database import Database
from roony.store.tables import alerts, approvals, discrepancies

# More are not counted: a menu says 99+.
MOST = 100


class Attention(NamedTuple):
    """How many wait, each at most MOST."""

    approvals: int
    discrepancies: int
    alerts: int


def attention(database: Database, organization_id: str) -> Attention:
    """One read, bounded whatever has piled up."""
    counted = []
    for table, status in ((approvals, "pending"), (discrepancies, "open"), (alerts, "open")):
        some = (
            select(table.c.id)
            .where(table.c.organization_id == organization_id, table.c.status == status)
            .limit(MOST)
            .subquery()
        )
        counted.append(select(func.count()).select_from(some).scalar_subquery())
    return Attention(*database.read(select(*counted))[0])
