"""Several processes on one PostgreSQL database, let go by a barrier; and two commands in either order, forced.

Forced means: one process is held just before its commit, with the organization's lock, until the other one waits for
that lock. So both outcomes of a race are seen in every run, and not by luck. On SQLite, which one process serves, one
comes after the other.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from roony.core.approval import Approval
from roony.core.audit import AuditRecord
from roony.core.authorization import Authorization, AuthorizationDecision
from roony.core.budget import BudgetPeriod
from roony.core.card import Card
from roony.core.errors import Refusal
from roony.core.ledger import Hold
from roony.core.purchase import KeptKey, Purchase
from roony.core.settlement import StripeTransaction
from roony.flows.approval import Approve, ApproveIds, Approver, Deny, ExpireApproval
from roony.flows.card import ExpireCard
from roony.flows.ending import CancelPurchase
from roony.flows.freeze import Freeze
from roony.flows.limits import SetBudget
from roony.flows.settlement import BookAuthorization, BookTransaction
from roony.store import inbox, outbox
from roony.store.command import Command
from roony.store.rows import InboxEvent, OutboxPromise
from tests.support.books import AGENT, CONNECTION, NOW, ORG, Books, user
from tests.support.promises import all_is_well
from tests.support.rivals import Rivals, rivals
from tests.support.story import history, kept_event, statement, transaction
from tests.support.tills import DATABASES

PROCESSES = 4


def address(books: Books) -> str:
    """How another process connects."""
    return books.database.dsn


@pytest.fixture
def many(postgres_books: Books) -> Iterator[Rivals]:
    """Four more processes on the same database."""
    with rivals(address(postgres_books), PROCESSES) as made:
        yield made


@pytest.mark.postgres
class TestFourProcesses:
    """One lock for each organization, no shared memory."""

    def test_64_asks_share_a_budget_for_5(self, postgres_books: Books, many: Rivals) -> None:
        """P1: whoever asks, the limit is the limit; 16 asks wait in each process."""
        books = postgres_books
        books.limit(AGENT, "month", 50_000)
        asks = [books.ask_command(10_000, f"Shop {number}") for number in range(64)]
        found = many.race([asks[place::PROCESSES] for place in range(PROCESSES)])
        statuses = [asked.purchase.status for each in found for asked in each]
        assert (statuses.count("issuing"), statuses.count("declined")) == (5, 59)
        assert len(books.rows(Hold)) == len(books.rows(Card)) == len(books.rows(OutboxPromise)) == 5
        month = [row.held for row in books.rows(BudgetPeriod) if row.budget_id.endswith("_month")]
        assert month == [50_000] * 3
        all_is_well(books)

    def test_one_key_is_one_purchase(self, postgres_books: Books, many: Rivals) -> None:
        """P2: the same ask in every process at once, sixteen times in each."""
        books = postgres_books
        found = many.race([[books.ask_command(key="once") for _ in range(16)] for _ in range(PROCESSES)])
        asked = [answer for each in found for answer in each]
        assert len({answer.purchase.id for answer in asked}) == 1
        assert [answer.replayed for answer in asked].count(False) == 1
        assert [answer.promise is not None for answer in asked].count(True) == 1
        for row in (Purchase, KeptKey, Hold, Card, OutboxPromise):
            assert len(books.rows(row)) == 1, row
        all_is_well(books)

    def test_one_key_with_two_bodies_is_one_purchase(self, postgres_books: Books, many: Rivals) -> None:
        books = postgres_books
        found = many.race(
            [[books.ask_command(1_000 + place % 2, key="once", body_hash=str(place % 2))] for place in range(PROCESSES)]
        )
        refused = [answer for [answer] in found if isinstance(answer, Refusal)]
        assert [answer.code for answer in refused] == ["idempotency_conflict"] * 2
        assert len(books.rows(Purchase)) == 1
        all_is_well(books)

    def test_nothing_is_approved_after_a_freeze(self, postgres_books: Books, many: Rivals) -> None:
        """Three answer 48 authorizations while one more process freezes the agent: the chain tells who was first."""
        books = postgres_books
        bought = [books.ready(100, f"Shop {number}") for number in range(48)]
        asked = [
            books.authorization_command(purchase, 100, f"SHOP {number}", authorization_id=f"iauth_{number}")
            for number, purchase in enumerate(bought)
        ]
        freeze = Freeze(ORG, "agent", AGENT, "usr_1", "out_freeze")
        frozen, *answered = many.race([[freeze], *(asked[place::3] for place in range(3))])
        assert frozen[0].changed
        records = books.rows(AuditRecord, organization_id=ORG)
        [at] = [record.sequence for record in records if record.action == "agent.frozen"]
        yes = [
            record.sequence for record in records
            if record.action == "authorization.answered" and json.loads(record.body)["approved"]
        ]  # fmt: skip
        assert all(sequence < at for sequence in yes)
        told = [answer for each in answered for answer in each]
        assert [answer.approved for answer in told].count(True) == len(yes)
        assert {answer.code for answer in told} <= {"APPROVED", "FROZEN"}
        all_is_well(books)

    def test_one_event_is_kept_by_one(self, postgres_books: Books, many: Rivals) -> None:
        """P3: delivered to every process at once, and found by the reconciliation as well."""
        books = postgres_books
        event = inbox.new_event("evt_1", None, False, "x", None, 1, b"{}", NOW)
        found = many.race([[(inbox.keep, event)] for _ in range(PROCESSES)])
        assert sorted(answer for [answer] in found) == [False, False, False, True]
        assert len(books.rows(InboxEvent)) == 1

    def test_one_capture_is_booked_by_one(self, postgres_books: Books, many: Rivals) -> None:
        """P3: told by two events and by two lists at once, it counts once."""
        books = postgres_books
        purchase = books.ready()
        assert books.authorize(purchase).approved
        said = transaction("ipi_1", "capture", purchase.amount, "iauth_1", f"ic_{purchase.id}", NOW // 1_000_000)
        events = [kept_event(books, "issuing_transaction.created", "ipi_1") for _ in range(2)]
        jobs: list[Any] = [BookTransaction(ORG, CONNECTION, said, event) for event in (*events, None, None)]
        assert many.race([[job] for job in jobs]) == [["applied"]] * PROCESSES
        assert len(books.rows(StripeTransaction)) == 1
        assert books.row(Purchase).captured == purchase.amount
        assert {row.status for row in books.rows(InboxEvent, object_id="ipi_1")} == {"applied"}
        all_is_well(books)

    def test_one_promise_is_kept_by_one_worker(self, postgres_books: Books, many: Rivals) -> None:
        """P2: forty promises, four workers that claim at once, twice."""
        books = postgres_books
        later = NOW + 60_000_000
        for number in range(40):
            books.ask(100, f"Shop {number}")
        claims = [(outbox.claim, later), (outbox.claim, later)]
        found = many.race([claims] * PROCESSES, now=later)
        taken = [promise.id for each in found for claim in each if isinstance(claim, list) for promise in claim]
        assert len(taken) == len(set(taken)) == 40
        assert {row.generation for row in books.rows(OutboxPromise)} == {2}


class Pair(NamedTuple):
    """Two commands that do not go together, the times they are judged at, and what must be true after each order."""

    first: Command[Any]
    second: Command[Any]
    nows: tuple[int, int]
    first_won: Callable[[Any, Any], None]
    second_won: Callable[[Any, Any], None]


def waiting(books: Books, **controls: int) -> Purchase:
    """A purchase that waits for a person."""
    books.controls(AGENT, "agent", approval_threshold=5_000, **controls)
    asked = books.ask()
    assert asked.purchase.status == "awaiting_approval"
    purchase: Purchase = asked.purchase
    return purchase


def approve(books: Books, purchase: Purchase, person: str = "usr_1", amount: int | None = None) -> Approve:
    ids = ApproveIds(*(books.new_id(prefix) for prefix in ("hold", "crd", "out")))
    return Approve(ORG, purchase.approval_id or "", purchase, Approver(person, person), "", ids, amount)


def one_card(books: Books, held: int) -> None:
    """One card was promised, once, and this is held for it."""
    assert len(books.rows(Card)) == len(books.rows(OutboxPromise)) == 1
    assert (books.row(Purchase).status, books.row(Purchase).held) == ("issuing", held)


def approve_twice(books: Books) -> Pair:
    """Two people click: one makes the card, the other is told who was first."""
    purchase = waiting(books)

    def won_by(winner: str) -> Callable[[Any, Any], None]:
        def expect(yes: Any, late: Any) -> None:
            assert yes.promise is not None
            assert (late.code, f"approved by {winner}," in late.message) == ("approval_closed", True)
            assert books.row(Approval).decided_by == winner
            one_card(books, purchase.amount)

        return expect

    pair = (approve(books, purchase), approve(books, purchase, "usr_2"))
    return Pair(*pair, (NOW, NOW), won_by("usr_1"), won_by("usr_2"))


def approve_and_deny(books: Books) -> Pair:
    """A yes and a no: what came first holds, the other one is told of it."""
    purchase = waiting(books)

    def first_won(yes: Any, no: Any) -> None:
        assert yes.promise is not None
        assert (no.code, "already approved by usr_1" in no.message) == ("approval_closed", True)
        one_card(books, purchase.amount)

    def second_won(no: Any, yes: Any) -> None:
        assert (no.status, no.held) == ("declined", 0)
        assert (yes.code, "already denied by usr_2" in yes.message) == ("approval_closed", True)
        assert books.rows(Card) == books.rows(OutboxPromise) == []

    deny = Deny(ORG, purchase.approval_id or "", "usr_2", "no", "out_deny")
    return Pair(approve(books, purchase), deny, (NOW, NOW), first_won, second_won)


def approve_and_spend(books: Books) -> Pair:
    """A yes to more than was asked, and an ask that takes the same rest of the budget (P1)."""
    purchase = waiting(books)
    more, rest = purchase.amount + 4_000, 4_000
    books.limit(AGENT, "day", more)

    def first_won(yes: Any, asked: Any) -> None:
        assert yes.promise is not None
        assert asked.purchase.status == "declined"
        assert sum(row.held for row in books.rows(BudgetPeriod, budget_id="bud_agent_day")) == more

    def second_won(asked: Any, yes: Any) -> None:
        assert asked.purchase.status == "issuing"
        assert (yes.code, yes.field) == ("amount_not_allowed", "amount")
        assert books.row(Approval).status == "pending"
        assert sum(row.held for row in books.rows(BudgetPeriod, budget_id="bud_agent_day")) == rest + purchase.amount

    ask = books.ask_command(rest, "Notion")
    return Pair(approve(books, purchase, amount=more), ask, (NOW, NOW), first_won, second_won)


def approve_and_lower_the_budget(books: Books) -> Pair:
    """A yes, and the owner who takes the budget away: a granted hold stays good, a later yes is refused."""
    purchase = waiting(books)

    def first_won(yes: Any, lowered: Any) -> None:
        assert yes.promise is not None
        one_card(books, purchase.amount)

    def second_won(lowered: Any, yes: Any) -> None:
        assert (yes.purchase.status, yes.purchase.held, yes.promise) == ("declined", 0, None)
        assert books.row(Approval).status == "denied"
        assert books.rows(Card) == []

    lower = SetBudget(ORG, "agent", AGENT, "usd", "month", purchase.amount - 1, "usr_2")
    return Pair(approve(books, purchase), lower, (NOW, NOW), first_won, second_won)


def two_people_agree(books: Books) -> Pair:
    """Above the second threshold, at once: whoever comes second decides, with the rules checked again."""
    purchase = waiting(books, second_approval_threshold=6_000)
    books.put(user("usr_1"), user("usr_2"))

    def both(first: Any, last: Any) -> None:
        assert first.promise is None
        assert last.promise is not None
        row = books.row(Approval)
        assert {row.first_approved_by, row.decided_by} == {"usr_1", "usr_2"}
        one_card(books, purchase.amount)

    pair = (approve(books, purchase), approve(books, purchase, "usr_2"))
    return Pair(*pair, (NOW, NOW), both, both)


def one_person_twice(books: Books) -> Pair:
    """Above the second threshold the same person, from two windows at once, is one person."""
    purchase = waiting(books, second_approval_threshold=6_000)
    books.put(user("usr_1"), user("usr_2"))

    def either(first: Any, again: Any) -> None:
        assert first.promise is None
        assert again.code == "second_person_needed"
        assert (books.row(Approval).status, books.row(Approval).first_approved_by) == ("pending", "usr_1")
        assert (books.row(Purchase).status, books.rows(Card)) == ("awaiting_approval", [])

    return Pair(approve(books, purchase), approve(books, purchase), (NOW, NOW), either, either)


def approve_and_cancel(books: Books) -> Pair:
    """A yes and the agent's change of mind. Canceled while the card is being made, the hold stays until it is known."""
    purchase = waiting(books)

    def first_won(yes: Any, canceled: Any) -> None:
        assert yes.promise is not None
        assert canceled.ended_reason == "canceled"
        assert (books.row(Approval).status, books.row(Purchase).held) == ("approved", purchase.amount)

    def second_won(canceled: Any, yes: Any) -> None:
        assert isinstance(yes, Refusal)
        assert (books.row(Purchase).status, books.row(Purchase).held) == ("canceled", 0)
        assert books.rows(Card) == books.rows(OutboxPromise) == []

    cancel = CancelPurchase(ORG, purchase.id, AGENT, "out_cancel", AGENT)
    return Pair(approve(books, purchase), cancel, (NOW, NOW), first_won, second_won)


def approve_and_expire(books: Books) -> Pair:
    """A yes at the last moment, on a machine whose clock is a little behind, and the worker of another."""
    purchase = waiting(books)
    over = books.row(Approval).expires_at

    def first_won(yes: Any, expired: Any) -> None:
        assert yes.promise is not None
        assert books.row(Approval).status == "approved"
        assert (books.row(Purchase).status, books.row(Purchase).held) == ("issuing", purchase.amount)

    def second_won(expired: Any, yes: Any) -> None:
        assert isinstance(yes, Refusal)
        assert books.row(Approval).status == "expired"
        assert (books.row(Purchase).status, books.row(Purchase).held) == ("expired", 0)

    expire = ExpireApproval(ORG, purchase.approval_id or "", "out_expire")
    return Pair(approve(books, purchase), expire, (over - 1, over), first_won, second_won)


def pay_and_expire_card(books: Books) -> Pair:
    """The network asks in the last moment of a card's life."""
    purchase = books.ready()
    over = books.row(Card).expires_at

    def first_won(answer: Any, expired: Any) -> None:
        assert answer.approved
        assert expired is None
        assert books.row(Card).status == "used"
        assert books.row(Purchase).held == purchase.amount

    def second_won(expired: Any, answer: Any) -> None:
        assert (answer.approved, answer.code) == (False, "CARD_EXPIRED")
        assert (books.row(Purchase).status, books.row(Purchase).held) == ("expired", 0)

    ask = books.authorization_command(purchase)
    expire = ExpireCard(ORG, books.row(Card).id, "out_expire")
    return Pair(ask, expire, (over - 1, over), first_won, second_won)


def capture_and_expiry(books: Books) -> Pair:
    """A capture, and Stripe's word that its authorization has expired: what was captured was spent, either way."""
    purchase = books.ready()
    assert books.authorize(purchase).approved
    card, at = f"ic_{purchase.id}", NOW // 1_000_000
    said = transaction("ipi_1", "capture", purchase.amount, "iauth_1", card, at)
    over = statement("iauth_1", card, "expired", 0, history("yes", purchase.amount), at + 1)
    capture = BookTransaction(ORG, CONNECTION, said, kept_event(books, "issuing_transaction.created", "ipi_1"))
    expire = BookAuthorization(ORG, CONNECTION, over, kept_event(books, "issuing_authorization.updated", "iauth_1"))

    def either(one: Any, other: Any) -> None:
        assert (one, other) == ("applied", "applied")
        found = books.row(Purchase)
        assert (found.held, found.spent, found.captured, found.status) == (
            0, purchase.amount, purchase.amount, "settled",
        )  # fmt: skip
        assert books.row(Authorization).status == "expired"

    return Pair(capture, expire, (NOW, NOW), either, either)


def pay_and_freeze(books: Books) -> Pair:
    """The network asks while a person pulls the plug: after the freeze's commit there is no approval."""
    purchase = books.ready()

    def first_won(answer: Any, frozen: Any) -> None:
        assert answer.approved
        assert frozen.changed
        assert books.row(AuthorizationDecision).code == "APPROVED"

    def second_won(frozen: Any, answer: Any) -> None:
        assert (answer.approved, answer.code) == (False, "FROZEN")
        assert books.row(AuthorizationDecision).approved == 0

    freeze = Freeze(ORG, "agent", AGENT, "usr_1", "out_freeze")
    return Pair(books.authorization_command(purchase), freeze, (NOW, NOW), first_won, second_won)


PAIRS = [
    approve_and_cancel, approve_and_expire, approve_twice, approve_and_deny, approve_and_spend,
    approve_and_lower_the_budget, two_people_agree, one_person_twice, pay_and_expire_card, capture_and_expiry,
    pay_and_freeze,
]  # fmt: skip


@pytest.mark.parametrize("swapped", [False, True], ids=["first first", "second first"])
@pytest.mark.parametrize("made", PAIRS, ids=[made.__name__ for made in PAIRS])
@pytest.mark.parametrize("backend", DATABASES)
def test_either_may_win_and_the_books_agree(
    backend: str, made: Callable[[Books], Pair], swapped: bool, request: pytest.FixtureRequest
) -> None:
    """P1, P8, P9: whoever has the lock first decides, and the other finds what is true by then."""
    on_sqlite = backend == "sqlite"
    books: Books = request.getfixturevalue("sqlite_books" if on_sqlite else "postgres_books")
    pair = made(books)
    jobs = (pair.second, pair.first) if swapped else (pair.first, pair.second)
    nows = (pair.nows[1], pair.nows[0]) if swapped else pair.nows
    found: list[Any] = []
    if on_sqlite:
        for job, now in zip(jobs, nows, strict=True):
            books.clock.now = now
            found.append(books.run(job))
    else:
        with rivals(address(books), 2) as both:
            found = list(both.one_before_the_other(*jobs, nows=nows))
    (pair.second_won if swapped else pair.first_won)(*found)
    all_is_well(books)
