"""How fast the worker applies what Stripe said, and what that costs the authorizations that come meanwhile."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from benchmarks.door import APPROVED, BUSY, Step
from benchmarks.events import Stripe
from benchmarks.seed import Numbered, seed
from benchmarks.serving import SECRET, environment, load, migrated, roony
from roony.store.database import Database
from roony.store.inbox import new_event
from roony.store.tables import TABLE_OF, InboxEvent, inbox

PURCHASES = 3_000
MEANWHILE = 3_000
POLL_SECONDS = 0.05
PATIENCE_SECONDS = 120.0
CHUNK = 1_000


def measure(folder: Path, step: Step) -> dict[str, Any]:
    """Purchases whose authorizations were answered; then their statements, two for each, with nothing else to do;
    then as many again while authorizations of others are answered, which are also answered alone."""
    settings = environment(f"sqlite:///{folder}/roony.db")
    migrated(settings)
    database = Database(settings["ROONY_DATABASE_URL"])
    purchases = seed(database, 2 * PURCHASES + 2 * MEANWHILE)
    first, second = purchases[:PURCHASES], purchases[PURCHASES : 2 * PURCHASES]
    others = purchases[2 * PURCHASES :]
    stripe = Stripe(SECRET)
    step("worker: authorizations to speak about")
    with roony(settings, folder) as served:
        load(folder, served.port, BUSY, stripe.requests([*first, *second]), APPROVED)
        alone = load(folder, served.port, BUSY, stripe.requests(others[:MEANWHILE]), APPROVED)
    step("worker: applying")
    _keep(database, stripe, first)
    with roony(settings, folder):
        rate = _applied(database, 2 * len(first))
    step("worker: applying while authorizations are answered")
    _keep(database, stripe, second)
    with roony(settings, folder) as served:
        beside = load(folder, served.port, BUSY, stripe.requests(others[MEANWHILE:]), APPROVED)
        left = _waiting(database)
    database.close()
    return {
        "applied_per_second": round(rate), "alone_per_second": alone["per_second"],
        "meanwhile_per_second": beside["per_second"],
        "meanwhile_ratio": round(beside["per_second"] / alone["per_second"], 3),
        "applied_meanwhile": 2 * len(second) - left,
    }  # fmt: skip


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
