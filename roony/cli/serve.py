"""`roony serve`: web and worker in one process, and with --simulate the simulator and a demo organization beside it."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

from roony.cli.output import FAILED, WRONG_USE, fail

if TYPE_CHECKING:
    import socket

    from roony.cli.simulation import SimulationFiles, SimulatorChild
    from roony.clock import Clock
    from roony.config import Settings


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """What was given on the command line."""

    host: str
    port: int
    simulate: bool
    simulator_port: int
    ready_json: bool
    parent_pipe: bool


def serve(
    host: str = typer.Option("127.0.0.1", help="Address to listen on."),
    port: int = typer.Option(8000, min=0, max=65535, help="Port; 0 takes a free one."),
    workers: int = typer.Option(1, min=1, help="Processes."),
    simulate: bool = typer.Option(False, "--simulate", help="With a simulated Stripe and a demo organization."),
    simulator_port: int = typer.Option(8001, min=0, max=65535, help="Port of the simulator; 0 takes a free one."),
    ready_json: bool = typer.Option(False, "--ready-json", help="Print one JSON line once everything answers."),
    parent_pipe: bool = typer.Option(False, "--parent-pipe", hidden=True, help="End when standard input closes."),
) -> None:
    """Run Roony: the HTTP API, the door for Stripe's webhooks, and the worker."""
    options = ServeOptions(host, port, simulate, simulator_port, ready_json, parent_pipe)
    _refuse_workers(workers)
    import uvloop

    from roony.cli.demo_company import DemoFailed
    from roony.cli.oauth_walk import WalkFailed
    from roony.cli.simulation import SimulatorFailed
    from roony.config import WrongSettings
    from roony.store.database import DatabaseLocked
    from roony.store.migrations import SchemaTooNew
    from roony.wiring import DatabaseUnusable

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            code = runner.run(_serve(options))
    except WrongSettings as error:
        fail(str(error), WRONG_USE)
    except (DatabaseLocked, SchemaTooNew, DatabaseUnusable, SimulatorFailed, DemoFailed, WalkFailed) as error:
        fail(str(error), FAILED)
    raise typer.Exit(code)


def _refuse_workers(workers: int) -> None:
    if workers == 1:
        return
    from roony.config import WrongSettings, load_database_settings

    try:
        url = load_database_settings().roony_database_url
    except WrongSettings as error:
        fail(str(error), WRONG_USE)
    if url.startswith("sqlite"):
        fail("SQLite serves one process only: leave --workers out, or use a PostgreSQL database.", WRONG_USE)
    fail("Several processes are not available yet: leave --workers out.", WRONG_USE)


async def _serve(options: ServeOptions) -> int:
    """1 settings · 2 port · 3 simulator · 4 Roony · 5 demo organization · 6 ready line · 7 until told to stop."""
    from roony.cli.server import address_of, bind, stop_on_signals
    from roony.config import load_settings
    from roony.logging_setup import configure_logging

    settings = load_settings(simulate=options.simulate)
    configure_logging(settings.roony_log_format)
    try:
        listener = bind(options.host, options.port)
    except OSError as error:
        fail(f"Cannot listen on {options.host}:{options.port} ({error.strerror}): choose another --port.", FAILED)
    stop = asyncio.Event()
    stop_on_signals(stop)
    if options.parent_pipe:
        await _stop_with_parent(stop)
    if not options.simulate:
        return await _run(options, settings, listener, settings.roony_public_url or address_of(listener), stop)
    from roony.cli.simulation import WEBHOOK_PATH, SimulatorChild, files_of, made_secrets, simulated

    files = files_of(settings)
    made = made_secrets(files.secrets)
    url = address_of(listener)
    child = await SimulatorChild.start(files, made, options.simulator_port, f"{url}{WEBHOOK_PATH}")
    try:
        # The simulator leads back to this machine only, so a public address would be of no use.
        return await _run(options, simulated(settings, files, made, child.ready), listener, url, stop, child, files)
    finally:
        await child.stop()


async def _run(
    options: ServeOptions, settings: Settings, listener: socket.socket, url: str, stop: asyncio.Event,
    child: SimulatorChild | None = None, files: SimulationFiles | None = None,
) -> int:  # fmt: skip
    from roony.cli.announcement import Announced, announce
    from roony.cli.database import has_organization
    from roony.cli.demo_company import ensure_demo_company, first_run_path
    from roony.cli.server import address_of, make_server, stay_on_one_core
    from roony.wiring import build

    # Before the till's thread is made, and after the simulator, which keeps all cores.
    stay_on_one_core()
    roony = build(settings, url, _clock(files))
    try:
        await roony.start()
    except BaseException:
        await roony.stop()
        raise
    server = make_server(roony.app)
    serving = asyncio.create_task(server.serve(sockets=[listener]), name="server")
    ends = [serving, roony.working, asyncio.create_task(stop.wait(), name="stop")]
    if child is not None:
        ends.append(asyncio.create_task(child.ended(), name="simulator"))
    try:
        await asyncio.wait({asyncio.create_task(server.answering.wait()), *ends}, return_when=asyncio.FIRST_COMPLETED)
        demo = None
        if child is not None and not stop.is_set():
            demo = await ensure_demo_company(roony, address_of(listener))
        if stop.is_set():
            return 0
        empty = not await asyncio.to_thread(has_organization, roony.database)
        first_run = await first_run_path(roony) if empty else None
        announce(Announced(url, settings, demo, child.ready if child else None, files, first_run), options.ready_json)
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        return 0 if stop.is_set() else _ended_by_itself(ends)
    finally:
        # First, so that the server need not wait for those who wait for something to happen.
        roony.feed.close()
        server.stop()
        await asyncio.wait({serving})
        await roony.stop()


def _clock(files: SimulationFiles | None) -> Clock:
    from roony.clock import Clock, FollowedClock

    return FollowedClock(files.clock) if files is not None else Clock()


def _ended_by_itself(ends: list[asyncio.Task[Any]]) -> int:
    """Something ended that should not have: the process ends too, so that its supervisor starts all of it again."""
    import structlog

    for task in ends:
        if task.done():
            error = None if task.cancelled() else task.exception()
            structlog.get_logger("roony.serve").critical("serve.part_ended", part=task.get_name(), error=repr(error))
    return FAILED


async def _stop_with_parent(stop: asyncio.Event) -> None:
    """Sets `stop` when standard input closes: whoever started us has ended, however that happened."""
    loop = asyncio.get_running_loop()

    class Watcher(asyncio.Protocol):
        def eof_received(self) -> None:
            stop.set()

        def connection_lost(self, _error: Exception | None) -> None:
            stop.set()

    await loop.connect_read_pipe(Watcher, sys.stdin)
