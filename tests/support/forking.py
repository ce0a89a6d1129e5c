"""Roony's commands, each in a process of its own that is forked from one which has loaded the modules already.

What runs is what `roony` runs, with an environment, a folder and streams of its own. Loading the modules is most of
what a start costs, and each worker of a run of tests pays it once. That the whole programs start, as everybody starts
them, is shown by tests/cli/test_serve.py, test_demo.py and test_own_stripe_key.py.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO

from roony import stop_points

PATIENCE = 60.0
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([
    "roony.wiring", "roony.cli.commands", "roony.cli.serve", "roony.cli.database", "roony.cli.server",
    "roony.cli.simulation", "roony.cli.demo_company", "roony.cli.announcement", "roony.cli.simulator",
    "roony.simulator.server", "alembic.command", "uvloop", "tests.support.forking",
])  # fmt: skip


def _become_roony(
    arguments: list[str], environment: dict[str, str], log: str, folder: str, out: Connection | None,
    orders: Connection | None,
) -> None:  # fmt: skip
    """In the child: `roony` with these arguments, in this folder.

    What it prints goes to `out`, else into the log too; `orders` arm stop points.
    """
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    told = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(told if out is None else out.fileno(), 1)
    os.dup2(told, 2)
    # Whoever is forked ends with the test, and not by a Ctrl-C that is meant for the test.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if out is not None:
        out.close()
    if orders is not None:
        # Also for commands that do not ask for a stop point.
        stop_points.arm(environment.get("ROONY_STOP_AT"))
        threading.Thread(target=_obey, args=(orders,), daemon=True).start()
    sys.argv = ["roony", *arguments]
    # What was loaded before stays: the cycle collector need not look at it.
    gc.freeze()
    from roony.cli import main

    main()


def _obey(orders: Connection) -> None:
    """`NAME` arms a point; `NAME pause` arms it to wait there: it says `there`, and goes on at the next word."""
    paused = threading.Event()

    def wait_there() -> None:
        orders.send("there")
        paused.wait(PATIENCE)

    try:
        while True:
            word = str(orders.recv())
            if word == "go on":
                paused.set()
                continue
            name, _, pause = word.partition(" ")
            paused.clear()
            stop_points.arm(name or None, wait_there if pause else stop_points.die)
            orders.send("armed")
    except (EOFError, OSError):
        os._exit(0)


class Forked:
    """A forked `roony`, with those methods of `subprocess.Popen` that tests use."""

    def __init__(
        self, arguments: list[str], environment: dict[str, str], log: Path, *, folder: Path | None = None,
        stdout: bool = False, orders: Connection | None = None,
    ) -> None:  # fmt: skip
        """It writes into `log`; with `stdout`, what it prints is read there. It works in `folder` or beside its log."""
        log.touch()
        self.stdout: IO[bytes] | None = None
        out = None
        if stdout:
            ours, out = _FORKS.Pipe(duplex=False)
            self.stdout = os.fdopen(os.dup(ours.fileno()), "rb")
            ours.close()
        given = (arguments, environment, str(log.absolute()), str(folder or log.absolute().parent), out, orders)
        self._child = _FORKS.Process(target=_become_roony, args=given, daemon=True)
        self._child.start()
        assert self._child.pid is not None
        self.pid = self._child.pid
        if out is not None:
            out.close()

    @property
    def returncode(self) -> int | None:
        """How it ended, negative for a signal; None while it runs."""
        return self._child.exitcode

    def poll(self) -> int | None:
        """The same."""
        return self._child.exitcode

    def wait(self, seconds: float = PATIENCE) -> int:
        """Waits for its end; how it ended. Raises TimeoutExpired."""
        self._child.join(seconds)
        if self._child.exitcode is None:
            raise subprocess.TimeoutExpired("roony", seconds)
        return self._child.exitcode

    def send_signal(self, number: signal.Signals) -> None:
        """Sends a signal, unless it has ended."""
        if self._child.exitcode is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL, in the middle of whatever it is doing."""
        self.send_signal(signal.SIGKILL)


def fork_pipe() -> tuple[Connection, Connection]:
    """Two ends of a line for orders: ours, and that for `Forked`, which is closed here once it is forked."""
    return _FORKS.Pipe()
