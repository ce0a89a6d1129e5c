"""Calling Stripe on behalf of a connection: whose key goes with a call, and the one way every such call is made.

A refusal says something of the connection itself, whatever was asked: a key that is not accepted and a permission that
is missing restrict it, an account that is no longer ours to act for revokes it (design section 9).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Concatenate, Literal, ParamSpec, TypeVar, cast

from roony.core.connection import STANDING, Connection
from roony.core.errors import Refusal
from roony.flows.connection.restriction import RestrictConnection
from roony.flows.connection.revocation import RevokeConnection
from roony.flows.context import FlowContext
from roony.gateway.client import ConnectionAccess, StripeGateway
from roony.gateway.errors import StripeForbidden, StripeUnauthorized
from roony.store.command import Command

P = ParamSpec("P")
T = TypeVar("T")


async def ask_stripe(
    context: FlowContext,
    connection: Connection,
    call: Callable[Concatenate[StripeGateway, ConnectionAccess, P], T],
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """Runs `call(gateway, access, …)` on a thread of the gateway's pool and returns its answer.

    Every call for a connection goes through here. Raises StripeCallFailed and GatewayBusy as the call does, and
    ValueError for a connection without an account. What a 401 or 403 means for the connection is recorded first.
    """
    try:
        return await context.pool.run(call, context.gateway, access_of(connection), *args, **kwargs)
    except (StripeUnauthorized, StripeForbidden) as error:
        await _take_to_heart(context, connection, error)
        raise


async def _take_to_heart(
    context: FlowContext, connection: Connection, error: StripeUnauthorized | StripeForbidden
) -> None:
    """Nothing is canceled for a key or a permission; only an account that is not ours any more ends its connection."""
    if connection.status not in STANDING:
        return
    org, id = connection.organization_id, connection.id
    command: Command[Connection | Refusal]
    if isinstance(error, StripeForbidden) and error.account_access_revoked:
        reason = "Stripe no longer gives access to the account"
        command = RevokeConnection(org, id, reason, "stripe", context.new_id("out"))
    elif isinstance(error, StripeForbidden):
        command = RestrictConnection(org, id, "permission_missing", f"Stripe refused: {error.failure.message}")
    else:
        command = RestrictConnection(org, id, "key_refused", f"Stripe refused the key: {error.failure.message}")
    await context.till.submit(command)


def access_of(connection: Connection) -> ConnectionAccess:
    """On whose behalf a call for this connection is made. Raises ValueError for one without an account yet.

    Connect calls go with the platform's key and `Stripe-Account`: the stored tokens are deprecated (facts 6.2).
    """
    if connection.kind not in ("connect", "direct"):
        raise ValueError(f"connections of the kind {connection.kind} cannot be used yet")
    kind = cast(Literal["connect", "direct"], connection.kind)
    return ConnectionAccess(kind, connection.stripe_account, bool(connection.livemode))
