"""Calling Stripe on behalf of a connection: whose key goes with a call, and the one way every such call is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Concatenate, Literal, ParamSpec, TypeVar, cast

from roony.core.connection import Connection
from roony.flows.context import FlowContext
from roony.gateway.client import ConnectionAccess, StripeGateway

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
    ValueError for a connection without an account.
    """
    return await context.pool.run(call, context.gateway, access_of(connection), *args, **kwargs)


def access_of(connection: Connection) -> ConnectionAccess:
    """On whose behalf a call for this connection is made. Raises ValueError for one without an account yet.

    Connect calls go with the platform's key and `Stripe-Account`: the stored tokens are deprecated (facts 6.2).
    """
    if connection.kind not in ("connect", "direct"):
        raise ValueError(f"connections of the kind {connection.kind} cannot be used yet")
    kind = cast(Literal["connect", "direct"], connection.kind)
    return ConnectionAccess(kind, connection.stripe_account, bool(connection.livemode))
