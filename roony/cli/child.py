"""One of several processes that serve together, as `cli/supervisor.py` starts it: on a socket it is handed.

Its ready line is for the supervisor. It stops on SIGTERM, and when its standard input closes. Then it does not answer
on first: another one answers already in its place, or the supervisor has ended, however that happened, and its
successor needs the port.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import sys

from roony.cli import loading

with loading():
    from roony.cli.output import FAILED, WRONG_USE
    from roony.cli.server import stay_on_one_core, stop_on_signals
    from roony.cli.serving import Leaving, serve_until, stop_with_parent
    from roony.config import WrongSettings, load_settings
    from roony.logging_setup import configure_logging
    from roony.store.migrations import SchemaTooNew
    from roony.wiring import DatabaseUnusable, Role, Roony, build


def main() -> None:
    """Serves as its arguments say; the exit code says how it ended."""
    import uvloop

    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=[role.value for role in Role])
    parser.add_argument("--number", type=int, required=True)
    parser.add_argument("--socket", type=int, required=True)
    parser.add_argument("--metrics-socket", type=int)
    parser.add_argument("--url", required=True)
    parser.add_argument("--drain-seconds", type=float, required=True)
    parser.add_argument("--first-run", action="store_true")
    given = parser.parse_args()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            code = runner.run(_serve(given))
    except (WrongSettings, DatabaseUnusable, SchemaTooNew) as error:
        sys.stderr.write(f"{error}\n")
        code = WRONG_USE if isinstance(error, WrongSettings) else FAILED
    sys.exit(code)


async def _serve(given: argparse.Namespace) -> int:
    settings = load_settings()
    configure_logging(settings.roony_log_format)
    stop = asyncio.Event()
    stop_on_signals(stop)
    # That is for the supervisor, also where it is sent to all.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    at_once = asyncio.Event()
    await stop_with_parent(stop, at_once)
    stay_on_one_core(given.number)
    roony = build(settings, given.url, role=Role(given.role))

    async def greet() -> None:
        ready = {"pid": os.getpid(), "first_run": await _first_run(roony) if given.first_run else None}
        sys.stdout.write(f"{json.dumps(ready)}\n")
        sys.stdout.flush()

    listener = socket.socket(fileno=given.socket)
    leaving = Leaving(given.drain_seconds, others_answer=True, at_once=at_once)
    watch = socket.socket(fileno=given.metrics_socket) if given.metrics_socket is not None else None
    return await serve_until(roony, listener, stop, greet, leaving=leaving, watch=watch)


async def _first_run(roony: Roony) -> str | None:
    """The path of the page that makes the first organization, while there is none."""
    from roony.cli.database import has_organization
    from roony.cli.demo_company import first_run_path

    return None if await asyncio.to_thread(has_organization, roony.database) else await first_run_path(roony)


if __name__ == "__main__":
    main()
