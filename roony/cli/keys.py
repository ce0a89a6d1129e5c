"""`roony keys`: the keys that encrypt stored tokens."""

from __future__ import annotations

import typer

app = typer.Typer(help="Keys that encrypt stored tokens (ROONY_SECRET_KEYS).", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Makes `new` a word of its own although it is the only one."""


@app.command()
def new() -> None:
    """Print a fresh key for ROONY_SECRET_KEYS. Keep it: without it stored tokens cannot be opened."""
    from roony.store.vault import new_key

    typer.echo(new_key())
