"""`roony simulator`: a Stripe that fits in a process, alone."""

from __future__ import annotations

import typer


def simulator(
    port: int = typer.Option(8001, min=0, max=65535, help="Port; 0 takes a free one."),
    webhook_url: str | None = typer.Option(None, help="Where to send events, of connected accounts too."),
    webhook_secret: str | None = typer.Option(None, help="Secret they are signed with; made up if not given."),
    secret_key: str = typer.Option("sk_test_simulator", help="API key of its account."),
    state: str | None = typer.Option(None, help="File that keeps everything across restarts."),
    ready_json: bool = typer.Option(False, "--ready-json", help="Print one JSON line once it answers."),
) -> None:
    """Run the simulated Stripe alone, on this machine only. No real money."""
    from roony.simulator.server import run

    run(
        port=port,
        webhook_url=webhook_url,
        webhook_secret=webhook_secret,
        secret_key=secret_key,
        state=state,
        ready_json=ready_json,
    )
