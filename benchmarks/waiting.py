"""`python -m benchmarks.waiting [postgresql://…]`: how soon waiting agents are answered once a person has said yes.

A hundred agents wait with `GET …?wait=55` before one process; their purchases are approved, one batch by eight people.
Measured from the answer to each approval to the answer of the wait, as milliseconds and as a ratio to a plain GET of
the same run. With a PostgreSQL server named, also with two processes: approved in one, waited for in the other. Whole
processes and real HTTP, beside the simulator.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.kill_switch import Company, database
from tests.support.served import unique

ROUNDS = 3
WAITING = 100
PEOPLE = 8
PATIENCE = 30.0
REQUIRED_MS = 1_000.0
ASK = "/api/v1/purchase_intents"


def main() -> int:
    """Runs every case; prints a table and one JSON line. 1 when an answer came later than `REQUIRED_MS`."""
    server = sys.argv[1] if len(sys.argv) > 1 else ""
    cases: dict[str, tuple[str | None, int]] = {"1 process, SQLite": (None, 1)}
    if server:
        cases["2 processes, PostgreSQL"] = (server, 2)
    results = {}
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("waiting", total=len(cases) * ROUNDS)
        for name, (address, processes) in cases.items():
            with tempfile.TemporaryDirectory() as folder, database(address) as url:
                company = Company(Path(folder), url, processes)
                with company.stack:
                    rounds = []
                    for number in range(ROUNDS):
                        progress.update(task, description=f"{name}: round {number + 1} of {ROUNDS}")
                        rounds.append(_round(company))
                        progress.advance(task)
            results[name] = _summary(rounds)
    Console(stderr=True).print(_table(results))
    print(json.dumps({"benchmark": "waiting", "cores": os.cpu_count(), "waiting": WAITING, "cases": results}))
    return int(any(row["worst_ms"] > REQUIRED_MS for row in results.values()))


def _round(company: Company) -> tuple[list[float], list[float]]:
    """What plain GETs took, and how long after its approval each wait was answered; both in milliseconds."""
    agent = company.agents[0]
    made = company.owner.get("/api/v1/admin/agents")["data"][0]
    controls = {"scope": "agent", "scope_id": made["id"], "controls": {"approval_threshold": 1}}
    company.owner.send("PUT", "/api/v1/admin/controls", controls)
    purchases = [agent.send("POST", ASK, company.wish(unique("Shop")), 201) for _ in range(WAITING)]
    plain = []
    for purchase in purchases:
        began = time.monotonic()
        agent.get(f"{ASK}/{purchase['id']}")
        plain.append((time.monotonic() - began) * 1_000)

    def approve(purchase: dict[str, Any]) -> float:
        company.owner.send("POST", f"/api/v1/admin/approvals/{purchase['approval']['id']}/approve", {})
        return time.monotonic()

    with ThreadPoolExecutor(1) as pool, ThreadPoolExecutor(PEOPLE) as people:
        waits = pool.submit(lambda: asyncio.run(_wait_for_all(str(company.others[0]), str(agent.key), purchases)))
        _until_waiting(str(company.others[0]))
        approved = list(people.map(approve, purchases))
        answered = waits.result()
    return plain, [max(0.0, at - yes) * 1_000 for at, yes in zip(answered, approved, strict=True)]


async def _wait_for_all(url: str, key: str, purchases: list[dict[str, Any]]) -> list[float]:
    limits, headers = httpx2.Limits(max_connections=WAITING), {"Authorization": f"Bearer {key}"}
    async with httpx2.AsyncClient(
        base_url=url, timeout=60, trust_env=False, verify=False, limits=limits, headers=headers
    ) as http:

        async def one(id: str) -> float:
            answer = await http.get(f"{ASK}/{id}", params={"wait": 55})
            at = time.monotonic()
            if answer.json()["status"] != "ready":
                raise RuntimeError(f"a wait was answered with {answer.text}")
            return at

        return list(await asyncio.gather(*(one(purchase["id"]) for purchase in purchases)))


def _until_waiting(url: str) -> None:
    """Until the process says that all of them wait."""
    until = time.monotonic() + PATIENCE
    with httpx2.Client(base_url=url, trust_env=False, verify=False) as http:
        while f"\nroony_waiting {WAITING}\n" not in http.get("/metrics").text:
            if time.monotonic() > until:
                raise TimeoutError(f"not all of them wait after {PATIENCE:.0f} s")
            time.sleep(0.02)


def _summary(rounds: list[tuple[list[float], list[float]]]) -> dict[str, float]:
    plain = statistics.median(value for each, _ in rounds for value in each)
    late = sorted(value for _, each in rounds for value in each)
    return {
        "get_p50_ms": round(plain, 1), "p50_ms": round(statistics.median(late), 1),
        "p99_ms": round(late[len(late) * 99 // 100], 1), "worst_ms": round(late[-1], 1),
        "worst_to_get": round(late[-1] / plain, 1),
    }  # fmt: skip


def _table(results: dict[str, dict[str, float]]) -> Table:
    table = Table("case", "GET p50", "p50", "p99", "worst", "worst / GET", title=f"{WAITING} waits after the yes (ms)")
    for name, row in results.items():
        table.add_row(name, *(f"{value:,.1f}" for value in row.values()))
    return table


if __name__ == "__main__":
    raise SystemExit(main())
