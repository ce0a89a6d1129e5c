"""`roony report`: what was spent, in groups, and the accounting journal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from roony.cli.output import FAILED, WRONG_USE, JsonOption, fail, money, print_json, print_list, print_one
from roony.cli.remote import UrlOption, owner, refused

app = typer.Typer(help="What was spent, by the days on which Stripe booked it.", no_args_is_help=True)

_REPORTS = "/api/v1/admin/reports"
_GROUPS = ("agent", "project", "merchant", "category", "month")
Since = Annotated[str | None, typer.Option(help="The first day, such as 2026-11-01; this month's if not given.")]
Until = Annotated[str | None, typer.Option(help="The last day; today if not given.")]
Out = Annotated[Path | None, typer.Option("--csv", help="Write a CSV to this file; it must not exist.")]


@app.command()
def spend(
    by: Annotated[str, typer.Option(help="agent, project, merchant, category or month.")] = "month",
    since: Since = None,
    until: Until = None,
    out: Out = None,
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Sum what was captured and given back, by agent, project, merchant, category or month."""
    if by not in _GROUPS:
        fail(f"--by is one of {', '.join(_GROUPS)}.", WRONG_USE)
    asked = {"by": by, "since": since, "until": until}
    if out is not None:
        _save(f"{_REPORTS}/spend", {**asked, "format": "csv"}, out, url, as_json)
        return
    answer = owner(url).get(f"{_REPORTS}/spend", **asked)
    if as_json:
        print_json(answer)
        return
    rows = [*answer["rows"], *({"name": "in all", **total} for total in answer["totals"])]
    rows += [{"name": "of no purchase", **left} for left in answer["unmatched"]]
    shown = [{**row, "spent": money(row["spent_amount"], row["currency"])} for row in rows]
    columns = ("name", "spent", "captured_amount", "refunded_amount", "purchases")
    print_list({"data": shown}, columns, False, "Nothing was captured or given back on these days.")


@app.command()
def journal(
    out: Annotated[Path, typer.Option("--csv", help="The file to write; it must not exist.")],
    since: Since = None,
    until: Until = None,
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Save every capture and refund as a debit and a credit, for accounting."""
    _save(f"{_REPORTS}/journal", {"since": since, "until": until}, out, url, as_json)


def _save(path: str, asked: dict[str, str | None], out: Path, url: str, as_json: bool) -> None:
    answer = owner(url).call("GET", path, params={name: value for name, value in asked.items() if value is not None})
    if not answer.is_success:
        refused(answer)
    try:
        with out.open("xb") as file:
            file.write(answer.content)
    except OSError as error:
        fail(f"{out} cannot be written: {error.strerror}.", FAILED)
    print_one({"file": str(out), "size": len(answer.content)}, as_json)
