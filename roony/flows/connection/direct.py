"""A direct connection: the account of our own key from the environment, with nothing stored that is secret."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog

from roony.core.agent import Organization
from roony.core.connection import STANDING, Connection
from roony.core.errors import Refusal, not_found
from roony.flows.connection.account_status import see
from roony.flows.connection.activation import ACCOUNT_TAKEN, Granted, activate, card_currency, others_of_key
from roony.flows.connection.cardholder_rows import default_params
from roony.flows.connection.routing import direct_connections, read_connection, read_organization, route_of
from roony.flows.context import FlowContext
from roony.gateway.client import ConnectionAccess
from roony.gateway.errors import StripeCallFailed
from roony.gateway.pool import GatewayBusy
from roony.store.authority import Authority
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs

log = structlog.get_logger("roony.connections")

STRIPE_UNAVAILABLE = Refusal("stripe_unavailable", "Stripe did not answer. Try again in a moment.", 502)
DIRECT_TAKEN = Refusal(
    "direct_taken",
    "Another organization is connected directly: the key of an installation is one organization's. Disconnect it there"
    " first, or connect this one with Connect.",
    409,
    "kind",
)


@dataclass(frozen=True, slots=True)
class StartDirect(Command[Connection]):
    """A pending row for the account of our own key; it becomes active once the account is claimed."""

    organization_id: str
    connection: Connection
    actor: str

    def needs(self, now: int) -> Needs:
        """Nothing: the row is new."""
        return Needs()

    def apply(self, book: Book, now: int) -> Connection:
        """Writes it."""
        connection = self.connection._replace(created_at=now, updated_at=now)
        book.put(connection)
        book.record(self.organization_id, self.actor, "connection.started", connection.id, {"kind": "direct"}, now)
        return connection


async def connect_direct(
    context: FlowContext, organization_id: str, actor: str, by: Authority | None = None
) -> Connection | Refusal:
    """Connects the account of our own key; asked again for the same organization, it resumes or changes nothing.

    1 ask Stripe whose key it is · 2 refuse while another organization is connected directly · 3 a connection that
    holds the account already is taken up, else one is begun · 4 claim the account and activate; direct connections to
    other accounts, whose key it was before, end.
    """
    organization = await read_organization(context, organization_id)
    if organization is None:
        return not_found("organization", organization_id)
    livemode = context.gateway.livemode
    try:
        account, seen = await see(context, ConnectionAccess("direct", None, livemode))
    except (StripeCallFailed, GatewayBusy) as error:
        log.warning("connection.account_not_read", error=str(error)[:300])
        return STRIPE_UNAVAILABLE
    id = str(account["id"])
    for direct in await asyncio.to_thread(direct_connections, context, livemode):
        if direct.status in STANDING and direct.organization_id != organization_id:
            return ACCOUNT_TAKEN if direct.stripe_account == id else DIRECT_TAKEN
    held = await _held(context, organization_id, id, livemode)
    others = await others_of_key(context, organization_id, id, livemode)
    if held is not None and held.status == "active" and not others:
        return held
    if held is None:
        begun = await _begin(context, organization, livemode, actor, by)
        if isinstance(begun, Refusal):
            return begun
        held = begun
    currency = card_currency(account, organization.currency)
    return await activate(context, held, Granted(id, livemode, currency, seen), actor)


async def _held(context: FlowContext, organization_id: str, account: str, livemode: bool) -> Connection | None:
    """The organization's direct connection that holds this account already, whatever became of it."""
    route = await asyncio.to_thread(route_of, context, account, livemode)
    if route is None or route.organization_id != organization_id:
        return None
    held = await read_connection(context, organization_id, route.connection_id)
    return held if held is not None and held.kind == "direct" and held.stripe_account is not None else None


async def _begin(
    context: FlowContext, organization: Organization, livemode: bool, actor: str, by: Authority | None
) -> Connection | Refusal:
    id = context.new_id("con")
    params = default_params(organization, id, livemode, organization.currency)
    if isinstance(params, Refusal):
        return params
    pending = Connection(
        organization.id,
        id,
        "direct",
        "pending",
        None,
        int(livemode),
        None,
        organization.currency,
        None,
        0,
        0,
    )
    return await context.till.submit(StartDirect(organization.id, pending, actor), by=by)
