"""`roony user`: the people of the organization, their roles and their keys."""

from __future__ import annotations

import typer

from roony.cli.access_key import key_commands
from roony.cli.output import JsonOption, print_list, print_one
from roony.cli.remote import UrlOption, owner

app = typer.Typer(help="People, their roles and their keys.", no_args_is_help=True)

_USERS = "/api/v1/admin/users"
_ROLE = "viewer looks, approver also decides, admin also changes rules and agents, owner may do everything."

app.add_typer(key_commands(_USERS, "usr_…"), name="key")


@app.command()
def new(
    name: str = typer.Argument(help="The person's name."),
    email: str = typer.Argument(help="The person's e-mail address; no two users have the same."),
    role: str = typer.Option("viewer", help=_ROLE),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Add a user. A key of their own is made apart."""
    made = owner(url).post(_USERS, {"name": name, "email": email, "role": role})
    print_one(made, as_json)
    if not as_json:
        typer.echo(f"Next: roony user key new {made['id']}, and give the key to {name}.")


@app.command("list")
def list_users(
    role: str | None = typer.Option(None, help="Only those with this role."),
    cursor: str | None = typer.Option(None, help="Where the last page ended."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """List the users, disabled ones too."""
    answer = owner(url).get(_USERS, role=role, cursor=cursor)
    columns = ("id", "name", "email", "role", "disabled_at")
    print_list(answer, columns, as_json, "No users yet. Next: roony user new NAME EMAIL --role ROLE")


@app.command()
def show(user_id: str = typer.Argument(help="usr_…"), url: str = UrlOption, as_json: bool = JsonOption) -> None:
    """Show one user."""
    print_one(owner(url).get(f"{_USERS}/{user_id}"), as_json)


@app.command()
def role(
    user_id: str = typer.Argument(help="usr_…"),
    role: str = typer.Argument(help=_ROLE),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Give a user another role; it counts from the next request on. The last owner stays one."""
    print_one(owner(url).patch(f"{_USERS}/{user_id}", {"role": role}), as_json)


@app.command()
def disable(
    user_id: str = typer.Argument(help="usr_…"),
    enable: bool = typer.Option(False, "--enable", help="Let the user in again; a new key is needed then."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Disable a user: all keys of theirs end at once. The last owner cannot be disabled."""
    print_one(owner(url).patch(f"{_USERS}/{user_id}", {"disabled": not enable}), as_json)
