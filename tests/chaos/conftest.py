"""One theatre for each database, and the table at the end of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.playing import Theatre


@pytest.fixture(scope="module")
def theatre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Theatre]]:
    """The theatre of a database, by its name; its programs end with the last test of the module."""
    opened: dict[str, Theatre] = {}

    def of(backend: str) -> Theatre:
        if backend not in opened:
            folder: Path = tmp_path_factory.mktemp(backend)
            opened[backend] = Theatre(folder, backend)
        return opened[backend]

    yield of
    for each in opened.values():
        each.__exit__()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Says at which points Roony was killed, how often it was started again, and what was found wrong after it."""
    hit: dict[str, dict[str, int]] = {}
    deaths, restarts, violations = Counter[str](), Counter[str](), Counter[str]()
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            told = [value for name, value in getattr(report, "user_properties", ()) if name == "crash"]
            for backend, point, died, started in told if report.when == "call" else ():
                deaths[backend] += died
                restarts[backend] += started
                if outcome == "passed" and point != "at random":
                    hit.setdefault(point, {})[backend] = died
            if told and report.when == "call" and outcome == "failed":
                violations[told[0][0]] += 1
    if not deaths:
        return
    terminalreporter.section("points at which Roony was killed")
    backends = sorted(deaths, reverse=True)
    for point in sorted(hit):
        terminalreporter.write_line(f"{point:<48}{'  '.join(name for name in backends if name in hit[point])}")
    for name in backends:
        points = sum(name in found for found in hit.values())
        terminalreporter.write_line(
            f"{name}: {points} points hit, {deaths[name]} deaths, {restarts[name]} restarts,"
            f" {violations[name]} violations"
        )
