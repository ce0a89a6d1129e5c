"""`roony discrepancy`: what does not fit what was approved."""

from __future__ import annotations

from typing import Any

import typer

from roony.cli.output import JsonOption, print_list, print_one
from roony.cli.remote import UrlOption, owner
from roony.core.finding import in_words

app = typer.Typer(help="What does not fit what was approved.", no_args_is_help=True)

_DISCREPANCIES = "/api/v1/admin/discrepancies"


@app.command("list")
def list_discrepancies(
    status: str | None = typer.Option("open", help="open, resolved or all."),
    kind: str | None = typer.Option(None, help="Only of this kind, as in merchant_mismatch."),
    purchase: str | None = typer.Option(None, help="Only of this purchase, pur_…"),
    cursor: str | None = typer.Option(None, help="Where the last page ended."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """List discrepancies, newest first."""
    shown = None if status == "all" else status
    answer = owner(url).get(_DISCREPANCIES, cursor=cursor, status=shown, kind=kind, purchase_id=purchase)
    if not as_json:
        answer["data"] = [_in_words(row) for row in answer["data"]]
    columns = ("id", "kind", "status", "purchase_id", "expected", "found", "created_at")
    print_list(answer, columns, as_json, "No discrepancies.")


@app.command()
def show(discrepancy_id: str = typer.Argument(help="dis_…"), url: str = UrlOption, as_json: bool = JsonOption) -> None:
    """Show one discrepancy, with the note of who resolved it."""
    _print(owner(url).get(f"{_DISCREPANCIES}/{discrepancy_id}"), as_json)


@app.command()
def resolve(
    discrepancy_id: str = typer.Argument(help="dis_…"),
    note: str = typer.Option(..., help="What it was."),
    learn_alias: bool = typer.Option(
        False, "--learn-alias", help="merchant_mismatch: the name is the approved merchant's; accept it from now on."
    ),
    purchase: str | None = typer.Option(None, help="unmatched_refund: the purchase it gives back, pur_…"),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Close a discrepancy with a note."""
    body: dict[str, Any] = {"note": note}
    if learn_alias:
        body["learn_alias"] = True
    if purchase is not None:
        body["purchase_id"] = purchase
    _print(owner(url).post(f"{_DISCREPANCIES}/{discrepancy_id}/resolve", body), as_json)


def _print(row: dict[str, Any], as_json: bool) -> None:
    print_one(row if as_json else _in_words(row), as_json)


def _in_words(row: dict[str, Any]) -> dict[str, Any]:
    """With what was expected and found as people write it; the API's words have amounts in minor units."""
    return {**row, "expected": in_words(row["expected"]), "found": in_words(row["found"])}
