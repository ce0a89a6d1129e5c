"""`roony simulator`: a Stripe that fits in a process, alone."""

from __future__ import annotations

import typer


def simulator(
    port: int = typer.Option(8001, min=0, max=65535, help="Port to listen on; 0 takes a free one."),
    webhook_url: str | None = typer.Option(
        None,
        metavar="URL",
        help="Where to send events, of connected accounts too, and to ask in real time whether an authorization is "
        "approved. Example: http://localhost:4242/webhook. Without it, register endpoints through the API.",
    ),
    webhook_secret: str | None = typer.Option(
        None, metavar="SECRET", help="Secret the events are signed with (whsec_…); made up if not given."
    ),
    secret_key: str = typer.Option("sk_test_simulator", metavar="KEY", help="API key of the simulated account."),
    state: str | None = typer.Option(
        None, metavar="FILE", help="SQLite file that keeps everything across restarts; without it, all is lost."
    ),
    ready_json: bool = typer.Option(
        False,
        "--ready-json",
        help="Once it answers, print one line of JSON: url, secret_key, account, client_id, webhook_secret, pid.",
    ),
) -> None:
    """Run the simulated Stripe alone, on this machine only. No real money.

    Example: roony simulator --webhook-url http://localhost:4242/webhook --webhook-secret whsec_mine

    Then open http://localhost:8001/ in a browser to play the merchant, or point the Stripe SDK at that address.

    The guide is docs/simulator.md.
    """
    from roony.simulator.server import run

    run(
        port=port,
        webhook_url=webhook_url,
        webhook_secret=webhook_secret,
        secret_key=secret_key,
        state=state,
        ready_json=ready_json,
    )
