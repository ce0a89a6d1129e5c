"""The schema step by step: one Alembic tree for both databases, and the functions that walk it.

A new step: change `tables.py`, then call `alembic.command.revision(config_for(connection), "what it does",
autogenerate=True)` and read what it wrote.

Alembic is loaded only by what walks the tree: most processes start on a schema that is up to date, and loading it takes
as long as loading SQLAlchemy.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from roony.store.database import Database

if TYPE_CHECKING:
    from alembic.config import Config

# A migration that cannot have its lock soon gives up: whoever waits behind it would wait as long (PostgreSQL).
LOCK_TIMEOUT_MS = 4_000
# What PostgreSQL says then.
_LOCK_NOT_AVAILABLE = "55P03"
# Two processes that migrate at once: the second waits for the first under this number of its own (PostgreSQL).
_ONE_AT_A_TIME = 0x526F6F6E79


class SchemaTooNew(Exception):
    """The database was migrated by a newer Roony; the message says what to do."""


class SchemaBusy(Exception):
    """Somebody uses the tables in a way that lets nobody change them; the message says what to do."""


def migrate(database: Database) -> list[str]:
    """Brings the schema to the newest revision, all of it or nothing; returns the revisions it ran.

    On SQLite call `database.acquire` first. Raises SchemaTooNew for a database of a newer Roony, and SchemaBusy when a
    lock could not be had in `LOCK_TIMEOUT_MS`.
    """
    try:
        with connection(database.url) as opened:
            pending = _pending(_revision(opened))
            if pending:
                from alembic import command  # noqa: PLC0415 - see above

                command.upgrade(config_for(opened), "head")
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
            raise
        raise SchemaBusy(
            f"A table could not be locked within {LOCK_TIMEOUT_MS // 1000} seconds, so nothing was changed: somebody is"
            " in a long transaction there, or another migration runs. Stop the servers and workers, or wait, and run"
            " `roony migrate` again."
        ) from None
    return pending


def pending_revisions(database: Database) -> list[str]:
    """The revisions this database still needs, oldest first. Raises SchemaTooNew."""
    if database.path is not None and not database.path.exists():
        return _pending(None)
    with database.engine.connect() as reading:
        return _pending(_revision(reading))


def steps_missing(database: Database) -> list[str]:
    """What a database that was in use lacks by now, as after a backup of an older Roony was put in its place.

    One of a newer Roony lacks nothing: during an upgrade the older one goes on working with it. Nor does one without a
    note of its revision, of which nothing can be said.
    """
    with database.engine.connect() as reading:
        revision = _revision(reading)
    try:
        return _pending(revision) if revision is not None else []
    except SchemaTooNew:
        return []


def revisions() -> list[str]:
    """All steps of the tree, oldest first."""
    return _pending(None)


def config_for(connection: Connection | None) -> Config:
    """Alembic's configuration for this tree, on a connection or, without one, for SQL text."""
    from alembic.config import Config  # noqa: PLC0415 - see above

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    return config


@contextmanager
def connection(url: URL) -> Iterator[Connection]:
    """A connection inside one transaction that may change the schema, with the limits of each database."""
    engine = _engine(url)
    try:
        with engine.begin() as opened:
            if engine.dialect.name == "postgresql":
                opened.exec_driver_sql(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}")
                opened.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_ONE_AT_A_TIME})")
            yield opened
    finally:
        engine.dispose()


def _engine(url: URL) -> Engine:
    """An engine of its own: the shared one reads only, and its driver would begin too late on SQLite."""
    engine = sqlalchemy.create_engine(url, poolclass=NullPool)
    if engine.dialect.name == "sqlite":
        if url.database:
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        event.listen(engine, "connect", _begin_by_hand)
        event.listen(engine, "begin", _begin_immediate)
    return engine


def _begin_by_hand(connection: Any, _record: object) -> None:
    connection.isolation_level = None


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _revision(connection: Connection) -> str | None:
    """What Alembic noted there; None for a database without any of its tables."""
    if not sqlalchemy.inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(sqlalchemy.text("SELECT version_num FROM alembic_version"))
    return found


def _pending(current: str | None) -> list[str]:
    """By the names of the files, which begin with the revision."""
    known = sorted(path.stem.partition("_")[0] for path in (Path(__file__).parent / "versions").glob("*_*.py"))
    if current is not None and current not in known:
        raise SchemaTooNew(
            f"The database has schema revision {current}, which this Roony does not know: install a newer Roony."
        )
    return known if current is None else known[known.index(current) + 1 :]
