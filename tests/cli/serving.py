"""`roony serve` as a child process, for tests of the commands."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.books import lay_file
from tests.support.forking import Forked
from tests.support.served import clean_environment

START = [sys.executable, "-m", "roony"]


class ServedSimulation:
    """`roony serve --simulate --ready-json` on free ports; `folder` keeps its database and its log."""

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        self.database = folder / "roony.db"
        lay_file(self.database)
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
            code = self.process.wait()
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
