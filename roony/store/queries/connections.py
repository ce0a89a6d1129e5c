"""What is known beside a connection's own row: what its owner confirmed, and its last checks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import bindparam, select

from roony.core.cardholder import Cardholder
from roony.core.confirmation import Confirmation
from roony.core.connection import Connection
from roony.core.preflight import Preflight
from roony.store.database import Database
from roony.store.tables import cardholders, confirmations, connections, preflights

_CONFIRMATIONS = select(confirmations).where(
    confirmations.c.organization_id == bindparam("org"), confirmations.c.subject.in_(bindparam("ids", expanding=True))
)
_PREFLIGHTS = select(preflights).where(
    preflights.c.organization_id == bindparam("org"), preflights.c.connection_id.in_(bindparam("ids", expanding=True))
)
_CARDHOLDERS = select(cardholders).where(
    cardholders.c.organization_id == bindparam("org"),
    cardholders.c.scope_id == bindparam("org"),
    cardholders.c.connection_id.in_(bindparam("ids", expanding=True)),
)
_STANDING = (
    select(connections)
    .where(connections.c.organization_id == bindparam("org"), connections.c.status.in_(("active", "restricted")))
    .order_by(connections.c.created_at.desc(), connections.c.id)
)


class About(NamedTuple):
    """Confirmations by name, those of the organization with them, checks by kind, and the organization's cardholder."""

    confirmations: dict[str, Confirmation]
    checks: dict[str, Preflight]
    cardholder: Cardholder | None = None


def about_connections(database: Database, organization_id: str, ids: Iterable[str]) -> dict[str, About]:
    """What is known beside each of these connections. Blocks: cold reads."""
    wanted = list(ids)
    given = {"org": organization_id, "ids": [*wanted, organization_id]}
    confirmed = [Confirmation(*row) for row in database.read(_CONFIRMATIONS, given)]
    checked = [Preflight(*row) for row in database.read(_PREFLIGHTS, given)]
    holders = {row.connection_id: row for row in (Cardholder(*row) for row in database.read(_CARDHOLDERS, given))}
    return {
        id: About(
            {row.name: row for row in confirmed if row.subject in (id, organization_id)},
            {row.kind: row for row in checked if row.connection_id == id},
            holders.get(id),
        )
        for id in wanted
    }


def standing_connections(database: Database, organization_id: str) -> list[Connection]:
    """The organization's connections that are active or restricted, newest first. Blocks: a cold read."""
    return [Connection(*row) for row in database.read(_STANDING, {"org": organization_id})]
