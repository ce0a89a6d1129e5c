"""`roony discrepancy`: what does not fit what was approved."""

from __future__ import annotations

import typer

from roony.cli.output import JsonOption, print_list, print_one
from roony.cli.remote import UrlOption, owner

app = typer.Typer(help="What does not fit what was approved.", no_args_is_help=True)

_DISCREPANCIES = "/api/v1/admin/discrepancies"


@app.command("list")
def list_discrepancies(
    status: str | None = typer.Option("open", help="open, resolved or all."),
    cursor: str | None = typer.Option(None, help="Where the last page ended."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """List discrepancies, newest first."""
    answer = owner(url).get(_DISCREPANCIES, cursor=cursor, status=None if status == "all" else status)
    columns = ("id", "kind", "status", "purchase_id", "expected", "found", "created_at")
    print_list(answer, columns, as_json, "No discrepancies.")


@app.command()
def resolve(
    discrepancy_id: str = typer.Argument(help="dis_…"),
    note: str = typer.Option(..., help="What it was."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Close a discrepancy with a note."""
    print_one(owner(url).post(f"{_DISCREPANCIES}/{discrepancy_id}/resolve", {"note": note}), as_json)
