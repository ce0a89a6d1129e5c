"""`roony serve`: web and worker in one process, or in several on PostgreSQL; with --simulate a simulator beside it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

from roony.cli import loading
from roony.cli.output import FAILED, WRONG_USE, fail

if TYPE_CHECKING:
    import socket

    from roony.cli.simulation import SimulationFiles, SimulatorChild
    from roony.clock import Clock
    from roony.config import Settings

MAX_WORKERS = 64


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """What was given on the command line."""

    host: str
    port: int
    workers: int
    doors: int
    door_port: int
    drain_seconds: float
    metrics_port: int
    simulate: bool
    simulator_port: int
    ready_json: bool
    parent_pipe: bool


def serve(
    host: str = typer.Option("127.0.0.1", help="Address to listen on."),
    port: int = typer.Option(8000, min=0, max=65535, help="Port; 0 takes a free one."),
    workers: int = typer.Option(
        1, min=1, max=MAX_WORKERS, help="Processes; more than one needs PostgreSQL. SIGHUP replaces them one by one."
    ),
    doors: int = typer.Option(
        0, min=0, max=MAX_WORKERS, help="Processes that answer Stripe alone, at a port of their own; needs PostgreSQL."
    ),
    door_port: int = typer.Option(8002, min=0, max=65535, help="Port of the doors; 0 takes a free one."),
    drain_seconds: float = typer.Option(
        0.0, min=0.0, max=300.0, help="Answer on for so long after SIGTERM, while /readyz says no."
    ),
    metrics_port: int = typer.Option(
        0,
        min=0,
        max=65535 - 2 * MAX_WORKERS,
        help="A port for /metrics of this process alone; of several, each next process has the next port.",
    ),
    simulate: bool = typer.Option(False, "--simulate", help="With a simulated Stripe and a demo organization."),
    simulator_port: int = typer.Option(8001, min=0, max=65535, help="Port of the simulator; 0 takes a free one."),
    ready_json: bool = typer.Option(False, "--ready-json", help="Print one JSON line once everything answers."),
    parent_pipe: bool = typer.Option(False, "--parent-pipe", hidden=True, help="End when standard input closes."),
) -> None:
    """Run Roony: the HTTP API, the door for Stripe's webhooks, and the worker."""
    options = ServeOptions(
        host,
        port,
        workers,
        doors,
        door_port,
        drain_seconds,
        metrics_port,
        simulate,
        simulator_port,
        ready_json,
        parent_pipe,
    )
    if workers > 1 or doors:
        _refuse_several(simulate)
        raise typer.Exit(asyncio.run(_supervise(options)))
    with loading():
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


def _refuse_several(simulate: bool) -> None:
    from roony.config import WrongSettings, load_database_settings

    try:
        url = load_database_settings().roony_database_url
    except WrongSettings as error:
        fail(str(error), WRONG_USE)
    if url.startswith("sqlite"):
        fail("SQLite serves one process only: leave --workers and --doors out, or use PostgreSQL.", WRONG_USE)
    if simulate:
        fail("The simulator's clock serves one process only: leave --workers and --doors out.", WRONG_USE)


async def _supervise(options: ServeOptions) -> int:
    """1 settings · 2 ports · 3 processes · 4 ready line · 5 until told to stop."""
    import structlog

    from roony.cli.announcement import Announced, announce
    from roony.cli.server import address_of, renew_on_signal, stop_on_signals
    from roony.cli.serving import stop_with_parent
    from roony.cli.supervisor import ChildFailed, Place, Supervisor
    from roony.config import WrongSettings, load_settings
    from roony.logging_setup import configure_logging

    try:
        settings = load_settings()
    except WrongSettings as error:
        fail(str(error), WRONG_USE)
    configure_logging(settings.roony_log_format)
    listener = _bind(options.host, options.port)
    url = settings.roony_public_url or address_of(listener)
    stop, anew = asyncio.Event(), asyncio.Event()
    stop_on_signals(stop)
    renew_on_signal(anew)
    if options.parent_pipe:
        await stop_with_parent(stop)
    places = [
        Place("web", number, listener, url, options.drain_seconds, _watch(options, number))
        for number in range(options.workers)
    ]
    door_url = None
    if options.doors:
        door = _bind(options.host, options.door_port, "--door-port")
        door_url = address_of(door)
        numbers = range(options.workers, options.workers + options.doors)
        places += [
            Place("door", number, door, url, options.drain_seconds, _watch(options, number)) for number in numbers
        ]

    def greet(ready: dict[str, Any]) -> None:
        announce(Announced(url, settings, None, None, None, ready["first_run"], door_url), options.ready_json)

    try:
        return 0 if await Supervisor(places).run(stop, anew, greet) else FAILED
    except ChildFailed as error:
        structlog.get_logger("roony.serve").critical("serve.child_failed", code=error.code)
        return error.code if error.code > 0 else FAILED


def _bind(host: str, port: int, option: str = "--port") -> socket.socket:
    from roony.cli.server import bind

    try:
        return bind(host, port)
    except OSError as error:
        fail(f"Cannot listen on {host}:{port} ({error.strerror}): choose another {option}.", FAILED)


def _watch(options: ServeOptions, number: int = 0) -> socket.socket | None:
    """The port of one process alone, by its number among all."""
    return _bind(options.host, options.metrics_port + number, "--metrics-port") if options.metrics_port else None


async def _serve(options: ServeOptions) -> int:
    """1 settings · 2 port · 3 simulator · 4 Roony · 5 demo organization · 6 ready line · 7 until told to stop."""
    from roony.cli.server import address_of, stop_on_signals
    from roony.cli.serving import stop_with_parent
    from roony.config import load_settings
    from roony.logging_setup import configure_logging

    settings = load_settings(simulate=options.simulate)
    configure_logging(settings.roony_log_format)
    listener = _bind(options.host, options.port)
    stop = asyncio.Event()
    stop_on_signals(stop)
    if options.parent_pipe:
        await stop_with_parent(stop)
    if not options.simulate:
        return await _run(options, settings, listener, settings.roony_public_url or address_of(listener), stop)
    from roony.cli.simulation import SimulatorChild, files_of, made_secrets, simulated
    from roony.flows.webhook_endpoint import PATH

    files = files_of(settings)
    made = made_secrets(files.secrets)
    url = address_of(listener)
    child = await SimulatorChild.start(files, made, options.simulator_port, f"{url}{PATH}")
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
    from roony.cli.server import address_of, stay_on_one_core
    from roony.cli.serving import Leaving, serve_until
    from roony.wiring import build

    # Before the till's thread is made, and after the simulator, which keeps all cores.
    stay_on_one_core()
    roony = build(settings, url, _clock(files))

    async def greet() -> None:
        demo = await ensure_demo_company(roony, address_of(listener)) if child is not None else None
        if stop.is_set():
            return
        empty = not await asyncio.to_thread(has_organization, roony.database)
        first_run = await first_run_path(roony) if empty else None
        announce(Announced(url, settings, demo, child.ready if child else None, files, first_run), options.ready_json)

    others = [asyncio.create_task(child.ended(), name="simulator")] if child is not None else []
    return await serve_until(
        roony, listener, stop, greet, others=others, leaving=Leaving(options.drain_seconds), watch=_watch(options)
    )


def _clock(files: SimulationFiles | None) -> Clock:
    from roony.clock import Clock, FollowedClock

    return FollowedClock(files.clock) if files is not None else Clock()
