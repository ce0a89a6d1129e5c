"""`roony connection`: the Stripe accounts Roony may act for."""

from __future__ import annotations

from typing import Any

import typer

from roony.cli.checks import print_checks
from roony.cli.output import FAILED, WRONG_USE, JsonOption, fail, print_json, print_list, print_one
from roony.cli.remote import DEFAULT_URL, Remote, UrlOption, owner
from roony.core.permission import PERMISSIONS, app_manifest, permissions_of

app = typer.Typer(help="Connected Stripe accounts.", no_args_is_help=True)

_CONNECTIONS = "/api/v1/admin/connections"
# Connections read to find those that stand: ended ones and attempts are listed too. 100 a page.
MAX_PAGES = 100


@app.command()
def start(
    kind: str = typer.Argument(
        "connect",
        help="connect: by OAuth in a browser; stripe_app: by installing the Stripe App; direct: the key's own account.",
    ),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Connect an account. For `connect` and `stripe_app` it prints a link, good once and for 10 minutes."""
    started = owner(url).post(_CONNECTIONS, {"kind": kind})
    if as_json:
        print_json(started)
    elif started.get("url"):
        typer.echo("Open this link in a browser, within 10 minutes; it works once:")
        typer.echo(started["url"])
        typer.echo("Next: roony connection list")
    else:
        _print_connection(started, False)


@app.command("list")
def list_connections(
    cursor: str | None = typer.Option(None, help="Where the last page ended."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """List the connections."""
    answer = owner(url).get(_CONNECTIONS, cursor=cursor)
    columns = ("id", "kind", "status", "stripe_account", "livemode", "status_reason", "catching_up_since", "preflight")
    if not as_json:
        answer["data"] = [{**row, "preflight": (row["preflight"] or {}).get("summary")} for row in answer["data"]]
    print_list(answer, columns, as_json, "No account is connected. Next: roony connection start")


@app.command()
def disconnect(
    connection_id: str = typer.Argument(help="con_…"), url: str = UrlOption, as_json: bool = JsonOption
) -> None:
    """End a connection: its cards are canceled, then the access is given back to Stripe."""
    ended = owner(url).post(f"{_CONNECTIONS}/{connection_id}/disconnect")
    _print_connection(ended, as_json)
    if ended["kind"] == "stripe_app" and not as_json:
        typer.echo("Next: uninstall the app in the account's Stripe Dashboard; Roony has no way to do that.")


@app.command()
def show(connection_id: str = typer.Argument(help="con_…"), url: str = UrlOption, as_json: bool = JsonOption) -> None:
    """One connection: why it is restricted, what was confirmed, its last preflight, and what it needs at Stripe."""
    found = owner(url).get(f"{_CONNECTIONS}/{connection_id}")
    _print_connection(found, as_json)
    if not as_json:
        _print_permissions(found["permissions"])


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
    _print_connection(owner(url).post(f"{_CONNECTIONS}/{connection_id}/confirm", body), as_json)


@app.command()
def permissions(
    kind: str = typer.Argument(help="connect, stripe_app or direct."),
    manifest: bool = typer.Option(False, "--manifest", help="For stripe_app: the lines of stripe-app.json."),
    public_url: str = typer.Option(
        DEFAULT_URL, envvar="ROONY_PUBLIC_URL", help="Where the owner's browser comes back to after installing."
    ),
    as_json: bool = JsonOption,
) -> None:
    """Print what Roony needs at Stripe for a kind of connection, under its own names and Stripe's."""
    if kind not in PERMISSIONS:
        fail(f"KIND is one of {', '.join(PERMISSIONS)}.", WRONG_USE)
    if manifest and kind != "stripe_app":
        fail("Only an app has a manifest: roony connection permissions stripe_app --manifest", WRONG_USE)
    if manifest:
        print_json(app_manifest(f"{public_url.rstrip('/')}/connect/stripe/callback"))
    elif as_json:
        print_json({"kind": kind, "permissions": permissions_of(kind)})
    else:
        _print_permissions(permissions_of(kind))


@app.command()
def preflight(
    connection_id: str = typer.Argument(help="con_…"), url: str = UrlOption, as_json: bool = JsonOption
) -> None:
    """Look now at everything the account needs, with what to do about what is missing."""
    found = owner(url).get(f"{_CONNECTIONS}/{connection_id}/preflight")
    if as_json:
        print_json(found)
    else:
        print_checks(f"connection {connection_id}", found["checks"])


@app.command("setup-webhooks")
def set_up_webhooks(
    connection_id: str | None = typer.Argument(None, help="con_…; without, the one there is."),
    roll: bool = typer.Option(False, help="Make a new one with a new secret; the old secret counts for another hour."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Make the webhook endpoint at Stripe on the account itself, with every event; again: bring it in line."""
    remote = owner(url)
    if connection_id is None:
        standing = standing_connections(remote)
        if len(standing) != 1:
            fail("Say which connection: roony connection list shows them.", WRONG_USE)
        connection_id = standing[0]["id"]
    made = remote.post(f"{_CONNECTIONS}/{connection_id}/setup_webhooks", {"roll": roll})
    if as_json:
        print_json(made)
        return
    for one in made["webhook_endpoints"]:
        until = f" until {one['secret_until']}" if one["secret_until"] else ""
        typer.echo(f"{one['id']}: its secret counts{until}.")
    typer.echo("Stripe asks for authorizations at the address in the account's Issuing settings: set it there as well.")
    typer.echo(f"Next: roony connection preflight {connection_id}")


def standing_connections(remote: Remote) -> list[dict[str, Any]]:
    """The connections that are active or restricted, newest first, however many ended before them."""
    found: list[dict[str, Any]] = []
    cursor = None
    for _ in range(MAX_PAGES):
        page = remote.get(_CONNECTIONS, limit=100, cursor=cursor)
        found += [row for row in page["data"] if row["status"] in ("active", "restricted")]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    else:
        fail(f"There are more than {MAX_PAGES * 100} connections: name one (`roony connection preflight`).", FAILED)
    return found


def _print_connection(connection: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(connection)
        return
    apart = ("permissions", "preflight", "probe", "restricted_reason")
    print_one({name: field for name, field in connection.items() if name not in apart}, False)
    for name in ("preflight", "probe"):
        if connection[name] is not None:
            print_checks(f"{name} of {connection[name]['checked_at']}", connection[name]["checks"])


def _print_permissions(groups: list[dict[str, Any]]) -> None:
    rows = [{"name": group["name"], **one} for group in groups for one in group["stripe"]]
    answer = {"data": [{"name": row["name"], "at Stripe": row["permission"], "for": row["purpose"]} for row in rows]}
    print_list(answer, ("name", "at Stripe", "for"), False, "")
