"""Roony's programs, each in a process of its own that is forked from one which has loaded the modules already.

What runs is what `roony` or `python -m roony.simulator` runs, with an environment, a folder and streams of its own.
Loading the modules is most of what a start costs, and each worker of a run of tests pays it once. That the whole
programs start, as everybody starts them, is shown by tests/cli/test_serve.py, test_demo.py and
test_own_stripe_key.py, and by tests/simulator/test_process.py.
"""

from __future__ import annotations

import gc
import importlib
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as ready_to_read
from pathlib import Path
from typing import IO

from roony import stop_points

PATIENCE = 60.0
# A start looks at every process there is, and an end can be read once only: of two threads one would find nothing.
_ENDS = threading.Lock()
# The only one: of two lists of what is loaded before, the one that was set last counts, for all that is forked.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload([
    "roony.wiring", "roony.cli.commands", "roony.cli.serve", "roony.cli.database", "roony.cli.server",
    "roony.cli.simulation", "roony.cli.demo_company", "roony.cli.announcement", "roony.cli.simulator",
    "roony.simulator.__main__", "alembic.command", "uvloop", "stripe._stripe_client",
    "tests.support.forking", "tests.support.prepared",
])  # fmt: skip


def _become(
    program: str, arguments: list[str], environment: dict[str, str], log: str, folder: str,
    read: Connection | None, out: Connection | None, orders: Connection | None,
) -> None:  # fmt: skip
    """In the child: the program with these arguments, in this folder.

    It reads from `read`, else nothing. What it prints goes to `out`, else into the log too; `orders` arm stop points.
    """
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    told = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(told if out is None else out.fileno(), 1)
    os.dup2(told, 2)
    if read is not None:
        os.dup2(read.fileno(), 0)
        sys.stdin = os.fdopen(0, closefd=False)
        read.close()
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
    importlib.import_module(program).main()


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


def _as_file(ours: Connection, mode: str) -> IO[bytes]:
    """Our end of a stream."""
    with ours:
        return os.fdopen(os.dup(ours.fileno()), mode)


class Forked:
    """A forked `roony`, with those methods of `subprocess.Popen` that tests use."""

    def __init__(
        self, arguments: list[str], environment: dict[str, str], log: Path, *, folder: Path | None = None,
        stdin: bool = False, stdout: bool = False, orders: Connection | None = None, program: str = "roony.cli",
    ) -> None:  # fmt: skip
        """It writes into `log`, and works in `folder` or beside its log; `program` is the module whose `main` it runs.

        With `stdout`, what it prints is read there; with `stdin`, it reads what is written there.
        """
        log.touch()
        self.stdin: IO[bytes] | None = None
        self.stdout: IO[bytes] | None = None
        read = out = None
        if stdin:
            read, ours = FORKS.Pipe(duplex=False)
            self.stdin = _as_file(ours, "wb")
        if stdout:
            ours, out = FORKS.Pipe(duplex=False)
            self.stdout = _as_file(ours, "rb")
        place = str(folder or log.absolute().parent)
        given = (program, arguments, environment, str(log.absolute()), place, read, out, orders)
        self._child = FORKS.Process(target=_become, args=given, daemon=True)
        with _ENDS:
            self._child.start()
        assert self._child.pid is not None
        self.pid = self._child.pid
        for theirs in (read, out):
            if theirs is not None:
                theirs.close()

    @property
    def returncode(self) -> int | None:
        """How it ended, negative for a signal; None while it runs."""
        with _ENDS:
            return self._child.exitcode

    def poll(self) -> int | None:
        """The same."""
        return self.returncode

    def wait(self, seconds: float = PATIENCE) -> int:
        """Waits for its end; how it ended. Raises TimeoutExpired."""
        ready_to_read([self._child.sentinel], seconds)
        code = self.returncode
        if code is None:
            raise subprocess.TimeoutExpired("roony", seconds)
        return code

    def send_signal(self, number: signal.Signals) -> None:
        """Sends a signal, unless it has ended."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL, in the middle of whatever it is doing."""
        self.send_signal(signal.SIGKILL)


def fork_pipe() -> tuple[Connection, Connection]:
    """Two ends of a line for orders: ours, and that for `Forked`, which is closed here once it is forked."""
    return FORKS.Pipe()
