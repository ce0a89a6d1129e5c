"""The checks of the installation itself; those of each connection are its preflight."""

from __future__ import annotations

import asyncio
import time

import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from roony.core.preflight import MISSING, OK, UNKNOWN, WARNING, Check
from roony.flows.context import FlowContext
from roony.flows.key_rotation import missing_keys
from roony.gateway.clock import stripe_time
from roony.gateway.pool import GatewayBusy
from roony.store.migrations import pending_revisions

log = structlog.get_logger("roony.doctor")

# Seconds: beyond the first a clock deserves a look, beyond the second signatures of Stripe's come close to too old.
SKEW_TO_TELL = 5
SKEW_TOO_MUCH = 120
PATIENCE_SECONDS = 5.0

# Standbys, and how many of them a commit waits for.
_STANDBYS = text("SELECT count(*), count(*) FILTER (WHERE sync_state IN ('sync', 'quorum')) FROM pg_stat_replication")
_COMMIT = text("SELECT current_setting('synchronous_commit')")


async def examine(context: FlowContext) -> list[Check]:
    """Database, schema, keys and clock, in the order in which they are to be mended."""
    looks = (_database(context), _schema(context), _standbys(context), _keys(context), _clock(context))
    return [check for checks in await asyncio.gather(*looks) for check in checks]


async def _database(context: FlowContext) -> list[Check]:
    kind = "SQLite" if context.database.is_sqlite else "PostgreSQL"
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await context.till.write(lambda _writer: None)
    except Exception as error:
        words = f"Nothing can be written to the database ({type(error).__name__})."
        return [Check("database", MISSING, words, "Look at Roony's log and at the database's.")]
    return [Check("database", OK, f"{kind} answers and takes writes.")]


async def _schema(context: FlowContext) -> list[Check]:
    try:
        behind = await asyncio.to_thread(pending_revisions, context.database)
    except (DBAPIError, OSError) as error:
        words = f"The schema could not be looked at ({type(error).__name__})."
        return [Check("schema", UNKNOWN, words, "Look at the database's log.")]
    if behind:
        return [Check("schema", MISSING, f"Steps to go: {', '.join(behind)}.", "Run: roony migrate")]
    return [Check("schema", OK, "The schema is the one of this Roony.")]


async def _standbys(context: FlowContext) -> list[Check]:
    """With several database nodes an approval may be sent only once a second one has it (promise P4)."""
    if context.database.is_sqlite:
        return []
    try:
        [(there, waited_for)] = await asyncio.to_thread(context.database.read, _STANDBYS)
        [(commit,)] = await asyncio.to_thread(context.database.read, _COMMIT)
    except (DBAPIError, ValueError) as error:
        words = f"The replication could not be looked at ({type(error).__name__})."
        return [Check("replication", UNKNOWN, words, "See yourself whether standbys are synchronous.")]
    after = "Set synchronous_standby_names, and leave synchronous_commit on."
    if commit in ("off", "local") and (there or commit == "off"):
        return [Check("replication", MISSING, f"synchronous_commit is {commit}: commits may be lost.", after)]
    if there and not waited_for:
        words = f"Standbys: {there}, none of them synchronous: a failover may lose what was approved."
        return [Check("replication", MISSING, words, after)]
    words = f"Standbys: {there}, synchronous: {waited_for}." if there else "No standby is connected."
    return [Check("replication", OK, words)]


async def _keys(context: FlowContext) -> list[Check]:
    absent = await missing_keys(context)
    if not absent:
        return [Check("secret_keys", OK, "Every sealed value can be opened.")]
    words = ", ".join(f"{key_id} ({count} values)" for key_id, count in absent.items())
    return [
        Check("secret_keys", MISSING, f"Keys that are not there: {words}.", "Put them back into ROONY_SECRET_KEYS.")
    ]


async def _clock(context: FlowContext) -> list[Check]:
    try:
        theirs = await context.pool.run(stripe_time, context.gateway)
    except GatewayBusy:
        theirs = None
    if theirs is None:
        words = "Stripe did not answer, so the clock could not be compared."
        return [Check("clock", UNKNOWN, words, "See that this machine reaches Stripe (STRIPE_API_BASE).")]
    skew = round(time.time() - theirs)
    after = "Let the machine keep its clock (NTP)."
    if abs(skew) > SKEW_TOO_MUCH:
        return [Check("clock", MISSING, f"The clock is {skew} s off: Stripe's signatures look too old.", after)]
    if abs(skew) > SKEW_TO_TELL:
        return [Check("clock", WARNING, f"The clock is {skew} s off.", after)]
    return [Check("clock", OK, "The clock is right.")]
