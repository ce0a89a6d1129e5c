"""The access token of a Stripe App for one call: as it is, or renewed first by the one who holds the lease.

1. Read what is kept. An access token with enough time left is opened and used; nobody waits for anything.
2. Else `TakeRefresh` says whose turn it is. Everybody else goes on with the old token while it is good, or waits.
3. The holder asks Stripe with the refresh token of that generation. Unclear answers are tried again within the lease.
4. `RecordPair` commits both new tokens, sealed; only then is one used. The work goes on when the caller leaves.
"""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any, NamedTuple

import structlog
from sqlalchemy import bindparam, select

from roony.core.app_token import LEASE, AppTokens, Step, is_usable, next_step
from roony.core.connection import Connection
from roony.core.duration import SECOND
from roony.core.errors import Refusal
from roony.flows.connection.app_tokens import RECONNECT, Ending, EndRefresh, RecordPair, TakeRefresh, Turn
from roony.flows.connection.restriction import RestrictConnection
from roony.flows.context import FlowContext
from roony.gateway import connect, issuing
from roony.gateway.client import ConnectionAccess, StripeGateway
from roony.gateway.connect import OAuthTokens
from roony.gateway.errors import (
    FailureKind,
    OAuthRefused,
    StripeCallFailed,
    StripeFailure,
    StripeForbidden,
    StripeUnauthorized,
    StripeUncertain,
)
from roony.gateway.pool import GatewayBusy
from roony.store.command import UNKNOWN_OUTCOME
from roony.store.tables import app_tokens, connection_secrets
from roony.store.vault import VaultError, VaultKeyMissing, row_name

log = structlog.get_logger("roony.connections")

# How often the holder asks Stripe within its lease, and the longest pause between, in seconds.
TRIES = 3
PAUSE = 1.0
# What one call may take, in seconds: its turn, connecting, reading, some to spare. None is begun that could outlast the
# lease.
CALL_SECONDS = 16.0
# How long a call waits for a token that somebody else is renewing, and how often it looks, in seconds.
WAIT_SECONDS = 12.0
LOOK_SECONDS = 0.1
# A pair that was issued and not yet committed is worth waiting for the database: so often, and so long at most between.
SAVE_TRIES = 120
SAVE_PAUSE = 5.0

_KEPT = (
    select(app_tokens, connection_secrets.c.sealed)
    .join(
        connection_secrets,
        (connection_secrets.c.organization_id == app_tokens.c.organization_id)
        & (connection_secrets.c.connection_id == app_tokens.c.connection_id)
        & (connection_secrets.c.name == "access_token"),
    )
    .where(app_tokens.c.organization_id == bindparam("org"), app_tokens.c.connection_id == bindparam("connection"))
)


class Granted(NamedTuple):
    """Access for one call, and the generation its token is of."""

    access: ConnectionAccess
    generation: int


async def app_access(context: FlowContext, connection: Connection, rejected: int | None = None) -> Granted:
    """Access with a token that should be good. `rejected` is the generation Stripe refused just now: another is wanted.

    Raises StripeUnauthorized when there is none to be had (code `reconnect_needed`, or `key_missing`), GatewayBusy
    when there is none for the moment, WrongMode when our key is of the other mode. Nothing was sent for the call.
    """
    context.gateway.refuse_other_mode(bool(connection.livemode))
    until = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < until:
        kept, sealed = await _read(context, connection)
        if kept is not None and sealed and next_step(kept, context.clock(), rejected) is Step.USE:
            return await _granted(context, connection, kept, sealed)
        turn = await _turn(context, connection, kept.generation if kept else 0, rejected)
        if turn.step is Step.USE and kept is not None and turn.generation == kept.generation:
            # By the clock of the books, which counts.
            return await _granted(context, connection, kept, sealed)
        if turn.step is Step.GONE:
            raise _no_token(RECONNECT, "There is no token for this account: its owner has to connect it again.")
        if turn.step is Step.LATER:
            raise GatewayBusy("the app's token could not be renewed just now")
        if turn.step is Step.WAIT:
            await asyncio.sleep(LOOK_SECONDS)
    raise GatewayBusy("the app's token is being renewed")


async def _turn(context: FlowContext, connection: Connection, generation: int, rejected: int | None) -> Turn:
    """Takes the lease and renews, if it is our turn; else what the books say. Raises GatewayBusy when the till is.

    A caller that leaves, leaves the work alone: a lease nobody holds on to, or a pair nobody keeps, would be lost.
    """
    work = asyncio.ensure_future(_take_and_renew(context, connection, generation, rejected))
    _running.add(work)
    work.add_done_callback(_finished)
    return await asyncio.shield(work)


async def _take_and_renew(context: FlowContext, connection: Connection, generation: int, rejected: int | None) -> Turn:
    org, id, began, holder = connection.organization_id, connection.id, time.monotonic(), context.new_id("ref")
    turn = await context.till.submit(TakeRefresh(org, id, holder, rejected))
    if turn == UNKNOWN_OUTCOME:
        # The lease may be ours, and nobody used it. Left alone it would run out, and the pair count as lost.
        await _save(context, connection, EndRefresh(org, id, holder, generation, "not_done", context.new_id("out")))
    if isinstance(turn, Refusal):
        raise GatewayBusy(turn.message)
    if turn.step is Step.REFRESH:
        await _renew(context, connection, holder, turn, began + LEASE / SECOND)
    return turn


# Refreshes that are under way; some outlive the call that began them.
_running: set[asyncio.Future[Any]] = set()


def _finished(work: asyncio.Future[Any]) -> None:
    _running.discard(work)
    if not work.cancelled() and (error := work.exception()) is not None and not isinstance(error, GatewayBusy):
        log.error("connection.renewal_failed", error=type(error).__name__)


async def finish_renewals(seconds: float) -> None:
    """Waits for renewals under way, before the till is closed: their pairs are still to be committed."""
    loop = asyncio.get_running_loop()
    under_way = {work for work in _running if work.get_loop() is loop}
    if under_way:
        await asyncio.wait(under_way, timeout=seconds)


async def _renew(context: FlowContext, connection: Connection, holder: str, turn: Turn, lease_until: float) -> None:
    """Holds the lease from here to its end: asks, and commits what came of it."""
    org, id, generation, asked_at = connection.organization_id, connection.id, turn.generation, context.clock()
    answer: OAuthTokens | Ending
    try:
        refresh_token = await _open(context, connection, "refresh_token", turn.refresh_token)
    except StripeUnauthorized:
        # Nothing was sent, and what is to be done is on record.
        answer = "not_done"
    else:
        answer = await _ask(context, connection, refresh_token, lease_until - CALL_SECONDS)
        if answer == "invalid_grant":
            answer = await _look(context, connection)
    if isinstance(answer, OAuthTokens):
        secrets = tuple(
            (name, context.vault.seal(token, _row(connection, name)))
            for name, token in (("access_token", answer.access_token), ("refresh_token", answer.refresh_token))
            if token
        )
        await _save(context, connection, RecordPair(org, id, holder, generation, asked_at, secrets))
    else:
        await _save(context, connection, EndRefresh(org, id, holder, generation, answer, context.new_id("out")))


async def _ask(
    context: FlowContext, connection: Connection, refresh_token: str, begin_until: float
) -> OAuthTokens | Ending:
    """Asks Stripe for the new pair. Only an unclear answer is followed by another try: the token may still be good."""
    unsure = False
    for number in range(TRIES):
        if number:
            await asyncio.sleep(random.uniform(PAUSE / 2, PAUSE))  # noqa: S311 - no secret
        try:
            found = await context.pool.run(_in_time, context.gateway, refresh_token, begin_until)
        except OAuthRefused as refused:
            log.warning("connection.renewal_refused", connection=connection.id, error=refused.error)
            if refused.error == "invalid_grant":
                # After an unclear answer it may only say that the token was used, by us.
                return "lost" if unsure else "invalid_grant"
            return "unsure" if unsure else "refused"
        except StripeUncertain as failed:
            log.warning("connection.renewal_unclear", connection=connection.id, error=str(failed)[:300])
            unsure = True
        except (StripeCallFailed, GatewayBusy) as failed:
            log.warning("connection.not_renewed", connection=connection.id, error=str(failed)[:300])
            ours = isinstance(failed, (StripeUnauthorized, StripeForbidden))
            return "unsure" if unsure else "refused" if ours else "not_done"
        else:
            if found.access_token and found.refresh_token and found.stripe_account == connection.stripe_account:
                return found
            log.error("connection.renewal_unreadable", connection=connection.id)
            return "lost"
    return "unsure"


async def _look(context: FlowContext, connection: Connection) -> Ending:
    """What a clean `invalid_grant` means: the end, unless the access token, while it has time left, still opens the
    account. Then the app is installed as before, and it is our key, of another platform by now, or the refresh token
    that is wrong; no card is canceled for that. A permission that is missing is asked of an app that is installed.
    """
    kept, sealed = await _read(context, connection)
    if kept is None or not sealed or not is_usable(kept, context.clock()):
        return "invalid_grant"
    try:
        granted = await _granted(context, connection, kept, sealed)
        await context.pool.run(issuing.retrieve_account, context.gateway, granted.access)
    except StripeUnauthorized:
        return "invalid_grant"
    except StripeForbidden as refused:
        return "invalid_grant" if refused.account_access_revoked else "lost"
    except (StripeCallFailed, GatewayBusy):
        return "unsure"
    return "lost"


def _in_time(gateway: StripeGateway, refresh_token: str, begin_until: float) -> OAuthTokens:
    """The call, on its thread; not begun where it could still be under way when the lease is over."""
    if time.monotonic() > begin_until:
        raise GatewayBusy("the lease is nearly over")
    return connect.refresh_app_tokens(gateway, refresh_token)


async def _save(context: FlowContext, connection: Connection, command: RecordPair | EndRefresh) -> None:
    """Commits the outcome, however long the till is busy or the database away: it is known nowhere else.

    What is said twice changes nothing: after the first time another holder, or none, has the lease.
    """
    for number in range(SAVE_TRIES):
        answer = await context.till.submit(command)
        if not isinstance(answer, Refusal):
            return
        log.warning("connection.renewal_not_saved", connection=connection.id, code=answer.code)
        await asyncio.sleep(min(SAVE_PAUSE, 0.1 * 2 ** min(number, 10)))
    log.error("connection.renewal_lost", connection=connection.id)


async def _read(context: FlowContext, connection: Connection) -> tuple[AppTokens | None, str]:
    """What is kept: tokens and sealed access token of the same commit."""
    rows = await asyncio.to_thread(
        context.database.read, _KEPT, {"org": connection.organization_id, "connection": connection.id}
    )
    return (AppTokens(*rows[0][:-1]), rows[0][-1]) if rows else (None, "")


async def _granted(context: FlowContext, connection: Connection, kept: AppTokens, sealed: str) -> Granted:
    token = await _open(context, connection, "access_token", sealed)
    access = ConnectionAccess("stripe_app", connection.stripe_account, bool(connection.livemode), token)
    return Granted(access, kept.generation)


async def _open(context: FlowContext, connection: Connection, name: str, sealed: str) -> str:
    """A token in clear. One that cannot be opened restricts the connection, with what to do about it."""
    try:
        return context.vault.open(sealed, _row(connection, name))
    except VaultKeyMissing as missing:
        code = "key_missing"
        words = f"The key {missing.key_id}, with which the app's tokens were sealed, is not in ROONY_SECRET_KEYS."
    except VaultError:
        code, words = "token_unreadable", "The app's stored tokens were changed, or belong to another row."
    log.error("connection.token_not_opened", connection=connection.id, code=code, words=words)
    await context.till.submit(RestrictConnection(connection.organization_id, connection.id, code, words))
    raise _no_token(code, words)


def _row(connection: Connection, name: str) -> bytes:
    return row_name("connection_secrets", connection.organization_id, connection.id, name)


def _no_token(code: str, words: str) -> StripeUnauthorized:
    """Nothing was sent; callers treat it like Stripe's own 401."""
    return StripeUnauthorized(StripeFailure(FailureKind.UNAUTHORIZED, None, code, words, None))
