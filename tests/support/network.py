"""A card network in a few lines: what happens to authorizations, and the statements Stripe makes about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from roony.core.settlement import AuthorizationStatement, HistoryEntry, TransactionStatement
from roony.flows.card import MadeCard
from roony.flows.card_event import BookCard
from roony.flows.settlement import BookAuthorization, BookTransaction
from tests.support.books import CONNECTION, ORG, Books
from tests.support.story import REASONS, kept_event, statement, transaction

Said = AuthorizationStatement | TransactionStatement | MadeCard


@dataclass
class Truth:
    """One authorization as it really is at Stripe; `granted` is the part of it that Roony approved."""

    name: str
    status: str
    amount: int
    history: list[HistoryEntry]
    transactions: list[TransactionStatement] = field(default_factory=list)
    movements: int = 0
    captured: int = 0
    granted: int = 0
    began: int = 0


class Network:
    """All that happens on one card. Each happening returns what Stripe says about it, to be delivered at any time."""

    def __init__(self, card: str, now: int = 0) -> None:
        self.card = card
        # In seconds. Where it is that of the books, statements also say when an authorization began.
        self.now = now
        self.dated = now > 0
        self.truths: dict[str, Truth] = {}
        self.captured = 0
        self.refunded = 0
        self._count = 0

    def ask(self, name: str, amount: int, word: str, granted: int = 0) -> list[Said]:
        """A new authorization, with how it ended: yes, timeout, active, …"""
        approved = REASONS[word][0]
        status = "pending" if approved else "closed"
        truth = Truth(name, status, amount, [HistoryEntry(*REASONS[word], amount)], granted=granted)
        truth.movements = int(approved)
        truth.began = self.now if self.dated else 0
        self.truths[name] = truth
        return [self._stated(truth)]

    def raise_amount(self, name: str, amount: int, word: str) -> list[Said]:
        truth = self.truths[name]
        truth.history.append(HistoryEntry(*REASONS[word], amount))
        if REASONS[word][0]:
            truth.amount += amount
            truth.granted += amount if word == "yes" else 0
            truth.movements += 1
        return [self._stated(truth)]

    def reverse(self, name: str, amount: int | None) -> list[Said]:
        truth = self.truths[name]
        truth.amount = 0 if amount is None else truth.amount - amount
        truth.status = "reversed" if amount is None else "pending"
        truth.movements += 1
        return [self._stated(truth)]

    def expire(self, name: str) -> list[Said]:
        truth = self.truths[name]
        truth.status = "expired"
        truth.movements += 1
        return [self._stated(truth)]

    def capture(self, name: str | None, amount: int, close: bool = True) -> list[Said]:
        self._count += 1
        self.captured += amount
        authorization = f"iauth_{name}" if name else None
        said = transaction(f"ipi_{self._count}_{self.card}", "capture", amount, authorization, self.card, self.now)
        if name is None:
            return [said]
        truth = self.truths[name]
        truth.transactions.append(said)
        truth.captured += amount
        truth.movements += 1
        if close or truth.status == "expired":
            truth.status = "closed"
        return [self._stated(truth), said]

    def refund(self, amount: int, name: str | None = None) -> list[Said]:
        self._count += 1
        self.refunded += amount
        authorization = f"iauth_{name}" if name else None
        said = transaction(f"ipi_{self._count}_{self.card}", "refund", amount, authorization, self.card, self.now)
        if name is None:
            return [said]
        self.truths[name].transactions.append(said)
        return [self._stated(self.truths[name]), said]

    def card_canceled(self) -> list[Said]:
        return [MadeCard(self.card, "canceled", "4242", 12, 2030)]

    def _stated(self, truth: Truth) -> AuthorizationStatement:
        entries, transactions = tuple(truth.history), tuple(truth.transactions)
        movements = truth.movements
        return statement(
            f"iauth_{truth.name}", self.card, truth.status, truth.amount, entries, self.now, transactions, movements,
            began=truth.began,
        )  # fmt: skip


def deliver(books: Books, said: Said) -> None:
    """Books what Stripe says, as an event of its own."""
    event = kept_event(books, "issuing", "object")
    command: Any
    if isinstance(said, MadeCard):
        command = BookCard(ORG, CONNECTION, said, None, event, books.new_id("out"))
    elif isinstance(said, TransactionStatement):
        command = BookTransaction(ORG, CONNECTION, said, event)
    else:
        command = BookAuthorization(ORG, CONNECTION, said, event)
    assert books.run(command) == "applied"
