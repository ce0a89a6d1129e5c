"""Where the database lies: room on the disk and the log of SQLite, version and settings of PostgreSQL."""

from __future__ import annotations

import asyncio
import shutil
import time
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from roony.core.preflight import MISSING, OK, UNKNOWN, WARNING, Check
from roony.flows.context import FlowContext

MEGA = 1_000_000
# Less room than this is nearly none, and less than the other is little; a copy of the database needs its own size.
LEAST_ROOM, LITTLE_ROOM = 100 * MEGA, 1_000 * MEGA
# A log of SQLite's that is larger was not folded into the database for long.
LARGE_WAL = 256 * MEGA
LEAST_POSTGRES = 150_000
# How long a write may take, in seconds.
PATIENCE_SECONDS = 5.0
# And how long one that failed is told of.
RECENT_SECONDS = 600.0
# Connections in use, in percent of all.
MANY_CONNECTIONS = 80

_SETTINGS = text(
    "SELECT current_setting('server_version_num')::int, current_setting('server_version'), current_setting('fsync'),"
    " current_setting('full_page_writes'), current_setting('autovacuum'), current_setting('max_connections')::int,"
    " (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')"
)


async def takes_writes(context: FlowContext) -> list[Check]:
    """Whether anything can be written at all."""
    kind = "SQLite" if context.database.is_sqlite else "PostgreSQL"
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await context.till.write(lambda _writer: None)
    except Exception as error:
        words = f"Nothing can be written to the database ({type(error).__name__})."
        return [Check("database", MISSING, words, "Look at Roony's log and at the database's.")]
    failure, counters = context.till.tally.failure, context.till.counters()
    if failure is None or (ago := time.monotonic() - failure.at) > RECENT_SECONDS:
        return [Check("database", OK, f"{kind} answers and takes writes.")]
    words = f"A write failed {ago:.0f} s ago ({failure.why}), one of {counters.failed_batches:,} since the start."
    after = "Mend that. `till.write_failed` in Roony's log tells of each (docs/observability.md#roonywritesfail)."
    # Whatever was written since, it was not the one and only command that cannot be.
    status = WARNING if counters.commands > failure.commands else MISSING
    return [Check("database", status, words, after)]


async def machine(context: FlowContext) -> list[Check]:
    """The checks of whichever database this is."""
    path = context.database.path
    return await asyncio.to_thread(_sqlite, path) if path is not None else await _postgresql(context)


def _sqlite(path: Path) -> list[Check]:
    try:
        size, free = path.stat().st_size, shutil.disk_usage(path.parent).free
    except OSError as error:
        return [Check("disk", UNKNOWN, f"The database file cannot be looked at ({error.strerror}).", "Look at it.")]
    return [room(size, free), wal(path.with_name(f"{path.name}-wal"))]


def room(size: int, free: int) -> Check:
    """What is left on the disk, beside a database of this size, both in bytes."""
    words = f"The database has {_mega(size)}, and {_mega(free)} are left on its disk."
    if free < LEAST_ROOM:
        return Check("disk", MISSING, words, "Make room now: at the end of the disk nothing can be written.")
    if free < max(LITTLE_ROOM, size):
        return Check("disk", WARNING, words, "Make room: a backup or `roony archive` needs as much as the database.")
    return Check("disk", OK, words)


def wal(path: Path) -> Check:
    """SQLite's log, which is folded into the database as it grows."""
    size = path.stat().st_size if path.exists() else 0
    words = f"SQLite's log has {_mega(size)}."
    if size > LARGE_WAL:
        return Check("wal", WARNING, words, "Look who reads the file for so long, such as a copy; then restart Roony.")
    return Check("wal", OK, words)


async def _postgresql(context: FlowContext) -> list[Check]:
    try:
        [row] = await asyncio.to_thread(context.database.read, _SETTINGS)
    except (DBAPIError, ValueError) as error:
        words = f"PostgreSQL's settings could not be read ({type(error).__name__})."
        return [Check("postgresql", UNKNOWN, words, "Look at them yourself: fsync, full_page_writes, autovacuum.")]
    return settings(*row)


def settings(
    number: int, version: str, fsync: str, full_pages: str, autovacuum: str, most: int, used: int
) -> list[Check]:
    """What PostgreSQL says of itself."""
    checks = []
    if number < LEAST_POSTGRES:
        checks.append(Check("postgresql", MISSING, f"PostgreSQL {version} is too old.", "Upgrade to 15 or newer."))
    off = [name for name, value in (("fsync", fsync), ("full_page_writes", full_pages)) if value != "on"]
    if off:
        words = f"{' and '.join(off)} off: a crash of the machine may lose or spoil what was approved."
        checks.append(Check("postgresql", MISSING, words, "Set them on and restart PostgreSQL."))
    if autovacuum != "on":
        words = "autovacuum is off: tables grow without end."
        checks.append(Check("postgresql", WARNING, words, "Set it on."))
    words = f"{used} of {most} connections are in use."
    if used * 100 >= most * MANY_CONNECTIONS:
        after = "Raise max_connections, or run fewer processes (docs/scaling.md)."
        checks.append(Check("connections", WARNING, words, after))
    well = Check("postgresql", OK, f"PostgreSQL {version}; {words}")
    return checks or [well]


def _mega(size: int) -> str:
    return f"{size / MEGA:,.0f} MB"
