"""The books after anything merchants may do: a seeded walk that checks balance, holds and transactions at each step."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
import stripe

from tests.support.published import conforms
from tests.support.simulator import SimulatorProcess, authorize, new_card

FUNDED = 10_000_000
STEPS = 70
LIMITS = {"spending_limits": [{"amount": 900_000, "interval": "per_authorization"}]}


class Purchase:
    """What one authorization should look like, counted beside the simulator."""

    def __init__(self, identifier: str, amount: int) -> None:
        self.id = identifier
        self.amount = amount
        self.held = amount
        self.captured = 0
        self.refunded = 0
        self.status = "pending"

    def end(self, status: str) -> None:
        """Nothing is held any more."""
        self.held, self.status = 0, status


class Walk:
    """Random helper calls over the API, each with what it should do to the books."""

    def __init__(self, client: stripe.StripeClient, seed: int) -> None:
        self.client = client
        self.helpers: Any = client.v1.test_helpers.issuing
        self.random = random.Random(seed)
        self.card = new_card(client, spending_controls=LIMITS).id
        self.purchases: list[Purchase] = []
        self.captures: dict[str, tuple[Purchase | None, int]] = {}  # transaction: purchase, what may be refunded
        self.unasked = 0
        self.refused = 0

    def step(self) -> None:
        """Do one thing; what may not be done is refused with a 400 and changes nothing."""
        calls: list[Callable[[], None]] = [self.buy, self.buy, self.forced, self.unlinked, self.refund]
        if self.purchases:
            calls += [self.capture, self.capture, self.increment, self.reverse, self.expire, self.finalize]
        try:
            self.random.choice(calls)()
        except stripe.InvalidRequestError as refused:
            if refused.http_status != 400:
                raise
            self.refused += 1

    def some(self) -> Purchase:
        """One purchase, the newer ones more often."""
        return self.random.choice(self.purchases[-6:])

    def buy(self) -> None:
        amount = self.random.choice([0, 1, 100, 7_777, 20_000])
        made = authorize(self.client, self.card, amount)
        assert made.approved
        self.purchases.append(Purchase(made.id, amount))

    def capture(self) -> None:
        purchase, close = self.some(), self.random.random() < 0.5
        amount = self.random.choice([None, 1, 900, 30_000])
        params = {"close_authorization": close, **({} if amount is None else {"capture_amount": amount})}
        done = self.helpers.authorizations.capture(purchase.id, params)
        taken = max(purchase.amount - purchase.captured, 0) if amount is None else amount
        purchase.captured += taken
        purchase.held = max(purchase.held - taken, 0)
        if close or purchase.status == "expired":
            purchase.end("closed")
        self.captures[done.transactions[-1].id] = (purchase, taken)

    def increment(self) -> None:
        purchase, amount = self.some(), self.random.choice([50, 4_000])
        self.helpers.authorizations.increment(purchase.id, {"increment_amount": amount})
        purchase.amount += amount
        purchase.held += amount

    def reverse(self) -> None:
        purchase, amount = self.some(), self.random.choice([None, 1, 500])
        self.helpers.authorizations.reverse(purchase.id, {} if amount is None else {"reverse_amount": amount})
        left = max(purchase.amount - purchase.captured, 0)
        given_back = left if amount is None else amount
        purchase.amount -= given_back
        purchase.held = max(purchase.held - given_back, 0)
        if given_back == left:
            purchase.end("closed" if purchase.captured else "reversed")

    def expire(self) -> None:
        purchase = self.some()
        self.helpers.authorizations.expire(purchase.id)
        purchase.end("expired")

    def finalize(self) -> None:
        purchase, amount = self.some(), self.random.choice([0, 4_200, 15_000])
        self.helpers.authorizations.finalize_amount(purchase.id, {"final_amount": amount})
        purchase.amount, purchase.held = amount, max(amount - purchase.captured, 0)

    def forced(self) -> None:
        amount = self.random.choice([1, 640])
        made = self.helpers.transactions.create_force_capture({"card": self.card, "amount": amount})
        self.captures[made.id] = (None, amount)
        self.unasked -= amount

    def unlinked(self) -> None:
        amount = self.random.choice([1, 250])
        self.helpers.transactions.create_unlinked_refund({"card": self.card, "amount": amount})
        self.unasked += amount

    def refund(self) -> None:
        if not self.captures:
            return
        transaction = self.random.choice(list(self.captures))
        purchase, left = self.captures[transaction]
        amount = self.random.choice([None, 1, 700])
        self.helpers.transactions.refund(transaction, {} if amount is None else {"refund_amount": amount})
        back = left if amount is None else amount
        self.captures[transaction] = (purchase, left - back)
        if purchase is None:
            self.unasked += back
        else:
            purchase.refunded += back

    def check(self) -> None:
        """The laws: balance, holds, transactions, as the API tells them."""
        v1 = self.client.v1
        entries = list(v1.balance_transactions.list({"limit": 100}).auto_paging_iter())
        available = v1.balance.retrieve().issuing.available[0].amount  # type: ignore[union-attr]
        assert available == FUNDED + sum(entry.amount for entry in entries)
        spent = sum(one.held + one.captured - one.refunded for one in self.purchases)
        assert available == FUNDED - spent + self.unasked
        for purchase in self.purchases[-8:]:
            shown = v1.issuing.authorizations.retrieve(purchase.id)
            assert (shown.status, shown.amount) == (purchase.status, purchase.amount)
            assert sum(move.amount for move in shown.balance_transactions) == -purchase.held
            assert sum(one.amount for one in shown.transactions) == purchase.refunded - purchase.captured
        transactions = v1.issuing.transactions.list({"limit": 100}).auto_paging_iter()
        booked = sum(entry.amount for entry in entries if entry.type == "issuing_transaction")
        assert sum(one.amount for one in transactions) == booked


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_books_add_up_whatever_merchants_do(
    simulator: SimulatorProcess, client: stripe.StripeClient, seed: int
) -> None:
    for endpoint in client.v1.webhook_endpoints.list().data:
        client.v1.webhook_endpoints.update(endpoint.id, {"disabled": True})
    try:
        walk = Walk(client, seed)
        for _ in range(STEPS):
            walk.step()
            walk.check()
        assert walk.refused < STEPS // 2
        conforms(*client.v1.issuing.authorizations.list({"limit": 100}).data)
        conforms(*client.v1.issuing.transactions.list({"limit": 100}).data)
    finally:
        for endpoint in client.v1.webhook_endpoints.list().data:
            client.v1.webhook_endpoints.update(endpoint.id, {"disabled": False})
