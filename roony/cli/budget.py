"""`roony budget`: limits over a day, a week, a month or a lifetime, and where they stand."""

from __future__ import annotations

from typing import Any

import typer

from roony.cli.amounts import minor_units
from roony.cli.output import JsonOption, print_list, print_one
from roony.cli.remote import UrlOption, owner

app = typer.Typer(help="Budgets: limits, held and spent.", no_args_is_help=True)

_BUDGETS = "/api/v1/admin/budgets"
_COLUMNS = ("scope", "scope_id", "period", "limit", "held", "spent", "available")
DEFAULT_CURRENCY = "usd"
SCOPE_HELP = "agt_…, agt_…:TASK (agt_…:* for each task), prj_… or org_…; the organization if not given."
PAGE = 100


def parse_limits(texts: list[str]) -> list[dict[str, Any]]:
    """`month=500.00` or `month=500.00:eur` as the API wants it. Raises typer.BadParameter."""
    limits = []
    for text in texts:
        period, equals, rest = text.partition("=")
        amount, _, currency = rest.partition(":")
        if not equals or not period or not amount:
            raise typer.BadParameter(f"{text!r} is not a budget: write it like month=500.00 or month=500.00:eur.")
        currency = currency.lower() or DEFAULT_CURRENCY
        limits.append({"period": period, "limit": minor_units(amount, currency), "currency": currency})
    return limits


def scope_of(scope_id: str | None) -> dict[str, str]:
    """The scope an id belongs to, by its prefix; none is the organization. Raises typer.BadParameter."""
    if scope_id is None or scope_id == "organization":
        return {"scope": "organization"}
    scopes = {"org": "organization", "prj": "project", "agt": "agent"}
    prefix, _, rest = scope_id.partition("_")
    scope = scopes.get(prefix)
    # An ellipsis is copied from a page more often than anything else is mistyped.
    if scope is None or rest.startswith("…"):
        message = "is no id of an agent (agt_…), task (agt_…:TASK), project (prj_…) or organization (org_…)."
        raise typer.BadParameter(f"{scope_id!r} {message} `roony agent list` and `roony project list` have them.")
    if scope == "agent" and ":" in scope_id:
        scope = "task"
    return {"scope": scope, "scope_id": scope_id}


@app.command("list")
def list_budgets(
    scope_id: str | None = typer.Argument(None, help="Only of this agent, task (agt_…:TASK), project or organization."),
    cursor: str | None = typer.Option(None, help="Where the last page ended."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Show every budget with what is held and spent now."""
    where = scope_of(scope_id) if scope_id is not None else {}
    answer = owner(url).get(_BUDGETS, cursor=cursor, limit=PAGE, **where)
    print_list(answer, _COLUMNS, as_json, "No budgets here. Next: roony budget set month=500.00 --scope agt_…")


@app.command("set")
def set_budget(
    limit: str = typer.Argument(help="Such as month=500.00, month=500.00:eur or month=none."),
    scope: str | None = typer.Option(None, help=SCOPE_HELP),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Set a limit, or lift it with `none`. What is already held or spent stays as it is."""
    period, _, rest = limit.partition("=")
    if rest.partition(":")[0].lower() == "none":
        currency = rest.partition(":")[2].lower() or DEFAULT_CURRENCY
        wanted: dict[str, Any] = {"period": period, "limit": None, "currency": currency}
    else:
        (wanted,) = parse_limits([limit])
    print_one(owner(url).post(_BUDGETS, {**scope_of(scope), **wanted}), as_json)
