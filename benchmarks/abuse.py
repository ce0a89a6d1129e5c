"""`python -m benchmarks.abuse`: what webhooks that nobody signed cost, and what they cost those that are.

1 a million bad bodies, as fast as they are answered: none is taken, nothing crashes, memory stays as it is.
2 ten thousand forged ones a second for a minute, while good authorization requests come one after another: each good
one is answered within 250 ms.

`--bodies`, `--rate` and `--seconds` make it smaller; 0 leaves a part out. Prints a table on stderr and one line of
JSON; returns 1 where something was not as it must be.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from benchmarks.events import Stripe, write_requests
from benchmarks.forgeries import forged
from benchmarks.seed import Numbered, seed
from benchmarks.serving import SECRET, Served, environment, metrics, migrated, roony, usage
from benchmarks.steady import one_after_another
from roony.store.database import Database

BODIES = 1_000_000
RATE, SECONDS = 10_000, 60
CONNECTIONS = 16
# Different requests that are sent in turn, each with another byte changed every time.
KINDS = 4_000
# Good requests alone, before the flood, in seconds; and at most so many in all.
ALONE_SECONDS = 5.0
MOST_GOOD = 60_000
# What must hold: the slowest good answer, and what memory may have grown after the first twentieth.
WORST_MS, GROWTH_MB = 250.0, 10.0
Step = Callable[[str, float], None]


def main() -> int:
    """Runs both parts. 1 where a figure is not as it must be."""
    parser = argparse.ArgumentParser(prog="benchmarks.abuse")
    parser.add_argument("--bodies", type=int, default=BODIES, help="bad bodies in all")
    parser.add_argument("--rate", type=int, default=RATE, help="forged requests a second")
    parser.add_argument("--seconds", type=int, default=SECONDS, help="how long they come")
    options = parser.parse_args()
    result: dict[str, Any] = {
        "benchmark": "abuse", "python": platform.python_version(), "cores": os.cpu_count(),
        "system": platform.platform(),
    }  # fmt: skip
    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True) as bar, tempfile.TemporaryDirectory() as name:
        task = bar.add_task("seeding", total=1.0)
        step: Step = lambda what, share: bar.update(task, description=what, completed=share)  # noqa: E731
        settings = environment(f"sqlite:///{name}/roony.db")
        migrated(settings)
        good = seed(Database(settings["ROONY_DATABASE_URL"]), min(MOST_GOOD, 1_000 * (options.seconds + 10)))
        with roony(settings, Path(name)) as served:
            if options.bodies:
                result["bodies"] = _bodies(Path(name), served, options.bodies, step)
            if options.seconds:
                result["flood"] = _flood(Path(name), served, options.rate, options.seconds, iter(good), step)
        result["log_mb"] = round((Path(name) / "serve.log").stat().st_size / 2**20, 2)
    console.print(_table(result))
    print(json.dumps(result))
    return int(not all(result[part]["as_it_must_be"] for part in ("bodies", "flood") if part in result))


@contextmanager
def _pacer(folder: Path, port: int, rate: int, total: int) -> Iterator[subprocess.Popen[str]]:
    """The process that sends them, with its report on stdout."""
    path = folder / "forged.bin"
    write_requests(forged(SECRET.encode(), KINDS, 20261129), path)
    command = [sys.executable, "-m", "benchmarks.pacer", str(port), str(CONNECTIONS), str(path), str(rate), str(total)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()


def _report(process: subprocess.Popen[str], told: Callable[[int], None]) -> dict[str, Any]:
    """Its last line; `told` hears after each second how many were answered."""
    last: dict[str, Any] = {}
    for line in process.stdout or ():
        last = json.loads(line)
        told(last["answered"])
    if process.wait() or "statuses" not in last:
        raise SystemExit(f"The sender ended with {process.returncode}; last it said: {last}")
    return last


def _bodies(folder: Path, served: Served, total: int, step: Step) -> dict[str, Any]:
    """All of them must be refused with 400, and leave nothing: no event, no commit, no memory."""
    kept, commits = _events(folder), metrics(served.port)["roony_till_commits_total"]
    memory: list[float] = []

    def told(answered: int) -> None:
        step(f"{answered:,} of {total:,} bad bodies", answered / total)
        if answered >= total / 20:
            memory.append(usage(served.pid).memory_mb)

    with _pacer(folder, served.port, 0, total) as process:
        report = _report(process, told)
    memory.append(usage(served.pid).memory_mb)
    found = {
        **report, "events_kept": _events(folder) - kept,
        "commits": int(metrics(served.port)["roony_till_commits_total"] - commits),
        "memory_mb": [memory[0], max(memory), memory[-1]],
    }  # fmt: skip
    refused = report["statuses"] == {"400": total} and report["lost"] == 0
    flat = max(memory) - memory[0] <= GROWTH_MB
    return found | {"as_it_must_be": refused and flat and found["events_kept"] == 0}


def _events(folder: Path) -> int:
    with closing(sqlite3.connect(f"file:{folder}/roony.db?mode=ro", uri=True)) as database:
        (count,) = database.execute("SELECT count(*) FROM inbox").fetchone()
    return int(count)


def _flood(
    folder: Path, served: Served, rate: int, seconds: int, purchases: Iterator[Numbered], step: Step
) -> dict[str, Any]:
    """Good requests one after another: first alone, then while the forged ones come."""
    stripe = Stripe(SECRET)
    step("good requests alone", 0.0)
    alone = one_after_another(served.port, stripe, purchases, time.monotonic() + ALONE_SECONDS)
    before = usage(served.pid)
    with _pacer(folder, served.port, rate, rate * seconds) as process:
        # The first line comes a second after the first request.
        next(iter(process.stdout or ()))
        step(f"{rate:,} forged requests a second", 0.0)
        beside = one_after_another(served.port, stripe, purchases, time.monotonic() + seconds - 2)
        report = _report(process, lambda answered: step("the last answers", answered / (rate * seconds)))
    used = usage(served.pid).cpu_seconds - before.cpu_seconds
    kept = report["per_second"] >= 0.95 * rate and report["statuses"] == {"400": rate * seconds}
    good = beside["approved"] == beside["requests"] > 0 and beside["worst_ms"] <= WORST_MS
    return {
        "forged": report, "alone": alone, "beside": beside, "server_cpu_seconds": round(used, 1),
        "memory_mb": usage(served.pid).memory_mb, "as_it_must_be": kept and good,
    }  # fmt: skip


def _table(result: dict[str, Any]) -> Table:
    table = Table("what", "figure", "must be", title="Webhooks that nobody signed")
    if "bodies" in result:
        bodies = result["bodies"]
        table.add_row("bad bodies", f"{bodies['answered']:,}", "")
        table.add_row("answered", str(bodies["statuses"]), "400 alone")
        table.add_row("events kept", str(bodies["events_kept"]), "0")
        first, most, last = bodies["memory_mb"]
        table.add_row("memory: after 5 %, most, last", f"{first} · {most} · {last} MB", f"+{GROWTH_MB:.0f} MB at most")
        table.add_row("answers a second", f"{bodies['per_second']:,.0f}", "")
    if "flood" in result:
        flood = result["flood"]
        table.add_row("forged a second", f"{flood['forged']['per_second']:,.0f}", "95 % of the rate")
        for name in ("alone", "beside"):
            row = flood[name]
            figures = f"{row['p50_ms']} · {row['p99_ms']} · {row['worst_ms']} ms"
            table.add_row(f"good ones, {name}: {row['requests']:,}; p50 · p99 · worst", figures,
                          f"worst {WORST_MS:.0f} ms" if name == "beside" else "")  # fmt: skip
    return table


if __name__ == "__main__":
    raise SystemExit(main())
