"""Which Stripe account belongs to which connection, and the claim that keeps it to one owner."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import cast

from sqlalchemy import Insert, and_, bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite

from roony.core.agent import Organization
from roony.core.connection import Connection, restrictions_of
from roony.core.duration import HOUR
from roony.flows.context import FlowContext
from roony.store.rows import AccountRoute
from roony.store.tables import account_routes, cards, connections, organizations
from roony.store.writer import Writer

# A connection that did not become active in this time never will: its start link and its state last 10 minutes each.
# Microseconds.
PENDING_LIFETIME = HOUR

_ROUTES = select(account_routes).where(account_routes.c.stripe_account.in_(bindparam("accounts", expanding=True)))
# Events of the key's own account carry no `account`: they belong to the connection that uses that key directly. One
# that is expired is not: the key was its account's before.
_DIRECTS = (
    select(connections)
    .where(
        connections.c.kind == "direct",
        connections.c.livemode == bindparam("mode"),
        connections.c.stripe_account.is_not(None),
        connections.c.status.in_(("active", "restricted", "revoked")),
    )
    .order_by(connections.c.created_at.desc(), connections.c.organization_id, connections.c.id)
)
_CONNECTION = select(connections).where(
    connections.c.organization_id == bindparam("org"), connections.c.id == bindparam("connection")
)
_OF_MODE = (
    select(connections.c.id)
    .where(
        connections.c.organization_id == bindparam("org"),
        connections.c.livemode == bindparam("mode"),
        connections.c.stripe_account.is_not(None),
    )
    .limit(1)
)
_CARD_OF_MODE = (
    select(cards.c.id)
    .join(
        connections,
        and_(connections.c.organization_id == cards.c.organization_id, connections.c.id == cards.c.connection_id),
    )
    .where(cards.c.organization_id == bindparam("org"), connections.c.livemode == bindparam("mode"))
    .limit(1)
)
_ORGANIZATION = select(organizations).where(organizations.c.id == bindparam("org"))

_INSERT: dict[str, Insert] = {
    "sqlite": sqlite.insert(account_routes).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(account_routes).on_conflict_do_nothing(),
}
_TAKE_OVER = (
    update(account_routes)
    .where(
        account_routes.c.stripe_account == bindparam("account"),
        account_routes.c.livemode == bindparam("mode"),
        account_routes.c.organization_id == bindparam("old_org"),
        account_routes.c.connection_id == bindparam("old_connection"),
    )
    .values(organization_id=bindparam("new_org"), connection_id=bindparam("new_connection"))
)


def route_of(context: FlowContext, account: str | None, livemode: bool) -> AccountRoute | None:
    """Whose account this is, or None. `account` None means the account of our own key. Blocks: a cold read."""
    return routes_of(context, [(account, livemode)]).get((account, livemode))


def routes_of(
    context: FlowContext, wanted: Collection[tuple[str | None, bool]]
) -> dict[tuple[str | None, bool], AccountRoute]:
    """The routes of accounts, each with its mode, as far as they are somebody's. Blocks: one cold read of all, and one
    more where the account of our own key is among them."""
    found: dict[tuple[str | None, bool], AccountRoute] = {}
    accounts = sorted({account for account, _ in wanted if account is not None})
    for row in context.database.read(_ROUTES, {"accounts": accounts}) if accounts else ():
        route = AccountRoute(*row)
        found[route.stripe_account, bool(route.livemode)] = route
    for account, livemode in wanted:
        direct = _direct_route(direct_connections(context, livemode)) if account is None else None
        if direct is not None:
            found[None, livemode] = direct
    return found


def all_routes(context: FlowContext) -> dict[tuple[str | None, int], AccountRoute]:
    """Every route by (account, livemode), the own account under None as well. Blocks: a cold read."""
    routes: dict[tuple[str | None, int], AccountRoute] = {}
    for row in context.database.read(select(account_routes)):
        route = AccountRoute(*row)
        routes[route.stripe_account, route.livemode] = route
    for livemode in (0, 1):
        direct = route_of(context, None, bool(livemode))
        if direct is not None:
            routes[None, livemode] = direct
    return routes


def would_mix_modes(context: FlowContext, organization_id: str, livemode: bool) -> bool:
    """True where cards were made in the other mode and no account of this one was connected yet: budgets and reports
    would count play money and money as one. Blocks: cold reads."""
    known = context.database.read(_OF_MODE, {"org": organization_id, "mode": int(livemode)})
    return not known and bool(context.database.read(_CARD_OF_MODE, {"org": organization_id, "mode": int(not livemode)}))


def direct_connections(context: FlowContext, livemode: bool) -> list[Connection]:
    """The direct connections of the installation that are not expired, newest first. Blocks: a cold read."""
    return [Connection(*row) for row in context.database.read(_DIRECTS, {"mode": int(livemode)})]


def _direct_route(directs: list[Connection]) -> AccountRoute | None:
    """The active one, else one that is restricted and has our key all the same. While there is none, one that alone is
    left still gets what Stripe says of its last cards."""
    standing = [connection for connection in directs if connection.status == "active"]
    standing = standing or [connection for connection in directs if _has_key(connection)]
    if not standing and len(directs) != 1:
        return None
    found = (standing or directs)[0]
    return AccountRoute(found.stripe_account or "", found.livemode, found.organization_id, found.id)


def _has_key(connection: Connection) -> bool:
    """False where the key was refused: it may be another company's by now, whose events are nobody's business here."""
    refused = any(item.code == "key_refused" for item in restrictions_of(connection))
    return connection.status == "restricted" and not refused


def _binds(owner: Connection, oldest: int) -> bool:
    """A claim whose connection never became active, and no longer can, binds nobody."""
    return owner.stripe_account is not None or (owner.status == "pending" and owner.created_at > oldest)


async def claim_route(
    context: FlowContext, organization_id: str, connection_id: str, account: str, livemode: bool
) -> AccountRoute:
    """Takes the account for this connection unless it has an owner already; returns the route that holds.

    In a commit of its own before the connection becomes active: the organization's lock does not keep another
    organization from claiming the same account at the same moment, the primary key of this table does.
    """
    oldest = context.clock() - PENDING_LIFETIME
    wanted = AccountRoute(account, int(livemode), organization_id, connection_id)

    def work(writer: Writer) -> AccountRoute:
        for there in writer.rows_by(account_routes, ("stripe_account", "livemode"), [(account, int(livemode))]):
            old = (there.organization_id, there.connection_id)
            owners = writer.rows_by(connections, ("organization_id", "id"), [old])
            if not any(_binds(owner, oldest) for owner in owners):
                about = {"account": account, "mode": int(livemode), "old_org": old[0], "old_connection": old[1]}
                writer.execute(_TAKE_OVER, **about, new_org=organization_id, new_connection=connection_id)
        writer.execute(_INSERT[writer.backend], **wanted._asdict())
        rows = writer.rows_by(account_routes, ("stripe_account", "livemode"), [(account, int(livemode))])
        return cast(AccountRoute, rows[0])

    return await context.till.write(work)


async def read_connection(context: FlowContext, organization_id: str, connection_id: str) -> Connection | None:
    """One connection as it is now, from a cold read."""
    rows = await asyncio.to_thread(
        context.database.read, _CONNECTION, {"org": organization_id, "connection": connection_id}
    )
    return Connection(*rows[0]) if rows else None


async def read_organization(context: FlowContext, organization_id: str) -> Organization | None:
    """One organization as it is now, from a cold read."""
    rows = await asyncio.to_thread(context.database.read, _ORGANIZATION, {"org": organization_id})
    return Organization(*rows[0]) if rows else None
