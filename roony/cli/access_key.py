"""The commands for the keys of somebody: of an agent in `roony agent key`, of a user in `roony user key`."""

from __future__ import annotations

import typer

from roony.cli.output import JsonOption, print_json, print_list, print_one
from roony.cli.remote import UrlOption, owner


def key_commands(path: str, holder: str) -> typer.Typer:
    """`new`, `list` and `revoke` for keys below `path`; `holder` shows what an id looks like, as in `agt_…`."""
    app = typer.Typer(help="Keys: made, listed, revoked.", no_args_is_help=True)
    holder_id = typer.Argument(help=holder)
    key_id = typer.Argument(help="key_…")

    @app.command()
    def new(
        id: str = holder_id,
        name: str | None = typer.Option(None, help="What the key is for."),
        url: str = UrlOption,
        as_json: bool = JsonOption,
    ) -> None:
        """Make one more key and print it, this once. Older keys stay valid."""
        made = owner(url).post(f"{path}/{id}/keys", {"name": name} if name else {})
        print_json(made) if as_json else typer.echo(made["key"])

    @app.command("list")
    def list_keys(
        id: str = holder_id,
        cursor: str | None = typer.Option(None, help="Where the last page ended."),
        url: str = UrlOption,
        as_json: bool = JsonOption,
    ) -> None:
        """List the keys, revoked ones too."""
        answer = owner(url).get(f"{path}/{id}/keys", cursor=cursor)
        print_list(answer, ("id", "name", "prefix", "created_at", "revoked_at"), as_json, "No keys.")

    @app.command()
    def revoke(id: str = holder_id, key: str = key_id, url: str = UrlOption, as_json: bool = JsonOption) -> None:
        """Revoke a key: it opens nothing from now on."""
        print_one(owner(url).delete(f"{path}/{id}/keys/{key}"), as_json)

    return app
