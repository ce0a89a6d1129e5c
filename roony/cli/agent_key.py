"""`roony agent-key`: an agent's own key pair, on its own machine: made, and used to open sealed card details.

Nothing here speaks to Roony. The private key stays in its file; the owner gets the public one.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import typer

from roony.cli.output import FAILED, WRONG_USE, JsonOption, fail, print_json, print_one

app = typer.Typer(help="The agent's own key pair, for sealed card details.", no_args_is_help=True)

DEFAULT_FILE = Path("roony-agent.key")


@app.command()
def new(
    out: Path = typer.Option(DEFAULT_FILE, help="Where the private key goes; a file that is there is never replaced."),
    as_json: bool = JsonOption,
) -> None:
    """Make a key pair: the private key goes into a file for you alone, the public one is printed for the owner."""
    from roony.client.sealed import new_private_key
    from roony.core.delivery import thumbprint

    key = new_private_key()
    _write_new(out, key.jwk)
    if as_json:
        print_json({"file": str(out), "public_key": json.loads(key.public), "thumbprint": thumbprint(key.public)})
        return
    typer.echo(key.public)
    # Not on stdout: `roony agent-key new > public.json` is the file the owner wants.
    typer.echo(
        f"The private key is in {out}: keep it on this machine. The line above is the public key. Next: save it as"
        " public.json and have the owner run: roony agent public-key set agt_… public.json",
        err=True,
    )


@app.command("open")
def open_card(
    sealed: str | None = typer.Argument(None, help="The JWE, or Roony's answer with it; read from stdin if left out."),
    file: Path | None = typer.Option(None, help="A file to read it from instead."),
    key: Path = typer.Option(DEFAULT_FILE, envvar="ROONY_AGENT_KEY_FILE", help="The private key."),
    as_json: bool = JsonOption,
) -> None:
    """Open sealed card details with the private key, and print them."""
    from roony.client.sealed import CannotOpen, InvalidPrivateKey, open_sealed

    if sealed is not None and file is not None:
        fail("Give the sealed card as an argument or with --file, not both.", WRONG_USE)
    text = sealed if sealed is not None else _read(file, "the sealed card") if file is not None else sys.stdin.read()
    private = _read(key, "the private key; `roony agent-key new` makes one")
    try:
        details = open_sealed(private, _jwe_of(text))
    except InvalidPrivateKey as wrong:
        fail(f"{key}: {wrong}", WRONG_USE)
    except CannotOpen as wrong:
        fail(str(wrong), FAILED)
    print_one(details, as_json)


def _write_new(path: Path, content: str) -> None:
    """Writes a file that only its owner may read. Ends the command when there is one already."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        fail(f"{path} is there already and is not replaced: what was sealed to it could not be opened any more.")
    except OSError as error:
        fail(f"{path} cannot be written: {error.strerror}.")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content + "\n")


def _read(path: Path, what: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        fail(f"{path} cannot be read ({reason}): it should be {what}.", WRONG_USE)


def _jwe_of(text: str) -> str:
    """The JWE itself, or the one in an answer of Roony's, as `roony purchase card --json` prints it."""
    text = text.strip()
    if not text.startswith("{"):
        return text
    try:
        answer: Any = json.loads(text)
    except ValueError:
        return text
    return str(answer.get("jwe", ""))
