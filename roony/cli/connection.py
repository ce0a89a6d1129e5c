"""`roony connection`: the Stripe accounts Roony may act for."""

from __future__ import annotations

import typer

from roony.cli.output import JsonOption, print_json, print_list, print_one
from roony.cli.remote import UrlOption, owner

app = typer.Typer(help="Connected Stripe accounts.", no_args_is_help=True)

_CONNECTIONS = "/api/v1/admin/connections"


@app.command()
def start(
    kind: str = typer.Argument("connect", help="connect: by OAuth in a browser; direct: the key's own account."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Connect an account. For `connect` it prints a link, good once and for 10 minutes."""
    started = owner(url).post(_CONNECTIONS, {"kind": kind})
    if as_json:
        print_json(started)
    elif started.get("url"):
        typer.echo("Open this link in a browser, within 10 minutes; it works once:")
        typer.echo(started["url"])
        typer.echo("Next: roony connection list")
    else:
        print_one(started, False)


@app.command("list")
def list_connections(
    cursor: str | None = typer.Option(None, help="Where the last page ended."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """List the connections."""
    answer = owner(url).get(_CONNECTIONS, cursor=cursor)
    columns = ("id", "kind", "status", "stripe_account", "livemode", "status_reason", "catching_up_since")
    print_list(answer, columns, as_json, "No account is connected. Next: roony connection start")


@app.command()
def disconnect(
    connection_id: str = typer.Argument(help="con_…"), url: str = UrlOption, as_json: bool = JsonOption
) -> None:
    """End a connection: its cards are canceled, then the access is given back to Stripe."""
    print_one(owner(url).post(f"{_CONNECTIONS}/{connection_id}/disconnect"), as_json)


@app.command()
def show(connection_id: str = typer.Argument(help="con_…"), url: str = UrlOption, as_json: bool = JsonOption) -> None:
    """One connection: why it is restricted, what was confirmed, and its last preflight."""
    print_one(owner(url).get(f"{_CONNECTIONS}/{connection_id}"), as_json)


@app.command()
def confirm(
    connection_id: str = typer.Argument(help="con_…"),
    realtime_url: bool | None = typer.Option(
        None, help="Roony's address is the account's real-time authorization URL (Dashboard: Issuing settings)."
    ),
    timeout_declines: bool | None = typer.Option(None, help="The account's timeout action is decline (same page)."),
    other_cards: str | None = typer.Option(
        None, help="Payments with cards Roony did not make: decline, approve or approve_while_unfrozen."
    ),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Confirm what no API of Stripe's shows, after looking at the account in the Stripe Dashboard."""
    given = {"realtime_url": realtime_url, "timeout_declines": timeout_declines, "other_cards": other_cards}
    body = {name: value for name, value in given.items() if value is not None}
    print_one(owner(url).post(f"{_CONNECTIONS}/{connection_id}/confirm", body), as_json)
