"""A company served by the whole cluster, and what must be true of it at the end."""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple, Self

import httpx2

from roony.core.authorization import AuthorizationDecision
from roony.core.budget import Budget, BudgetPeriod
from roony.core.settlement import Discrepancy
from tests.chaos.cluster.nodes import DATABASE_URL
from tests.support.company import shop_name
from tests.support.crashing import ASK, STRIPE_KEY, WEBHOOK_SECRET, Crashable
from tests.support.served import SOFTWARE, Child

FRONT = "http://127.0.0.1:8000"
AGENTS = 6
AMOUNT = 500
# So small that all of it is used up now and then, and a hold placed twice would show.
AGENT_BUDGETS = [{"period": "lifetime", "limit": 25 * AMOUNT, "currency": "usd"}]
TRIES = 80
# For merchants who check one card again and again, a cent each time, so that something is always under way.
CHECKERS, CHECK_PAUSE_SECONDS = 2, 0.5
CHECKED_AMOUNT = 500_000
# A node went away, or the front answered for it: its words carry no id of a request.
GONE = (httpx2.TransportError, AssertionError, KeyError)
PAUSE_SECONDS = 0.25


class Said(NamedTuple):
    """What Stripe told a merchant: when it asked, when it was answered, and whether it may charge.

    `reason` is Roony's code where Roony answered no, else Stripe's reason.
    """

    asked_at: float
    answered_at: float
    approved: bool
    reason: str


class Company(Crashable):
    """Reached through the front; its nodes are started and killed by others."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, DATABASE_URL)
        self.url = FRONT

    def start_simulator_at(self, port: int) -> None:
        """The simulated Stripe, on this port."""
        self.simulator = Child(
            ["simulator", "--port", str(port), "--ready-json", "--webhook-url", f"{self.url}/api/webhooks/stripe",
             "--webhook-secret", WEBHOOK_SECRET, "--secret-key", STRIPE_KEY],
            self.folder / "simulator.log",
        )  # fmt: skip
        self._control = httpx2.Client(base_url=self.simulator.ready["url"], timeout=30, trust_env=False, verify=False)
        self.account = str(self.control("state")["platform"])

    def insist(self, step: Any) -> Any:
        """Does a step again until it is answered: nodes come and go."""
        for _ in range(TRIES):
            try:
                return step()
            except GONE as error:
                last = error
                time.sleep(PAUSE_SECONDS)
        raise last

    def recovered(self) -> bool:
        """Nodes are started again by whoever stopped them."""
        return False

    def check(self) -> None:
        """All that is checked after a crash of one process, and what a failover could lose or allow twice."""
        super().check()
        self._limits_hold()
        self._approvals_are_known()

    def _limits_hold(self) -> None:
        limits = {row.id: row.limit_amount for row in self.books.rows(Budget)}
        for row in self.books.rows(BudgetPeriod):
            limit = limits[row.budget_id]
            assert limit is None or row.held + row.spent <= limit, row

    def _approvals_are_known(self) -> None:
        """P4, P5: what Stripe was told to approve is in the books as an answer, and nothing else is."""
        given = {
            (row.authorization_id, row.ordinal) for row in self.books.rows(AuthorizationDecision)
            if row.approved and row.answered == "approved"
        }  # fmt: skip
        heard = {
            (told["id"], place) for told in self.control("state")["authorizations"]
            for place, entry in enumerate(told["request_history"]) if entry["reason"] == "webhook_approved"
        }  # fmt: skip
        assert heard <= given, f"lost: {heard - given}"
        odd = [row.kind for row in self.books.rows(Discrepancy) if row.kind == "approved_without_roony"]
        assert not odd, odd


class Load:
    """Agents that buy and merchants that charge, one thread each, until they are told to stop."""

    def __init__(self, company: Company) -> None:
        self.said: list[Said] = []
        # When an agent's ask was not answered, or not by Roony.
        self.unanswered: list[float] = []
        self.asks: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self._company, self._stop = company, threading.Event()
        self._threads = [threading.Thread(target=self._shop) for _ in range(AGENTS)]
        self._threads += [threading.Thread(target=self._check_on) for _ in range(CHECKERS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(90)

    def _shop(self) -> None:
        agent = None
        while not self._stop.is_set():
            try:
                agent = agent or self._company.agent(budgets=AGENT_BUDGETS)
                bought = self._buy(agent)
                if bought is None:
                    # Its budget is used up, or nobody answered: another one begins.
                    agent = None
                    continue
                self._charge(*bought)
            except GONE as error:
                self.errors[type(error).__name__] += 1
                self._stop.wait(PAUSE_SECONDS)

    def _check_on(self) -> None:
        bought = None
        while not self._stop.wait(CHECK_PAUSE_SECONDS):
            try:
                bought = bought or self._buy(self._company.agent(), CHECKED_AMOUNT)
                if bought is not None:
                    self._ask(*bought, 1)
            except GONE as error:
                self.errors[type(error).__name__] += 1

    def _buy(self, agent: Any, amount: int = AMOUNT) -> tuple[str, str] | None:
        """One purchase, asked with one key until it is answered; None when it was refused."""
        shop, key = shop_name(), {"Idempotency-Key": uuid.uuid4().hex}
        body = {
            "amount": amount, "currency": "usd", "description": "One thing", "merchant": {"name": shop, **SOFTWARE},
        }  # fmt: skip
        for _ in range(TRIES):
            try:
                answer = agent.call("POST", ASK, body, headers=key)
            except GONE:
                answer = None
            if answer is not None and answer.status_code in (200, 201):
                break
            self.unanswered.append(time.monotonic())
            if self._stop.wait(PAUSE_SECONDS):
                return None
        else:
            return None
        purchase = answer.json()
        self.asks[purchase["status"]] += 1
        if purchase["status"] == "declined":
            return None
        ready = self._company.until_status(purchase["id"], "ready", "failed", "canceled")
        return (self._company.stripe_card(purchase["id"]), shop) if ready["status"] == "ready" else None

    def _charge(self, card: str, shop: str) -> None:
        """A merchant asks until it is approved, and takes the money."""
        for _ in range(TRIES):
            made = self._ask(card, shop, AMOUNT)
            if made.approved:
                self._company.network().capture(made.id)
                return
            if self._stop.wait(PAUSE_SECONDS):
                return

    def _ask(self, card: str, shop: str, amount: int) -> Any:
        began = time.monotonic()
        wish = {"card": card, "amount": amount, "merchant_data": {"name": shop, **SOFTWARE}}
        made = self._company.network().create(wish)
        reason = made.request_history[-1].reason
        if reason == "webhook_declined":
            reason = made.metadata["code"]
        self.said.append(Said(began, time.monotonic(), bool(made.approved), reason))
        return made
