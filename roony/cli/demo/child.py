"""The Roony that the demo plays with: a real `roony serve --simulate` on free ports, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

STOP_SECONDS = 10.0
LOG_LINES = 20


class ChildFailed(Exception):
    """Roony did not start or ended too early; the message carries the end of its log."""


class Owner(NamedTuple):
    """A fresh organization that nobody has connected yet, and its owner's key."""

    organization_id: str
    admin_key: str


class ServedRoony:
    """Starts on entry, stops on exit. `ready` is its ready line, `owner` an organization made before the start."""

    def __init__(self, folder: Path) -> None:
        """Everything it keeps lies in `folder`."""
        self._folder = folder
        self.database_url = f"sqlite:///{folder}/roony.db"
        self.log = folder / "roony.log"
        self.owner: Owner
        self.ready: dict[str, Any] = {}

    def __enter__(self) -> Self:
        """1 a fresh organization, as `roony init` makes it · 2 the server · 3 its ready line."""
        self.owner = self._init()
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "roony", "serve", "--simulate", "--ready-json", "--parent-pipe",
                 "--port", "0", "--simulator-port", "0"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=self._environment(),
            )  # fmt: skip
        assert self._process.stdout is not None  # noqa: S101 - it was asked for
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            raise ChildFailed(f"roony serve --simulate did not start:\n{self.log_tail()}")
        self.ready = json.loads(line)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Asks it to stop by closing its standard input; it drains and stops the simulator."""
        assert self._process.stdin is not None  # noqa: S101 - it was asked for
        assert self._process.stdout is not None  # noqa: S101 - it was asked for
        self._process.stdin.close()
        try:
            code = self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._process.stdout.close()
        if code != 0 and error is None:
            raise ChildFailed(f"roony serve ended with exit code {code}:\n{self.log_tail()}")

    def log_tail(self) -> str:
        """The last lines of the server's log."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:])

    def _init(self) -> Owner:
        from roony.cli.database import OrganizationWish, make_first_organization
        from roony.store.database import Database

        database = Database(self.database_url)
        database.acquire()
        try:
            made = make_first_organization(database, OrganizationWish("Acme Inc.", "usd", "UTC", "raw"))
        finally:
            database.close()
        return Owner(made.organization_id, made.admin_key)

    def _environment(self) -> dict[str, str]:
        """Ours without what it says about Stripe and Roony: the demo never touches a real installation."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("STRIPE_", "ROONY_"))}
        return {**kept, "ROONY_DATABASE_URL": self.database_url}
