"""The commands for keys: `roony agent key`, `roony user key`, and `roony admin-key` for programs."""

from __future__ import annotations

from typing import Any

import typer

from roony.cli.output import JsonOption, print_json, print_list, print_one
from roony.cli.remote import UrlOption, owner

DAY_SECONDS = 86_400

_COLUMNS = ("id", "name", "prefix", "scopes", "expires_at", "last_used_at", "revoked_at")
_NAME = typer.Option(None, help="What the key is for.")
_DAYS = typer.Option(None, "--expires-in-days", min=1, help="It ends by itself after so many days.")
_FROM = typer.Option([], "--from", help="A network it may be used from, as 203.0.113.0/24; may be given several times.")
_RATE = typer.Option(None, "--per-minute", min=1, help="How often it may call in a minute.")
_OVERLAP = typer.Option(24, "--overlap-hours", min=0, help="How long the old key stays good.")
_SCOPE = typer.Option([], "--scope", help="read, purchase or card; may be given several times; all if not given.")
_KEY = typer.Argument(help="key_…")

app = typer.Typer(help="Keys of the owner's programs, and of everybody by their ids.", no_args_is_help=True)
_ALL = "/api/v1/admin/access_keys"


def key_commands(path: str, holder: str, scoped: bool = False) -> typer.Typer:
    """The commands for keys below `path`; `holder` shows what an id looks like. `scoped` for keys that have scopes."""
    commands = typer.Typer(help="Keys: made, listed, rotated, revoked.", no_args_is_help=True)
    holder_id = typer.Argument(help=holder)

    def new(
        id: str = holder_id, name: str | None = _NAME, expires_in_days: int | None = _DAYS, origin: list[str] = _FROM,
        per_minute: int | None = _RATE, url: str = UrlOption, as_json: bool = JsonOption,
    ) -> None:  # fmt: skip
        """Make one more key and print it, this once. Older keys stay valid."""
        _make(f"{path}/{id}/keys", _body(name, expires_in_days, origin, per_minute), url, as_json)

    def new_scoped(
        id: str = holder_id, name: str | None = _NAME, scope: list[str] = _SCOPE, expires_in_days: int | None = _DAYS,
        origin: list[str] = _FROM, per_minute: int | None = _RATE, url: str = UrlOption, as_json: bool = JsonOption,
    ) -> None:  # fmt: skip
        """Make one more key and print it, this once. Older keys stay valid."""
        body = {**_body(name, expires_in_days, origin, per_minute), "scopes": scope}
        _make(f"{path}/{id}/keys", body, url, as_json)

    commands.command("new")(new_scoped if scoped else new)

    @commands.command("list")
    def list_keys(
        id: str = holder_id,
        cursor: str | None = typer.Option(None, help="Where the last page ended."),
        url: str = UrlOption,
        as_json: bool = JsonOption,
    ) -> None:
        """List the keys, those that are over too."""
        print_list(owner(url).get(f"{path}/{id}/keys", cursor=cursor), _COLUMNS, as_json, "No keys.")

    @commands.command()
    def rotate(
        id: str = holder_id, key: str = _KEY, overlap_hours: int = _OVERLAP, url: str = UrlOption,
        as_json: bool = JsonOption,
    ) -> None:  # fmt: skip
        """Make a key in place of another and print it, this once; the old one ends after the overlap."""
        _make(f"{path}/{id}/keys/{key}/rotate", {"overlap_seconds": overlap_hours * 3_600}, url, as_json)

    @commands.command()
    def revoke(id: str = holder_id, key: str = _KEY, url: str = UrlOption, as_json: bool = JsonOption) -> None:
        """Revoke a key: it opens nothing from now on."""
        print_one(owner(url).delete(f"{path}/{id}/keys/{key}"), as_json)

    return commands


@app.command()
def new(
    name: str | None = _NAME, expires_in_days: int | None = _DAYS, origin: list[str] = _FROM,
    per_minute: int | None = _RATE, url: str = UrlOption, as_json: bool = JsonOption,
) -> None:  # fmt: skip
    """Make a key for a program and print it, this once: it may do everything. People get theirs by `roony user key`."""
    _make(_ALL, _body(name, expires_in_days, origin, per_minute), url, as_json)


@app.command("list")
def list_all(
    kind: str | None = typer.Option(None, help="agent or admin."),
    cursor: str | None = typer.Option(None, help="Where the last page ended."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """List all keys of the organization: those of agents, users and programs, and those that are over too."""
    columns = ("id", "kind", "agent_id", "user_id", *_COLUMNS[1:])
    print_list(owner(url).get(_ALL, kind=kind, cursor=cursor), columns, as_json, "No keys.")


@app.command()
def rotate(key: str = _KEY, overlap_hours: int = _OVERLAP, url: str = UrlOption, as_json: bool = JsonOption) -> None:
    """Make a key in place of any other and print it, this once; the old one ends after the overlap."""
    _make(f"{_ALL}/{key}/rotate", {"overlap_seconds": overlap_hours * 3_600}, url, as_json)


@app.command()
def revoke(key: str = _KEY, url: str = UrlOption, as_json: bool = JsonOption) -> None:
    """Revoke any key but the one that is used for it."""
    print_one(owner(url).delete(f"{_ALL}/{key}"), as_json)


def _body(name: str | None, days: int | None, origins: list[str], per_minute: int | None) -> dict[str, Any]:
    return {
        "name": name, "expires_in_seconds": days * DAY_SECONDS if days is not None else None,
        "allowed_addresses": origins, "requests_per_minute": per_minute,
    }  # fmt: skip


def _make(path: str, body: dict[str, Any], url: str, as_json: bool) -> None:
    remote = owner(url)
    made = remote.post(path, body)
    if made.get("replaces_caller"):
        remote.keep(made["key"])
    print_json(made) if as_json else typer.echo(made["key"])
