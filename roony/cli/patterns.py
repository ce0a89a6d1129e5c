"""`roony patterns`: unusual patterns in what agents buy; what is set, and what the past would have told."""

from __future__ import annotations

from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from roony.cli.output import JsonOption, print_json, say
from roony.cli.remote import Remote, UrlOption, owner
from roony.core.anomaly.facts import PATTERNS
from roony.core.anomaly.telling import MAY_FREEZE
from roony.core.text import visible

app = typer.Typer(help="Unusual patterns in what agents buy.", invoke_without_command=True)

_PATTERNS = "/api/v1/admin/patterns"
_ORGANIZATION = "/api/v1/admin/organization"
_OFF = f"Not looked for, may be repeated: {', '.join(PATTERNS)}, or none."
_FREEZE = f"Freeze the agent, may be repeated: {', '.join(MAY_FREEZE)}, or none."


@app.callback()
def patterns(
    context: typer.Context,
    since: str | None = typer.Option(None, help="Look through the past: 2026-11-23T09:00:00Z, or 90m, 2h, 90d."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Show what is set, or with --since what people would have been told since then; nothing is changed."""
    if context.invoked_subcommand is not None:
        return
    if since is None:
        _show(owner(url).get(_ORGANIZATION)["patterns"], as_json)
        return
    rows = _look(owner(url), since)
    if as_json:
        print_json(rows)
        return
    for row in rows:
        cut = "" if row["whole"] else ", the newest of them"
        typer.echo(f"{visible(row['agent'])} ({row['agent_id']}): {row['purchases']} purchases{cut}")
        for told in row["told"]:
            typer.echo(f"  {told['at'][:16]}Z {told['pattern']}: {visible(told['message'])}")
    count = sum(len(row["told"]) for row in rows)
    typer.echo(f"{count} alerts of {len(rows)} agents would have been opened since {since}.")


@app.command("set")
def set_patterns(
    off: list[str] | None = typer.Option(None, help=_OFF),
    sensitivity: str | None = typer.Option(None, help="low, normal or high."),
    freeze: list[str] | None = typer.Option(None, help=_FREEZE),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Set which patterns are not looked for, how easily the others are told, and which freeze the agent."""
    given: dict[str, Any] = {"off": _listed(off), "sensitivity": sensitivity, "freeze": _listed(freeze)}
    body = {"patterns": {name: value for name, value in given.items() if value is not None}}
    _show(owner(url).patch(_ORGANIZATION, body)["patterns"], as_json)


def _listed(names: list[str] | None) -> list[str] | None:
    """None was not said; the one word `none` empties a list."""
    return None if not names else [name for name in names if name != "none"]


def _look(remote: Remote, since: str) -> list[dict[str, Any]]:
    """All agents, page by page; each page ends by itself, and the agents do."""
    columns = (TextColumn("agents"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    rows: list[dict[str, Any]] = []
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task, cursor = progress.add_task("", total=None), None
        while True:
            page = remote.get(_PATTERNS, since=since, cursor=cursor)
            rows += page["data"]
            progress.update(task, completed=len(rows), total=max(1, page["agents"]))
            cursor = page["next_cursor"]
            if cursor is None:
                return rows


def _show(shown: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(shown)
        return
    say(f"sensitivity: {shown['sensitivity']}")
    say(f"not looked for: {', '.join(shown['off']) or 'none'}")
    say(f"freeze the agent: {', '.join(shown['freeze']) or 'none'}")
