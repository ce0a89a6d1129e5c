"""An installed Stripe App for tests: connected through the simulator, and what Stripe saw of its tokens."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import parse_qs, urlsplit

from roony.core.connection import Connection
from roony.flows import connection as flow
from roony.flows.context import FlowContext
from roony.store.rows import ConnectionSecret
from roony.store.vault import row_name
from tests.support.books import ORG, Books
from tests.support.simulator import SimulatorProcess

PAGE = "/oauth/v2/authorize"


async def install(
    context: FlowContext, simulator: SimulatorProcess, organization_id: str = ORG, **form: str
) -> Connection:
    """The owner installs the app on a new business, or on the `account` of the form."""
    begun = await flow.start_connection(context, organization_id, "stripe_app", "usr_1")
    assert isinstance(begun, flow.Started), begun
    ticket = parse_qs(urlsplit(str(begun.url)).query)["ticket"][0]
    link = await flow.open_ticket(context, ticket)
    assert isinstance(link, flow.Opened), link
    asked = parse_qs(urlsplit(link.authorize_url).query)
    back = simulator.redirect({"action": "approve", **form}, PAGE, state=asked["state"][0])
    code = parse_qs(urlsplit(back).query)["code"][0]
    done = await flow.finish(context, flow.Callback(asked["state"][0], link.cookie, code, None))
    assert isinstance(done, Connection), done
    return done


def token_of(context: FlowContext, books: Books, connection: Connection, name: str = "refresh_token") -> str:
    """A stored token in clear; empty when it was erased."""
    row: ConnectionSecret = books.row(ConnectionSecret, connection_id=connection.id, name=name)
    bound = row_name("connection_secrets", row.organization_id, row.connection_id, name)
    return context.vault.open(row.sealed, bound) if row.sealed else ""


def refreshes(simulator: SimulatorProcess) -> list[dict[str, Any]]:
    """Every refresh that came to Stripe."""
    found = simulator.control("state")["oauth_exchanges"]
    return [one for one in found if one["grant_type"] == "refresh_token"]


def presented(simulator: SimulatorProcess, secret: str) -> list[str]:
    """What came of a code or a refresh token each time it was presented at Stripe."""
    hashed = hashlib.sha256(secret.encode()).hexdigest()
    return [one["result"] for one in simulator.control("state")["oauth_exchanges"] if one["presented"] == hashed]
