"""A random company through the real till: whatever happens in whatever order, the promises of section 12 hold.

Asks, approvals, authorizations, raises, captures, refunds, reversals, freezes, cancels, cards that fail, clocks
that move on, Stripe's statements late, shuffled and twice. After every step: limits (P1), one card each (P2), sums and
open money (P8), the chain and a record for every change (P9), refusals that leave nothing else (P10).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from roony.core.agent import Organization
from roony.core.approval import Approval
from roony.core.audit import AuditRecord
from roony.core.card import Card
from roony.core.errors import Refusal
from roony.core.purchase import Purchase
from roony.flows.approval import Approve, Approved, ApproveIds, Deny, ExpireApproval
from roony.flows.card import ExpireCard, FailCard, MadeCard, RecordCard
from roony.flows.ending import CancelPurchase
from roony.flows.freeze import Freeze, SetCardFrozen, Unfreeze
from roony.flows.purchase import Asked
from roony.store.tables import OutboxPromise
from tests.support.books import AGENT, ORG, PROJECT, Books, open_books
from tests.support.memory import MemoryBooks
from tests.support.network import Network, Said, deliver
from tests.support.promises import all_is_well, hold_fits, money_rows
from tests.support.story import withdraw

SEED = int(os.environ.get("ROONY_TEST_SEED", "20261122"))
WORDS = {
    "ask": 10,
    "card": 10,
    "fail": 1,
    "request": 12,
    "again": 2,
    "raise": 4,
    "withdraw": 1,
    "alone": 1,
    "capture": 8,
    "force": 1,
    "refund": 3,
    "reverse": 3,
    "expire_authorization": 2,
    "stripe_cancels": 3,
    "say": 25,
    "say_again": 3,
    "approve": 5,
    "deny": 1,
    "cancel": 2,
    "freeze": 1,
    "unfreeze": 3,
    "wait": 3,
    "late": 2,
}


class Company:
    """Books with many purchases, a network for each card, and what Stripe has said but not delivered yet."""

    def __init__(self, books: Books, random: Random) -> None:
        self.books = books
        self.random = random
        self.networks: dict[str, Network] = {}
        self.promises: dict[str, OutboxPromise] = {}
        self.way: list[Said] = []
        self.said: list[Said] = []
        self.requests: list[tuple[str, int, dict[str, Any], bool]] = []
        self.log: list[str] = []
        self.seen: set[str] = set()
        books.controls(AGENT, "agent", approval_threshold=8_000, velocity_count=200, duplicate_window_seconds=60)
        books.limit(AGENT, "day", 60_000)
        books.limit(PROJECT, "week", 90_000)
        books.limit(ORG, "lifetime", 400_000)

    def step(self) -> None:
        """One random thing, then every promise."""
        word = self.random.choices(list(WORDS), list(WORDS.values()))[0]
        before, sequence = money_rows(self.books), self.sequence()
        self.log.append(word)
        answer = getattr(self, f"_{word}")()
        after = money_rows(self.books)
        if after != before:
            assert self.sequence() > sequence, f"{word} changed the books without a record"
        if isinstance(answer, Refusal):
            assert after == before, f"{word} was refused ({answer.code}) and left a trace"
        if isinstance(answer, Asked | Approved) and answer.purchase.held > 0:
            hold_fits(self.books, answer.purchase)
        all_is_well(self.books)

    def sequence(self) -> int:
        return self.books.row(Organization, id=ORG).audit_sequence

    def _pick(self, row: type, *statuses: str) -> Any | None:
        found = [item for item in self.books.rows(row) if item.status in statuses]
        return self.random.choice(found) if found else None

    def _pick_truth(self, *statuses: str) -> tuple[Network, str] | None:
        found = [
            (network, name)
            for network in self.networks.values()
            for name, truth in network.truths.items()
            if truth.status in statuses and truth.granted >= 0
        ]
        return self.random.choice(found) if found else None

    def _ask(self) -> Any:
        amount = self.random.choice([50, 900, 3_000, 7_000, 9_500, 20_000, 70_000])
        answer = self.books.ask(
            amount, self.random.choice(["Figma", "Notion"]), allow_duplicate=self.random.random() < 0.7
        )
        if isinstance(answer, Asked):
            self.seen.add(f"ask:{answer.purchase.status}")
            if answer.promise is not None:
                self.promises[answer.purchase.card_id or ""] = answer.promise
        return answer

    def _card(self) -> None:
        card = self._pick(Card, "creating")
        if card is not None:
            made = MadeCard(f"ic_{card.purchase_id}", "active", "4242", 12, 2030)
            self.books.run(RecordCard(ORG, card.id, made, self.books.new_id("out"), self.promises[card.id]))
            self.networks.setdefault(card.id, Network(f"ic_{card.purchase_id}"))

    def _fail(self) -> None:
        card = self._pick(Card, "creating")
        if card is not None:
            promise = self.promises[card.id]
            self.books.run(FailCard(ORG, card.id, "no_money", "No money.", False, promise, self.books.new_id("out")))

    def _request(self) -> None:
        card = self._pick(Card, "active", "active", "used", "frozen", "expired", "canceled")
        if card is None or card.id not in self.networks:
            return
        purchase = self.books.row(Purchase, id=card.purchase_id)
        name = f"{card.id}_{len(self.requests)}"
        amount = self.random.choice([purchase.amount, purchase.amount, purchase.amount // 2, 0, 100, 9_999])
        self._answer(self.networks[card.id], name, amount, {"authorization_id": f"iauth_{name}"}, "new")

    def _answer(self, network: Network, name: str, amount: int, fields: dict[str, Any], kind: str) -> None:
        answer = self.books.authorize(network.card, amount, self.random.choice(["FIGMA", "NOTION"]), **fields)
        self.seen.add(f"{kind}:{answer.code}")
        self.requests.append((network.card, amount, fields, answer.approved))
        word = "yes" if answer.approved else "no"
        if self.random.random() < 0.1:
            word = "timeout"
        granted = amount if word == "yes" else 0
        if kind == "new":
            self.way += network.ask(name, amount, word, granted)
        else:
            self.way += network.raise_amount(name, amount, word)

    def _again(self) -> None:
        """The same request twice has the same answer."""
        if self.requests:
            card, amount, fields, approved = self.random.choice(self.requests)
            before = money_rows(self.books)
            answer = self.books.authorize(card, amount, **fields)
            assert answer.approved in (approved, False)
            assert money_rows(self.books) == before

    def _raise(self) -> None:
        found = self._pick_truth("pending")
        if found is not None:
            network, name = found
            truth = network.truths[name]
            fields = {"authorization_id": f"iauth_{name}", "ordinal": len(truth.history), "granted": truth.amount}
            self._answer(network, name, self.random.choice([100, 2_000]), fields, "raise")

    def _withdraw(self) -> None:
        """Our newest yes left too late; Stripe may have approved all the same."""
        if self.requests:
            _, amount, fields, _ = self.requests[-1]
            withdraw(self.books, fields["authorization_id"], fields.get("ordinal", 0), amount)

    def _alone(self) -> None:
        if self.networks:
            network = self.random.choice(list(self.networks.values()))
            name = f"{network.card}_alone_{len(self.log)}"
            self.way += network.ask(name, self.random.choice([500, 12_000]), self.random.choice(["active", "controls"]))

    def _capture(self) -> None:
        found = self._pick_truth("pending", "expired")
        if found is not None:
            network, name = found
            amount = network.truths[name].amount
            part = self.random.choice([amount, amount, amount // 2, amount + 300]) or 1
            self.way += network.capture(name, part, self.random.random() < 0.7)

    def _force(self) -> None:
        if self.networks:
            self.way += self.random.choice(list(self.networks.values())).capture(None, 400)

    def _refund(self) -> None:
        if self.networks:
            self.way += self.random.choice(list(self.networks.values())).refund(self.random.choice([200, 5_000]))

    def _reverse(self) -> None:
        found = self._pick_truth("pending")
        if found is not None:
            network, name = found
            self.way += network.reverse(name, self.random.choice([None, network.truths[name].amount // 2]))

    def _expire_authorization(self) -> None:
        found = self._pick_truth("pending")
        if found is not None:
            self.way += found[0].expire(found[1])

    def _stripe_cancels(self) -> None:
        found = self._pick_truth("pending", "closed", "reversed")
        if found is not None:
            self.way += found[0].card_canceled()

    def _say(self) -> None:
        if self.way:
            said = self.way.pop(self.random.randrange(len(self.way)))
            self.said.append(said)
            deliver(self.books, said)

    def _say_again(self) -> None:
        if self.said:
            deliver(self.books, self.random.choice(self.said))

    def _approve(self) -> Any:
        approval = self._pick(Approval, "pending", "denied")
        if approval is None:
            return None
        purchase = self.books.row(Purchase, id=approval.purchase_id)
        ids = ApproveIds(*(self.books.new_id(prefix) for prefix in ("hold", "crd", "out")))
        amount = self.random.choice([None, purchase.amount + 500, purchase.amount - 10])
        answer = self.books.run(Approve(ORG, approval.id, purchase, "usr_1", "", ids, amount))
        if not isinstance(answer, Refusal):
            self.seen.add(f"approve:{answer.purchase.status}")
            if answer.promise is not None:
                self.promises[answer.purchase.card_id or ""] = answer.promise
        return answer

    def _deny(self) -> Any:
        approval = self._pick(Approval, "pending")
        return approval and self.books.run(Deny(ORG, approval.id, "usr_1", "", self.books.new_id("out")))

    def _cancel(self) -> Any:
        found = self.books.rows(Purchase)
        if not found:
            return None
        purchase = self.random.choice(found)
        return self.books.run(CancelPurchase(ORG, purchase.id, AGENT, self.books.new_id("out"), AGENT))

    def _freeze(self) -> None:
        self.books.run(Freeze(ORG, "agent", AGENT, "usr_1", self.books.new_id("out")))
        self._follow_freeze(True)

    def _unfreeze(self) -> None:
        self.books.run(Unfreeze(ORG, "agent", AGENT, "usr_1", self.books.new_id("out")))
        self._follow_freeze(False)

    def _follow_freeze(self, frozen: bool) -> None:
        for card in self.books.rows(Card):
            self.books.run(SetCardFrozen(ORG, card.id, frozen, self.books.new_id("out")))

    def _wait(self) -> None:
        self.books.clock.advance(self.random.choice([10, 100, 4_000, 30 * 3_600]))

    def _late(self) -> None:
        """The worker's timed duties."""
        for approval in self.books.rows(Approval):
            self.books.run(ExpireApproval(ORG, approval.id, self.books.new_id("out")))
        for card in self.books.rows(Card):
            self.books.run(ExpireCard(ORG, card.id, self.books.new_id("out")))


@pytest.fixture
def books(tmp_path: Path, database_url: str | None) -> Iterator[Books]:
    with open_books(tmp_path, database_url) as books:
        yield books


def run(company: Company, steps: int, seconds: float) -> None:
    """Steps until either is used up; a failure tells the seed and the last steps."""
    until = time.monotonic() + seconds
    for _ in range(steps):
        if time.monotonic() > until:
            return
        try:
            company.step()
        except AssertionError as error:
            error.add_note(f"ROONY_TEST_SEED={SEED}; last steps: {company.log[-12:]}")
            raise


def test_a_random_company_keeps_every_promise(books: Books) -> None:
    """Through the real till on SQLite."""
    company = Company(books, Random(SEED))
    run(company, 800, 40)
    assert len(books.rows(AuditRecord)) > 50


@pytest.mark.parametrize("number", range(8))
def test_many_random_companies_keep_every_promise(number: int) -> None:
    """The same in memory, where many more fit in the time."""
    company = Company(MemoryBooks(), Random(SEED + number))
    run(company, 500, 20)
    if number == 0:
        assert {"ask:issuing", "ask:declined", "ask:awaiting_approval", "new:APPROVED"} <= company.seen
