"""`python -m benchmarks.isolation postgresql://…`: what one organization's trouble costs another one's authorizations.

Organization A's authorizations are answered by a till on PostgreSQL, four callers in a row each: alone; while a
stranger holds organization B's row and B's commands wait for it; while commands of B arrive whose rows no database
takes; and during a long job in B's administration. A database of its own is made on the server and dropped.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import structlog
from rich.console import Console
from rich.table import Table

from benchmarks.events import benchmark_event
from benchmarks.seed import Numbered, seed
from benchmarks.serving import database_on
from roony.flows.authorization import AnswerAuthorization
from roony.store.book import Book
from roony.store.command import Command
from roony.store.database import Database
from roony.store.facts import Needs
from roony.store.inbox import answered_event
from roony.store.migrations import migrate
from roony.store.other_writes import MAX_ROWS
from roony.store.rows import KnownMerchant
from roony.store.tables import TABLE_OF
from roony.store.till import Till
from roony.store.writer import Writer
from roony.web.authorization_request import read_envelope, read_request

A, B = "org_b0", "org_b1"
CALLERS = 4
SECONDS = 5.0
ROUNDS = 3
# How often B's trouble comes, in seconds.
EVERY = 0.02
# Authorizations for which there are cards; more than are answered in all rounds together.
PURCHASES = 60_000
# B's troubles may cost A's authorizations this much at the median, in milliseconds; beyond it the run fails.
ALLOWED_MS = 10.0


@dataclass(frozen=True)
class Note(Command[Any]):
    """Writes one row of B; with `broken` one that no database takes. `stir` renews what is kept in memory of B."""

    name: str | None
    stir: bool = False
    organization_id: str = B

    def needs(self, now: int) -> Needs:  # noqa: ARG002
        """Nothing is read."""
        return Needs()

    def apply(self, book: Book, now: int) -> None:
        """One row and, with `stir`, a new version of the configuration."""
        key = uuid.uuid4().hex
        book.put(KnownMerchant(B, key, self.name, "[]", "[]", 1, now))  # type: ignore[arg-type]
        if self.stir:
            book.reconfigure(B)


def main() -> int:
    """Runs every case, interleaved over the rounds; prints a table and one JSON line. Returns the exit code."""
    server = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("ROONY_TEST_POSTGRES_URL", "")
    if not server.startswith("postgresql"):
        sys.stderr.write("Name a PostgreSQL server: python -m benchmarks.isolation postgresql://…\n")
        return 2
    # What happens to B is logged by the till; here it is wanted.
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    seen: dict[str, list[list[float]]] = {name: [] for name in CASES}
    with database_on(server) as url, _till(url) as till:
        purchases = iter(seed(Database(url), PURCHASES, organizations=2)[::2])
        for _ in range(ROUNDS):
            for name, trouble in CASES.items():
                with trouble(till, url):
                    seen[name].append(_measure(till, purchases))
    result = {name: _summary(rounds) for name, rounds in seen.items()}
    Console(stderr=True).print(_table(result))
    print(json.dumps({"benchmark": "isolation", "cores": os.cpu_count(), "cases": result}))
    alone = result["alone"]["p50_ms"]
    return int(any(row["p50_ms"] > alone + ALLOWED_MS for row in result.values()))


def _measure(till: Till, purchases: Iterator[Numbered]) -> list[float]:
    """Milliseconds of each authorization of A; raises RuntimeError when one was not approved."""
    until, lock = time.monotonic() + SECONDS, threading.Lock()
    took: list[float] = []
    wrong: list[Any] = []

    def call() -> None:
        while time.monotonic() < until and not wrong:
            with lock:
                command = authorization(next(purchases))
            began = time.monotonic()
            answer = till.submit_and_wait(command)
            took.append((time.monotonic() - began) * 1000)
            if not getattr(answer, "approved", False):
                wrong.append(answer)

    threads = [threading.Thread(target=call) for _ in range(CALLERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if wrong:
        raise RuntimeError(f"an authorization of A was not approved: {wrong[0]}")
    return took


def authorization(purchase: Numbered) -> AnswerAuthorization:
    """The command of one real-time request, as the door makes it."""
    org, stamp = f"org_b{purchase.organization}", int(time.time())
    body = json.dumps(benchmark_event(*purchase, stamp, uuid.uuid4().hex[:8])).encode()
    envelope = read_envelope(body)
    if envelope is None:
        raise RuntimeError("the benchmark's own event cannot be read")
    request = read_request(envelope)
    event = answered_event(
        envelope.id,
        envelope.account,
        False,
        envelope.type,
        org,
        request.authorization_id,
        stamp,
        body,
        stamp * 1_000_000,
    )
    return AnswerAuthorization(org, f"con_b{purchase.organization}", request, f"dec_{uuid.uuid4().hex}", event)


@contextmanager
def _again_and_again(step: Callable[[], Any], pause: float = EVERY) -> Iterator[None]:
    """Does something in a thread of its own until the block ends."""
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(pause):
            step()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextmanager
def _alone(_till: Till, _url: str) -> Iterator[None]:
    yield


@contextmanager
def _stranger(till: Till, url: str) -> Iterator[None]:
    """B's row is held by somebody else, and its commands wait."""
    with psycopg.connect(url) as holder:
        holder.execute("SELECT 1 FROM organizations WHERE id = %s FOR UPDATE", (B,))
        with _again_and_again(lambda: till.enqueue(Note("waits"), None, None)):
            yield
    till.submit_and_wait(Note("after"))


@contextmanager
def _poison(till: Till, _url: str) -> Iterator[None]:
    """Each makes the batch it is in fail, whose commands are then done one by one."""
    with _again_and_again(lambda: till.submit_and_wait(Note(None))):
        yield


@contextmanager
def _administration(till: Till, _url: str) -> Iterator[None]:
    """Piece after piece, as large as one may be, and the configuration changes with each."""

    def piece() -> None:
        def write(writer: Writer) -> None:
            rows = [KnownMerchant(B, uuid.uuid4().hex, "job", "[]", "[]", 1, 0) for _ in range(MAX_ROWS)]
            writer.write_rows(TABLE_OF[KnownMerchant], rows)

        till.write_and_wait(write)
        till.submit_and_wait(Note("job", stir=True))

    with _again_and_again(piece, 0):
        yield


CASES: dict[str, Callable[[Till, str], Any]] = {
    "alone": _alone,
    "a stranger holds B": _stranger,
    "poisoned commands of B": _poison,
    "a long job in B": _administration,
}


def _summary(rounds: list[list[float]]) -> dict[str, float]:
    """Medians over the rounds."""
    return {
        "per_second": round(statistics.median(len(took) / SECONDS for took in rounds)),
        "p50_ms": round(statistics.median(statistics.median(took) for took in rounds), 2),
        "p99_ms": round(statistics.median(sorted(took)[int(len(took) * 0.99)] for took in rounds), 2),
        "worst_ms": round(max(max(took) for took in rounds), 1),
    }


def _table(result: dict[str, dict[str, float]]) -> Table:
    table = Table(title=f"Authorizations of A on PostgreSQL, {CALLERS} callers")
    table.add_column("meanwhile")
    for title in ("answers/s", "p50 ms", "ratio", "p99 ms", "ratio", "worst ms"):
        table.add_column(title, justify="right")
    alone = result["alone"]
    for name, row in result.items():
        table.add_row(
            name, f"{row['per_second']:,.0f}", f"{row['p50_ms']:.1f}", f"{row['p50_ms'] / alone['p50_ms']:.2f}",
            f"{row['p99_ms']:.1f}", f"{row['p99_ms'] / alone['p99_ms']:.2f}", f"{row['worst_ms']:.0f}",
        )  # fmt: skip
    return table


@contextmanager
def _till(url: str) -> Iterator[Till]:
    migrate(Database(url))
    till = Till(Database(url).open_writer, lambda: time.time_ns() // 1000, lambda: uuid.uuid4().hex)
    till.start()
    try:
        yield till
    finally:
        till.stop()


if __name__ == "__main__":
    raise SystemExit(main())
