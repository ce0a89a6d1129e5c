"""The cards that may still be charged, by the scope their purchase belongs to."""

from __future__ import annotations

from sqlalchemy import and_, select

from roony.core.card import OPEN_STATUSES
from roony.store.database import Database
from roony.store.tables import cards, purchases


def cards_of_scope(
    database: Database, organization_id: str, scope: str, scope_id: str, after: str, limit: int
) -> list[str]:
    """Ids of the cards below a scope that are open here and at Stripe, in their order, beginning behind `after`."""
    joined = cards.join(
        purchases, and_(purchases.c.organization_id == cards.c.organization_id, purchases.c.id == cards.c.purchase_id)
    )
    statement = (
        select(cards.c.id)
        .select_from(joined)
        .where(
            cards.c.organization_id == organization_id,
            cards.c.status.in_(OPEN_STATUSES),
            cards.c.stripe_status.is_distinct_from("canceled"),
            cards.c.id > after,
        )
    )
    if scope == "project":
        statement = statement.where(purchases.c.project_id == scope_id)
    elif scope == "agent":
        statement = statement.where(purchases.c.agent_id == scope_id)
    return [row[0] for row in database.read(statement.order_by(cards.c.id).limit(limit))]
