"""`roony webhook`: tell systems of what happens."""

from __future__ import annotations

from typing import Any

import typer

from roony.cli.output import JsonOption, print_json, print_list, print_one
from roony.cli.remote import UrlOption, owner

app = typer.Typer(help="Tell systems of what happens, by signed webhooks.", no_args_is_help=True)

_ENDPOINTS = "/api/v1/admin/webhook_endpoints"
_DELIVERIES = "/api/v1/admin/webhook_deliveries"
_TYPES = "Only of these, as in approval.requested; leave it out for all."
_ID = typer.Argument(help="whe_…")


@app.command()
def add(
    address: str = typer.Argument(help="Where they go, https://…"),
    only: list[str] = typer.Option([], "--type", help=_TYPES),
    description: str = typer.Option("", help="What it is, for people."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Name a receiver; prints its signing secret this once."""
    body = {"url": address, "types": only, "description": description}
    made = owner(url).post(_ENDPOINTS, body)
    print_one(made, as_json)
    if not as_json:
        typer.echo(f"Keep the secret: it is not shown again. Next: roony webhook test {made['id']}")


@app.command("list")
def list_endpoints(
    cursor: str | None = typer.Option(None, help="Where the last page ended."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """List endpoints, newest first."""
    answer = owner(url).get(_ENDPOINTS, cursor=cursor)
    columns = ("id", "url", "status", "types", "description", "created_at")
    print_list(answer, columns, as_json, "No endpoints. `roony webhook add https://…` names one.")


@app.command()
def show(endpoint_id: str = _ID, url: str = UrlOption, as_json: bool = JsonOption) -> None:
    """Show one endpoint."""
    print_one(owner(url).get(f"{_ENDPOINTS}/{endpoint_id}"), as_json)


@app.command()
def change(
    endpoint_id: str = _ID,
    address: str | None = typer.Option(None, help="Where they go from now on."),
    only: list[str] = typer.Option([], "--type", help="Only of these from now on."),
    all_types: bool = typer.Option(False, "--all-types", help="Of everything from now on."),
    description: str | None = typer.Option(None, help="What it is, for people."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Change an endpoint's address, types or description."""
    given = {"url": address, "description": description, "types": only or ([] if all_types else None)}
    _patch(url, endpoint_id, {name: value for name, value in given.items() if value is not None}, as_json)


@app.command()
def disable(endpoint_id: str = _ID, url: str = UrlOption, as_json: bool = JsonOption) -> None:
    """Send nothing to an endpoint until it is enabled again."""
    _patch(url, endpoint_id, {"status": "disabled"}, as_json)


@app.command()
def enable(endpoint_id: str = _ID, url: str = UrlOption, as_json: bool = JsonOption) -> None:
    """Send to an endpoint again, from now on."""
    _patch(url, endpoint_id, {"status": "active"}, as_json)


@app.command()
def remove(endpoint_id: str = _ID, url: str = UrlOption, as_json: bool = JsonOption) -> None:
    """Remove an endpoint for good."""
    print_one(owner(url).delete(f"{_ENDPOINTS}/{endpoint_id}"), as_json)


@app.command("rotate-secret")
def rotate_secret(
    endpoint_id: str = _ID,
    overlap: int = typer.Option(86_400, help="How long the old secret signs too, in seconds."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Sign with a fresh secret; prints it this once."""
    print_one(owner(url).post(f"{_ENDPOINTS}/{endpoint_id}/rotate_secret", {"overlap_seconds": overlap}), as_json)


@app.command("test")
def send_test(endpoint_id: str = _ID, url: str = UrlOption, as_json: bool = JsonOption) -> None:
    """Send a test; `roony webhook deliveries` shows how it went."""
    print_one(owner(url).post(f"{_ENDPOINTS}/{endpoint_id}/test"), as_json)
    if not as_json:
        typer.echo(f"Next: roony webhook deliveries {endpoint_id}")


@app.command()
def deliveries(
    endpoint_id: str | None = typer.Argument(None, help="Only to this one, whe_…"),
    status: str | None = typer.Option(None, help="pending, delivered, dead or canceled."),
    cursor: str | None = typer.Option(None, help="Where the last page ended."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """List what was sent or waits to be, newest first."""
    answer = owner(url).get(_DELIVERIES, cursor=cursor, target_id=endpoint_id, status=status)
    columns = ("id", "target_id", "type", "status", "tries", "answer", "last_error", "next_try_at", "created_at")
    print_list(answer, columns, as_json, "No deliveries.")


@app.command()
def replay(
    id: str = typer.Argument(help="One delivery, whd_…, or with --since an endpoint, whe_…"),
    since: str | None = typer.Option(None, help="2026-11-23T09:00:00Z, or how long ago: 90m, 2h, 7d."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Send again what was sent, under the same ids."""
    if since is None:
        print_one(owner(url).post(f"{_DELIVERIES}/{id}/replay"), as_json)
        return
    answer = owner(url).post(f"{_ENDPOINTS}/{id}/replay", {"since": since})
    if as_json:
        print_json(answer)
    else:
        typer.echo(f"{answer['replayed']} deliveries are sent again.")
        if answer["next_since"] is not None:
            typer.echo(f"There may be more: roony webhook replay {id} --since {answer['next_since']}")


def _patch(url: str, endpoint_id: str, body: dict[str, Any], as_json: bool) -> None:
    remote = owner(url)
    print_one(remote.accepted(remote.call("PATCH", f"{_ENDPOINTS}/{endpoint_id}", body)), as_json)
