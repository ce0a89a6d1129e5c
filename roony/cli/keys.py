"""`roony keys`: the keys that encrypt stored tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from roony.cli.output import FAILED, WRONG_USE, JsonOption, fail, print_json
from roony.cli.remote import UrlOption, owner

if TYPE_CHECKING:
    from roony.store.vault import Vault

app = typer.Typer(help="Keys that encrypt stored tokens (ROONY_SECRET_KEYS).", no_args_is_help=True)


@app.command()
def new(as_json: bool = JsonOption) -> None:
    """Print a fresh key for ROONY_SECRET_KEYS. Keep it: without it stored tokens cannot be opened."""
    from roony.store.vault import new_key

    key = new_key()
    print_json({"key": key}) if as_json else typer.echo(key)


@app.command()
def rotate(url: str = UrlOption, as_json: bool = JsonOption) -> None:
    """Seal everything stored again with the first key, while Roony serves; then the older keys can be dropped.

    Before: put a new key at the end of ROONY_SECRET_KEYS on every machine and start Roony again; then move it to the
    front on every machine and start Roony again. It may be broken off and begun anew at any time.
    """
    done = _rotate_all(url)
    if as_json:
        print_json(done)
    else:
        typer.echo(f"{done['resealed']} values sealed again with {done['key_id']}; {done['already_current']} were so.")
    problems = [f"{count} values need the key {key_id}" for key_id, count in sorted(done["unreadable"].items())]
    if done["damaged"]:
        problems.append(f"{done['damaged']} values were changed in the database and open with no key")
    if problems:
        fail(f"{'; '.join(problems)}. Put missing keys back into ROONY_SECRET_KEYS and run this again.", FAILED)
    if not as_json:
        typer.echo("Older keys can now be taken out of ROONY_SECRET_KEYS.")


def sealing_keys() -> Vault:
    """What ROONY_SECRET_KEYS opens and seals, for a command beside the database. Ends it where they are missing."""
    from roony.config import WrongSettings, load_database_settings, plain
    from roony.store.vault import Vault, VaultKeyRefused

    try:
        return Vault.from_text(plain(load_database_settings().roony_secret_keys))
    except (WrongSettings, VaultKeyRefused) as error:
        return fail(f"ROONY_SECRET_KEYS: {error}. Give the ones that Roony runs with.", WRONG_USE)


def _rotate_all(url: str) -> dict[str, Any]:
    """Call after call until Roony names no next one; what they did together."""
    remote, cursor = owner(url), None
    done: dict[str, Any] = {"key_id": "", "resealed": 0, "already_current": 0, "unreadable": {}, "damaged": 0}
    columns = (SpinnerColumn(), TextColumn("{task.completed:.0f} values looked at"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None)
        while True:
            answer = remote.post("/api/v1/admin/keys/rotate", {"cursor": cursor})
            done["key_id"] = answer["key_id"]
            for name in ("resealed", "already_current", "damaged"):
                done[name] += answer[name]
            for key_id, count in answer["unreadable"].items():
                done["unreadable"][key_id] = done["unreadable"].get(key_id, 0) + count
            seen = done["resealed"] + done["already_current"] + done["damaged"] + sum(done["unreadable"].values())
            progress.update(task, completed=seen)
            cursor = answer["next_cursor"]
            if cursor is None:
                return done
