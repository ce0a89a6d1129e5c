"""The checks of the installation itself; those of each connection are its preflight."""

from __future__ import annotations

import asyncio
import time

import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from roony.core.preflight import MISSING, OK, UNKNOWN, WARNING, Check
from roony.flows.checkpoint import signing_trouble
from roony.flows.context import FlowContext
from roony.flows.doctor.installation import (
    Installation,
    Seen,
    old_keys,
    present,
    proxies,
    public_url,
    retention,
    secrets,
    signatures,
    versions,
)
from roony.flows.doctor.machine import machine, takes_writes
from roony.flows.doctor.work import work
from roony.flows.key_rotation import missing_keys
from roony.gateway.clock import stripe_time
from roony.gateway.pool import GatewayBusy
from roony.store.migrations import pending_revisions
from roony.store.queries.own_work import serves_several

log = structlog.get_logger("roony.doctor")

# Seconds: beyond the first a clock deserves a look, beyond the second signatures of Stripe's come close to too old.
SKEW_TO_TELL = 5
SKEW_TOO_MUCH = 120

# Standbys, and how many of them a commit waits for.
_STANDBYS = text("SELECT count(*), count(*) FILTER (WHERE sync_state IN ('sync', 'quorum')) FROM pg_stat_replication")
_COMMIT = text("SELECT current_setting('synchronous_commit')")


async def examine(context: FlowContext, organization_id: str, installation: Installation, seen: Seen) -> list[Check]:
    """Everything about this installation, in the order in which it is to be mended; one that breaks is `unknown`.

    `seen` is how the request for it came. Keys and events are those of the organization.
    """
    looks = {
        "database": takes_writes(context), "schema": _schema(context), "machine": machine(context),
        "replication": _standbys(context), "secret_keys": _keys(context), "audit_signing": _signing(context),
        "stripe": _stripe(context),
        "work": work(context, organization_id), "access_keys": old_keys(context, organization_id),
    }  # fmt: skip
    found = dict(zip(looks, await asyncio.gather(*looks.values(), return_exceptions=True), strict=True))
    plain = [
        *versions(context), *public_url(context), *proxies(seen), *secrets(installation, present()),
        *signatures(seen),
        *retention(context),
    ]  # fmt: skip
    return [*plain, *(check for id, checks in found.items() for check in _or_unknown(id, checks))]


def _or_unknown(id: str, checks: list[Check] | BaseException) -> list[Check]:
    if not isinstance(checks, BaseException):
        return checks
    log.warning("doctor.not_looked", check=id, error=type(checks).__name__)
    words = f"This could not be looked at ({type(checks).__name__})."
    return [Check(id, UNKNOWN, words, "Mend what is missing above, and look again.")]


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
    # How much was sealed is everybody's together.
    several = await asyncio.to_thread(serves_several, context.database)
    words = ", ".join(key_id if several else f"{key_id} ({count} values)" for key_id, count in absent.items())
    return [
        Check("secret_keys", MISSING, f"Keys that are not there: {words}.", "Put them back into ROONY_SECRET_KEYS.")
    ]


async def _signing(context: FlowContext) -> list[Check]:
    trouble = await asyncio.to_thread(signing_trouble, context)
    if trouble is None:
        return [Check("audit_signatures", OK, "The audit chains are signed.")]
    after = (
        "See that every key is in ROONY_SECRET_KEYS, that a worker runs, and what its log says of `audit.`; the first"
        " signatures come within a minute."
    )
    return [Check("audit_signatures", WARNING, trouble, after)]


async def _stripe(context: FlowContext) -> list[Check]:
    """Whether Stripe answers, how fast, and whose clock is wrong."""
    began = time.monotonic()
    try:
        theirs = await context.pool.run(stripe_time, context.gateway)
    except GatewayBusy:
        theirs = None
    where = context.gateway.api_base
    if theirs is None:
        words, after = f"Stripe at {where} did not answer.", "See that this machine reaches it (STRIPE_API_BASE)."
        untold = "Stripe did not answer, so the clock could not be compared."
        return [Check("stripe", MISSING, words, after), Check("clock", UNKNOWN, untold, "Look again once it does.")]
    took = round((time.monotonic() - began) * 1000)
    return [Check("stripe", OK, f"Stripe at {where} answers in {took} ms."), _clock(round(time.time() - theirs))]


def _clock(skew: int) -> Check:
    after = "Let the machine keep its clock (NTP)."
    if abs(skew) > SKEW_TOO_MUCH:
        return Check("clock", MISSING, f"The clock is {skew} s off: Stripe's signatures look too old.", after)
    if abs(skew) > SKEW_TO_TELL:
        return Check("clock", WARNING, f"The clock is {skew} s off.", after)
    return Check("clock", OK, "The clock is right.")
