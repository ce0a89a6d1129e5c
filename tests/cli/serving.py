"""`roony serve` as a child process, for tests of the commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

from tests.support.forking import Forked

START = [sys.executable, "-m", "roony"]


def clean_environment(**more: str) -> dict[str, str]:
    """Ours without anything about Stripe and Roony, and with `more`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("STRIPE_", "ROONY_"))}
    return {**kept, **more}


def run_roony(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """One command in a process of its own, until it ends."""
    with TemporaryDirectory() as folder:
        errors = Path(folder) / "stderr"
        process = Forked(list(arguments), clean_environment(**environment), errors, folder=Path.cwd(), stdout=True)
        assert process.stdout is not None
        with process.stdout as told:
            printed = told.read().decode()
        return subprocess.CompletedProcess(arguments, process.wait(), printed, errors.read_text())


class ServedSimulation:
    """`roony serve --simulate --ready-json` on free ports; `folder` keeps its database and its log."""

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        self.database = folder / "roony.db"
        self.log = folder / "serve.log"
        self._arguments = arguments
        self._environment = {"ROONY_DATABASE_URL": f"sqlite:///{self.database}", **environment}
        self.ready: dict[str, Any] = {}

    def __enter__(self) -> Self:
        arguments = ["serve", "--simulate", "--ready-json", "--port", "0", "--simulator-port", "0", *self._arguments]
        self.process = Forked(arguments, clean_environment(**self._environment), self.log, stdout=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.log.read_text()
        self.ready = json.loads(line)
        return self

    def stop(self) -> tuple[int, bytes]:
        """SIGTERM; returns the exit code and what else came on stdout."""
        assert self.process.stdout is not None
        if self.process.poll() is None:
            self.process.terminate()
        try:
            code = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        rest = b"" if self.process.stdout.closed else self.process.stdout.read()
        self.process.stdout.close()
        return code, rest

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
