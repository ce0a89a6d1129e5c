"""Authorization decisions through the public HTTP door, and the ordinary webhook door, beside a bare no-op."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.events import Stripe
from benchmarks.seed import Numbered, seed
from benchmarks.serving import SECRET, Served, environment, load, metrics, migrated, noop, roony, usage
from roony.store.database import Database

CONNECTIONS = (1, 4, 16, 64)
BUSY = 64
ROUNDS = 3
NOOP_REQUESTS = {1: 4_000, 4: 8_000, 16: 12_000, 64: 16_000}
DOOR_REQUESTS = {1: 600, 4: 1_500, 16: 3_000, 64: 7_000}
ORDINARY_EVENTS = 6_000
MANY = 64
APPROVED = '"approved":true'
Step = Callable[[str], None]


def sqlite(folder: Path, step: Step) -> dict[str, Any]:
    """SQLite at 1, 4, 16 and 64 connections, then ordinary events at 64; every figure of one process."""
    settings = environment(f"sqlite:///{folder}/roony.db")
    migrated(settings)
    purchases = iter(seed(Database(settings["ROONY_DATABASE_URL"]), sum(DOOR_REQUESTS.values()) * ROUNDS))
    pairs: dict[int, list[tuple[dict[str, Any], dict[str, Any]]]] = {count: [] for count in CONNECTIONS}
    kept: list[tuple[dict[str, Any], dict[str, Any]]] = []
    with noop() as bare, roony(settings, folder) as served:
        for number in range(ROUNDS):
            for count in CONNECTIONS:
                step(f"SQLite, round {number + 1} of {ROUNDS}, {count} connections")
                pairs[count].append(_pair(folder, bare, served, count, list(islice(purchases, DOOR_REQUESTS[count]))))
            step(f"ordinary events, round {number + 1} of {ROUNDS}")
            kept.append(_kept(folder, bare, served))
        after = usage(served.pid)
    return {
        "authorizations": {str(count): summary(found) for count, found in pairs.items()},
        "webhooks": summary(kept),
        "start_seconds": served.started_in,
        "memory_mb": after.memory_mb,
    }


def _kept(folder: Path, bare: Served, served: Served) -> tuple[dict[str, Any], dict[str, Any]]:
    """Events of a type that Roony keeps and does nothing about: what the worker does is measured by itself."""
    stripe = Stripe(SECRET)
    strangers = [Numbered(number, 10**6) for number in range(ORDINARY_EVENTS)]
    events = [event | {"type": "issuing_personalization_design.updated"} for event in stripe.statements(strangers)]
    idle = load(folder, bare.port, BUSY, stripe.signed(events[:ORDINARY_EVENTS]), APPROVED)
    return idle, load(folder, served.port, BUSY, stripe.signed(events[:ORDINARY_EVENTS]), "")


def postgresql(folder: Path, url: str, step: Step) -> dict[str, Any]:
    """PostgreSQL at 64 connections: purchases of many organizations, and of one."""
    settings = environment(url)
    migrated(settings)
    each = DOOR_REQUESTS[BUSY]
    waiting: dict[str, Iterator[Numbered]] = {
        "many": iter(seed(Database(url), each * ROUNDS, organizations=MANY)),
        "hot": iter(seed(Database(url), each * ROUNDS, first=10**6)),
    }
    pairs: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]] = {name: [] for name in waiting}
    with noop() as bare, roony(settings, folder) as served:
        for number in range(ROUNDS):
            for name, purchases in waiting.items():
                step(f"PostgreSQL, round {number + 1} of {ROUNDS}, {name}")
                pairs[name].append(_pair(folder, bare, served, BUSY, list(islice(purchases, each))))
        after = usage(served.pid)
    return {
        "authorizations": {name: summary(found) for name, found in pairs.items()},
        "memory_mb": after.memory_mb,
    }


def _pair(
    folder: Path, bare: Served, served: Served, connections: int, purchases: list[Numbered]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The no-op and the door, one after the other, under the same load."""
    stripe = Stripe(SECRET)
    filler = [Numbered(number, 0) for number in range(NOOP_REQUESTS[connections])]
    idle = load(folder, bare.port, connections, stripe.requests(filler), APPROVED)
    before, used = metrics(served.port), usage(served.pid)
    door = load(folder, served.port, connections, stripe.requests(purchases), APPROVED)
    after, now = metrics(served.port), usage(served.pid)
    decided = after["roony_till_authorizations_total"] - before["roony_till_authorizations_total"]
    commits = after["roony_till_commits_total"] - before["roony_till_commits_total"]
    door["per_commit"] = decided / max(1.0, commits)
    door["cpu_us"] = (now.cpu_seconds - used.cpu_seconds) * 1e6 / len(purchases)
    return idle, door


def summary(pairs: list[tuple[dict[str, Any], dict[str, Any]]]) -> dict[str, float]:
    """Medians over the rounds; a ratio is of one round's pair, so that a slow minute slows both."""
    found: dict[str, float] = {
        "noop_per_second": statistics.median(idle["per_second"] for idle, _ in pairs),
        "per_second": statistics.median(door["per_second"] for _, door in pairs),
        "ratio": round(statistics.median(door["per_second"] / idle["per_second"] for idle, door in pairs), 4),
        "p50_ms": statistics.median(door["p50_ms"] for _, door in pairs),
        "p99_ms": statistics.median(door["p99_ms"] for _, door in pairs),
        "worst_ms": max(door["worst_ms"] for _, door in pairs),
    }
    for name in ("per_commit", "cpu_us"):
        values = [door[name] for _, door in pairs if name in door]
        if values:
            found[name] = round(statistics.median(values), 1)
    return found
