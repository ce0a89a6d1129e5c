"""`roony freeze` and `roony unfreeze`: the kill switch, for an agent, a project or the whole organization."""

from __future__ import annotations

import typer

from roony.cli.budget import scope_of
from roony.cli.output import JsonOption, print_json
from roony.cli.remote import UrlOption, owner

_SCOPE = typer.Argument(None, help="agt_…, prj_… or org_…; the whole organization if not given.")


def freeze(scope: str | None = _SCOPE, url: str = UrlOption, as_json: bool = JsonOption) -> None:
    """Stop everything at once: asks, approvals and payments are declined, open cards are switched off."""
    _switch("freeze", scope, url, as_json)


def unfreeze(scope: str | None = _SCOPE, url: str = UrlOption, as_json: bool = JsonOption) -> None:
    """Let it go on; cards that are still alive work again."""
    _switch("unfreeze", scope, url, as_json)


def _switch(word: str, scope: str | None, url: str, as_json: bool) -> None:
    where = scope_of(scope)
    answer = owner(url).post(f"/api/v1/admin/{word}", where)
    if as_json:
        print_json(answer)
        return
    name = where.get("scope_id", "the organization")
    undo = f" Undo it with: roony unfreeze{' ' + scope if scope else ''}" if word == "freeze" else ""
    typer.echo(f"{'Frozen' if word == 'freeze' else 'Unfrozen'}: {name}.{undo}")
