"""A person decides: yes with the rules checked again, another amount, no, too late, and never twice (section 5)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from roony.core.agent import Organization
from roony.core.approval import Approval, what_was_shown
from roony.core.audit import AuditRecord
from roony.core.budget import BudgetPeriod
from roony.core.card import Card
from roony.core.connection import Connection
from roony.core.control import Control
from roony.core.errors import Refusal
from roony.core.ledger import Entry, Hold
from roony.core.purchase import Purchase, Velocity
from roony.flows.approval import Approve, ApproveIds, Deny, ExpireApproval
from roony.store.rows import OutboxPromise
from tests.support.books import AGENT, CONNECTION, ORG, Books, open_books
from tests.support.memory import MemoryBooks
from tests.support.postgres import swept_books_database
from tests.support.promises import all_is_well, money_rows
from tests.support.story import PERSON, Story, neat
from tests.support.tills import DATABASES


@pytest.fixture(params=[*DATABASES, "memory"])
def books(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Books]:
    """A person decides over 50.00; on the real till, and without any database."""
    if request.param == "memory":
        books: Books = MemoryBooks()
        books.controls(AGENT, "agent", approval_threshold=5_000)
        yield books
        all_is_well(books)
        return
    with swept_books_database(request.param) as url, open_books(tmp_path, url) as books:
        books.controls(AGENT, "agent", approval_threshold=5_000)
        yield books
        all_is_well(books)


def approve(books: Books, purchase: Purchase, amount: int | None = None, note: str = "") -> Any:
    ids = ApproveIds(*(books.new_id(prefix) for prefix in ("hold", "crd", "out")))
    return books.run(Approve(ORG, purchase.approval_id or "", purchase, PERSON, note, ids, amount))


def deny(books: Books, purchase: Purchase) -> Any:
    return books.run(Deny(ORG, purchase.approval_id or "", "usr_1", "too dear", books.new_id("out")))


def expire(books: Books, purchase: Purchase) -> Any:
    return books.run(ExpireApproval(ORG, purchase.approval_id or "", books.new_id("out")))


def held(books: Books, budget: str = "bud_agent_month") -> int:
    return sum(row.held for row in books.rows(BudgetPeriod, budget_id=budget))


LIVES = {
    "yes, and bought": """
ask 10000                                       | 10000     0 awaiting_approval -
approve                                         | 10000     0 issuing    creating
card                                            | 10000     0 ready      active
request A 10000 -> yes                          | 10000     0 authorized used
""",
    "yes for more": """
ask 10000                                       | 10000     0 awaiting_approval -
approve 12000                                   | 12000     0 issuing    creating
card                                            | 12000     0 ready      active
request A 12001 -> OVER_HOLD                    | 12000     0 ready      active
request B 12000 -> yes                          | 12000     0 authorized used
""",
    "yes for less": """
ask 10000                                       | 10000     0 awaiting_approval -
approve 4000                                    |  4000     0 issuing    creating
""",
    "no": """
ask 10000                                       | 10000     0 awaiting_approval -
deny                                            |     0     0 declined   -
approve -> approval_closed                      |     0     0 declined   -
cancel -> not_cancelable                        |     0     0 declined   -
""",
    "twice": """
ask 10000                                       | 10000     0 awaiting_approval -
approve                                         | 10000     0 issuing    creating
approve -> approval_closed                      | 10000     0 issuing    creating
""",
    "too late, worker or not": """
ask 10000                                       | 10000     0 awaiting_approval -
wait 1800                                       | 10000     0 awaiting_approval -
approve -> approval_closed                      | 10000     0 awaiting_approval -
""",
    "canceled by its agent meanwhile": """
ask 10000                                       | 10000     0 awaiting_approval -
cancel                                          |     0     0 canceled   -
approve -> approval_closed                      |     0     0 canceled   -
""",
}


@pytest.mark.parametrize("name", LIVES)
def test_life(name: str, books: Books) -> None:
    assert Story(books).tell(LIVES[name]) == neat(LIVES[name])


def test_the_snapshot_is_what_the_person_saw(books: Books) -> None:
    purchase = books.ask(10_000).purchase
    approval = books.row(Approval)
    seen = what_was_shown(approval)
    assert (seen["amount"], seen["agent"], seen["project"]) == (10_000, "Buyer", "Research")
    assert [reason["code"] for reason in seen["reasons"]] == ["APPROVAL_OVER_THRESHOLD"]
    budgets = [(budget["scope"], budget["period"], budget["available_after"]) for budget in seen["budgets"]]
    assert budgets == [("agent", "month", 490_000)]
    approve(books, purchase, note="go")
    after = books.row(Approval)
    assert (after.snapshot, after.status, after.decided_by, after.note) == (
        approval.snapshot,
        "approved",
        "usr_1",
        "go",
    )


def test_the_old_hold_is_voided_and_the_new_one_placed_in_one_commit(books: Books) -> None:
    purchase = books.ask(10_000).purchase
    approve(books, purchase, 12_000)
    assert [(entry.kind, entry.held) for entry in books.rows(Entry)] == [
        ("hold", 10_000),
        ("void", -10_000),
        ("hold", 12_000),
    ]
    assert len(books.rows(Hold)) == 2
    assert held(books) == 12_000
    assert books.row(Card).hard_limit == 12_000


def test_the_new_hold_falls_in_the_periods_of_the_yes(books: Books) -> None:
    """Asked before midnight, approved after it."""
    books.clock.now = 1_795_478_400_000_000 - 60_000_000
    purchase = books.ask(10_000).purchase
    books.clock.advance(120)
    approve(books, purchase)
    days = [(row.period_start, row.held) for row in books.rows(BudgetPeriod, budget_id="bud_agent_day")]
    assert days == [(1_795_392_000_000_000, 0), (1_795_478_400_000_000, 10_000)]
    assert held(books) == 10_000


def test_its_own_hold_count_and_fingerprint_are_left_out(books: Books) -> None:
    """A purchase that fills its budget and is the last of its hour can still be approved, for the very same amount."""
    books.controls(AGENT, "agent", approval_threshold=5_000, velocity_count=1, velocity_amount=10_000)
    books.limit(AGENT, "day", 10_000)
    purchase = books.ask(10_000).purchase
    assert approve(books, purchase).purchase.status == "issuing"


HOURS = [
    ("more, in its hour", 0, 15_000, [(1, 15_000)]),
    ("less, in its hour", 0, 6_000, [(1, 6_000)]),
    ("more, an hour later", 3_600, 15_000, [(1, 10_000), (0, 5_000)]),
    ("less, an hour later", 3_600, 6_000, [(1, 10_000)]),
]


@pytest.mark.parametrize("line", HOURS, ids=[line[0] for line in HOURS])
def test_another_amount_counts_in_what_the_agent_may_buy_in_an_hour(
    line: tuple[str, int, int, list[tuple[int, int]]], books: Books
) -> None:
    """Else it could ask for little, be given much, and ask for as much again."""
    _, later, amount, counted = line
    books.controls(AGENT, "agent", approval_threshold=5_000, approval_expiry_seconds=7_200, velocity_amount=15_000)
    purchase = books.ask(10_000).purchase
    books.clock.advance(later)
    assert approve(books, purchase, amount).purchase.status == "issuing"
    found = sorted(books.rows(Velocity), key=lambda row: row.hour)
    assert [(row.purchases, row.amount) for row in found] == counted
    left = 15_000 - (counted[-1][1] if len(counted) == 2 or not later else 0)
    asked = books.ask(left + 1, "Notion").purchase
    assert (asked.status, json.loads(asked.decision)["reasons"][0]["code"]) == ("declined", "VELOCITY_EXCEEDED")


def test_the_rules_of_now_count(books: Books) -> None:
    """The budget was lowered meanwhile: the yes is refused by the rules, and the hold is given back."""
    purchase = books.ask(10_000).purchase
    books.limit(AGENT, "day", 9_999)
    answer = approve(books, purchase)
    assert (answer.purchase.status, answer.purchase.held, answer.promise) == ("declined", 0, None)
    assert [r["code"] for r in json.loads(answer.purchase.decision)["reasons"]] == ["BUDGET_EXCEEDED"]
    assert books.row(Approval).status == "denied"
    assert books.rows(OutboxPromise) == []
    assert books.rows(AuditRecord)[-1].action == "approval.refused_by_rules"
    assert held(books) == 0
    assert isinstance(approve(books, purchase), Refusal)


def test_others_took_the_budget_meanwhile(books: Books) -> None:
    """Its own hold is still there for what was asked; a higher amount finds no room, and the approval waits on."""
    books.limit(AGENT, "day", 14_000)
    purchase = books.ask(10_000).purchase
    assert books.ask(4_000, "Notion").purchase.status == "issuing"
    assert not_for(books, purchase, 10_001) == ["BUDGET_EXCEEDED"]
    assert approve(books, purchase).purchase.status == "issuing"
    assert held(books) == 14_000


def not_for(books: Books, purchase: Purchase, amount: int) -> list[str]:
    """The reasons for which a yes to another amount is refused; it changes nothing at all."""
    before = (money_rows(books), books.rows(AuditRecord), books.rows(Approval))
    answer = approve(books, purchase, amount)
    assert isinstance(answer, Refusal)
    assert (answer.code, answer.status, answer.field, answer.id) == (
        "amount_not_allowed", 409, "amount", purchase.approval_id,
    )  # fmt: skip
    assert (money_rows(books), books.rows(AuditRecord), books.rows(Approval)) == before
    return [code for code, _, _ in answer.reasons]


def test_another_amount_that_breaks_a_limit_changes_nothing(books: Books) -> None:
    """The person may still name one that fits, or say no; only what was asked for is over when it fits no more."""
    books.controls(AGENT, "agent", approval_threshold=5_000, purchase_limit=12_000)
    purchase = books.ask(10_000).purchase
    assert not_for(books, purchase, 12_001) == ["OVER_PURCHASE_LIMIT"]
    assert not_for(books, purchase, 600_000)[0] == "OVER_PURCHASE_LIMIT"
    books.limit(AGENT, "day", 9_000)
    assert not_for(books, purchase, 9_001) == ["BUDGET_EXCEEDED"]
    answer = approve(books, purchase, 9_000)
    assert (answer.purchase.status, answer.purchase.held) == ("issuing", 9_000)


def test_the_decision_of_the_yes_is_kept_with_its_inputs(books: Books) -> None:
    """As that of the ask: with the versions of the controls it followed and the budgets it saw."""
    purchase = books.ask(10_000).purchase
    books.put(books.row(Control, scope_id=AGENT)._replace(version=7))
    books.reconfigure()
    books.limit(AGENT, "day", 50_000)
    books.clock.advance(60)
    approve(books, purchase, 11_000)
    kept = json.loads(books.row(Approval).decision)
    inputs = kept["inputs"]
    assert (kept["verdict"], [reason["code"] for reason in kept["reasons"]]) == (
        "needs_approval", ["APPROVAL_OVER_THRESHOLD"],
    )  # fmt: skip
    assert (inputs["at"], inputs["ask"]["amount"], inputs["control_versions"]) == (books.clock(), 11_000, {AGENT: 7})
    # Without what the purchase held itself.
    seen = sorted((row["period"], row["limit"], row["held"]) for row in inputs["budgets"] if row["scope"] == "agent")
    assert seen == [
        ("day", 50_000, 0), ("month", 500_000, 0),
    ]  # fmt: skip
    first = json.loads(books.row(Purchase).decision)["inputs"]
    assert (first["ask"]["amount"], first["control_versions"]) == (10_000, {AGENT: 1})


def test_the_decision_of_a_refused_yes_is_kept_too(books: Books) -> None:
    purchase = books.ask(10_000).purchase
    books.limit(AGENT, "day", 9_999)
    approve(books, purchase)
    assert books.row(Approval).decision == books.row(Purchase).decision
    assert json.loads(books.row(Approval).decision)["reasons"][0]["code"] == "BUDGET_EXCEEDED"


@pytest.mark.parametrize("row", [Organization, Connection])
def test_no_yes_while_frozen_or_disconnected(row: type, books: Books) -> None:
    purchase = books.ask(10_000).purchase
    id, change = (ORG, {"frozen_at": 1}) if row is Organization else (CONNECTION, {"status": "revoked"})
    books.put(books.row(row, id=id)._replace(**change))
    books.reconfigure()
    assert approve(books, purchase).purchase.status == "declined"


def test_a_changed_amount_may_repeat_another_purchase(books: Books) -> None:
    """The person said yes to it, so that the duplicate guard only asks what was just answered."""
    books.ask(4_000)
    purchase = books.ask(10_000).purchase
    assert approve(books, purchase, 4_000).purchase.status == "issuing"


def test_the_card_is_made_where_the_organization_is_connected_now(books: Books) -> None:
    """Another Stripe account was connected between the ask and the yes."""
    purchase = books.ask(10_000).purchase
    books.put(
        books.row(Connection)._replace(status="revoked"),
        books.row(Connection)._replace(id="con_2", stripe_account="acct_2"),
        books.row(Organization, id=ORG)._replace(connection_id="con_2"),
    )
    books.reconfigure()
    answer = approve(books, purchase)
    assert answer.purchase.connection_id == "con_2"
    assert books.row(Purchase).connection_id == "con_2"
    assert books.row(Card).connection_id == "con_2"


def test_nobody_decides(books: Books) -> None:
    purchase = books.ask(10_000).purchase
    before = money_rows(books)
    books.clock.advance(1_799)
    assert expire(books, purchase) is None
    assert money_rows(books) == before
    books.clock.advance(1)
    ended = expire(books, purchase)
    assert (ended.status, ended.held) == ("expired", 0)
    assert books.row(Approval).status == "expired"
    assert expire(books, purchase) is None


def test_a_no_in_the_last_second_and_a_no_too_late(books: Books) -> None:
    first, second = books.ask(10_000).purchase, books.ask(11_000).purchase
    books.clock.advance(1_799)
    assert deny(books, first).status == "declined"
    books.clock.advance(1)
    refused = deny(books, second)
    assert isinstance(refused, Refusal)
    assert (refused.code, books.row(Purchase, id=second.id).held) == ("approval_closed", 11_000)


def test_a_refused_decision_leaves_no_trace(books: Books) -> None:
    purchase = books.ask(10_000).purchase
    deny(books, purchase)
    before, records = money_rows(books), books.rows(AuditRecord)
    for again in (approve(books, purchase), deny(books, purchase), approve(books, purchase, 20_000)):
        assert isinstance(again, Refusal)
    assert (money_rows(books), books.rows(AuditRecord)) == (before, records)


def test_an_approval_of_another_purchase_is_not_found(books: Books) -> None:
    one, other = books.ask(10_000).purchase, books.ask(11_000).purchase
    crossed = approve(books, one._replace(approval_id=other.approval_id))
    assert isinstance(crossed, Refusal)
    assert crossed.status == 404
    assert isinstance(deny(books, one._replace(approval_id="apr_none")), Refusal)


@pytest.mark.parametrize("no", [deny, expire])
def test_a_no_to_a_new_price_leaves_the_purchase_as_it_is(books: Books, no: Any) -> None:
    purchase = books.ask(10_000).purchase
    books.put(books.row(Approval)._replace(kind="renewal", amount=12_000))
    books.clock.advance(1_799 if no is deny else 1_800)
    after = no(books, purchase)
    assert (after.status, after.held) == ("awaiting_approval", 10_000)
    assert books.row(Approval).status == ("denied" if no is deny else "expired")
