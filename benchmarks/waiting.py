"""`python -m benchmarks.waiting [postgresql://…]`: how soon waiting agents are answered once a person has said yes.

A hundred agents, each with a key of its own, wait before one process: with `GET …?wait=55`, then with
`request_purchase` of MCP. Their purchases are approved, one batch by eight people. Measured from the answer to each
approval to the answer of the wait, as milliseconds and as a ratio to a plain GET of the same run, with the threads of
the process that is waited for. With a PostgreSQL server named, also with two processes: approved in one, waited for in
the other. Whole processes and real HTTP, beside the simulator.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.kill_switch import Company, database
from tests.support.served import BUDGETS, unique
from tests.support.threads import threads
from tests.support.tools import ACCEPT, PATH, message

ROUNDS = 3
WAITING = 100
PEOPLE = 8
PATIENCE = 30.0
REQUIRED_MS = 1_000.0
ASK = "/api/v1/purchase_intents"
PROTOCOL = {**ACCEPT, "MCP-Protocol-Version": "2025-11-25"}
# One agent asks and waits; the id of its purchase and the status it was told.
Way = Callable[[httpx2.AsyncClient, dict[str, Any]], Awaitable[tuple[str, str]]]


async def _with_get(http: httpx2.AsyncClient, wish: dict[str, Any]) -> tuple[str, str]:
    asked = (await http.post(ASK, json=wish)).json()
    answer = (await http.get(f"{ASK}/{asked['id']}", params={"wait": 55})).json()
    return answer["id"], answer["status"]


async def _with_mcp(http: httpx2.AsyncClient, wish: dict[str, Any]) -> tuple[str, str]:
    given = {
        "merchant": wish["merchant"]["name"], "merchant_category": wish["merchant"]["category"],
        "merchant_country": wish["merchant"]["country"], "amount": "50.00", "currency": wish["currency"],
        "description": wish["description"], "request_id": wish["merchant"]["name"],
    }  # fmt: skip
    call = message("tools/call", name="request_purchase", arguments=given)
    answer = (await http.post(PATH, json=call, headers=PROTOCOL)).json()["result"]["structuredContent"]
    return answer["id"], answer["status"]


WAYS: dict[str, Way] = {"GET": _with_get, "MCP": _with_mcp}


def main() -> int:
    """Runs every case; prints a table and one JSON line. 1 when an answer came late, or each wait took a thread."""
    server = sys.argv[1] if len(sys.argv) > 1 else ""
    cases: dict[str, tuple[str | None, int]] = {"1 process, SQLite": (None, 1)}
    if server:
        cases["2 processes, PostgreSQL"] = (server, 2)
    results = {}
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("waiting", total=len(cases) * len(WAYS) * ROUNDS)
        for name, (address, processes) in cases.items():
            with tempfile.TemporaryDirectory() as folder, database(address) as url:
                company = Company(Path(folder), url, processes)
                with company.stack:
                    keys = _agents(company)
                    at_rest = threads(company.pid)
                    for word, way in WAYS.items():
                        rounds = []
                        for number in range(ROUNDS):
                            progress.update(task, description=f"{name}, {word}: round {number + 1} of {ROUNDS}")
                            rounds.append(_round(company, keys, way))
                            progress.advance(task)
                        results[f"{name}, {word}"] = {**_summary(rounds), "threads_at_rest": at_rest}
    Console(stderr=True).print(_table(results))
    print(json.dumps({"benchmark": "waiting", "cores": os.cpu_count(), "waiting": WAITING, "cases": results}))
    return int(any(row["worst_ms"] > REQUIRED_MS or row["threads"] >= WAITING for row in results.values()))


def _agents(company: Company) -> list[str]:
    """The keys of a hundred agents, for whose every purchase a person is asked."""
    body = {"budgets": BUDGETS, "controls": {"approval_threshold": 1}}
    agents = [{**body, "name": f"waiting {number}"} for number in range(WAITING)]
    return [company.owner.send("POST", "/api/v1/admin/agents", agent, 201)["key"] for agent in agents]


def _round(company: Company, keys: list[str], way: Way) -> tuple[list[float], list[float], int]:
    """What plain GETs took, how long after its approval each wait was answered, in milliseconds; and the threads."""
    url = str(company.others[0])

    def approve(approval: dict[str, Any]) -> tuple[str, float]:
        company.owner.send("POST", f"/api/v1/admin/approvals/{approval['id']}/approve", {})
        return approval["purchase_id"], time.monotonic()

    wishes = [company.wish(unique("Shop")) for _ in keys]
    with ThreadPoolExecutor(1) as pool, ThreadPoolExecutor(PEOPLE) as people:
        waits = pool.submit(lambda: asyncio.run(_wait_for_all(url, keys, wishes, way)))
        _until_waiting(url)
        taken = threads(company.pid)
        approvals = company.owner.get("/api/v1/admin/approvals", params={"status": "pending", "limit": WAITING})["data"]
        approved = dict(people.map(approve, approvals))
        answered = waits.result()
    agent, plain = company.caller(url, keys[0]), []
    for _ in range(WAITING):
        began = time.monotonic()
        agent.get(ASK, params={"limit": 1})
        plain.append((time.monotonic() - began) * 1_000)
    return plain, [max(0.0, answered[id] - yes) * 1_000 for id, yes in approved.items()], taken


async def _wait_for_all(url: str, keys: list[str], wishes: list[dict[str, Any]], way: Way) -> dict[str, float]:
    """When each purchase was told to be ready, each agent over a connection of its own."""

    async def one(key: str, wish: dict[str, Any]) -> tuple[str, float]:
        headers = {"Authorization": f"Bearer {key}"}
        async with httpx2.AsyncClient(base_url=url, timeout=60, trust_env=False, verify=False, headers=headers) as http:
            id, status = await way(http, wish)
            at = time.monotonic()
        if status != "ready":
            raise RuntimeError(f"a wait was answered with {status}")
        return id, at

    return dict(await asyncio.gather(*map(one, keys, wishes)))


def _until_waiting(url: str) -> None:
    """Until the process says that all of them wait."""
    until = time.monotonic() + PATIENCE
    with httpx2.Client(base_url=url, trust_env=False, verify=False) as http:
        while f"\nroony_waiting {WAITING}\n" not in http.get("/metrics").text:
            if time.monotonic() > until:
                raise TimeoutError(f"not all of them wait after {PATIENCE:.0f} s")
            time.sleep(0.02)


def _summary(rounds: list[tuple[list[float], list[float], int]]) -> dict[str, float]:
    plain = statistics.median(value for each, _, _ in rounds for value in each)
    late = sorted(value for _, each, _ in rounds for value in each)
    return {
        "get_p50_ms": round(plain, 1), "p50_ms": round(statistics.median(late), 1),
        "p99_ms": round(late[len(late) * 99 // 100], 1), "worst_ms": round(late[-1], 1),
        "worst_to_get": round(late[-1] / plain, 1), "threads": max(taken for _, _, taken in rounds),
    }  # fmt: skip


def _table(results: dict[str, dict[str, float]]) -> Table:
    columns = ("case", "GET p50", "p50", "p99", "worst", "worst / GET", "threads", "at rest")
    table = Table(*columns, title=f"{WAITING} waits after the yes (ms)")
    for name, row in results.items():
        table.add_row(name, *(f"{value:,}" for value in row.values()))
    return table


if __name__ == "__main__":
    raise SystemExit(main())
