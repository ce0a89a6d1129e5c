"""Whole processes under random traffic: `roony serve` and the simulated Stripe, killed, lied to, and reconciled.

Agents, merchants and the owner go on over HTTP while Roony is killed with SIGKILL and started again, and while Stripe's
events are lost, doubled and shuffled. At the end of every episode one reconciliation must leave no difference, and the
books must be what Stripe's own are (`Crashable.check`).
"""

from __future__ import annotations

import os
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest
import stripe
from rich.console import Console

from tests.random.test_machine import SEED
from tests.random.test_soak import MACHINE_SHARE, SOAK_SECONDS
from tests.support import postgres
from tests.support.crashing import ADMIN, Crashable, crashable
from tests.support.progress import Progress
from tests.support.served import SOFTWARE
from tests.support.serving import Caller
from tests.support.tills import DATABASES

WORDS = {
    "buy": 6, "pay": 8, "odd": 2, "raise": 2, "capture": 6, "force": 1, "refund": 3, "reverse": 2, "expire": 1,
    "kill": 1, "weather": 2,
}  # fmt: skip
EPISODE_STEPS = 60
RUN_SECONDS = 60.0  # a reconciliation of one episode takes a second or two


class Traffic:
    """What agents and merchants do to one company, from one seed."""

    def __init__(self, company: Crashable, random: Random, counts: Counter[str]) -> None:
        self.company = company
        self.random = random
        self.counts = counts
        self.bought: list[dict[str, Any]] = []

    def episode(self, steps: int) -> None:
        """Random steps, then quiet: one reconciliation, no difference, and Stripe's own books."""
        agent = self.company.agent()
        self.bought.clear()
        for _ in range(steps):
            word = self.random.choices(list(WORDS), list(WORDS.values()))[0]
            self.counts[word] += 1
            try:
                getattr(self, f"_{word}")(agent)
            except stripe.InvalidRequestError:
                self.counts["refused by Stripe"] += 1
        self.company.recovered()
        self.company.control("delivery", {})
        self._reconcile()
        self.company.check()

    def _reconcile(self) -> None:
        started = self.company.send(self.company.owner, "POST", f"{ADMIN}/reconciliations", {"since": "2h"})["data"]
        until = time.monotonic() + RUN_SECONDS
        for run in started:
            while (found := self.company.get(f"reconciliations/{run['id']}"))["status"] == "running":
                assert time.monotonic() < until, found
                time.sleep(0.05)
            assert (found["status"], found["differences"]) == ("finished", 0), found
            self.counts["events brought by reconciliation"] += found["events"]

    def _buy(self, agent: Caller) -> None:
        shop = f"Shop {len(self.bought)}"
        asked = self.company.ask(agent, self.random.choice([500, 2_000, 5_000]), merchant=shop, allow_duplicate=True)
        if asked["status"] in ("issuing", "ready"):
            self.company.until_status(asked["id"], "ready")
            card = self.company.stripe_card(asked["id"])
            self.bought.append({**asked, "stripe_card": card, "shop": shop})

    def _ask(self, amount: int, shop: str, card: str) -> None:
        merchant = {"name": shop, **SOFTWARE}
        made = self.company.network().create({"card": card, "amount": amount, "merchant_data": merchant})
        self.counts["approved" if made.approved else "declined"] += 1

    def _pay(self, _agent: Caller) -> None:
        if self.bought:
            bought = self.bought[-1] if self.random.random() < 0.7 else self.random.choice(self.bought)
            self._ask(bought["amount"], bought["shop"], bought["stripe_card"])

    def _odd(self, _agent: Caller) -> None:
        """Another merchant, a card check, or too much."""
        if self.bought:
            bought = self.random.choice(self.bought)
            amount, shop = self.random.choice([(50, bought["shop"]), (300, "Nobody"), (90_000, bought["shop"])])
            self._ask(amount, shop, bought["stripe_card"])

    def _pick(self, *statuses: str) -> Any:
        every = self.company.control("state")["authorizations"]
        found = [known for known in every if known["approved"] and known["status"] in statuses]
        return self.random.choice(found) if found else None

    def _raise(self, _agent: Caller) -> None:
        if (found := self._pick("pending")) is not None:
            self.company.network().increment(found["id"], {"increment_amount": 100})

    def _capture(self, _agent: Caller) -> None:
        if (found := self._pick("pending", "pending", "expired")) is not None:
            amount = self.random.choice([found["amount"], max(1, found["amount"] // 2), found["amount"] + 70])
            self.company.network().capture(
                found["id"], {"capture_amount": amount, "close_authorization": self.random.random() < 0.6}
            )

    def _force(self, _agent: Caller) -> None:
        if self.bought:
            bought = self.random.choice(self.bought)
            helper = self.company.stripe().v1.test_helpers.issuing.transactions
            helper.create_force_capture(
                {"card": bought["stripe_card"], "amount": 120, "merchant_data": {"name": bought["shop"], **SOFTWARE}}  # type: ignore[typeddict-item]
            )

    def _refund(self, _agent: Caller) -> None:
        captures = [made for made in self.company.control("state")["transactions"] if made["type"] == "capture"]
        if captures:
            made = self.random.choice(captures)
            helper = self.company.stripe().v1.test_helpers.issuing.transactions
            helper.refund(made["id"], {"refund_amount": max(1, -made["amount"] // 2)})

    def _reverse(self, _agent: Caller) -> None:
        if (found := self._pick("pending")) is not None:
            self.company.network().reverse(found["id"], self.random.choice([{}, {"reverse_amount": 1}]))

    def _expire(self, _agent: Caller) -> None:
        if (found := self._pick("pending")) is not None:
            self.company.network().expire(found["id"])

    def _kill(self, _agent: Caller) -> None:
        """SIGKILL, in the middle of whatever it was doing; sometimes the network goes on before it is back."""
        assert self.company.process is not None
        self.company.process.kill()
        if self.random.random() < 0.5:
            self.company.recover()

    def _weather(self, _agent: Caller) -> None:
        """How Stripe delivers from now on."""
        choice = self.random.choice(
            [{}, {"lose": 0.3, "seed": self.random.randrange(1_000)}, {"duplicate": 2, "shuffle": True}, {"lose": 1}]
        )
        self.company.control("delivery", choice)


@pytest.mark.parametrize("backend", DATABASES)
def test_killed_and_lied_to_the_books_are_stripes(backend: str, tmp_path: Path) -> None:
    """P2, P3, P8, P9, P12 with nothing but processes and HTTP."""
    counts: Counter[str] = Counter()
    with postgres.books_database(backend) as url, crashable(tmp_path, url) as company:
        company.connect_direct()
        Traffic(company, Random(SEED), counts).episode(EPISODE_STEPS)
    assert counts["approved"] > 3
    assert company.crashes >= 1


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_whole_processes_for_as_long_as_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Episode after episode, each with a seed and a company of its own, on both databases in turn."""
    counts: Counter[str] = Counter()
    began, number = time.monotonic(), SEED
    backends = ["sqlite", *(["postgresql"] if postgres.server() else [])]
    tell = Progress(capsys)
    with capsys.disabled():
        console = Console()
        while time.monotonic() - began < SOAK_SECONDS * (1 - MACHINE_SHARE):
            backend = os.environ.get("ROONY_SOAK_ON") or backends[(number - SEED) % len(backends)]
            folder = tmp_path / str(number)
            folder.mkdir()
            try:
                with postgres.books_database(backend) as url, crashable(folder, url) as company:
                    company.connect_direct()
                    Traffic(company, Random(number), counts).episode(EPISODE_STEPS)
            except BaseException as error:
                error.add_note(f"ROONY_TEST_SEED={number} ROONY_SOAK_ON={backend} ROONY_SOAK_SECONDS=5 make soak")
                raise
            counts["episodes"] += 1
            counts["crashes"] += company.crashes
            counts["restarts"] += company.restarts
            number += 1
            tell(f"{counts['episodes']} episodes, {counts['crashes']} kills, no violation")
        told = ", ".join(f"{count:,} {word}" for word, count in sorted(counts.items()))
        console.print(f"\nwhole processes, seed {SEED}: violations 0; {told}")
