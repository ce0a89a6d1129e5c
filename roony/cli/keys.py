"""`roony keys`: the keys that encrypt stored tokens."""

from __future__ import annotations

import typer

from roony.cli.output import JsonOption, print_json

app = typer.Typer(help="Keys that encrypt stored tokens (ROONY_SECRET_KEYS).", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Makes `new` a word of its own although it is the only one."""


@app.command()
def new(as_json: bool = JsonOption) -> None:
    """Print a fresh key for ROONY_SECRET_KEYS. Keep it: without it stored tokens cannot be opened."""
    from roony.store.vault import new_key

    key = new_key()
    print_json({"key": key}) if as_json else typer.echo(key)
