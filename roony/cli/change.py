"""`roony change`: changes that loosen rules and wait for a second person."""

from __future__ import annotations

from typing import Any

import typer

from roony.cli.output import JsonOption, print_list, print_one
from roony.cli.remote import UrlOption, owner
from roony.core.loosening import values_in_words

app = typer.Typer(help="Changes that wait for a second person.", no_args_is_help=True)

_CHANGES = "/api/v1/admin/changes"
_ID = typer.Argument(help="chg_…")


@app.command("list")
def list_changes(
    status: str | None = typer.Option("waiting", help="waiting, confirmed, withdrawn or all."),
    cursor: str | None = typer.Option(None, help="Where the last page ended."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """List changes, newest first."""
    answer = owner(url).get(_CHANGES, cursor=cursor, status=None if status == "all" else status)
    if not as_json:
        answer["data"] = [{**row, "loosens": _said(row)} for row in answer["data"]]
    columns = ("id", "status", "loosens", "proposed_by", "expires_at")
    print_list(answer, columns, as_json, "No changes wait.")


@app.command()
def confirm(change_id: str = _ID, url: str = UrlOption, as_json: bool = JsonOption) -> None:
    """Agree to a change as its second person, with a key of your own: it is done."""
    _print(owner(url).post(f"{_CHANGES}/{change_id}/confirm"), as_json)


@app.command()
def withdraw(change_id: str = _ID, url: str = UrlOption, as_json: bool = JsonOption) -> None:
    """Take back a change that waits."""
    _print(owner(url).post(f"{_CHANGES}/{change_id}/withdraw"), as_json)


@app.command()
def two(
    off: bool = typer.Option(False, "--off", help="One person is enough again; this waits for a second one itself."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Want two people for whatever loosens rules from now on."""
    print_one(owner(url).patch("/api/v1/admin/organization", {"two_people": not off}), as_json)


def _print(row: dict[str, Any], as_json: bool) -> None:
    print_one(row if as_json else {**row, "loosens": _said(row)}, as_json)


def _said(row: dict[str, Any]) -> str:
    """What a change loosens, for a person."""
    return "; ".join(f"{one['what']} of {one['of']}: {' to '.join(values_in_words(one))}" for one in row["loosens"])
