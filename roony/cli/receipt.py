"""`roony receipt`: what agents handed in for their purchases, and what is missing."""

from __future__ import annotations

from pathlib import Path

import typer

from roony.cli.output import FAILED, JsonOption, fail, print_list, print_one
from roony.cli.remote import UrlOption, owner, refused

app = typer.Typer(help="Receipts of purchases.", no_args_is_help=True)

_RECEIPTS = "/api/v1/admin/receipts"


@app.command("list")
def list_receipts(
    purchase: str | None = typer.Option(None, help="Only of this purchase, pur_…"),
    agent: str | None = typer.Option(None, help="Only of this agent, agt_…"),
    cursor: str | None = typer.Option(None, help="Where the last page ended."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """List receipts, newest first."""
    answer = owner(url).get(_RECEIPTS, purchase_id=purchase, agent_id=agent, cursor=cursor)
    columns = ("id", "purchase_id", "media_type", "size", "created_at")
    print_list(answer, columns, as_json, "No receipts yet.")


@app.command()
def missing(
    agent: str | None = typer.Option(None, help="Only of this agent, agt_…"),
    project: str | None = typer.Option(None, help="Only of this project, prj_…"),
    cursor: str | None = typer.Option(None, help="Where the last page ended."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """List settled purchases without a receipt, the oldest first."""
    answer = owner(url).get(f"{_RECEIPTS}/missing", agent_id=agent, project_id=project, cursor=cursor)
    columns = ("purchase_id", "agent_id", "amount", "description", "created_at")
    print_list(answer, columns, as_json, "No receipt is missing.")


@app.command()
def get(
    receipt_id: str = typer.Argument(help="rcp_…"),
    out: Path = typer.Option(..., help="The file to write; it must not exist."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Save the file of a receipt."""
    answer = owner(url).call("GET", f"{_RECEIPTS}/{receipt_id}/content")
    if not answer.is_success:
        refused(answer)
    try:
        with out.open("xb") as file:
            file.write(answer.content)
    except OSError as error:
        fail(f"{out} cannot be written: {error.strerror}.", FAILED)
    print_one({"file": str(out), "size": len(answer.content)}, as_json)
