"""`python -m benchmarks.pages [postgresql://…]`: how soon each page is answered with 100,000 purchases.

A real organization is filled through the API; what belongs to its finished purchases is then copied as rows, each copy
with ids and times of its own, over the last months; and what has not ended, so that much waits for people. Each page is
asked for by one browser, one request at a time, over real HTTP. On SQLite, or on the PostgreSQL server that is named. 1
when a page's median is over `REQUIRED_MS`.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx2
from rich.console import Console
from rich.table import Table as Shown
from sqlalchemy import Connection, Table, create_engine, or_, select, text

from benchmarks.kill_switch import database
from roony.core.alert import Alert, alert_id
from roony.flows.access_key import key_row
from roony.flows.sign_in import new_session
from roony.store.tables import metadata
from roony.web.session import COOKIE
from tests.support.filling import fill
from tests.support.served import Simulation
from tests.support.walking import filtered, walk

PURCHASES = 100_000
ROUNDS = 31
REQUIRED_MS = 100.0
# Copies written in one commit.
CHUNK = 1_000
# Copies lie so far apart; 100,000 of them go back about four months.
APART = 100_000_000
FINISHED = ("settled", "declined")
# And of what waits for people: purchases to approve, and open findings and alerts.
WAITING, UNENDED = 5_000, ("awaiting_approval", "authorized", "ready")
# What belongs to a purchase, and by which column.
PARTS = {
    "purchases": "id", "holds": "purchase_id", "entries": "purchase_id", "cards": "purchase_id",
    "authorizations": "purchase_id", "authorization_decisions": "purchase_id", "stripe_transactions": "purchase_id",
    "approvals": "purchase_id", "discrepancies": "purchase_id", "inbox": "object_id", "audit_records": "subject",
}  # fmt: skip
TIMES = ("created_at", "updated_at", "at", "ended_at", "booked_at", "decided_at", "received_at", "finished_at")
_ID = re.compile(r"[a-z]{2,6}_\w{8,}")
_NEXT = re.compile(r'<a [^>]*?href="([^"]+)" rel="next"')
Row = dict[str, Any]


def main() -> int:
    """Prints a table and one JSON line."""
    server = sys.argv[1] if len(sys.argv) > 1 else None
    name = "postgresql" if server else "sqlite"
    with tempfile.TemporaryDirectory(prefix="roony-bench-") as folder, database(server) as url:
        result = _case(Path(folder), url)
    Console(stderr=True).print(_table(name, result))
    print(json.dumps({"benchmark": "pages", "cores": os.cpu_count(), "purchases": PURCHASES, name: result}))
    return int(any(row[0] > REQUIRED_MS for row in result.values()))


def _case(folder: Path, url: str | None) -> dict[str, list[float]]:
    """Median and 95th percentile of each page in milliseconds."""
    with Simulation(folder, url) as roony:
        fill(roony)
        written = _multiply(roony.database_url, roony.organization_id)
        Console(stderr=True).print(f"{written:,} rows of {PURCHASES:,} purchases")
        with httpx2.Client(base_url=roony.url, trust_env=False, verify=False, timeout=60) as browser:
            browser.cookies.set(COOKIE, _session(roony))
            return {link: _time(browser, link) for link in _links(browser)}


def _links(browser: httpx2.Client) -> Iterator[str]:
    """Every page, the second page of each list, and each list by each of its filters."""
    visit = walk(browser)
    for route, link in visit.addresses.items():
        yield link
        yield from (urljoin(link, unescape(one)) for one in _NEXT.findall(visit.html[route]))
        yield from filtered(link, visit.html[route])


def _time(browser: httpx2.Client, link: str) -> list[float]:
    took = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        answer = browser.get(link)
        took.append((time.perf_counter() - began) * 1_000)
        if answer.status_code != 200:
            raise SystemExit(f"{link} was answered with {answer.status_code}")
    return [round(statistics.median(took), 1), round(sorted(took)[int(ROUNDS * 0.95)], 1)]


def _session(roony: Simulation) -> str:
    """A session of the demo's owner, written as a row."""
    [user] = [one for one in roony.owner.get("/api/v1/admin/users")["data"] if one["role"] == "owner"]
    session = new_session("key_bench", "benchmark")
    row = key_row(session, roony.organization_id, None, roony.now() * 1_000_000, user["id"])
    with create_engine(_driver(roony.database_url)).begin() as connection:
        connection.execute(metadata.tables["access_keys"].insert(), row._asdict())
    return session.text


def _driver(url: str) -> str:
    return re.sub(r"^postgresql:", "postgresql+psycopg:", url)


def _multiply(url: str, organization_id: str) -> int:
    """Copies what belongs to finished purchases until there are enough; returns how many rows were written."""
    engine = create_engine(_driver(url))
    written = 0
    with engine.begin() as connection:
        finished = _models(connection, organization_id, FINISHED)
        waiting = [*_models(connection, organization_id, UNENDED), *_findings(connection, organization_id)]
    for start in range(0, PURCHASES + WAITING, CHUNK):
        rows: dict[str, list[Row]] = {}
        models = finished if start < PURCHASES else waiting
        for number in range(start, start + CHUNK):
            for table, row in models[number % len(models)]:
                # What waits is of the last days.
                rows.setdefault(table, []).append(_copy(row, number, number % PURCHASES))
        with engine.begin() as connection:
            for table, copies in rows.items():
                connection.execute(metadata.tables[table].insert(), copies)
                written += len(copies)
    with engine.begin() as connection:
        # As its own upkeep would do a moment later.
        connection.execute(text("ANALYZE"))
    engine.dispose()
    return written


Model = list[tuple[str, Row]]


def _models(connection: Connection, organization_id: str, statuses: Sequence[str]) -> list[Model]:
    """The rows of each purchase in a status: first what names it, then what names its cards and authorizations."""
    purchases = metadata.tables["purchases"]
    found = connection.execute(
        select(purchases.c.id).where(
            purchases.c.organization_id == organization_id, purchases.c.status.in_(statuses)
        )
    ).scalars()  # fmt: skip
    models = []
    for purchase in list(found):
        names, rows = {purchase}, []
        for name, column in PARTS.items():
            for row in _rows(connection, metadata.tables[name], column, names, organization_id):
                rows.append((name, row))
                names |= {value for key, value in row.items() if key in ("id", "stripe_card_id") and value}
        models.append(rows)
    return models


def _findings(connection: Connection, organization_id: str) -> list[Model]:
    """Every open finding there is, and an alert, each with nothing else."""
    found = _rows(connection, metadata.tables["discrepancies"], "status", {"open"}, organization_id)
    at, kind, subject = max(row["created_at"] for row in found), "connection_restricted", "acct_restricted"
    about = (organization_id, alert_id(kind, subject), kind, subject, "open", "No cards can be made.", 1, None)
    alert = Alert(*about, at, at, None)
    return [*([("discrepancies", row)] for row in found), [("alerts", alert._asdict())]]


def _rows(connection: Connection, table: Table, column: str, names: set[str], organization_id: str) -> list[Row]:
    where = or_(*(table.c[column] == name for name in sorted(names)))
    found = connection.execute(select(table).where(table.c.organization_id == organization_id, where))
    return [dict(row) for row in found.mappings()]


def _copy(row: Row, number: int, age: int) -> Row:
    """The row with ids and times of its own, `age` steps back; of whom and by whom it is stays as it was."""
    keep = (
        "organization_id",
        "agent_id",
        "project_id",
        "connection_id",
        "task_id",
        "merchant_key",
        "merchant_lock",
        "category",
        "actor",
    )
    copy: Row = {}
    for name, value in row.items():
        if isinstance(value, str) and name not in keep and _ID.match(value):
            copy[name] = f"{value}_{number}"
        elif name in TIMES and value:
            copy[name] = value - age * APART
        elif name == "sequence" and "previous_hash" in row:
            # Behind all others: the chain itself is not looked at here.
            copy[name] = 1_000_000 + number * 1_000 + value
        else:
            copy[name] = value
    return copy


def _table(name: str, result: dict[str, list[float]]) -> Shown:
    table = Shown("page", "p50 ms", "p95 ms", title=f"{PURCHASES:,} purchases, {name}")
    for link, (middle, slow) in sorted(result.items(), key=lambda one: -one[1][0]):
        table.add_row(link[:70], f"{middle:.1f}", f"{slow:.1f}", style="red" if middle > REQUIRED_MS else "")
    return table


if __name__ == "__main__":
    raise SystemExit(main())
