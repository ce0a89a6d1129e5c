"""`roony message`: tell people of what happens, where they read: chat, mail and others."""

from __future__ import annotations

from typing import Any

import typer

from roony.cli.output import JsonOption, print_list, print_one
from roony.cli.remote import UrlOption, owner

app = typer.Typer(help="Tell people of what happens, by chat or mail.", no_args_is_help=True)

_RECIPIENTS = "/api/v1/admin/message_recipients"
_TYPES = "Only of these, as in approval.requested; leave it out for all."
_ADDRESS = "An apprise address, as in slack://… or mailtos://…; - reads it from standard input."
_ID = typer.Argument(help="msg_…")


@app.command()
def add(
    name: str = typer.Argument(help="Who they are."),
    address: str = typer.Argument(help=_ADDRESS),
    only: list[str] = typer.Option([], "--type", help=_TYPES),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Name a recipient; the address is kept sealed and not shown again."""
    print_one(owner(url).post(_RECIPIENTS, {"name": name, "url": _typed(address), "types": only}), as_json)


@app.command("list")
def list_recipients(
    cursor: str | None = typer.Option(None, help="Where the last page ended."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """List recipients, newest first."""
    answer = owner(url).get(_RECIPIENTS, cursor=cursor)
    columns = ("id", "name", "address", "status", "types", "created_at")
    print_list(answer, columns, as_json, "No recipients. `roony message add NAME slack://…` names one.")


@app.command()
def show(recipient_id: str = _ID, url: str = UrlOption, as_json: bool = JsonOption) -> None:
    """Show one recipient."""
    print_one(owner(url).get(f"{_RECIPIENTS}/{recipient_id}"), as_json)


@app.command()
def change(
    recipient_id: str = _ID,
    name: str | None = typer.Option(None, help="Who they are."),
    address: str | None = typer.Option(None, help=_ADDRESS),
    only: list[str] = typer.Option([], "--type", help="Only of these from now on."),
    all_types: bool = typer.Option(False, "--all-types", help="Of everything people are told, from now on."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Change a recipient's name, address or types."""
    types = only or ([] if all_types else None)
    given = {"name": name, "url": _typed(address) if address is not None else None, "types": types}
    _patch(url, recipient_id, {name: value for name, value in given.items() if value is not None}, as_json)


@app.command()
def disable(recipient_id: str = _ID, url: str = UrlOption, as_json: bool = JsonOption) -> None:
    """Send nothing to a recipient until it is enabled again."""
    _patch(url, recipient_id, {"status": "disabled"}, as_json)


@app.command()
def enable(recipient_id: str = _ID, url: str = UrlOption, as_json: bool = JsonOption) -> None:
    """Send to a recipient again, from now on."""
    _patch(url, recipient_id, {"status": "active"}, as_json)


@app.command()
def remove(recipient_id: str = _ID, url: str = UrlOption, as_json: bool = JsonOption) -> None:
    """Remove a recipient for good, with the address."""
    print_one(owner(url).delete(f"{_RECIPIENTS}/{recipient_id}"), as_json)


@app.command("test")
def send_test(recipient_id: str = _ID, url: str = UrlOption, as_json: bool = JsonOption) -> None:
    """Send a test; `roony message deliveries` shows how it went."""
    print_one(owner(url).post(f"{_RECIPIENTS}/{recipient_id}/test"), as_json)


@app.command()
def deliveries(
    recipient_id: str = _ID,
    status: str | None = typer.Option(None, help="pending, delivered, dead or canceled."),
    cursor: str | None = typer.Option(None, help="Where the last page ended."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """List what was sent to a recipient or waits to be, newest first; `roony webhook replay whd_…` sends one again."""
    answer = owner(url).get(f"{_RECIPIENTS}/{recipient_id}/deliveries", cursor=cursor, status=status)
    columns = ("id", "type", "status", "tries", "last_error", "next_try_at", "created_at")
    print_list(answer, columns, as_json, "No messages.")


def _typed(address: str) -> str:
    """The address as given, or from standard input: an argument stands in the shell's history and in process lists."""
    return typer.get_text_stream("stdin").readline().strip() if address == "-" else address


def _patch(url: str, recipient_id: str, body: dict[str, Any], as_json: bool) -> None:
    remote = owner(url)
    print_one(remote.accepted(remote.call("PATCH", f"{_RECIPIENTS}/{recipient_id}", body)), as_json)
