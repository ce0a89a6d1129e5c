"""Waits until the simulator has told everything and Roony has done with it; at most a minute."""

from __future__ import annotations

import json
import sqlite3
import time
import urllib.request

_SECONDS = 60.0
_UNFINISHED = (
    "SELECT (SELECT count(*) FROM inbox WHERE status IN ('received', 'failed'))"
    " + (SELECT count(*) FROM outbox WHERE status = 'promised')"
)


def wait(simulator: str, database: str) -> None:
    """Returns once nothing is on its way between the two; exits with 1 when it stays so."""
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        if not _undelivered(simulator) and not _unfinished(database):
            return
        time.sleep(0.05)
    raise SystemExit("something is still on its way")


def _undelivered(simulator: str) -> bool:
    with urllib.request.urlopen(f"{simulator}/_simulator/state", timeout=60) as answer:  # noqa: S310 - our own address
        return bool(json.loads(answer.read())["undelivered"])


def _unfinished(database: str) -> int:
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as opened:
        found: int = opened.execute(_UNFINISHED).fetchone()[0]
    return found
