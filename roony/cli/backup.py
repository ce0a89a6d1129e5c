"""`roony backup` and `roony restore`: the database as a checked file, and back without approving blindly."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import typer

from roony.cli.database import settings_database
from roony.cli.output import FAILED, WRONG_USE, JsonOption, fail, instant, print_json
from roony.core.duration import DAY

if TYPE_CHECKING:
    from roony.store.backup import Manifest
    from roony.store.database import Database

_POSTGRES_BACKUP = (
    "This is a PostgreSQL database, which has its own programs for that: pg_dump --format=custom --file FILE URL."
    " docs/operations.md tells all steps."
)
_POSTGRES_RESTORE = (
    "This is a PostgreSQL database: put it back with pg_restore, into an empty one, then run roony restore --in-place"
    " before anything serves it. docs/operations.md tells all steps."
)
# Stripe lists events for so long, in microseconds: what was missed before is found by the lists alone.
_EVENTS_LISTED = 30 * DAY
_ATTENTION = (
    "Keys that were revoked, people who were disabled or erased, freezes and rules that were made after that moment are"
    " as they were before it: look through them before you start."
)


class Restored(NamedTuple):
    """What `restore` did. `taken_at` in microseconds, None where nobody knows it; `connections` have to catch up."""

    database: str
    taken_at: int | None
    connections: int
    migrated: list[str]
    put_aside: str | None


def backup(
    file: Path = typer.Argument(help="The file to write; it must not be there yet."),
    online: bool = typer.Option(False, "--online", help="Beside a server that goes on."),
    as_json: bool = JsonOption,
) -> None:
    """Copy a SQLite database into a file, check it, and write its manifest beside it.

    The copy is as secret as the database. The keys of ROONY_SECRET_KEYS are not in it: keep them somewhere else. On
    PostgreSQL use pg_dump.
    """
    from roony import __version__
    from roony.clock import Clock
    from roony.store.backup import (
        clean_up,
        copy_database,
        describe,
        manifest_path,
        put_in_place,
        write_manifest,
    )

    with settings_database() as database, _refusals():
        if database.path is None:
            fail(_POSTGRES_BACKUP, WRONG_USE)
        if file.exists():
            fail(f"{file} is there already; nothing was written.", WRONG_USE)
        if not online and database.path.exists():
            _lock(database, f"Or copy it beside that: roony backup {file} --online")
        taken_at, copy = Clock()(), file.with_name(file.name + ".partial")
        with clean_up(copy):
            copy_database(database.path, copy)
            manifest = describe(copy, taken_at, __version__)
            write_manifest(file, manifest)
            put_in_place(copy, file)
    _tell_backup(file, manifest, as_json)
    if not as_json:
        typer.echo(f"Its manifest is {manifest_path(file)}: keep both together, and as safe as the database itself.")


def _tell_backup(file: Path, manifest: Manifest, as_json: bool) -> None:
    if as_json:
        print_json({"file": str(file), **_shown(manifest)})
        return
    chains = len(manifest.heads)
    typer.echo(f"{file}: {manifest.size:,} bytes, schema {manifest.revision}, {chains} audit chains, whole")
    typer.echo(f"SHA-256 {manifest.sha256}")


def _shown(manifest: Manifest) -> dict[str, object]:
    heads = {id: dict(zip(("sequence", "hash"), head, strict=True)) for id, head in manifest.heads.items()}
    return {**manifest._asdict(), "taken_at": instant(manifest.taken_at), "heads": heads}


def restore(
    file: Path | None = typer.Argument(None, help="What `roony backup` wrote, its manifest beside it."),
    replace: bool = typer.Option(False, "--replace", help="A database is there: put it aside under another name."),
    in_place: bool = typer.Option(
        False, "--in-place", help="The database is a restored one already (pg_restore, a snapshot): only mark it."
    ),
    as_json: bool = JsonOption,
) -> None:
    """Put a backup in the place of a database that is lost; older schemas are migrated.

    Until what happened since the backup has been fetched from Stripe, which the next `roony serve` does first, every
    purchase and every authorization is refused. No server may run.
    """
    if (file is None) != in_place:
        fail("Say which file, or --in-place where the database was put back by other means.", WRONG_USE)
    with settings_database() as database, _refusals():
        if file is not None:
            if database.path is None:
                fail(_POSTGRES_RESTORE, WRONG_USE)
            done = _put_back(database, database.path, file, replace)
        else:
            done = _mark_in_place(database)
    _tell_restored(done, as_json)


def _put_back(database: Database, path: Path, file: Path, replace: bool) -> Restored:
    """1 a copy beside the place, checked · 2 migrated and marked there · 3 the old one aside · 4 the copy in its place.

    Ended at any moment, what is in the place is the old database, nothing, or the marked copy; never one without mark.
    """
    from roony.clock import Clock
    from roony.store import backup as store
    from roony.store.database import Database

    manifest = store.read_manifest(file)
    _lock(database)
    if path.stat().st_size and not replace:
        fail(
            f"There is a database at {path}; nothing was changed. Move it away, or say --replace to have it renamed.",
            FAILED,
        )
    copy = path.with_name(path.name + ".restoring")
    with store.clean_up(copy):
        store.copy_file(file, manifest, copy)
        restored = Database(f"sqlite:///{copy}")
        try:
            migrated, connections = _mark(restored, manifest.taken_at)
        finally:
            restored.close()
        store.fold(copy)
        aside = store.put_aside(path, instant(Clock()()))
        store.put_in_place(copy, path)
    return Restored(str(path), manifest.taken_at, connections, migrated, str(aside) if aside is not None else None)


def _mark_in_place(database: Database) -> Restored:
    if database.path is not None:
        if not database.path.exists():
            fail(f"There is no database at {database.path}: look at ROONY_DATABASE_URL.", FAILED)
        _lock(database)
    elif serving := database.serving():
        fail(f"{serving} processes serve this database: stop them first.", FAILED, "database_in_use")
    migrated, connections = _mark(database, None)
    return Restored(str(database.url.set(password=None)), None, connections, migrated, None)


def _mark(database: Database, taken_at: int | None) -> tuple[list[str], int]:
    """Migrates a restored database and marks it; which steps it took, and how many connections have to catch up."""
    from roony.cli.database import own_till
    from roony.flows.restoring import NotMarked, mark_restored
    from roony.store import migrations

    if migrations.pending_revisions(database) == migrations.revisions():
        fail("There is nothing in this database: nothing was restored into it.", FAILED)
    migrated = migrations.migrate(database)
    with own_till(database) as (till, _clock):
        try:
            return migrated, mark_restored(till, database, taken_at)
        except NotMarked as error:
            fail(str(error), FAILED)


def _tell_restored(done: Restored, as_json: bool) -> None:
    from roony.clock import Clock

    taken_at = instant(done.taken_at) if done.taken_at is not None else None
    if as_json:
        print_json({**done._asdict(), "taken_at": taken_at})
        return
    typer.echo(f"{done.database} is {f'as of {taken_at}' if taken_at else 'marked as restored'}.")
    if done.put_aside is not None:
        typer.echo(f"What was there is {done.put_aside} now.")
    if done.migrated:
        typer.echo(f"Migrated to {done.migrated[-1]}.")
    typer.echo(f"{done.connections} connected Stripe accounts catch up at the next start and approve nothing before.")
    if done.taken_at is not None and Clock()() - done.taken_at > _EVENTS_LISTED:
        typer.echo("Stripe lists events for 30 days only, and this is older: expect discrepancies to settle by hand.")
    typer.echo(_ATTENTION)
    typer.echo("Next: roony serve, then roony reconcile and roony discrepancy list")


def _lock(database: Database, or_else: str = "") -> None:
    """Takes SQLite's lock; ends the command where a server has it."""
    from roony.store.database import DatabaseLocked

    try:
        database.acquire()
    except DatabaseLocked as error:
        fail(f"{error} {or_else}".strip(), FAILED, "database_in_use")


@contextmanager
def _refusals() -> Iterator[None]:
    """Ends the command with one sentence for whatever goes wrong with files and databases."""
    from sqlalchemy.exc import DBAPIError

    from roony.store.backup import BackupRefused
    from roony.store.migrations import SchemaBusy, SchemaTooNew

    try:
        yield
    except BackupRefused as error:
        fail(str(error), FAILED)
    except SchemaTooNew as error:
        fail(str(error), FAILED, "wrong_schema")
    except SchemaBusy as error:
        fail(str(error), FAILED, "database_in_use")
    except sqlite3.Error as error:
        _gave_up(f"{type(error).__name__}: {error}")
    except DBAPIError as error:
        # A driver's message may quote the address with its password.
        _gave_up(type(error).__name__)
    except OSError as error:
        _gave_up(f"{error.filename}: {error.strerror}")


def _gave_up(why: str) -> NoReturn:
    fail(f"It could not be done ({why}).", FAILED)
