"""`roony worker`: the worker without the web, for more than one process on PostgreSQL."""

from __future__ import annotations

import asyncio

import typer

from roony.cli import loading
from roony.cli.output import FAILED, WRONG_USE, fail


def worker(
    metrics_port: int = typer.Option(0, min=0, max=65535, help="A port for /metrics and /readyz of this process."),
    host: str = typer.Option("127.0.0.1", help="Address of that port."),
) -> None:
    """Run a worker of its own beside the servers. Needs PostgreSQL."""
    with loading():
        import uvloop

        from roony.config import WrongSettings, load_database_settings, load_settings
        from roony.logging_setup import configure_logging
        from roony.store.migrations import SchemaTooNew
        from roony.wiring import DatabaseUnusable

    try:
        # First of all, so that nobody is asked for secrets on a database that cannot have a worker.
        if load_database_settings().roony_database_url.startswith("sqlite"):
            fail("A worker needs PostgreSQL: SQLite serves one process, and `roony serve` works in it.", WRONG_USE)
        settings = load_settings()
    except WrongSettings as error:
        fail(str(error), WRONG_USE)
    configure_logging(settings.roony_log_format)

    async def work() -> int:
        from roony.cli.server import bind, stop_on_signals
        from roony.cli.watching import watched
        from roony.wiring import build

        try:
            listener = bind(host, metrics_port) if metrics_port else None
        except OSError as error:
            fail(f"Cannot listen on {host}:{metrics_port} ({error.strerror}): choose another --metrics-port.", FAILED)
        roony = build(settings, settings.roony_public_url or "")
        stop = asyncio.Event()
        stop_on_signals(stop)
        try:
            await roony.start()
            waiting = asyncio.create_task(stop.wait())
            async with watched(roony.app, listener):
                await asyncio.wait({waiting, roony.working}, return_when=asyncio.FIRST_COMPLETED)
            return 0 if stop.is_set() else FAILED
        finally:
            await roony.stop()

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            code = runner.run(work())
    except (DatabaseUnusable, SchemaTooNew) as error:
        fail(str(error), FAILED)
    raise typer.Exit(code)
