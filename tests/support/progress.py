"""How far a long test is: a line when it has gone on for a while, and one each minute."""

from __future__ import annotations

import time

import pytest

LINE_SECONDS = 60.0


class Progress:
    """Called with where a test is, as often as it likes; tells it past pytest's capturing, at most once a minute."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        """The time begins."""
        self._capsys = capsys
        self._began = self._told = time.monotonic()

    def __call__(self, where: str, *, last: bool = False) -> None:
        """Tells it if the last line is a minute old, or it is the `last`."""
        now = time.monotonic()
        if last or now - self._told >= LINE_SECONDS:
            self._told = now
            with self._capsys.disabled():
                print(f"\n{now - self._began:,.0f} s · {where}", end="", flush=True)  # noqa: T201 - a person waits
