"""An ask on the till: what it writes, what it refuses without a trace, duplicates, repeats, budgets and periods."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from roony.core.agent import Agent, Organization, Project
from roony.core.approval import Approval, what_was_shown
from roony.core.audit import AuditRecord
from roony.core.budget import Budget, BudgetPeriod
from roony.core.card import Card
from roony.core.connection import Connection
from roony.core.errors import Refusal
from roony.core.ledger import Entry, Hold
from roony.core.purchase import KeptKey, Purchase, Velocity
from roony.flows.approval import Deny
from roony.flows.ending import CancelPurchase
from roony.flows.purchase import MOST_REPEATED
from roony.store.rows import KnownMerchant, OutboxPromise
from tests.support.books import AGENT, CONNECTION, ORG, PROJECT, Books, open_books
from tests.support.memory import MemoryBooks
from tests.support.postgres import swept_books_database
from tests.support.promises import all_is_well, money_rows
from tests.support.story import Story, neat
from tests.support.tills import DATABASES


@pytest.fixture(params=[*DATABASES, "memory"])
def books(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Books]:
    """On the real till, and on the same rules without any database."""
    if request.param == "memory":
        yield MemoryBooks()
        return
    with swept_books_database(request.param) as url, open_books(tmp_path, url) as books:
        yield books


def codes(answer: Any) -> list[str]:
    """The reasons of a decision."""
    return [reason["code"] for reason in json.loads(answer.purchase.decision)["reasons"]]


def period(books: Books, budget: str) -> list[tuple[int, int]]:
    return [(row.held, row.spent) for row in books.rows(BudgetPeriod, budget_id=budget)]


def test_an_ask_writes_all_at_once(books: Books) -> None:
    asked = books.ask(10_000, key="k1")
    purchase = asked.purchase
    assert (purchase.status, purchase.held, purchase.hold_amount) == ("issuing", 10_000, 10_000)
    hold, card = books.row(Hold), books.row(Card)
    assert (hold.purchase_id, hold.amount, len(json.loads(hold.periods))) == (purchase.id, 10_000, 12)
    assert (card.status, card.hard_limit, card.purchase_id) == ("creating", 10_000, purchase.id)
    promise = books.row(OutboxPromise)
    assert (promise.kind, promise.subject, promise.key) == ("make_card", card.id, f"{purchase.id}:1")
    assert json.loads(promise.params)["spending_controls"]["spending_limits"][0]["amount"] == 10_000
    entry = books.row(Entry)
    assert (entry.kind, entry.held, entry.spent, entry.hold_id) == ("hold", 10_000, 0, hold.id)
    assert {(row.held, row.spent) for row in books.rows(BudgetPeriod)} == {(10_000, 0)}
    assert books.row(KeptKey).purchase_id == purchase.id
    assert books.rows(AuditRecord)[-1].action == "purchase.asked"
    all_is_well(books)


def test_the_hold_is_the_amount_with_its_tolerance(books: Books) -> None:
    books.controls(AGENT, "agent", tolerance_percent=5, tolerance_amount=300, purchase_limit=10_000)
    purchase = books.ask(10_000).purchase
    assert (purchase.amount, purchase.hold_amount, purchase.held) == (10_000, 10_300, 10_300)
    assert books.row(Card).hard_limit == 10_300


def test_a_declined_ask_leaves_its_record_and_nothing_else(books: Books) -> None:
    books.limit(AGENT, "day", 9_999)
    asked = books.ask(10_000)
    assert (asked.purchase.status, asked.promise, codes(asked)) == ("declined", None, ["BUDGET_EXCEEDED"])
    assert (asked.purchase.held, asked.purchase.hold_id, asked.purchase.ended_at) == (0, None, None)
    left = {name for name, rows in money_rows(books).items() if rows}
    assert left == {"Purchase"}
    assert books.rows(Velocity) == []
    assert books.rows(OutboxPromise) == []
    assert json.loads(books.rows(AuditRecord)[-1].body)["reasons"] == ["BUDGET_EXCEEDED"]


LIMITS: list[tuple[str, str, str, int | None, str]] = [
    ("exactly the limit", AGENT, "day", 10_000, "issuing"),
    ("one too little", AGENT, "day", 9_999, "declined"),
    ("a limit of zero blocks everything", AGENT, "lifetime", 0, "declined"),
    ("the project's week", PROJECT, "week", 9_999, "declined"),
    ("the organization's lifetime", ORG, "lifetime", 9_999, "declined"),
    ("no budget at all", AGENT, "month", None, "declined"),
]


@pytest.mark.parametrize("line", LIMITS, ids=[line[0] for line in LIMITS])
def test_limits_of_every_scope_and_period(line: tuple[str, str, str, int | None, str], books: Books) -> None:
    _, scope, length, amount, status = line
    books.limit(scope, length, amount)
    assert books.ask(10_000).purchase.status == status


def test_no_budget_at_all_where_the_organization_allows_it(books: Books) -> None:
    books.limit(AGENT, "month", None)
    books.put(books.row(Organization, id=ORG)._replace(unbudgeted=1))
    books.reconfigure()
    assert books.ask(10_000).purchase.status == "issuing"


def test_a_limit_of_zero_refuses_even_nothing(books: Books) -> None:
    books.limit(AGENT, "day", 0)
    assert books.ask(1).purchase.status == "declined"


def test_all_budgets_or_none(books: Books) -> None:
    """The organization's budget is full: the agent's is not touched either."""
    books.limit(ORG, "month", 15_000)
    books.ask(10_000)
    before = books.rows(BudgetPeriod)
    assert codes(books.ask(6_000, "Notion")) == ["BUDGET_EXCEEDED"]
    assert books.rows(BudgetPeriod) == before
    assert books.ask(5_000, "Notion").purchase.status == "issuing"


def test_another_currency_is_declined(books: Books) -> None:
    assert codes(books.ask(10_000, currency="eur")) == ["CURRENCY_NOT_SUPPORTED", "BUDGET_EXCEEDED"]


STOPS: list[tuple[str, type, dict[str, Any], str]] = [
    ("organization", Organization, {"frozen_at": 1}, "ORGANIZATION_FROZEN"),
    ("project", Project, {"frozen_at": 1}, "AGENT_SUSPENDED"),
    ("agent", Agent, {"frozen_at": 1}, "AGENT_SUSPENDED"),
    ("connection", Connection, {"status": "restricted"}, "CONNECTION_INACTIVE"),
]


@pytest.mark.parametrize("line", STOPS, ids=[line[0] for line in STOPS])
def test_what_stops_every_ask(line: tuple[str, type, dict[str, Any], str], books: Books) -> None:
    _, row, change, code = line
    id = {Organization: ORG, Project: PROJECT, Agent: AGENT, Connection: CONNECTION}[row]
    books.put(books.row(row, id=id)._replace(**change))
    books.reconfigure()
    assert codes(books.ask(10_000)) == [code]


# Duplicates


def test_the_same_wish_again_is_refused_and_leaves_only_its_record(books: Books) -> None:
    first = books.ask(10_000).purchase
    before, records = money_rows(books), len(books.rows(AuditRecord))
    again = books.ask(10_000, "FIGMA", key="k2")
    assert isinstance(again, Refusal)
    assert (again.code, again.id, again.status) == ("possible_duplicate", first.id, 409)
    assert money_rows(books) == before
    assert books.rows(KeptKey) == []
    assert [record.action for record in books.rows(AuditRecord)[records:]] == ["purchase.duplicate_refused"]


def test_a_duplicate_the_agent_insists_on_needs_a_person(books: Books) -> None:
    books.ask(10_000)
    again = books.ask(10_000, allow_duplicate=True)
    assert (again.purchase.status, codes(again)) == ("awaiting_approval", ["APPROVAL_DUPLICATE"])
    assert again.purchase.held == 10_000


def test_another_amount_or_merchant_is_another_wish(books: Books) -> None:
    books.ask(10_000)
    assert books.ask(10_001).purchase.status == "issuing"
    assert books.ask(10_000, "Notion").purchase.status == "issuing"


# What became of the first purchase, and whether the same wish is a duplicate then.
AFTER = {
    "ask 10000\ncard": True,
    "ask 10000\ncard\nrequest A 10000": True,
    "ask 10000\ncard\nrequest A 10000\nsays A closed 10000 yes with t1:10000": True,
    "ask 10000\ncard\nrequest A 10000\nsays A closed 10000 yes with t1:10000\nrefund r1 10000": False,
    "ask 10000\ncard\ncancel": False,
    "ask 10000\ncancel": True,
    "ask 10000\nfail": False,
    "ask 10000\nwait 900": False,
    "ask 10000\nwait 898": True,
}


@pytest.mark.parametrize("table", AFTER, ids=[table.replace("\n", ", ") for table in AFTER])
def test_only_what_holds_or_has_spent_is_repeated(table: str, books: Books) -> None:
    Story(books).tell(table)
    books.clock.advance(1)
    assert isinstance(books.ask(10_000), Refusal) is AFTER[table]


# What became of the only purchase at a merchant, and how often something was bought there then.
BOUGHT_THERE = {
    "ask 10000": 1,
    "ask 10000\ncard": 1,
    "ask 10000\ncard\nrequest A 10000": 1,
    "ask 10000\ncard\nrequest A 10000\nsays A closed 10000 yes with t1:10000\nrefund r1 10000": 1,
    "ask 10000\ncard\nrequest A 10000\nsays A reversed 0 yes": 0,
    "ask 10000\ncard\ncancel": 0,
    "ask 10000\ncard\nexpire": 0,
    "ask 10000\nfail": 0,
    # It was paid after all.
    "ask 10000\ncard\ncancel\ncapture - t1 4000": 1,
    "ask 10000 every month 3\ncard\ncancel": 0,
}


@pytest.mark.parametrize("table", BOUGHT_THERE, ids=[table.replace("\n", ", ") for table in BOUGHT_THERE])
def test_a_merchant_is_known_for_what_was_or_may_be_paid_there(table: str, books: Books) -> None:
    """What ended unpaid costs an agent nothing: a person is asked anew, and is not told that something was bought."""
    Story(books).tell(table)
    known, bought = books.row(KnownMerchant), BOUGHT_THERE[table]
    assert (known.purchases, known.last_amount is not None) == (bought, bought > 0)
    books.controls(AGENT, "agent", approve_new_merchants=True)
    asked = books.ask(9_000)
    assert codes(asked) == ([] if bought else ["APPROVAL_NEW_MERCHANT"])
    if not bought:
        assert what_was_shown(books.row(Approval))["history"]["new"]


def test_what_ended_unpaid_takes_nothing_from_what_was_bought_before(books: Books) -> None:
    books.ready(10_000)
    before = books.row(KnownMerchant)
    books.clock.advance(60)
    again = books.ready(9_000)
    assert books.row(KnownMerchant)[5:] == (2, before.first_at, before.last_at + 60_000_000, 9_000, "usd")
    books.run(CancelPurchase(ORG, again.id, AGENT, books.new_id("out"), AGENT))
    assert books.row(KnownMerchant)[5:] == (1, before.first_at, None, None, None)


class TestWhatIsRepeatedStaysKnown:
    """A repetition that came to nothing does not hide what it repeated: that one is paid for all the same."""

    @pytest.fixture
    def first(self, books: Books) -> Purchase:
        return books.ask(10_000).purchase

    def test_after_a_person_said_no(self, books: Books, first: Purchase) -> None:
        again = books.ask(10_000, allow_duplicate=True).purchase
        books.run(Deny(ORG, again.approval_id, "usr_1", "You have it.", books.new_id("out")))
        answer = books.ask(10_000)
        assert (answer.code, answer.id) == ("possible_duplicate", first.id)

    def test_after_the_agent_took_it_back(self, books: Books, first: Purchase) -> None:
        again = books.ask(10_000, allow_duplicate=True).purchase
        books.run(CancelPurchase(ORG, again.id, AGENT, books.new_id("out"), AGENT))
        assert books.ask(10_000).id == first.id

    def test_after_many_of_them(self, books: Books, first: Purchase) -> None:
        """More than are known at the same time, all waiting for a person at once."""
        for again in [books.ask(10_000, allow_duplicate=True).purchase for _ in range(MOST_REPEATED + 5)]:
            books.run(CancelPurchase(ORG, again.id, AGENT, books.new_id("out"), AGENT))
        assert books.ask(10_000).id == first.id

    def test_each_in_its_own_time(self, books: Books, first: Purchase) -> None:
        """What a person agreed to later is repeated for longer, also after the first one is over."""
        story = Story(books)
        books.clock.advance(600)
        again = books.ask(10_000, allow_duplicate=True).purchase
        story.purchase_id = again.id
        story.tell("approve")
        story.purchase_id = first.id
        story.promise = books.row(OutboxPromise, key=f"{first.id}:1")
        story.tell("card\ncancel")
        books.clock.advance(600)
        assert books.ask(10_000).id == again.id
        books.clock.advance(600)
        assert books.ask(10_000).purchase.status == "issuing"


def test_the_window_is_the_owners(books: Books) -> None:
    books.controls(AGENT, "agent", duplicate_window_seconds=10)
    books.ask(10_000)
    books.clock.advance(9)
    assert isinstance(books.ask(10_000), Refusal)
    books.clock.advance(1)
    assert books.ask(10_000).purchase.status == "issuing"


# Repeats with a key


def test_a_repeat_gets_the_purchase_as_it_is_now_and_changes_nothing(books: Books) -> None:
    first = books.ask(10_000, key="k1")
    story = Story(books)
    story.purchase_id, story.promise = first.purchase.id, first.promise
    story.tell("card\nrequest A 10000")
    before, records = money_rows(books), books.rows(AuditRecord)
    again = books.ask(10_000, key="k1")
    assert (again.replayed, again.purchase.id, again.purchase.status) == (True, first.purchase.id, "authorized")
    assert again.promise is None
    assert (money_rows(books), books.rows(AuditRecord)) == (before, records)


def test_a_key_with_another_body_is_a_conflict(books: Books) -> None:
    first = books.ask(10_000, key="k1").purchase
    before = money_rows(books)
    again = books.ask(20_000, key="k1")
    assert isinstance(again, Refusal)
    assert (again.code, again.status, again.id) == ("idempotency_conflict", 409, first.id)
    assert money_rows(books) == before


def test_a_repeat_of_a_declined_ask_stays_declined(books: Books) -> None:
    books.limit(AGENT, "day", 1)
    books.ask(10_000, key="k1")
    books.limit(AGENT, "day", 50_000)
    again = books.ask(10_000, key="k1")
    assert (again.replayed, again.purchase.status) == (True, "declined")
    assert books.ask(10_000, key="k2").purchase.status == "issuing"


def test_keys_count_before_every_check(books: Books) -> None:
    first = books.ask(10_000, key="k1").purchase
    books.freeze()
    assert books.ask(10_000, key="k1").purchase.id == first.id


# Counters


def test_velocity_counts_holds_of_this_hour(books: Books) -> None:
    books.controls(AGENT, "agent", velocity_count=2, velocity_amount=25_000)
    hour = 3_600_000_000
    books.clock.now += hour - books.clock.now % hour
    assert codes(books.ask(30_000)) == ["VELOCITY_EXCEEDED"]
    assert books.ask(10_000).purchase.status == "issuing"
    assert codes(books.ask(15_001, "Notion")) == ["VELOCITY_EXCEEDED"]
    assert books.ask(15_000, "Notion").purchase.status == "issuing"
    assert codes(books.ask(1, "Linear")) == ["VELOCITY_EXCEEDED", "VELOCITY_EXCEEDED"]
    books.clock.advance(3_600)
    assert books.ask(1, "Linear").purchase.status == "issuing"


def test_a_hold_stays_in_its_month(books: Books) -> None:
    """Held in October, authorized and captured in November, refunded in December: all of it counts in October."""
    october, november = datetime(2026, 10, 31, 23, 50, tzinfo=UTC), datetime(2026, 11, 1, 0, 10, tzinfo=UTC)
    # Budgets count from their creation.
    books.put(*(budget._replace(created_at=0) for budget in books.rows(Budget)))
    books.put(books.row(Organization, id=ORG)._replace(clock=0))
    books.clock.now = int(october.timestamp()) * 1_000_000
    story = Story(books)
    story.tell("ask 10000\ncard")
    assert period(books, "bud_agent_month") == [(10_000, 0)]
    books.clock.now = int(november.timestamp()) * 1_000_000
    story.tell("request A 10000\nsays A closed 10000 yes with t1:8000")
    assert period(books, "bud_agent_month") == [(0, 8_000)]
    books.clock.advance(40 * 86_400)
    story.tell("refund r1 3000")
    assert period(books, "bud_agent_month") == [(0, 5_000)]
    books.ask(7_000, "Notion")
    assert period(books, "bud_agent_month") == [(0, 5_000), (7_000, 0)]
    assert period(books, "bud_agent_lifetime") == [(7_000, 5_000)]
    all_is_well(books)


def test_a_granted_hold_stays_good_when_the_limit_falls(books: Books) -> None:
    story = Story(books)
    story.tell("ask 10000\ncard")
    books.limit(AGENT, "month", 1)
    table = "request A 10000 -> yes | 10000 0 authorized used"
    assert story.tell(table) == neat(table)
    assert codes(books.ask(1, "Notion")) == ["BUDGET_EXCEEDED"]


def test_money_that_comes_back_can_be_spent_again(books: Books) -> None:
    books.limit(AGENT, "day", 10_000)
    story = Story(books)
    story.tell("ask 10000\ncard")
    assert codes(books.ask(1, "Notion")) == ["BUDGET_EXCEEDED"]
    story.tell("cancel")
    assert books.ask(10_000, "Notion").purchase.status == "issuing"


def test_two_asks_at_once_cannot_both_have_the_last_of_a_budget(tmp_path: Path, database_url: str | None) -> None:
    """In one batch of the till: the second sees what the first has taken (P1)."""
    with open_books(tmp_path, database_url) as books:
        books.limit(AGENT, "day", 10_000)
        commands = [books.ask_command(7_000, merchant, key=merchant) for merchant in ("Figma", "Notion", "Linear")]
        tickets: list[Future[Any]] = [books.till.enqueue(command, None, None).future for command in commands]
        statuses = sorted(ticket.result(60).purchase.status for ticket in tickets)
        assert statuses == ["declined", "declined", "issuing"]
        assert period(books, "bud_agent_day") == [(7_000, 0)]
        all_is_well(books)


def test_what_was_asked_at_once_repeats_all_that_came_before(tmp_path: Path, database_url: str | None) -> None:
    """Of repetitions in one commit, each knows those before it."""
    with open_books(tmp_path, database_url) as books:
        commands = [books.ask_command(7_000, allow_duplicate=True) for _ in range(4)]
        tickets = [books.till.enqueue(command, None, None).future for command in commands]
        asked = [ticket.result(60).purchase for ticket in tickets]
        first, *again = sorted(asked, key=lambda row: row.status != "issuing")
        assert [row.status for row in (first, *again)] == ["issuing", *["awaiting_approval"] * 3]
        for row in again:
            books.run(CancelPurchase(ORG, row.id, AGENT, books.new_id("out"), AGENT))
        assert books.ask(7_000).id == first.id


def test_one_key_asked_twice_at_once_makes_one_purchase(tmp_path: Path, database_url: str | None) -> None:
    """P2: the second finds what the first has just made."""
    with open_books(tmp_path, database_url) as books:
        tickets = [books.till.enqueue(books.ask_command(7_000, key="k"), None, None).future for _ in range(5)]
        answers = [ticket.result(60) for ticket in tickets]
        assert len({answer.purchase.id for answer in answers}) == 1
        assert sorted(answer.replayed for answer in answers) == [False, True, True, True, True]
        assert sum(answer.promise is not None for answer in answers) == 1
        all_is_well(books)


def test_what_is_only_tried_is_refused_under_the_lock_where_money_is_real(books: Books) -> None:
    """The account may become another one between the look at it and the commit."""
    command = replace(books.ask_command(), only_tried=True)
    books.put(books.row(Connection)._replace(livemode=1))
    before, records = money_rows(books), len(books.rows(AuditRecord))
    refused = books.run(command)
    assert isinstance(refused, Refusal)
    assert (refused.code, refused.status) == ("live_mode", 409)
    assert (money_rows(books), len(books.rows(AuditRecord))) == (before, records)
    assert books.run(replace(command, only_tried=False)).purchase.status == "issuing"
