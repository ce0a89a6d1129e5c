"""Which purchase an event of Stripe's is about: the one of the card it names."""

from __future__ import annotations

import asyncio
import json
from typing import Any, NamedTuple

from sqlalchemy import bindparam, select

from roony.core.text import readable
from roony.flows.context import FlowContext
from roony.store.rows import AccountRoute, InboxEvent
from roony.store.tables import cards

_PURCHASE = select(cards.c.purchase_id).where(
    cards.c.organization_id == bindparam("org"),
    cards.c.connection_id == bindparam("connection"),
    cards.c.stripe_card_id == bindparam("card"),
)


class AboutPurchase(NamedTuple):
    """The purchase, and Stripe's id of the authorization that the event is about, if it is about one."""

    purchase_id: str
    authorization_id: str | None


async def about_event(context: FlowContext, route: AccountRoute, event: InboxEvent) -> AboutPurchase | None:
    """None for an event about no card of ours. Raises what the database does."""
    said = _object_of(event)
    card = _id_of(said if event.type.startswith("issuing_card.") else said.get("card"))
    if card is None:
        return None
    about = {"org": route.organization_id, "connection": route.connection_id, "card": card}
    rows = await asyncio.to_thread(context.database.read, _PURCHASE, about)
    authorization = said if event.type.startswith("issuing_authorization.") else said.get("authorization")
    return AboutPurchase(str(rows[0][0]), _id_of(authorization)) if rows else None


def _object_of(event: InboxEvent) -> dict[str, Any]:
    """What an event of Issuing tells of, whatever may be wrong with its body."""
    if not event.type.startswith("issuing_"):
        return {}
    try:
        said = json.loads(readable(event.payload))["data"]["object"]
    except (KeyError, TypeError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def _id_of(said: Any) -> str | None:
    """Of an object, or of its id alone."""
    id = said.get("id") if isinstance(said, dict) else said
    return id if isinstance(id, str) else None
