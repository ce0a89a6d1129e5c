"""`roony replay`: what the purchases since a day would have become under the rules of a file."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, NoReturn

import httpx2
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from roony.cli.output import WRONG_USE, JsonOption, console, fail, print_json, say
from roony.cli.remote import Remote, UrlOption, error_of, owner, refused, said
from roony.core.money import format_amount
from roony.core.text import visible

_PATH = "/api/v1/admin/replay"
_LINES = "application/x-ndjson"


def replay(
    file: typer.FileText = typer.Option(..., "--control", help="Rules as `roony control export` prints; - is stdin."),
    since: str = typer.Option(..., help="2026-11-23, 2026-11-23T09:00:00Z, or how long ago: 90m, 2h, 7d."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Run changed controls and budgets over the purchases since then, and show what would have been decided.

    Nothing is changed. What the file does not list counts as it was at each decision.
    """
    from roony.cli.rules_file import WrongFile, read_rules

    try:
        rules, lines = read_rules(file.read())
    except (WrongFile, UnicodeDecodeError) as error:
        fail(f"{file.name}: {error}" if isinstance(error, WrongFile) else f"{file.name} is no text.", WRONG_USE)
    answer = _run(owner(url), file.name, {"since": _moment(since), "rules": rules}, lines)
    print_json(answer) if as_json else _show(answer)


def _moment(text: str) -> str:
    """A day alone is its first moment in UTC."""
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).isoformat()
    except ValueError:
        return text


def _run(remote: Remote, name: str, body: dict[str, Any], lines: dict[str, int]) -> dict[str, Any]:
    """The answer, with a bar while the pages are read. Ends the command when Roony refuses."""
    columns = (TextColumn("purchases"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    line: dict[str, Any] = {}
    with (
        Progress(*columns, console=Console(stderr=True), transient=True) as progress,
        remote.session() as http,
        http.stream("POST", _PATH, json=body, headers={"Accept": _LINES}) as response,
    ):
        if not response.is_success:
            response.read()
            _refuse(response, name, lines)
        task = progress.add_task("", total=None)
        for text in response.iter_lines():
            line = json.loads(text)
            if "of" in line:
                progress.update(task, completed=line["read"], total=max(1, line["of"]))
    if "error" in line:
        error = line["error"]
        fail(f"{error['field']}: {error['message']}" if error.get("field") else error["message"], WRONG_USE, error)
    if "decisions" not in line:
        fail("Roony stopped before it was done: look at its log, then try again.")
    return line


def _refuse(response: httpx2.Response, name: str, lines: dict[str, int]) -> NoReturn:
    """Ends the command, with the line of the file where that is what is wrong."""
    from roony.cli.rules_file import line_of

    words, error = said(response), error_of(response)
    field = str(error.get("field", ""))
    if field.startswith("rules."):
        fail(f"{name}: line {line_of(field.removeprefix('rules.'), lines)}: {words}", WRONG_USE, error)
    refused(response)


def _show(answer: dict[str, Any]) -> None:
    counted = f"{answer['decisions']} decisions since {answer['since']}: {answer['changed']} would have been others"
    untold = sum(answer["cannot_be_told"].values())
    typer.echo(f"{counted}, {answer['unchanged']} the same, {untold} cannot be told.")
    for path in answer["new"]:
        say(f"  {path} is not there yet, so it bought nothing.")
    for reason, count in answer["cannot_be_told"].items():
        typer.echo(f"  {count} {reason.replace('_', ' ')}")
    if not answer["changed"]:
        return
    sums = [("all agents", each) for each in answer["sums"]]
    sums += [(agent["name"] or agent["agent_id"], each) for agent in answer["agents"] for each in agent["sums"]]
    _table(
        ("agent", "was", "would have been", "decisions", "amount"),
        [
            (
                name,
                each["before"],
                each["after"],
                str(each["decisions"]),
                format_amount(each["amount"], each["currency"]),
            )
            for name, each in sums
        ],
    )
    _table(
        ("purchase", "at", "step", "merchant", "amount", "was", "would have been"),
        [
            (row["purchase_id"], row["at"], row["step"], row["merchant"], format_amount(row["amount"], row["currency"]),
             _verdict(row["before"]), _verdict(row["after"]))
            for row in answer["changes"]
        ],
    )  # fmt: skip
    if answer["changes_left_off"]:
        typer.echo(f"{answer['changes_left_off']} more are in the sums only.")


def _table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, no_wrap=column == "purchase", overflow="fold")
    for row in rows:
        table.add_row(*(Text(visible(text)) for text in row))
    typer.echo()
    console().print(table)


def _verdict(side: dict[str, Any]) -> str:
    codes = ", ".join(dict.fromkeys(reason["code"] for reason in side["reasons"]))
    return f"{side['verdict']} ({codes})" if codes else str(side["verdict"])
