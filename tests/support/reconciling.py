"""Books beside a simulated Stripe whose events get lost: for tests of what brings them back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from roony.core.card import Card
from roony.core.cardholder import Cardholder
from roony.core.connection import Connection
from roony.core.errors import Refusal
from roony.core.purchase import Purchase
from roony.core.reconciliation import Reconciliation
from roony.core.settlement import Discrepancy
from roony.flows.context import FlowContext
from roony.flows.reconciliation import start_by_hand
from roony.gateway.pool import GatewayPool
from roony.identifiers import new_id
from roony.store.rows import AccountRoute, OutboxPromise
from roony.store.vault import Vault
from roony.worker import Worker
from tests.support.books import ACCOUNT, CONNECTION, ORG, Books
from tests.support.books import holder as cardholder_row
from tests.support.connecting import VAULT_KEY, stripe_gateway
from tests.support.simulator import Receiver, SimulatorProcess, new_cardholder

SHOP = {"name": "FIGMA", "category": "computer_software_stores", "country": "US"}
SECOND = 1_000_000
# Longer than any test lasts, on any clock; in microseconds.
YEARS = 10 * 366 * 24 * 3600 * SECOND


class Lossy:
    """Roony's books, a worker, and a Stripe that approves by itself and of which no event arrives."""

    def __init__(self, books: Books, simulator: SimulatorProcess, context: FlowContext) -> None:
        self.books = books
        self.simulator = simulator
        self.context = context
        self.stripe = simulator.client(self.account)
        self.worker = Worker(context)

    @property
    def account(self) -> str:
        """The connected account."""
        account: str = self.connection.stripe_account or ACCOUNT
        return account

    @property
    def cardholder(self) -> str:
        """The id at Stripe of the organization's cardholder."""
        return str(self.books.row(Cardholder, scope_id=ORG).stripe_cardholder_id)

    @property
    def connection(self) -> Connection:
        """The connection as it is now."""
        found: Connection = self.books.row(Connection, id=CONNECTION)
        return found

    def at(self) -> int:
        """Lets the books go by the simulator's clock; returns it in seconds."""
        now = int(self.simulator.control("clock")["now"])
        self.books.clock.now = max(self.books.clock.now + 1, now * SECOND)
        return now

    def advance(self, seconds: int) -> None:
        """Moves both clocks."""
        self.simulator.control("clock", {"advance": seconds})
        self.books.clock.advance(seconds)
        self.at()

    def work(self) -> None:
        """Rounds of the worker until nothing is due; what is put off for a moment is waited for by moving the clock."""
        asyncio.run(self.worker.round())

    def buy(self, amount: int = 5_000) -> Purchase:
        """A purchase whose card exists at Stripe."""
        self.at()
        asked = self.books.ask(amount, allow_duplicate=True)
        self.books.clock.advance(31)
        self.work()
        purchase: Purchase = self.books.row(Purchase, id=asked.purchase.id)
        assert purchase.status == "ready"
        return purchase

    def card(self, purchase: Purchase) -> str:
        """The card's id at Stripe."""
        row: Card = self.books.row(Card, id=purchase.card_id)
        return row.stripe_card_id or ""

    def authorize(self, purchase: Purchase, amount: int | None = None, *, ask: bool = True) -> Any:
        """A merchant asks; with `ask` Roony has answered yes to the same authorization."""
        card = self.card(purchase)
        amount = purchase.amount if amount is None else amount
        helper = self.stripe.v1.test_helpers.issuing.authorizations
        made = helper.create({"card": card, "amount": amount, "merchant_data": SHOP})  # type: ignore[typeddict-item]
        assert made.approved
        if ask:
            self.at()
            answer = self.books.authorize(card, amount, authorization_id=made.id, created=made.created)
            assert answer.approved, answer
        return made

    def capture(self, authorization: Any, **more: Any) -> Any:
        """The merchant takes the money."""
        return self.stripe.v1.test_helpers.issuing.authorizations.capture(authorization.id, more or None)

    def reconcile(self, since: int | None = 7_200, *, work: bool = True) -> Reconciliation:
        """A person's run over the last `since` seconds, worked to its end."""
        now = self.at()
        moment = None if since is None else (now - since) * SECOND

        async def start() -> Any:
            return await start_by_hand(self.context, ORG, moment, None, "person")

        answer = asyncio.run(start())
        assert not isinstance(answer, Refusal), answer
        if work:
            self.finish()
        return self.run(answer[0].id)

    def finish(self, tries: int = 60) -> None:
        """Works until no promise waits, moving the clock where one was put off."""
        for _ in range(tries):
            self.work()
            waiting = self.books.rows(OutboxPromise, status="promised", kind="reconcile")
            if not waiting:
                return
            self.books.clock.now = max(self.books.clock.now, *(row.due_at for row in waiting)) + 1
        raise AssertionError(f"not finished: {waiting}")

    def run(self, id: str) -> Reconciliation:
        """A run as it is now."""
        row: Reconciliation = self.books.row(Reconciliation, id=id)
        return row

    def runs(self, **where: Any) -> list[Reconciliation]:
        """All runs, oldest first."""
        return sorted(self.books.rows(Reconciliation, **where), key=lambda row: row.created_at)

    def findings(self, *kinds: str) -> list[tuple[str, str, str]]:
        """Kind, subject and status of the findings of these kinds."""
        rows = [row for row in self.books.rows(Discrepancy) if row.kind in kinds]
        return sorted((row.kind, row.subject, row.status) for row in rows)

    def purchase(self, purchase: Purchase) -> Purchase:
        """As it is now."""
        row: Purchase = self.books.row(Purchase, id=purchase.id)
        return row


def detail(run: Reconciliation) -> dict[str, Any]:
    """What a run found, unpacked."""
    found: dict[str, Any] = json.loads(run.detail)
    return found


@contextmanager
def lossy(books: Books, simulator: SimulatorProcess, receiver: Receiver, kind: str = "connect") -> Iterator[Lossy]:
    """A fresh world with one account; every event goes to `receiver`, which is not Roony."""
    simulator.control("reset", {})
    own = simulator.client()
    account = simulator.connect() if kind == "connect" else simulator.account
    endpoint = {"url": receiver.begin_again(), "enabled_events": ["*"], "connect": kind == "connect"}
    listening = own.v1.webhook_endpoints.create(endpoint)  # type: ignore[arg-type]
    simulator.control(f"accounts/{account}", {"issuing_balance": {"usd": 100_000_000}})
    client = simulator.client(account if kind == "connect" else None)
    holder = new_cardholder(client)
    now = int(simulator.control("clock")["now"])
    books.clock.now = max(books.clock.now, now * SECOND)
    connection = books.row(Connection, id=CONNECTION)._replace(
        # Nobody is asked here before Stripe approves, which would be evidence if it came after the account was active.
        kind=kind, stripe_account=account, created_at=books.clock.now, activated_at=books.clock.now + YEARS,
    )  # fmt: skip
    books.put(connection, cardholder_row(holder.id))
    if kind == "connect":
        books.put(AccountRoute(account, 0, ORG, CONNECTION))
    books.reconfigure()
    pool, gateway = GatewayPool(threads=4), stripe_gateway(simulator.url, simulator.secret_key)
    context = FlowContext(
        books.till,
        books.database,
        gateway,
        pool,
        Vault([VAULT_KEY]),
        books.clock,
        new_id,
        lambda: "http://localhost:9",
    )
    try:
        yield Lossy(books, simulator, context)
    finally:
        pool.close()
        gateway.close()
        own.v1.webhook_endpoints.delete(listening.id)


Change = Callable[[Lossy], None]
