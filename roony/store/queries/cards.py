"""The cards that may still be charged, by the scope their purchase belongs to, and what the making of one needs."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import and_, bindparam, select

from roony.core.card import OPEN_STATUSES, Card
from roony.core.cardholder import Cardholder
from roony.core.connection import Connection
from roony.store.database import Database
from roony.store.tables import cardholders, cards, connections, purchases


class CardToMake(NamedTuple):
    """A card that was promised, its connection, and the cardholder in whose name it will be, if there is one yet."""

    card: Card
    connection: Connection
    cardholder: Cardholder | None


_TO_MAKE = (
    select(cards, connections, cardholders)
    .select_from(
        cards.join(
            connections,
            and_(connections.c.organization_id == cards.c.organization_id, connections.c.id == cards.c.connection_id),
        ).outerjoin(
            cardholders,
            and_(
                cardholders.c.organization_id == cards.c.organization_id,
                cardholders.c.connection_id == cards.c.connection_id,
                cardholders.c.scope_id == bindparam("scope_id"),
            ),
        )
    )
    .where(cards.c.organization_id == bindparam("org"), cards.c.id == bindparam("card"))
)


def card_to_make(database: Database, organization_id: str, card_id: str, scope_id: str) -> CardToMake:
    """What the making of a card needs, as of one moment; `scope_id` is that of its cardholder."""
    [values] = database.read(_TO_MAKE, {"org": organization_id, "card": card_id, "scope_id": scope_id})
    first, second = len(Card._fields), len(Card._fields) + len(Connection._fields)
    holder = Cardholder(*values[second:]) if values[second] is not None else None
    return CardToMake(Card(*values[:first]), Connection(*values[first:second]), holder)


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
