"""What only shows with time: a million authorizations, a hundred thousand agents, ten million rows of history."""

from __future__ import annotations

import json
import statistics
import time
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.door import APPROVED, BUSY, Step
from benchmarks.events import Stripe
from benchmarks.seed import AMOUNT, seed, write
from benchmarks.serving import SECRET, environment, load, migrated, roony, usage
from roony.core.agent import Agent
from roony.core.authorization import Authorization, AuthorizationDecision
from roony.core.budget import Budget, BudgetPeriod, period_start
from roony.core.control import Control
from roony.core.ledger import Entry
from roony.store.database import Database
from roony.store.writer import Writer

AUTHORIZATIONS = 1_000_000
FIRST = 10_000
PORTION = 10_000
AGENTS = (10, 1_000, 100_000)
# Rows of finished purchases' history in the same tables.
HISTORY = (10_000, 1_000_000, 10_000_000)
MEASURED = 4_000
ROUNDS = 3
CHUNK = 20_000
# Rows of one finished purchase in the history: two entries, an authorization, its decision.
ROWS_EACH = 4


def memory(folder: Path, step: Step, count: int = AUTHORIZATIONS) -> dict[str, Any]:
    """Megabytes after the first ten thousand authorizations and after all, of one process on SQLite."""
    settings = environment(f"sqlite:///{folder}/roony.db")
    migrated(settings)
    database = Database(settings["ROONY_DATABASE_URL"])
    done, held = 0, {}
    with roony(settings, folder) as served:
        held["start"] = usage(served.pid).memory_mb
        while done < count:
            step(f"memory: {done:,} of {count:,} authorizations")
            # An organization for each portion: its cards are seeded beside the running server, as rows alone.
            purchases = seed(database, PORTION, first=done + 10**7)
            load(folder, served.port, BUSY, Stripe(SECRET).requests(purchases), APPROVED)
            done += PORTION
            if done == FIRST:
                held["first"] = usage(served.pid).memory_mb
        held["last"] = usage(served.pid).memory_mb
    growth = round(held["last"] - held["first"], 1)
    return {"authorizations": done, "growth_mb": growth, **{f"{name}_mb": size for name, size in held.items()}}


def agents(folder: Path, step: Step) -> dict[str, Any]:
    """Milliseconds at the median for one caller, as the organization has more and more agents."""
    return _growing(folder / "agents", AGENTS, _more_agents, step, "agents")


def history(folder: Path, step: Step, sizes: tuple[int, ...] = HISTORY) -> dict[str, Any]:
    """The same as the tables of authorizations and entries grow."""
    return _growing(folder / "history", sizes, _more_history, step, "rows of history")


def _growing(folder: Path, sizes: tuple[int, ...], grow: Any, step: Step, of_what: str) -> dict[str, Any]:
    folder.mkdir()
    settings = environment(f"sqlite:///{folder}/roony.db")
    migrated(settings)
    database = Database(settings["ROONY_DATABASE_URL"])
    purchases = iter(seed(database, MEASURED * ROUNDS * len(sizes)))
    there, found = 0, {}
    for size in sizes:
        step(f"growing to {size:,} {of_what}")
        grow(database, there, size)
        there = size
        with roony(settings, folder) as served:
            seen = []
            for _ in range(ROUNDS):
                some = list(islice(purchases, MEASURED))
                before = usage(served.pid).cpu_seconds
                load(folder, served.port, BUSY, Stripe(SECRET).requests(some), APPROVED)
                seen.append((usage(served.pid).cpu_seconds - before) * 1e6 / len(some))
        found[str(size)] = round(statistics.median(seen), 1)
    database.close()
    least = found[str(sizes[0])]
    return {"cpu_us": found, "ratio": {size: round(value / least, 3) for size, value in found.items()}}


def _more_agents(database: Database, there: int, size: int) -> None:
    now = time.time_ns() // 1000
    start = period_start("lifetime", "UTC", now)

    def rows(number: int) -> list[Any]:
        id, budget = f"agt_more{number}", f"bud_more{number}"
        fields = json.dumps({"purchase_limit": 50_000})
        return [
            Agent("org_b0", id, "prj_b0", "[]", f"Agent {number}", "", None, None, now),
            Control("org_b0", f"ctl_more{number}", "agent", id, 1, fields, now),
            Budget("org_b0", budget, "agent", id, "usd", "lifetime", "UTC", 10**9, now),
            BudgetPeriod("org_b0", budget, start, 0, 0),
        ]

    _written(database, rows, there, size)


def _more_history(database: Database, there: int, size: int) -> None:
    now = time.time_ns() // 1000 - 90 * 86_400_000_000

    def rows(number: int) -> list[Any]:
        purchase, hold, at = f"pur_old{number}", f"hold_old{number}", now + number
        authorization = Authorization(
            organization_id="org_b0", id=f"iauth_old{number}", connection_id="con_b0", purchase_id=purchase,
            card_id=f"crd_old{number}", stripe_card_id=f"ic_old{number}", status="closed", approved=1, provisional=0,
            card_check=0, amount=AMOUNT, captured=AMOUNT, currency="usd", merchant_amount=AMOUNT,
            merchant_currency="usd", merchant="{}", network_transaction_id=f"nt_old{number}", history_length=1,
            transactions_seen=2, final=1, statement_at=at // 1_000_000, created_at=at, updated_at=at,
        )  # fmt: skip
        decision = AuthorizationDecision(
            organization_id="org_b0", authorization_id=authorization.id, ordinal=0, amount=AMOUNT,
            id=f"dec_old{number}", purchase_id=purchase, approved=1, approved_amount=AMOUNT, code="APPROVED",
            answered="approved", at=at,
        )  # fmt: skip
        return [
            authorization, decision, Entry("org_b0", purchase, 1, hold, "hold", AMOUNT, 0, at),
            Entry("org_b0", purchase, 2, hold, "capture", -AMOUNT, AMOUNT, at),
        ]  # fmt: skip

    _written(database, rows, there // ROWS_EACH, size // ROWS_EACH)


def _written(database: Database, rows: Any, there: int, size: int) -> None:
    writer: Writer = database.open_writer()
    try:
        for start in range(there, size, CHUNK):
            write(writer, [row for number in range(start, min(start + CHUNK, size)) for row in rows(number)])
    finally:
        writer.close()
