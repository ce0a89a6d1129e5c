"""`roony merchant`: the names and network ids by which merchants are known."""

from __future__ import annotations

import typer

from roony.cli.output import WRONG_USE, JsonOption, fail, print_list, print_one
from roony.cli.remote import UrlOption, owner

app = typer.Typer(help="Names and network ids by which merchants are known.", no_args_is_help=True)

_MERCHANTS = "/api/v1/admin/merchants"


@app.command("list")
def list_merchants(
    cursor: str | None = typer.Option(None, help="Where the last page ended."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """List merchants by name, with what was learned of them."""
    answer = owner(url).get(_MERCHANTS, cursor=cursor)
    columns = ("key", "name", "aliases", "network_ids", "purchases")
    print_list(answer, columns, as_json, "No merchants yet: one is known once a card was made for it.")


@app.command()
def alias(
    merchant: str = typer.Argument(help="Its name, as agents write it."),
    name: str = typer.Argument(help="What the card network calls it."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Accept one more name for a merchant."""
    print_one(owner(url).post(f"{_MERCHANTS}/aliases", {"merchant": merchant, "alias": name}), as_json)


@app.command()
def forget(
    merchant: str = typer.Argument(help="Its name, as agents write it."),
    alias: str | None = typer.Option(None, help="A name that is not its own after all."),
    network_id: str | None = typer.Option(None, help="A network id that is not its own after all."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Take back what was learned of a merchant."""
    if alias is None and network_id is None:
        fail("Say which: --alias or --network-id.", WRONG_USE)
    body = {"merchant": merchant, "alias": alias, "network_id": network_id}
    print_one(owner(url).post(f"{_MERCHANTS}/forget", body), as_json)
