"""How fast the worker applies what Stripe said, and what that costs the authorizations that come meanwhile."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from benchmarks.door import APPROVED, BUSY, Step
from benchmarks.events import Stripe
from benchmarks.seed import Numbered, seed
from benchmarks.serving import SECRET, Served, environment, load, migrated, roony
from roony.store.database import Database
from roony.store.inbox import new_event
from roony.store.rows import InboxEvent
from roony.store.tables import TABLE_OF, inbox

PURCHASES = 3_000
# Authorizations of one measurement, and those before it: a server is slower while everything happens the first time.
ANSWERED, WARM = 3_000, 1_000
ROUNDS = 2
POLL_SECONDS = 0.05
PATIENCE_SECONDS = 120.0
CHUNK = 1_000


def measure(folder: Path, step: Step) -> dict[str, Any]:
    """Purchases whose authorizations were answered; then their statements, two for each, with nothing else to do;
    then authorizations of others, answered alone and while as many statements are applied, in turn."""
    settings = environment(f"sqlite:///{folder}/roony.db")
    migrated(settings)
    database = Database(settings["ROONY_DATABASE_URL"])
    spoken = (1 + ROUNDS) * PURCHASES
    purchases = iter(seed(database, spoken + 2 * ROUNDS * (WARM + ANSWERED)))
    parts = [list(islice(purchases, PURCHASES)) for _ in range(1 + ROUNDS)]
    stripe = Stripe(SECRET)
    step("worker: authorizations to speak about")
    with roony(settings, folder) as served:
        load(folder, served.port, BUSY, stripe.requests([each for part in parts for each in part]), APPROVED)
    step("worker: applying")
    _keep(database, stripe, parts[0])
    with roony(settings, folder):
        rate = _applied(database, 2 * PURCHASES)
    alone, beside, applied = [], [], 0
    for number, part in enumerate(parts[1:], 1):
        step(f"worker: authorizations alone and while it applies, round {number} of {ROUNDS}")
        with roony(settings, folder) as served:
            alone.append(_answered(folder, served, stripe, purchases))
        _keep(database, stripe, part)
        with roony(settings, folder) as served:
            beside.append(_answered(folder, served, stripe, purchases))
            applied += 2 * PURCHASES - _waiting(database)
            _applied(database, 2 * PURCHASES)
    database.close()
    return {
        "applied_per_second": round(rate), "alone_per_second": statistics.median(alone),
        "meanwhile_per_second": statistics.median(beside),
        "meanwhile_ratio": round(statistics.median(two / one for one, two in zip(alone, beside, strict=True)), 3),
        "applied_meanwhile": applied,
    }  # fmt: skip


def _answered(folder: Path, served: Served, stripe: Stripe, purchases: Iterator[Numbered]) -> float:
    """Authorizations a second of a server that has answered some before."""
    load(folder, served.port, BUSY, stripe.requests(list(islice(purchases, WARM))), APPROVED)
    done = load(folder, served.port, BUSY, stripe.requests(list(islice(purchases, ANSWERED))), APPROVED)
    return float(done["per_second"])


def _keep(database: Database, stripe: Stripe, purchases: list[Numbered]) -> None:
    """Lays the statements into the inbox, as the door would, while no Roony runs."""
    now, writer = time.time_ns() // 1000, database.open_writer()
    rows = [
        new_event(event["id"], event["account"], False, event["type"], event["data"]["object"]["id"], event["created"],
                  json.dumps(event).encode(), now)
        for event in stripe.statements(purchases)
    ]  # fmt: skip
    try:
        for start in range(0, len(rows), CHUNK):
            writer.begin([])
            writer.write_rows(TABLE_OF[InboxEvent], rows[start : start + CHUNK])
            writer.commit()
    finally:
        writer.close()


def _waiting(database: Database) -> int:
    return int(database.read(select(func.count()).where(inbox.c.status.in_(("received", "failed"))))[0][0])


def _applied(database: Database, count: int) -> float:
    """Events a second, from the first that is applied to the last. Raises SystemExit when they are not."""
    until = time.monotonic() + PATIENCE_SECONDS
    began, done_then = 0.0, 0
    while left := _waiting(database):
        if time.monotonic() > until:
            raise SystemExit(f"{left} events were not applied within {PATIENCE_SECONDS:.0f} s.")
        if not began and left < count:
            began, done_then = time.monotonic(), count - left
        time.sleep(POLL_SECONDS)
    return (count - done_then) / max(POLL_SECONDS, time.monotonic() - began)
