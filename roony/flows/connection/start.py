"""The way into a connection: a one-time start link for the owner, and the state of one OAuth round trip."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import bindparam, select, update

from roony.core.connection import KINDS, Connection
from roony.core.duration import MINUTE
from roony.core.errors import Refusal, not_found
from roony.core.hashing import text_hash
from roony.flows.connection.cardholder_rows import default_params
from roony.flows.connection.direct import connect_direct
from roony.flows.connection.routing import read_connection, read_organization, would_mix_modes
from roony.flows.context import FlowContext
from roony.gateway import connect
from roony.store.authority import Authority
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs
from roony.store.rows import OAuthState, StartTicket
from roony.store.tables import oauth_states, start_tickets
from roony.store.writer import Writer

# How long a start link and the state of a round trip are good, in microseconds.
TICKET_LIFETIME = 10 * MINUTE
STATE_LIFETIME = 10 * MINUTE
# 256 random bits: nobody guesses one in ten minutes.
SECRET_BYTES = 32
CALLBACK_PATH = "/connect/stripe/callback"

LINK_INVALID = Refusal(
    "link_invalid", "This link is unknown, was opened before, or is older than 10 minutes. Ask for a new one.", 400
)
OTHER_ORGANIZATION = Refusal(
    "other_organization",
    "This link is of another organization than the one you are signed in to: the account would be theirs to spend from."
    " Nothing was connected, and the link was not used up. Sign out first if that is what you want.",
    409,
)
CONNECT_NOT_CONFIGURED = Refusal(
    "connect_not_configured",
    "STRIPE_CONNECT_CLIENT_ID is not set, so no account can be connected by OAuth.",
    422,
    "kind",
)
APP_NOT_CONFIGURED = Refusal(
    "app_not_configured", "STRIPE_APP_CLIENT_ID is not set, so no Stripe App can be installed.", 422, "kind"
)

_TICKET = select(start_tickets).where(start_tickets.c.hash == bindparam("hashed"))
_USE_TICKET = (
    update(start_tickets)
    .where(
        start_tickets.c.hash == bindparam("hashed"),
        start_tickets.c.used_at.is_(None),
        start_tickets.c.expires_at > bindparam("now"),
    )
    .values(used_at=bindparam("now"))
)


class Started(NamedTuple):
    """A connection that began. `url` is the one-time start link, None when there is nothing to open (`direct`)."""

    connection: Connection
    url: str | None


class Opened(NamedTuple):
    """Where the browser goes next, and the value of the cookie it must bring back."""

    authorize_url: str
    cookie: str


@dataclass(frozen=True, slots=True)
class StartConnection(Command[Connection]):
    """A pending connection and the ticket of its start link, of which only the hash is kept."""

    organization_id: str
    connection: Connection
    ticket_hash: str
    actor: str

    def needs(self, now: int) -> Needs:
        """Nothing: both rows are new."""
        return Needs()

    def apply(self, book: Book, now: int) -> Connection:
        """Writes both."""
        connection = self.connection._replace(created_at=now, updated_at=now)
        book.put(connection)
        book.put(StartTicket(self.ticket_hash, self.organization_id, connection.id, now + TICKET_LIFETIME, None))
        book.record(
            self.organization_id, self.actor, "connection.started", connection.id, {"kind": connection.kind}, now
        )
        return connection


async def start_connection(
    context: FlowContext, organization_id: str, kind: str, actor: str, by: Authority | None = None,
    reached_at: str | None = None,
) -> Started | Refusal:  # fmt: skip
    """Begins to connect an account. `connect` and `stripe_app` give a start link, good once and for 10 minutes;
    `direct` is done at once with the key from the environment. Refuses where test and live money would mix.

    `reached_at` is where whoever asks reaches Roony, where that is not the public address.
    """
    if kind not in KINDS:
        return Refusal("invalid_kind", f"The kind of a connection is one of {', '.join(KINDS)}.", 422, "kind")
    if await asyncio.to_thread(would_mix_modes, context, organization_id, context.gateway.livemode):
        return _mixed(context.gateway.livemode)
    if kind == "direct":
        connected = await connect_direct(context, organization_id, actor, by)
        return connected if isinstance(connected, Refusal) else Started(connected, None)
    client_id = _client_id(context, kind)
    if isinstance(client_id, Refusal):
        return client_id
    organization = await read_organization(context, organization_id)
    if organization is None:
        return not_found("organization", organization_id)
    id, livemode = context.new_id("con"), context.gateway.livemode
    params = default_params(organization, id, livemode, organization.currency)
    if isinstance(params, Refusal):
        return params
    ticket = secrets.token_urlsafe(SECRET_BYTES)
    connection = Connection(
        organization_id,
        id,
        kind,
        "pending",
        None,
        int(livemode),
        None,
        organization.currency,
        None,
        0,
        0,
    )
    answer = await context.till.submit(StartConnection(organization_id, connection, text_hash(ticket), actor), by=by)
    if isinstance(answer, Refusal):
        return answer
    return Started(answer, f"{reached_at or context.public_url()}/connect/stripe?ticket={ticket}")


async def open_ticket(
    context: FlowContext, ticket: str, signed_in_to: str | None = None, reached_at: str | None = None
) -> Opened | Refusal:
    """Uses the start link up and begins a round trip: a fresh state, bound to a fresh cookie, both kept as hashes.

    `signed_in_to` is the organization of whoever opens it, if that is known: they connect nothing to another one, which
    may have sent them the link. `reached_at` is by which address they come back, where that is not the public one.
    """
    hashed = text_hash(ticket)
    # Looked up before the writer is troubled: anybody can send us tickets.
    rows = await asyncio.to_thread(context.database.read, _TICKET, {"hashed": hashed})
    if not rows:
        return LINK_INVALID
    found = StartTicket(*rows[0])
    if signed_in_to not in (None, found.organization_id):
        return OTHER_ORGANIZATION
    started = await read_connection(context, found.organization_id, found.connection_id)
    if started is None:
        return LINK_INVALID
    client_id = _client_id(context, started.kind)
    if isinstance(client_id, Refusal):
        return client_id
    state, cookie = secrets.token_urlsafe(SECRET_BYTES), secrets.token_urlsafe(SECRET_BYTES)
    now = context.clock()
    row = OAuthState(
        text_hash(state), text_hash(cookie), found.organization_id, found.connection_id, now + STATE_LIFETIME, None
    )

    def work(writer: Writer) -> bool:
        if writer.execute(_USE_TICKET, hashed=hashed, now=now).rowcount != 1:
            return False
        writer.write_rows(oauth_states, [row])
        return True

    if not await context.till.write(work):
        return LINK_INVALID
    authorize_url = connect.app_authorize_url if started.kind == "stripe_app" else connect.authorize_url
    back = f"{reached_at or context.public_url()}{CALLBACK_PATH}"
    url = authorize_url(context.gateway, client_id, back, state)
    return Opened(url, cookie)


def _client_id(context: FlowContext, kind: str) -> str | Refusal:
    """The id under which Stripe knows us for this kind of OAuth."""
    if kind == "stripe_app":
        return context.gateway.app_client_id or APP_NOT_CONFIGURED
    return context.gateway.connect_client_id or CONNECT_NOT_CONFIGURED


def _mixed(livemode: bool) -> Refusal:
    here, there = ("live", "test") if livemode else ("test", "live")
    sentence = (
        f"Roony's Stripe key is of {here} mode, and this organization's books have cards of {there} mode: its budgets"
        f" and reports would count both as one. Use another database for {here} mode, or another organization."
    )
    return Refusal("wrong_mode", sentence, 409)
