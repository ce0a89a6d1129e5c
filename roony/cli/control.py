"""`roony control`: the spending controls of the organization, a project or an agent."""

from __future__ import annotations

import json
from typing import Any

import typer

from roony.cli.budget import SCOPE_HELP
from roony.cli.output import WRONG_USE, JsonOption, fail, print_json, print_list, print_one
from roony.cli.remote import Remote, UrlOption, owner

app = typer.Typer(help="Spending controls.", no_args_is_help=True)

_CONTROLS = "/api/v1/admin/controls"
# Controls that are lists: a comma separates their entries.
_LISTS = frozenset({
    "approve_categories", "allowed_merchants", "blocked_merchants", "allowed_categories", "blocked_categories",
    "allowed_countries", "blocked_countries",
})  # fmt: skip


def parse_fields(texts: list[str]) -> dict[str, Any]:
    """`name=value` pairs as the API wants them: numbers, yes and no, lists, JSON. Raises typer.BadParameter."""
    return {name: value for name, value in map(_field, texts) if value is not None}


def _field(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    name = name.strip().replace("-", "_")
    if not equals or not name:
        raise typer.BadParameter(f"{text!r} is not a control: write it like purchase_limit=50000.")
    value = value.strip()
    if value.lower() in ("", "none", "null"):
        return name, None
    if value.startswith(("{", "[")):
        try:
            return name, json.loads(value)
        except ValueError:
            raise typer.BadParameter(f"{name}: this is not JSON.") from None
    if name in _LISTS:
        return name, [entry.strip() for entry in value.split(",") if entry.strip()]
    if value.lower() in ("yes", "true", "no", "false"):
        return name, value.lower() in ("yes", "true")
    return name, int(value) if value.isascii() and value.isdigit() else value


def _controls_of(remote: Remote, scope: dict[str, str]) -> tuple[dict[str, Any], int]:
    """What is set on a scope now, and its version; the organization's row is the one of scope `organization`."""
    rows = remote.get(_CONTROLS, **scope)["data"]
    return (dict(rows[0]["controls"]), rows[0]["version"]) if rows else ({}, 0)


@app.command("list")
def list_controls(
    cursor: str | None = typer.Option(None, help="Where the last page ended."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """List every scope that has controls, with what is set on it."""
    answer = owner(url).get(_CONTROLS, cursor=cursor)
    empty = "No controls are set anywhere. Next: roony control set purchase_limit=50000 --scope agt_…"
    print_list(answer, ("scope", "scope_id", "version", "controls"), as_json, empty)


@app.command()
def show(
    scope: str | None = typer.Argument(None, help=SCOPE_HELP),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Show what is set on one scope. A purchase must pass those of its agent, project and organization."""
    from roony.cli.budget import scope_of

    controls, _ = _controls_of(owner(url), scope_of(scope))
    if not controls and not as_json:
        typer.echo("No controls are set here. Next: roony control set purchase_limit=50000 --scope agt_…")
        return
    print_one(controls, as_json)


@app.command()
def versions(
    scope: str = typer.Argument(help="agt_…, agt_…:TASK, prj_… or org_…"),
    cursor: str | None = typer.Option(None, help="Where the last page ended."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """List every version of a scope's controls, the newest first, with who set it and when."""
    scope_id, _, task_id = scope.partition(":")
    answer = owner(url).get(f"{_CONTROLS}/{scope_id}/versions", cursor=cursor, task_id=task_id or None)
    print_list(answer, ("version", "set_at", "actor", "controls"), as_json, "No controls were ever set here.")


@app.command("set")
def set_controls(
    fields: list[str] = typer.Argument(None, help="Such as purchase_limit=50000 allowed_countries=US,CA; NAME=none."),
    scope: str | None = typer.Option(None, help=SCOPE_HELP),
    replace: bool = typer.Option(False, "--replace", help="Take off all that is not named here."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Set controls; others of the scope stay unless --replace is given. Amounts are in minor units."""
    from roony.cli.budget import scope_of

    remote, where = owner(url), scope_of(scope)
    if not fields and not replace:
        raise typer.BadParameter("Name a control, such as purchase_limit=50000; --replace alone takes all off.")
    given: dict[str, Any] = dict(map(_field, fields or ()))
    body: dict[str, Any] = {**where}
    if not replace:
        there, version = _controls_of(remote, where)
        # What somebody sets between this reading and the writing would be lost.
        given, body["expected_version"] = {**there, **given}, version
    body["controls"] = {name: value for name, value in given.items() if value is not None}
    answer = remote.put(_CONTROLS, body)
    print_json(answer) if as_json else print_one(answer["controls"], False)


@app.command()
def export(
    versions: bool = typer.Option(True, help="Name the versions that `apply` compares."),
    url: str = UrlOption,
) -> None:
    """Print controls and budgets of the whole organization as YAML, to keep and to apply."""
    from roony.cli.rules import RULES, to_yaml

    typer.echo(to_yaml(owner(url).get(RULES), versions), nl=False)


@app.command()
def apply(
    file: typer.FileText = typer.Argument(help="What `roony control export` printed, changed; - reads stdin."),
    yes: bool = typer.Option(False, "--yes", help="Do not ask."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Only show what would be changed."),
    force: bool = typer.Option(False, "--force", help="Also what somebody else changed since the file was exported."),
    url: str = UrlOption,
) -> None:
    """Show what a file changes and, after a yes, do all of it at once. What the file does not list stays as it is."""
    from roony.cli.rules import as_diff, keyless, put, stale_words
    from roony.cli.rules_file import WrongFile, read_rules

    remote = owner(url)
    try:
        rules, lines = read_rules(file.read())
    except (WrongFile, UnicodeDecodeError) as error:
        fail(f"{file.name}: {error}" if isinstance(error, WrongFile) else f"{file.name} is no text.", WRONG_USE)
    wanted = put(remote, file.name, rules, lines, dry_run=True)
    changes = wanted["changes"]
    if not changes:
        typer.echo("Nothing to change.")
        return
    typer.echo(as_diff(changes))
    if wanted["stale"] and not force:
        typer.echo(stale_words(wanted["stale"]), err=True)
        fail("Nothing was changed. Next: export again, or `roony control apply --force` to overwrite it.")
    if dry_run:
        return
    if not yes and not typer.confirm(f"Make {_counted(len(changes))}?"):
        fail("Nothing was changed.")
    done = put(remote, file.name, rules, lines, force=force, plan=wanted["plan"])["changes"]
    typer.echo(f"{_counted(len(done))} made.")
    for line in keyless(done):
        typer.echo(line)


def _counted(changes: int) -> str:
    return "1 change" if changes == 1 else f"{changes} changes"
