"""Calling Stripe on behalf of a connection: whose key goes with a call, and the one way every such call is made.

A refusal says something of the connection itself, whatever was asked: a key that is not accepted and a permission that
is missing restrict it, an account that is no longer ours to act for revokes it (design section 9).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Concatenate, Literal, ParamSpec, TypeVar, cast

import structlog

from roony.core.connection import STANDING, Connection
from roony.core.errors import Refusal
from roony.flows.connection.app_access import app_access
from roony.flows.connection.app_tokens import RefuseTokens
from roony.flows.connection.restriction import RestrictConnection
from roony.flows.connection.revocation import RevokeConnection
from roony.flows.context import FlowContext
from roony.gateway import issuing
from roony.gateway.client import ConnectionAccess, StripeGateway
from roony.gateway.errors import FailureKind, StripeCallFailed, StripeFailure, StripeForbidden, StripeUnauthorized
from roony.gateway.pool import GatewayBusy
from roony.store.command import Command

log = structlog.get_logger("roony.connections")

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
    ValueError for a connection without an account. What a 401 or 403 means for the connection is recorded first. A key
    of the other mode counts as one that Stripe refuses; nothing is sent with it.
    """
    if bool(connection.livemode) != context.gateway.livemode:
        raise await _of_other_mode(context, connection)
    run = _run_as_app if connection.kind == "stripe_app" else _run
    try:
        return await run(context, connection, call, *args, **kwargs)
    except (StripeUnauthorized, StripeForbidden) as error:
        await _take_to_heart(context, connection, error)
        raise


async def _run(
    context: FlowContext,
    connection: Connection,
    call: Callable[Concatenate[StripeGateway, ConnectionAccess, P], T],
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    return await context.pool.run(call, context.gateway, access_of(connection), *args, **kwargs)


async def _run_as_app(
    context: FlowContext,
    connection: Connection,
    call: Callable[Concatenate[StripeGateway, ConnectionAccess, P], T],
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """With the app's access token. One that Stripe refuses is renewed, and the same call, with the same idempotency
    key, is made once more; when that one is refused too, only the owner can help.
    """
    granted = await app_access(context, connection)
    try:
        return await context.pool.run(call, context.gateway, granted.access, *args, **kwargs)
    except StripeUnauthorized as refused:
        log.warning("connection.token_refused", connection=connection.id, request_id=refused.failure.request_id)
    newer = await app_access(context, connection, granted.generation)
    try:
        return await context.pool.run(call, context.gateway, newer.access, *args, **kwargs)
    except StripeUnauthorized:
        await context.till.submit(RefuseTokens(connection.organization_id, connection.id, newer.generation))
        raise


async def _of_other_mode(context: FlowContext, connection: Connection) -> StripeUnauthorized:
    """The installation went from test to live, or back: connections of the mode before wait until its key is back."""
    key, own = ("live", "test") if context.gateway.livemode else ("test", "live")
    words = f"Roony's Stripe key is of {key} mode, the account was connected in {own} mode."
    org, id = connection.organization_id, connection.id
    await context.till.submit(RestrictConnection(org, id, "key_refused", words, asked_for=connection))
    return StripeUnauthorized(StripeFailure(FailureKind.UNAUTHORIZED, None, "wrong_mode", words, None))


async def _take_to_heart(
    context: FlowContext, connection: Connection, error: StripeUnauthorized | StripeForbidden
) -> None:
    """Nothing is canceled for a key or a permission; only an account that is not ours any more ends its connection."""
    if connection.status not in STANDING:
        return
    if connection.kind == "stripe_app" and isinstance(error, StripeUnauthorized):
        # Not our key but the app's token; what that means is recorded where it was found out.
        return
    org, id = connection.organization_id, connection.id
    command: Command[Connection | Refusal]
    if isinstance(error, StripeForbidden) and error.account_access_revoked:
        command = await _lost(context, connection, error)
    elif isinstance(error, StripeForbidden):
        words = f"Stripe refused: {error.failure.message}"
        command = RestrictConnection(org, id, "permission_missing", words, asked_for=connection)
    else:
        words = f"Stripe refused the key: {error.failure.message}"
        command = RestrictConnection(org, id, "key_refused", words, asked_for=connection)
    await context.till.submit(command)


async def _lost(context: FlowContext, connection: Connection, error: StripeForbidden) -> Command[Connection | Refusal]:
    """Stripe answers the same to a key of another platform or sandbox: only what is told to the platform that the
    account was connected to ends the connection."""
    org, id = connection.organization_id, connection.id
    if connection.kind == "connect":
        ours = await own_account(context)
        if ours is None or ours != connection.platform_account:
            words = f"Stripe gives Roony's key ({ours or 'whose is not known'}) no access: {error.failure.message}"
            return RestrictConnection(org, id, "key_refused", words, asked_for=connection)
    reason = "Stripe no longer gives access to the account"
    return RevokeConnection(org, id, reason, "stripe", context.new_id("out"), asked_for=connection)


async def own_account(context: FlowContext) -> str | None:
    """The account our own key is of; None when Stripe does not say."""
    access = ConnectionAccess("direct", None, context.gateway.livemode)
    try:
        account = await context.pool.run(issuing.retrieve_account, context.gateway, access)
    except (StripeCallFailed, GatewayBusy) as error:
        log.warning("connection.own_account_not_read", error=str(error)[:300])
        return None
    id = account.get("id")
    return id if isinstance(id, str) else None


def access_of(connection: Connection) -> ConnectionAccess:
    """On whose behalf a call for this connection is made. Raises ValueError for one without an account yet.

    Connect calls go with the platform's key and `Stripe-Account`: the stored tokens are deprecated (facts 6.2). An
    app's calls go with its access token instead (`app_access`).
    """
    if connection.kind not in ("connect", "direct"):
        raise ValueError(f"{connection.kind} connections act with a token of their own")
    kind = cast(Literal["connect", "direct"], connection.kind)
    return ConnectionAccess(kind, connection.stripe_account, bool(connection.livemode))
