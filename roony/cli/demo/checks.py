"""How the demo tells its story: numbered steps, facts that were checked, and a loud end when one is not so."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rich.text import Text

from roony.cli.output import console, money

WAIT_SECONDS = 10.0
POLL_SECONDS = 0.02


class NotAsExpected(Exception):
    """A fact of the demo is not what it should be; the message says both."""


class Teller:
    """Prints to stdout, readable in a terminal and in a log file."""

    def __init__(self) -> None:
        self._console = console()
        self._step = 0
        self.checked = 0

    def step(self, title: str) -> None:
        """Begins the next step."""
        self._step += 1
        self._console.print(Text(f"\n{self._step}. {title}", style="bold"))

    def note(self, text: str) -> None:
        """Something worth knowing that is no check."""
        self._console.print(Text(f"     {text}", style="dim"))

    def check(self, what: str, found: Any, expected: Any, shown: str | None = None) -> None:
        """Says that `what` is as expected. Raises NotAsExpected when it is not."""
        if found != expected:
            raise NotAsExpected(f"{what}: expected {expected!r}, found {found!r}")
        self.checked += 1
        self._console.print(Text("   ✓ ", style="green") + Text(f"{what}: {found if shown is None else shown}"))

    def check_money(self, what: str, found: int, expected: int) -> None:
        """`check` for an amount in cents."""
        self.check(what, found, expected, money(found, "usd"))

    def until(self, what: str, look: Callable[[], Any], expected: Any) -> Any:
        """Looks again until it is as expected: some things happen a moment after an answer. Then as `check`."""
        deadline = time.monotonic() + WAIT_SECONDS
        found = look()
        while found != expected and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
            found = look()
        self.check(what, found, expected)
        return found

    def failed(self, message: str) -> None:
        """The loud end."""
        end = f"\n   ✗ {message}\n\nThe demo FAILED in step {self._step}, after {self.checked} checks."
        self._console.print(Text(end, style="bold red"))

    def done(self, seconds: float) -> None:
        """The good end."""
        self._console.print(Text(f"\nAll {self.checked} checks passed in {seconds:.1f} s.", style="bold green"))
        self._console.print("Try it yourself: make serve, or roony serve --simulate")
