"""All commands in one tree; each noun brings its own from its file."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import typer
from typer.main import get_command

from roony import __version__
from roony.cli import (
    access_key,
    agent,
    agent_key,
    alert,
    approval,
    audit,
    budget,
    card,
    cardholder,
    change,
    connection,
    control,
    discrepancy,
    events,
    keys,
    merchant,
    message,
    patterns,
    purchase,
    receipt,
    report,
    user,
    webhook,
)
from roony.cli.archive import archive
from roony.cli.backup import backup, restore
from roony.cli.bench import bench
from roony.cli.database import init, migrate
from roony.cli.demo import demo
from roony.cli.doctor import doctor
from roony.cli.export import export
from roony.cli.failure import Commands
from roony.cli.freeze import freeze, unfreeze
from roony.cli.mcp import mcp
from roony.cli.reconcile import reconcile
from roony.cli.replay import replay
from roony.cli.serve import serve
from roony.cli.simulator import simulator
from roony.cli.worker import worker

app = typer.Typer(
    name="roony",
    cls=Commands,
    help="A financial firewall for AI agents: rules, budgets and one tightly limited card per purchase.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # its boxes show local variables, and those may hold keys
    add_completion=False,
)

for command in (
    demo, serve, worker, simulator, init, migrate, archive, backup, restore, export, freeze, unfreeze, reconcile,
    replay, doctor, mcp, bench,
):  # fmt: skip
    app.command()(command)
for name, group in (
    ("purchase", purchase.app),
    ("agent", agent.app),
    ("agent-key", agent_key.app),
    ("project", agent.projects),
    ("user", user.app),
    ("admin-key", access_key.app),
    ("budget", budget.app),
    ("control", control.app),
    ("change", change.app),
    ("merchant", merchant.app),
    ("approval", approval.app),
    ("card", card.app),
    ("cardholder", cardholder.app),
    ("receipt", receipt.app),
    ("report", report.app),
    ("connection", connection.app),
    ("discrepancy", discrepancy.app),
    ("alert", alert.app),
    ("patterns", patterns.app),
    ("events", events.app),
    ("audit", audit.app),
    ("keys", keys.app),
    ("webhook", webhook.app),
    ("message", message.app),
):
    app.add_typer(group, name=name)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _options(
    _version: bool = typer.Option(False, "--version", callback=_print_version, is_eager=True, help="Print it."),
) -> None:
    """A financial firewall for AI agents: rules, budgets and one tightly limited card per purchase."""


@cache
def parser() -> Callable[[], None]:
    """All of this made into what reads a command line, which takes longer than most of them: once for a process."""
    return get_command(app)
