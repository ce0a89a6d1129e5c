"""`roony user`: the people of the organization, their roles and their keys."""

from __future__ import annotations

from typing import Any

import typer

from roony.cli.access_key import key_commands
from roony.cli.output import FAILED, WRONG_USE, JsonOption, fail, print_list, print_one
from roony.cli.remote import Remote, UrlOption, owner

app = typer.Typer(help="People, their roles and their keys.", no_args_is_help=True)

# More users than an organization may have.
MAX_PAGES = 10
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
    """Add a user. A link to sign in, and keys of their own, are made apart."""
    made = owner(url).post(_USERS, {"name": name, "email": email, "role": role})
    print_one(made, as_json)
    if not as_json:
        typer.echo(f"Next: roony user invite {made['id']}, and send the link to {name}.")
        typer.echo(f"For a program of theirs: roony user key new {made['id']}")


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
def invite(user_id: str = typer.Argument(help="usr_…"), url: str = UrlOption, as_json: bool = JsonOption) -> None:
    """Make a link with which a user chooses a password and is signed in. It opens once, for a week."""
    _print_link(owner(url).post(f"{_USERS}/{user_id}/invitation", {}), as_json)


@app.command()
def reset(
    email: str = typer.Argument(help="The person's e-mail address, or usr_…"),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Let somebody who forgot their password choose a new one, by a link that opens once. Their passkeys go with it."""
    _print_link(owner(url).post(f"{_USERS}/{_id_of(owner(url), email)}/invitation", {}), as_json)


def _id_of(api: Remote, text: str) -> str:
    """The id of the user with this address, or the id itself."""
    if "@" not in text:
        return text
    cursor = None
    for _page in range(MAX_PAGES):
        answer = api.get(_USERS, limit=200, cursor=cursor)
        for row in answer["data"]:
            if row["email"].lower() == text.lower():
                return str(row["id"])
        cursor = answer["next_cursor"]
        if cursor is None:
            break
    return fail(f"No user has the address {text}. See them with: roony user list", FAILED)


def _print_link(answer: dict[str, Any], as_json: bool) -> None:
    print_one(answer, as_json)
    if not as_json:
        typer.echo("Send the address to that person only: whoever opens it first is signed in.")


@app.command()
def disable(
    user_id: str = typer.Argument(help="usr_…"),
    enable: bool = typer.Option(False, "--enable", help="Let the user in again; a new link is needed then."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Disable a user: keys, sessions, links, password and passkeys end at once. The last owner cannot be disabled."""
    print_one(owner(url).patch(f"{_USERS}/{user_id}", {"disabled": not enable}), as_json)


@app.command()
def erase(
    user_id: str = typer.Argument(help="usr_…"),
    sure: bool = typer.Option(False, "--for-ever", help="There is no way back."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Erase who a user is: name, address, names of keys and passkeys. They are shut out; their id stays."""
    if not sure:
        fail("There is no way back: say --for-ever.", WRONG_USE)
    print_one(owner(url).post(f"{_USERS}/{user_id}/erase", {}), as_json)
