"""Many threads at once on one budget, one key, one authorization: the outcome is as if they had come one by one."""

from __future__ import annotations

import random
from typing import Any

import pytest
import sqlalchemy

from roony.core.audit import AuditRecord, verify
from roony.core.authorization import Authorization, AuthorizationDecision
from roony.core.budget import BudgetPeriod
from roony.core.card import Card
from roony.core.errors import Refusal
from roony.core.ledger import Entry, Hold
from roony.core.purchase import KeptKey, Purchase
from roony.store.rows import OutboxPromise
from tests.support.books import AGENT, ORG, PROJECT, Books
from tests.support.tills import answers, at_once, held


def expect_books_balance(books: Books) -> None:
    """P8: what budgets, purchases and entries say of held and spent is the same sum."""
    entries = books.rows(Entry)
    for purchase in books.rows(Purchase):
        own = [entry for entry in entries if entry.purchase_id == purchase.id]
        assert (purchase.held, purchase.spent) == (sum(e.held for e in own), sum(e.spent for e in own))
        assert [entry.sequence for entry in own] == list(range(1, purchase.entry_count + 1))
    held, spent = sum(entry.held for entry in entries), sum(entry.spent for entry in entries)
    for scope in ("agent", "project", "organization"):
        for period in ("day", "week", "month", "lifetime"):
            rows = books.rows(BudgetPeriod, budget_id=f"bud_{scope}_{period}")
            assert (sum(row.held for row in rows), sum(row.spent for row in rows)) == (held, spent)
    assert verify(books.rows(AuditRecord)) is None


class TestBudget:
    """P1: no hold is placed beyond a limit."""

    def test_64_threads_share_500_and_exactly_5_get_100(self, books: Books) -> None:
        books.limit(AGENT, "month", 50_000)
        found = at_once([lambda n=n: books.ask(10_000, f"Shop {n}") for n in range(64)])  # type: ignore[misc]
        statuses = [asked.purchase.status for asked in found]
        assert statuses.count("issuing") == 5
        assert statuses.count("declined") == 59
        assert len(books.rows(Hold)) == len(books.rows(Card)) == len(books.rows(OutboxPromise)) == 5
        month = {row.budget_id: row.held for row in books.rows(BudgetPeriod) if row.budget_id.endswith("_month")}
        assert month == {"bud_agent_month": 50_000, "bud_project_month": 50_000, "bud_organization_month": 50_000}
        expect_books_balance(books)

    def test_the_same_waiting_in_one_batch(self, books: Books) -> None:
        books.limit(AGENT, "month", 50_000)
        with held(books.till):
            tickets = [books.till.enqueue(books.ask_command(10_000, f"Shop {n}"), None, None) for n in range(64)]
        assert [asked.purchase.status for asked in answers(tickets)] == ["issuing"] * 5 + ["declined"] * 59
        expect_books_balance(books)

    @pytest.mark.parametrize("seed", [1, 2, 3])
    def test_random_amounts_never_pass_the_narrowest_limit(self, books: Books, seed: int) -> None:
        dice = random.Random(seed)
        limits = {AGENT: 60_000, PROJECT: 50_000, ORG: 70_000}
        for scope, limit in limits.items():
            books.limit(scope, "month", limit)
        amounts = [dice.randint(1, 9_000) for _ in range(60)]
        found = at_once([lambda n=n, a=a: books.ask(a, f"Shop {n}") for n, a in enumerate(amounts)])  # type: ignore[misc]
        granted = sum(asked.purchase.amount for asked in found if asked.purchase.status == "issuing")
        assert granted <= 50_000
        # What was refused would not have fit at its turn, and what is left is less than any of them.
        assert all(a.purchase.amount > 50_000 - granted for a in found if a.purchase.status == "declined")
        expect_books_balance(books)


class TestSameKey:
    """P2: one key, one purchase, whatever is repeated."""

    def test_20_threads_with_one_key_make_one_purchase(self, books: Books) -> None:
        found = at_once([lambda: books.ask(key="once")] * 20)
        assert len({asked.purchase.id for asked in found}) == 1
        assert sorted(asked.replayed for asked in found) == [False] + [True] * 19
        assert [asked.promise is not None for asked in found].count(True) == 1
        for row in (Purchase, KeptKey, Hold, Card, OutboxPromise):
            assert len(books.rows(row)) == 1, row
        expect_books_balance(books)

    def test_the_same_key_with_other_bodies_is_a_conflict_for_all_but_one_body(self, books: Books) -> None:
        found = at_once(
            [lambda n=n: books.ask(1_000 + n % 2, key="once", body_hash=str(n % 2)) for n in range(20)]  # type: ignore[misc]
        )
        conflicts = [answer for answer in found if isinstance(answer, Refusal)]
        assert [conflict.code for conflict in conflicts] == ["idempotency_conflict"] * 10
        assert len(books.rows(Purchase)) == 1

    def test_a_key_belongs_to_its_agent_only_once_it_is_written(self, books: Books) -> None:
        """A key is replayed with the purchase as it is now, not as it was."""
        purchase = books.ready(key="once")
        again = books.ask(key="once")
        assert again.replayed
        assert (again.purchase.status, again.purchase.card_id) == (purchase.status, purchase.card_id)


class TestSameAuthorization:
    """One request of the network, one decision."""

    def test_20_equal_requests_make_one_decision(self, books: Books) -> None:
        purchase = books.ready()
        found = at_once([lambda: books.authorize(purchase)] * 20)
        assert len({answer.decision_id for answer in found}) == 1
        assert all(answer.approved for answer in found)
        assert len(books.rows(AuthorizationDecision)) == len(books.rows(Authorization)) == 1
        assert [row.action for row in books.rows(AuditRecord)].count("authorization.answered") == 1
        expect_books_balance(books)

    def test_20_different_requests_on_a_single_use_card_take_it_once(self, books: Books) -> None:
        purchase = books.ready()
        found = at_once(
            [lambda n=n: books.authorize(purchase, authorization_id=f"iauth_{n}") for n in range(20)]  # type: ignore[misc]
        )
        assert [answer.approved for answer in found].count(True) == 1
        assert books.row(Authorization, approved=1).amount == purchase.amount
        assert books.row(Purchase).held == purchase.held
        expect_books_balance(books)

    def test_callers_that_leave_at_random_leave_books_that_agree(self, books: Books) -> None:
        """P5: whoever gave up is a decline in the book; whoever did not is what it was told."""
        dice = random.Random(5)
        purchases = [books.ready(100, f"Shop {n}") for n in range(40)]
        leaving = {n for n in range(40) if dice.random() < 0.5}

        def ask(n: int) -> Any:
            command = books.authorization_command(purchases[n], 100, f"SHOP {n}", authorization_id=f"iauth_{n}")
            ticket = books.till.enqueue(command, None, None)
            if n in leaving:
                books.till.give_up(ticket)
                return None
            return ticket.future.result(30)

        found = at_once([lambda n=n: ask(n) for n in range(40)])  # type: ignore[misc]
        books.ask(merchant="Waits for compensations")
        books.ask(merchant="And for theirs")
        for n in range(40):
            decisions = books.rows(AuthorizationDecision, authorization_id=f"iauth_{n}")
            if n in leaving:
                assert [decision.answered for decision in decisions] in ([], ["declined"])
            else:
                assert found[n].approved
                assert [decision.answered for decision in decisions] == ["approved"]
        expect_books_balance(books)


def test_a_reader_never_sees_half_a_commit(books: Books) -> None:
    """While asks are committed, another connection always finds holds and periods that agree."""

    def write() -> int:
        for number in range(30):
            books.ask(100, f"Shop {number}")
        return 0

    def read() -> int:
        both = sqlalchemy.text(
            "SELECT (SELECT coalesce(sum(held), 0) FROM entries),"
            " (SELECT coalesce(sum(held), 0) FROM budget_periods WHERE budget_id = 'bud_agent_month')"
        )
        for _ in range(200):
            [(entries, periods)] = books.database.read(both)
            assert entries == periods
        return 0

    assert at_once([write, read, read]) == [0, 0, 0]
