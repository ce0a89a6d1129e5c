"""`roony events`: what Stripe reported and how far it is handled."""

from __future__ import annotations

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from roony.cli.output import WRONG_USE, JsonOption, fail, print_json, print_list, print_one
from roony.cli.remote import UrlOption, owner

app = typer.Typer(help="Stripe's events and how far they are handled.", no_args_is_help=True)

_EVENTS = "/api/v1/admin/events"


@app.command("list")
def list_events(
    status: str | None = typer.Option(None, help="received, applied, ignored, failed or dead."),
    kind: str | None = typer.Option(None, "--type", help="Only of this type, as in issuing_transaction.created."),
    about: str | None = typer.Option(None, "--object", help="Only about this object of Stripe's, as in iauth_…"),
    cursor: str | None = typer.Option(None, help="Where the last page ended."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """List events, newest first."""
    answer = owner(url).get(_EVENTS, cursor=cursor, status=status, type=kind, object_id=about)
    columns = ("id", "type", "status", "failures", "reason", "received_at")
    none = "No events yet. If Stripe should have sent some, look at its webhook settings."
    if any(given is not None for given in (cursor, status, kind, about)):
        none = "No such events."
    print_list(answer, columns, as_json, none)


@app.command()
def show(event_id: str = typer.Argument(help="evt_…"), url: str = UrlOption, as_json: bool = JsonOption) -> None:
    """Show how far the handling of one event is, and why it failed."""
    print_one(owner(url).get(f"{_EVENTS}/{event_id}"), as_json)


@app.command()
def replay(
    event_id: str | None = typer.Argument(None, help="evt_…"),
    every: bool = typer.Option(False, "--all", help="Every event with this status."),
    status: str = typer.Option("dead", help="dead or failed; with --all."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Handle events once more that failed or are dead; one that was applied or ignored is refused."""
    if every == (event_id is not None):
        fail("Name one event, or say --all.", WRONG_USE)
    if event_id is not None:
        print_one(owner(url).post(f"{_EVENTS}/{event_id}/replay"), as_json)
        return
    replayed = _replay_all(url, status)
    if as_json:
        print_json({"replayed": replayed})
    else:
        typer.echo(f"{replayed} events are handled again." if replayed else f"No event is {status}.")


def _replay_all(url: str, status: str) -> int:
    """Call after call until Roony names no next one; how many events there were."""
    remote, replayed, cursor = owner(url), 0, None
    columns = (SpinnerColumn(), TextColumn("{task.completed:.0f} events taken up again"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None)
        while True:
            answer = remote.post(f"{_EVENTS}/replay", {"status": status, "cursor": cursor})
            replayed, cursor = replayed + answer["replayed"], answer["next_cursor"]
            progress.update(task, completed=replayed)
            if cursor is None:
                return replayed
