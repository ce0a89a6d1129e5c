"""`roony events`: what Stripe reported and how far it is handled."""

from __future__ import annotations

import typer

from roony.cli.output import JsonOption, print_list, print_one
from roony.cli.remote import UrlOption, owner

app = typer.Typer(help="Stripe's events and how far they are handled.", no_args_is_help=True)

_EVENTS = "/api/v1/admin/events"


@app.command("list")
def list_events(
    status: str | None = typer.Option(None, help="received, applied, ignored, failed or dead."),
    cursor: str | None = typer.Option(None, help="Where the last page ended."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """List events, newest first."""
    answer = owner(url).get(_EVENTS, cursor=cursor, status=status)
    columns = ("id", "type", "status", "reason", "received_at")
    print_list(
        answer, columns, as_json, "No events yet. If Stripe should have sent some, look at its webhook settings."
    )


@app.command()
def replay(event_id: str = typer.Argument(help="evt_…"), url: str = UrlOption, as_json: bool = JsonOption) -> None:
    """Handle an event once more that failed or is dead; one that was applied or ignored is refused."""
    print_one(owner(url).post(f"{_EVENTS}/{event_id}/replay"), as_json)
