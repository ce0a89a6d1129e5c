"""What waits for a person, as the menu of every page counts it, and whether the set-up came to its end."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import exists, func, select

from roony.store.database import Database
from roony.store.tables import alerts, approvals, discrepancies, proposed_changes, purchases

# More are not counted: a menu says 99+.
MOST = 100


_WAITING = ((approvals, "pending"), (discrepancies, "open"), (alerts, "open"), (proposed_changes, "waiting"))


class Attention(NamedTuple):
    """How many wait, each at most MOST. `settled`: some purchase was, so the organization is set up."""

    approvals: int
    discrepancies: int
    alerts: int
    changes: int
    settled: bool


def attention(database: Database, organization_id: str) -> Attention:
    """One read, bounded whatever has piled up."""
    counted = []
    for table, status in _WAITING:
        some = (
            select(table.c.id)
            .where(table.c.organization_id == organization_id, table.c.status == status)
            .limit(MOST)
            .subquery()
        )
        counted.append(select(func.count()).select_from(some).scalar_subquery())
    settled = exists().where(purchases.c.organization_id == organization_id, purchases.c.status == "settled")
    return Attention(*database.read(select(*counted, settled))[0])
