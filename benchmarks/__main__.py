"""`make bench`: one process of Roony through its public doors, as ratios to a bare no-op in the same run.

`--only` names parts (sqlite, postgresql, inbox, asks; memory, agents, history with `--scale`); `--chart FILE` draws
latency against load. Prints tables on stderr and one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sqlite3
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from benchmarks import asks, door, inbox, scale, serving
from benchmarks.targets import TARGETS, doors_table, latency_chart, reached, targets_table, value

PARTS = ("sqlite", "postgresql", "inbox", "asks")
SCALE_PARTS = ("memory", "agents", "history")


def main() -> int:
    """Runs the parts; 1 when a required figure was missed."""
    options = _options()
    console = Console(stderr=True, width=110)
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("starting", total=None)
        result = _measured(options.parts, lambda what: bar.update(task, description=what))
    if any(part in result for part in ("sqlite", "postgresql")):
        console.print(doors_table(result))
    console.print(targets_table(result))
    print(json.dumps(result))
    if options.chart and "sqlite" in result:
        rows = result["sqlite"]["authorizations"].items()
        points = [(int(count), row["p50_ms"], row["p99_ms"]) for count, row in rows]
        Path(options.chart).write_text(latency_chart(points))
    figures = ((target, value(result, target.path)) for target in TARGETS)
    return int(any(figure is not None and not reached(target, figure) for target, figure in figures))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--only", nargs="+", choices=(*PARTS, *SCALE_PARTS), help="these parts alone")
    parser.add_argument("--scale", action="store_true", help="also what takes an hour: memory, agents, history")
    parser.add_argument("--chart", metavar="FILE", help="draw latency against load as SVG")
    options = parser.parse_args()
    options.parts = options.only or (*PARTS, *(SCALE_PARTS if options.scale else ()))
    return options


def _measured(parts: tuple[str, ...], step: Callable[[str], None]) -> dict[str, Any]:
    result: dict[str, Any] = {
        "benchmark": "roony", "python": platform.python_version(), "sqlite_version": sqlite3.sqlite_version,
        "cores": os.cpu_count(), "system": platform.platform(),
    }  # fmt: skip
    on_sqlite: dict[str, Callable[[Path, Callable[[str], None]], dict[str, Any]]] = {
        "sqlite": door.sqlite, "inbox": inbox.measure, "asks": asks.measure, "memory": scale.memory,
        "agents": scale.agents, "history": scale.history,
    }  # fmt: skip
    for part in parts:
        with tempfile.TemporaryDirectory(prefix="roony-bench-") as name:
            if part != "postgresql":
                result[part] = on_sqlite[part](Path(name), step)
                continue
            step("starting PostgreSQL")
            with serving.postgresql() as url:
                if url is None:
                    sys.stderr.write(
                        "No PostgreSQL here: install Debian's postgresql, or set ROONY_BENCH_POSTGRES_URL.\n"
                    )
                else:
                    result[part] = _on_postgresql(Path(name), url, step)
    return result


def _on_postgresql(folder: Path, url: str, step: Callable[[str], None]) -> dict[str, Any]:
    found = door.postgresql(folder, url, step)
    rows = found["authorizations"]
    return {**found, "hot_to_many": round(rows["hot"]["per_second"] / rows["many"]["per_second"], 3)}


if __name__ == "__main__":
    raise SystemExit(main())
