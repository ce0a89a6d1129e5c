"""`python -m benchmarks.kill_switch [postgresql://…]`: how long a freeze of the organization takes to count.

Agents ask and the network asks without a pause while the owner freezes. Measured from the moment the freeze is sent:
its answer, the first ask and the first real-time authorization that is declined, and the moment when no card at Stripe
is active any more. With one process on SQLite; with a PostgreSQL server named, also with three processes, where the
freeze goes to one and everything else to the others. Whole processes and real HTTP, beside the simulator.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.serving import database_on
from roony.store.database import Database
from roony.store.migrations import migrate
from tests.support.served import BUDGETS, SOFTWARE, WEBHOOK, Child, Installation, request_event, sign, unique
from tests.support.serving import Caller

ROUNDS = 3
PROCESSES = 3
# Cards that are open when the freeze comes, beside those of asks under way.
OPEN_CARDS = 10
PRICE = 5_000
# How long agents and network ask before the freeze, and how long its effect may take, in seconds.
BEFORE, PATIENCE = 0.5, 30.0
POLL = 0.005
FIGURES = ("freeze answered", "first ask declined", "first authorization declined", "no card active at Stripe")


@dataclass
class Seen:
    """What one kind of caller was answered: when it was asked, when answered, approved or not."""

    answers: list[tuple[float, float, bool]] = field(default_factory=list)

    def first_no(self, since: float) -> float | None:
        """When the first decline came to what was asked after `since`, or before and answered after."""
        return min((ended for _, ended, approved in self.answers if not approved and ended >= since), default=None)

    def late_yes(self, answered: float) -> int:
        """Approvals of what was asked after the freeze was answered: there must be none."""
        return sum(approved and began >= answered for began, _, approved in self.answers)


class Company:
    """An installation with `processes` servers on one database, an agent, and its open cards."""

    def __init__(self, folder: Path, database_url: str | None, processes: int) -> None:
        self.stack = ExitStack()
        self.installation = self.stack.enter_context(Installation(folder, database_url))
        key = self.installation.make()
        self.installation.start_simulator()
        self.installation.start_roony()
        self.urls = [self.installation.url]
        # Of the process that was started last.
        self.pid: int = self.installation.roony.ready["pid"] if self.installation.roony is not None else 0
        for number in range(1, processes):
            child = Child(
                ["serve", "--port", "0", "--ready-json"], folder / f"serve{number}.log",
                **self.installation.environment(),
            )  # fmt: skip
            self.stack.callback(child.stop)
            self.urls.append(child.ready["url"])
            self.pid = child.ready["pid"]
        self.owner = self.caller(self.urls[0], key)
        self.owner.send("POST", "/api/v1/admin/connections", {"kind": "direct"}, 201)
        budgets = [{**budget, "limit": 1_000_000_000} for budget in BUDGETS]
        made = self.owner.send("POST", "/api/v1/admin/agents", {"name": "buyer", "budgets": budgets}, 201)
        # What is asked goes to the processes that were not told of the freeze, where there are others.
        self.others = self.urls[1:] or self.urls
        self.agents = [self.caller(url, made["key"]) for url in self.others]
        simulator = self.installation.environment()["STRIPE_API_BASE"]
        self.simulator = self.stack.enter_context(httpx2.Client(base_url=simulator, trust_env=False, verify=False))
        self.doors = [self.stack.enter_context(httpx2.Client(base_url=url, trust_env=False, verify=False))
                      for url in self.others]  # fmt: skip
        if not all(self.ask(self.agents[0]) for _ in range(OPEN_CARDS)):
            raise RuntimeError("an ask was declined before any freeze")
        self.shop = unique("Shop")
        bought = self.agents[0].send("POST", "/api/v1/purchase_intents", self.wish(self.shop), 201)
        [card] = self.owner.get("/api/v1/admin/cards", params={"purchase_id": bought["id"]})["data"]
        self.card = card["stripe_card_id"]

    def caller(self, url: str, key: str) -> Caller:
        """Somebody with this key, before one process."""
        made = Caller(url, key)
        self.stack.callback(made.close)
        return made

    def wish(self, shop: str) -> dict[str, Any]:
        """The body of an ask."""
        merchant = {"name": shop, **SOFTWARE}
        return {"amount": PRICE, "currency": "usd", "description": "a thing", "merchant": merchant}

    def ask(self, agent: Caller) -> bool:
        """One ask of an agent; True when it was approved."""
        answer = agent.send("POST", "/api/v1/purchase_intents", self.wish(unique("Shop")), 201)
        return bool(answer["decision"]["verdict"] == "approved")

    def authorize(self, door: httpx2.Client) -> bool:
        """One real-time request about the open card, for nothing: it leaves the card as it is."""
        account: Any = None  # A direct connection's events name no account.
        event = request_event(account, self.card, 0, self.shop, int(time.time()), id=f"iauth_{uuid.uuid4().hex}")
        body = json.dumps(event).encode()
        signature = sign(body, self.installation.WEBHOOK_SECRET, int(time.time()))
        answer = door.post(WEBHOOK, content=body, headers={"Stripe-Signature": signature})
        return bool(answer.json()["approved"])

    def statuses(self) -> set[str]:
        """The statuses of all cards at Stripe."""
        cards = self.simulator.get("/_simulator/state").json()["cards"]
        return {card["status"] for card in cards}

    def switch(self, word: str) -> None:
        """Freezes or unfreezes the organization, before the first process."""
        organization = self.owner.get("/api/v1/admin/organization")["id"]
        self.owner.send("POST", f"/api/v1/admin/{word}", {"scope": "organization", "scope_id": organization})


def main() -> int:
    """Runs every case; prints a table and one JSON line. 1 when something was approved after a freeze was answered."""
    server = sys.argv[1] if len(sys.argv) > 1 else ""
    cases: dict[str, tuple[str | None, int]] = {"1 process, SQLite": (None, 1)}
    if server:
        cases[f"{PROCESSES} processes, PostgreSQL"] = (server, PROCESSES)
    results: dict[str, list[dict[str, float]]] = {}
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("kill switch", total=len(cases) * (ROUNDS + 1))
        for name, (address, processes) in cases.items():
            progress.update(task, description=f"{name}: starting")
            with tempfile.TemporaryDirectory() as folder, database(address) as url:
                company = Company(Path(folder), url, processes)
                with company.stack:
                    results[name] = []
                    for number in range(ROUNDS):
                        progress.update(task, advance=1, description=f"{name}: round {number + 1} of {ROUNDS}")
                        results[name].append(_round(company))
            progress.update(task, advance=1)
    Console(stderr=True).print(_table(results))
    print(json.dumps({"benchmark": "kill_switch", "cores": os.cpu_count(), "unit": "ms", "cases": results}))
    return int(any(row["approved after it"] for rows in results.values() for row in rows))


def _round(company: Company) -> dict[str, float]:
    """One freeze while everybody asks, in milliseconds from the moment it is sent; then all is let go again."""
    stop = threading.Event()
    asks, authorizations = Seen(), Seen()
    work = [(asks, lambda agent=agent: company.ask(agent)) for agent in company.agents]
    work += [(authorizations, lambda door=door: company.authorize(door)) for door in company.doors]
    with _all_asking(work, stop):
        time.sleep(BEFORE)
        sent = time.monotonic()
        company.switch("freeze")
        answered = time.monotonic()
        _wait(lambda: asks.first_no(sent) is not None and authorizations.first_no(sent) is not None)
        _wait(lambda: "active" not in company.statuses())
        quiet = time.monotonic()
    moments = (answered, asks.first_no(sent), authorizations.first_no(sent), quiet)
    row = {name: round((moment - sent) * 1_000, 1) for name, moment in zip(FIGURES, moments, strict=True) if moment}
    row["approved after it"] = asks.late_yes(answered) + authorizations.late_yes(answered)
    company.switch("unfreeze")
    _wait(lambda: "inactive" not in company.statuses())
    return row


@contextmanager
def _all_asking(work: list[tuple[Seen, Callable[[], bool]]], stop: threading.Event) -> Iterator[None]:
    """Each caller again and again in a thread of its own until the block ends. Raises what one of them raised."""
    failed: list[BaseException] = []

    def run(seen: Seen, call: Callable[[], bool]) -> None:
        try:
            while not stop.is_set():
                began = time.monotonic()
                approved = call()
                seen.answers.append((began, time.monotonic(), approved))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=each) for each in work]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    if failed:
        raise failed[0]


def _wait(is_there: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not is_there():
        if time.monotonic() > until:
            raise TimeoutError(f"nothing of it after {PATIENCE:.0f} s")
        time.sleep(POLL)


def _table(results: dict[str, list[dict[str, float]]]) -> Table:
    table = Table("milliseconds after the freeze is sent", *results, title="Kill switch (median, worst)")
    for name in FIGURES:
        cells = [[row[name] for row in rows] for rows in results.values()]
        table.add_row(name, *(f"{statistics.median(cell):,.0f}, {max(cell):,.0f}" for cell in cells))
    late = [sum(row["approved after it"] for row in rows) for rows in results.values()]
    table.add_row("approved of what was asked after its answer", *(f"{count:.0f}" for count in late))
    return table


@contextmanager
def database(server: str | None) -> Iterator[str | None]:
    """A migrated database of its own on the server, dropped again; None: a file."""
    if server is None:
        yield None
        return
    with database_on(server) as url:
        migrate(Database(url))
        yield url


if __name__ == "__main__":
    raise SystemExit(main())
