"""`roony reconcile`: fetch what webhooks did not bring, compare with Stripe, and say what differs."""

from __future__ import annotations

import time
from typing import Any

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from roony.cli.output import FAILED, JsonOption, console, money, print_json, say
from roony.cli.remote import Remote, UrlOption, owner
from roony.core.text import visible

_RUNS = "/api/v1/admin/reconciliations"
POLL_SECONDS = 0.3
# Whoever waits longer looks again with `roony reconcile` or at the API; the run goes on by itself.
MAX_WAIT_SECONDS = 3_600.0
_COUNTED = ("events", "authorizations", "transactions", "cards", "reads")
_MISSING = ("missing_here", "missing_at_stripe")


def reconcile(
    since: str | None = typer.Option(None, help="From when on: 2026-11-23T09:00:00Z, or how long ago: 90m, 2h, 7d."),
    connection: str | None = typer.Option(None, help="con_…; without it every connected account."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Compare the books with Stripe. Ends with 0 when both say the same, with 1 when they differ or it failed."""
    remote = owner(url)
    body = {"since": since, "connection_id": connection}
    runs = remote.post(_RUNS, {name: value for name, value in body.items() if value is not None})["data"]
    ended = _wait(remote, [run["id"] for run in runs])
    if as_json:
        print_json({"data": ended})
    else:
        for run in ended:
            _print(run)
    good = all(run["status"] == "finished" and run["differences"] == 0 for run in ended)
    raise typer.Exit(0 if good else FAILED)


def _wait(remote: Remote, ids: list[str]) -> list[dict[str, Any]]:
    """Looks until every run has ended, and shows meanwhile how far they are; at most `MAX_WAIT_SECONDS`."""
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    until = time.monotonic() + MAX_WAIT_SECONDS
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("reading Stripe", total=None)
        while True:
            runs = [remote.get(f"{_RUNS}/{id}") for id in ids]
            progress.update(task, description=_progress(runs))
            if all(run["status"] != "running" for run in runs) or time.monotonic() > until:
                return runs
            time.sleep(POLL_SECONDS)


def _progress(runs: list[dict[str, Any]]) -> str:
    counts = ", ".join(f"{sum(run[name] for run in runs)} {name}" for name in _COUNTED)
    error = next((run["error"] for run in runs if run["status"] == "running" and run["error"]), None)
    return visible(f"{counts}  (trying again: {error})") if error else counts


def _print(run: dict[str, Any]) -> None:
    """One run: what it looked at, both sides' totals, what differs."""
    typer.echo(f"{run['id']}  {run['connection_id']}  {run['since']} to {run['until']}  {run['status']}")
    if run["error"]:
        say(f"  {run['error']}")
    counts = ", ".join(f"{run[name]} {name}" for name in _COUNTED)
    typer.echo(f"  looked at {counts}; {run['booked']} were not here before")
    lines = run["detail"].get("totals", [])
    if lines:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in ("  totals", "Stripe", "here", ""):
            table.add_column(column, justify="right" if column in ("Stripe", "here") else "left")
        for line in lines:
            there, here = (money(line[side], line["currency"]) for side in ("stripe", "here"))
            table.add_row(f"  {line['type']}s", there, here, "" if there == here else "differs")
        console().print(table)
    for kind in _MISSING:
        for id in run["detail"].get(kind, []):
            typer.echo(f"  {kind}  {id}")
    typer.echo(f"  {run['differences']} differences")
