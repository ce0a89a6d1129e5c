"""`python -m benchmarks.doors`: what pages, lists and asks cost Stripe's requests, in one process and beside a door.

On PostgreSQL good authorization requests come one after another: to the one process that does everything, then to a
door, which does nothing else; each alone, then while browsers, programs and agents keep the web process at its limit. A
server is started for this, or named in ROONY_BENCH_POSTGRES_URL. Prints a table on stderr and one line of JSON; returns
1 when a door's answer took longer than `WORST_MS`, or one was not approved.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.events import Stripe, write_requests
from benchmarks.seed import Numbered, seed, write
from benchmarks.serving import ROONY, SECRET, environment, metrics, migrated, postgresql, serving
from benchmarks.steady import one_after_another
from roony.flows.access_key import key_row, new_key
from roony.store.database import Database
from tests.support.ports import hold_port

PURCHASES = 24_000
SECONDS = 8.0
# Browsers, programs and agents that ask again as soon as they are answered; each asks for all of these in turn.
NEIGHBOURS, TURNS = 16, 20_000
LISTS = (
    "/api/v1/admin/purchases?limit=100",
    "/api/v1/admin/reports/spend",
    "/api/v1/admin/audit?limit=100",
    "/openapi.json",
)
# What must hold beside them at a door, in milliseconds.
WORST_MS = 250.0
# Answers while everything happens the first time are not measured.
WARM_SECONDS = 2.0
CASES = {"one process": 0, "a door of its own": 1}


def main() -> int:
    """Measures both. 1 where a door does not do as it must, 2 without PostgreSQL."""
    result: dict[str, Any] = {
        "benchmark": "doors", "python": platform.python_version(), "cores": os.cpu_count(),
        "system": platform.platform(),
    }  # fmt: skip
    console = Console(stderr=True)
    with ExitStack() as stack:
        progress = stack.enter_context(Progress(console=console, transient=True))
        task = progress.add_task("seeding", total=len(CASES))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="roony-bench-")))
        url = stack.enter_context(postgresql())
        if url is None:
            sys.stderr.write("No PostgreSQL here: install Debian's postgresql, or set ROONY_BENCH_POSTGRES_URL.\n")
            return 2
        settings = environment(url)
        migrated(settings)
        database = Database(url)
        purchases = iter(seed(database, PURCHASES))
        asking = _neighbours(database, folder)
        for name, doors in CASES.items():
            progress.update(task, description=name)
            result[name] = _case(settings, doors, purchases, asking)
            progress.advance(task)
        database.close()
    console.print(_table(result))
    print(json.dumps(result))
    return int(not _as_it_must_be(result))


def _as_it_must_be(result: dict[str, Any]) -> bool:
    rows = [result[name][when] for name in CASES for when in ("alone", "beside")]
    good = all(row["approved"] == row["requests"] > 0 for row in rows)
    return good and result["a door of its own"]["beside"]["worst_ms"] <= WORST_MS


def _case(settings: dict[str, str], doors: int, purchases: Iterator[Numbered], asking: Path) -> dict[str, Any]:
    stripe = Stripe(SECRET)
    with hold_port() as held:
        port = held.getsockname()[1]
        with serving([ROONY, "serve", "--doors", str(doors), "--door-port", str(port), "--port"], settings) as served:
            asked = port if doors else served.port
            one_after_another(asked, stripe, purchases, time.monotonic() + WARM_SECONDS)
            alone = one_after_another(asked, stripe, purchases, time.monotonic() + SECONDS)
            with _kept_busy(served.port, asking):
                calls = _calls(served.port)
                beside = one_after_another(asked, stripe, purchases, time.monotonic() + SECONDS)
                answered = _calls(served.port) - calls
    return {"alone": alone, "beside": beside, "neighbours_per_second": round(answered / SECONDS, 1)}


def _calls(port: int) -> float:
    return sum(count for name, count in metrics(port).items() if name.startswith("roony_http_requests_total"))


def _neighbours(database: Database, folder: Path) -> Path:
    """Requests of an owner's program and of an agent, as the load client reads them."""
    now = time.time_ns() // 1000
    owner, agent = new_key("admin", "key_owner", "benchmark"), new_key("agent", "key_agent", "benchmark")
    writer = database.open_writer()
    try:
        write(writer, [key_row(owner, "org_b0", None, now), key_row(agent, "org_b0", "agt_b0", now)])
    finally:
        writer.close()
    turn = [_request("GET", path, owner.text) for path in LISTS]
    requests = [one for _ in range(TURNS // len(turn)) for one in (*turn, _ask(agent.text))]
    path = folder / "neighbours.bin"
    write_requests(requests, path)
    return path


def _request(method: str, path: str, key: str, body: bytes = b"", more: str = "") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n{more}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def _ask(key: str) -> bytes:
    wish = {
        "amount": 500, "currency": "usd", "description": "1 month",
        "merchant": {"name": "Figma", "category": "computer_software_stores", "country": "US"},
    }  # fmt: skip
    more = f"Content-Type: application/json\r\nIdempotency-Key: {uuid.uuid4().hex}\r\n"
    return _request("POST", "/api/v1/purchase_intents", key, json.dumps(wish).encode(), more)


@contextmanager
def _kept_busy(port: int, asking: Path) -> Iterator[None]:
    """While it lasts, `NEIGHBOURS` ask without a pause. Raises SystemExit when they came to their end before."""
    command = [sys.executable, "-m", "benchmarks.load", str(port), str(NEIGHBOURS), str(asking), ""]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield
            if process.poll() is not None:
                raise SystemExit(f"The neighbours had nothing left to ask: {process.communicate()[0][:300]}")
        finally:
            process.terminate()


def _table(result: dict[str, Any]) -> Table:
    table = Table(title="Authorization requests on PostgreSQL, one after another (p50 · p99 · worst, ms)")
    for title in ("answered by", "alone", f"beside {NEIGHBOURS} that ask all the time", "these were answered a second"):
        table.add_column(title)
    for name in CASES:
        row = result[name]
        cells = (
            " · ".join(str(row[when][f"{at}_ms"]) for at in ("p50", "p99", "worst")) for when in ("alone", "beside")
        )
        table.add_row(name, *cells, f"{row['neighbours_per_second']:,.0f}")
    return table


def _times(row: dict[str, Any]) -> str:
    return " · ".join(str(row[f"{at}_ms"]) for at in ("p50", "p99", "worst"))


if __name__ == "__main__":
    raise SystemExit(main())
