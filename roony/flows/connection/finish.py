"""The way back from Stripe: the state is used up first, then the code is exchanged once and never again."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

import structlog
from sqlalchemy import bindparam, select, update

from roony.core.connection import Connection
from roony.core.errors import Refusal
from roony.core.hashing import text_hash
from roony.flows.connection.account_status import see
from roony.flows.connection.activation import EndPending, Granted, activate, card_currency
from roony.flows.connection.routing import read_connection, route_of
from roony.flows.context import FlowContext
from roony.gateway import connect
from roony.gateway.client import ConnectionAccess
from roony.gateway.connect import OAuthTokens
from roony.gateway.errors import OAuthRefused, StripeCallFailed
from roony.gateway.pool import GatewayBusy
from roony.store.rows import OAuthState
from roony.store.tables import oauth_states
from roony.store.writer import Writer

log = structlog.get_logger("roony.connections")

# Who acts in the browser that the start link opened.
OWNER = "owner"
# What Stripe must have granted: Connect's scope to read and to write; an app's scope is always this word, and what it
# may do is in its manifest (facts 6.2, 6.3).
SCOPES = {"connect": "read_write", "stripe_app": "stripe_apps"}

STATE_INVALID = Refusal(
    "state_invalid",
    "This answer from Stripe does not belong to a connection you are making in this browser, was used before, or came"
    " later than 10 minutes. Start again with a new link.",
    400,
)
REFUSED_AT_STRIPE = Refusal("refused_at_stripe", "The access was not granted at Stripe. Nothing was connected.", 400)
CODE_REFUSED = Refusal(
    "code_refused",
    "Stripe did not accept the code: it was used before or is older than 5 minutes. Nothing was"
    " connected. Start again with a new link.",
    400,
)
STRIPE_UNAVAILABLE = Refusal(
    "stripe_unavailable", "Stripe did not answer clearly. Nothing was connected. Start again with a new link.", 502
)
BUSY = Refusal("busy", "Too much is waiting. Nothing was connected. Start again with a new link.", 503)
WRONG_MODE = Refusal(
    "wrong_mode", "The account was connected in the other mode (test or live) than this installation works in.", 409
)
SCOPE_TOO_SMALL = Refusal(
    "scope_too_small", "Stripe granted reading only; making cards needs reading and writing.", 409
)
TOKENS_MISSING = Refusal(
    "tokens_missing", "Stripe's answer lacks the tokens of an app. Nothing was connected. Install it again.", 502
)

# One use each, whatever comes of it.
_EXCHANGE = {"connect": connect.exchange_code, "stripe_app": connect.exchange_app_code}
_STATE = select(oauth_states).where(oauth_states.c.hash == bindparam("hashed"))
_CONSUME = (
    update(oauth_states)
    .where(
        oauth_states.c.hash == bindparam("hashed"),
        oauth_states.c.cookie_hash == bindparam("cookie"),
        oauth_states.c.consumed_at.is_(None),
        oauth_states.c.expires_at > bindparam("now"),
    )
    .values(consumed_at=bindparam("now"))
)


class Callback(NamedTuple):
    """What the browser brought back: the state, our cookie, and either a code or Stripe's error word."""

    state: str
    cookie: str | None
    code: str | None
    error: str | None


async def finish(context: FlowContext, callback: Callback) -> Connection | Refusal:
    """Ends one OAuth round trip.

    1. The state is used up in a commit of its own; whoever does not change exactly one row gets no further.
    2. A refusal at Stripe ends the pending connection.
    3. The code is exchanged, once, at the address for the connection's kind. Stripe revokes the connection when a code
       comes twice, so nothing here is ever repeated: after a crash or an unclear answer the owner starts again.
    4. Mode and scope are checked; the account is claimed, the tokens sealed, the connection activated.
    """
    state = await _consume(context, callback.state, callback.cookie)
    if state is None:
        return STATE_INVALID
    started = await read_connection(context, state.organization_id, state.connection_id)
    if started is None or started.status != "pending":
        return STATE_INVALID
    if callback.code is None:
        log.info("connection.refused_at_stripe", connection=started.id, error=callback.error)
        return await _not_connected(context, started, REFUSED_AT_STRIPE)
    asked_at = context.clock()
    try:
        tokens = await context.pool.run(_EXCHANGE[started.kind], context.gateway, callback.code)
    except OAuthRefused as refused:
        log.warning("connection.code_refused", connection=started.id, error=refused.error)
        return await _not_connected(context, started, CODE_REFUSED)
    except StripeCallFailed as failed:
        log.warning("connection.code_not_exchanged", connection=started.id, error=str(failed)[:300])
        return await _not_connected(context, started, STRIPE_UNAVAILABLE)
    except GatewayBusy:
        return await _not_connected(context, started, BUSY)
    return await _take_up(context, started, tokens, asked_at)


async def _consume(context: FlowContext, state: str, cookie: str | None) -> OAuthState | None:
    """Uses the state up; None unless it is ours, fresh, unused and came with the cookie of its browser."""
    if cookie is None:
        return None
    hashed, cookie_hash, now = text_hash(state), text_hash(cookie), context.clock()
    # Looked up before the writer is troubled: anybody can call this address.
    rows = await asyncio.to_thread(context.database.read, _STATE, {"hashed": hashed})
    if not rows:
        return None

    def work(writer: Writer) -> bool:
        changed = writer.execute(_CONSUME, hashed=hashed, cookie=cookie_hash, now=now).rowcount
        return bool(changed == 1)

    return OAuthState(*rows[0]) if await context.till.write(work) else None


async def _not_connected(context: FlowContext, started: Connection, refusal: Refusal) -> Refusal:
    await context.till.submit(EndPending(started.organization_id, started.id, refusal.code, OWNER))
    return refusal


async def _take_up(
    context: FlowContext, started: Connection, tokens: OAuthTokens, asked_at: int
) -> Connection | Refusal:
    """What follows an exchange that worked; it was asked for at `asked_at` (microseconds)."""
    refusal = _unusable(context, started, tokens)
    if refusal is not None:
        log.warning("connection.not_usable", connection=started.id, code=refusal.code, livemode=tokens.livemode)
        if started.kind == "connect":
            await _let_go(context, tokens.stripe_account)
        return await _not_connected(context, started, refusal)
    is_app = started.kind == "stripe_app"
    access = ConnectionAccess(
        "stripe_app" if is_app else "connect",
        tokens.stripe_account,
        tokens.livemode,
        tokens.access_token if is_app else None,
    )
    currency, seen = started.currency, None
    try:
        account, seen = await see(context, access)
        currency = card_currency(account, started.currency)
    except (StripeCallFailed, GatewayBusy) as error:
        # The code is spent: better active with the organization's currency than lost.
        log.warning("connection.account_not_read", connection=started.id, error=str(error)[:300])
    pair = {"access_token": tokens.access_token, "refresh_token": tokens.refresh_token}
    kept = {name: token for name, token in pair.items() if token}
    granted = Granted(tokens.stripe_account, tokens.livemode, currency, seen, tokens.scope, kept, asked_at)
    return await activate(context, started, granted, OWNER)


def _unusable(context: FlowContext, started: Connection, tokens: OAuthTokens) -> Refusal | None:
    """Why what was granted cannot be used. An app that is installed all the same stays so: only its owner can
    uninstall it (facts 6.3)."""
    if tokens.livemode != context.gateway.livemode:
        return WRONG_MODE
    if tokens.scope != SCOPES[started.kind]:
        return SCOPE_TOO_SMALL
    if started.kind == "stripe_app" and not (tokens.access_token and tokens.refresh_token):
        return TOKENS_MISSING
    return None


async def _let_go(context: FlowContext, account: str) -> None:
    """Gives the access back, unless somebody here lives by it: deauthorizing is for the whole platform."""
    for livemode in (False, True):
        if await asyncio.to_thread(route_of, context, account, livemode) is not None:
            return
    try:
        await context.pool.run(connect.deauthorize, context.gateway, account)
    except (StripeCallFailed, GatewayBusy) as error:
        log.warning("connection.not_deauthorized", account=account, error=str(error)[:300])
