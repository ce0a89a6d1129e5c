"""`roony alert`: what a person has to know and see to."""

from __future__ import annotations

import typer

from roony.cli.output import JsonOption, print_list, print_one
from roony.cli.remote import UrlOption, owner

app = typer.Typer(help="What a person has to know and see to.", no_args_is_help=True)

_ALERTS = "/api/v1/admin/alerts"


@app.command("list")
def list_alerts(
    status: str | None = typer.Option("open", help="open, closed or all."),
    kind: str | None = typer.Option(None, help="Only of this kind, as in connection_restricted."),
    cursor: str | None = typer.Option(None, help="Where the last page ended."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """List alerts, newest first."""
    shown = None if status == "all" else status
    answer = owner(url).get(_ALERTS, cursor=cursor, status=shown, kind=kind)
    print_list(answer, ("id", "kind", "status", "subject", "message", "created_at"), as_json, "No alerts.")


@app.command()
def close(alert_id: str = typer.Argument(help="alt_…"), url: str = UrlOption, as_json: bool = JsonOption) -> None:
    """Close an alert that somebody has seen to; it is opened again should its cause come again."""
    print_one(owner(url).post(f"{_ALERTS}/{alert_id}/close"), as_json)
