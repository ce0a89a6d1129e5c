"""`roony archive`: old entries and Stripe events are moved out of the tables that everyday work goes through."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from roony.cli.database import OLDER_SCHEMA, opened_database, own_till
from roony.cli.output import FAILED, WRONG_USE, JsonOption, fail, instant, print_json
from roony.core.duration import DAY

if TYPE_CHECKING:
    from roony.flows.archive import Archived
    from roony.store.database import Database


def archive(
    older_than: int = typer.Option(180, "--older-than", metavar="DAYS", help="At least 45: younger rows stay."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Only count what would be moved."),
    as_json: bool = JsonOption,
) -> None:
    """Move old ledger entries and Stripe events into archive tables. No sum and no page changes by it.

    It works in small pieces: ended at any moment, the same command goes on. On SQLite no server may run meanwhile; on
    PostgreSQL servers go on beside it.
    """
    from roony.clock import Clock
    from roony.flows.archive import MIN_DAYS, archivable
    from roony.store import migrations

    if older_than < MIN_DAYS:
        fail(f"--older-than is at least {MIN_DAYS} days: until then Stripe may still tell of them.", WRONG_USE)
    before = Clock()() - older_than * DAY
    with opened_database() as database:
        if migrations.pending_revisions(database):
            fail(OLDER_SCHEMA, FAILED, "wrong_schema")
        found = archivable(database, before)
        done = found if dry_run else _move(database, before, found)
    if as_json:
        print_json({"before": instant(before), "dry_run": dry_run, **done._asdict()})
        return
    counted = f"{done.entries} entries of {done.purchases} purchases and {done.events} events"
    typer.echo(f"{counted} from before {instant(before)} {'would be' if dry_run else 'were'} moved to the archive.")


def _move(database: Database, before: int, found: Archived) -> Archived:
    """With a bar on standard error, as long as `found` says."""
    import psycopg

    from roony.flows.archive import move_to_archive
    from roony.store.command import TillClosed
    from roony.store.writer import ConnectionLost

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress, own_till(database) as (till, _):
        task = progress.add_task("rows moved", total=found.entries + found.events)
        try:
            return move_to_archive(
                till, database, before, lambda done: progress.update(task, completed=done.entries + done.events)
            )
        except (TillClosed, ConnectionLost, psycopg.Error, sqlite3.Error) as error:
            fail(f"The database gave up ({type(error).__name__}). What was moved stays so: run the command again.")
