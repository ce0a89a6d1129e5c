"""What a batch adds to its records by itself: each status a purchase came into, and budgets that are nearly used up."""

from __future__ import annotations

import json

from roony.core.audit import AuditRecord, verify
from roony.core.notice import notices_of
from roony.core.purchase import Purchase
from roony.store.book import Book
from roony.store.facts import Needs
from tests.support.books import AGENT, ORG, Books
from tests.support.story import Story
from tests.support.tills import Do, answers, together


def told(books: Books, *prefixes: str) -> list[str]:
    """The types of all notices of the chain, in order; with prefixes only those."""
    notices = [notice for record in books.rows(AuditRecord, organization_id=ORG) for notice in notices_of(record)]
    return [notice.type for notice in notices if not prefixes or notice.type.startswith(prefixes)]


def test_a_purchase_tells_each_status_once(books: Books) -> None:
    books.controls(AGENT, "agent", approval_threshold=5_000)
    Story(books).tell(
        "ask 10000\napprove\ncard\nrequest A 10000\nwithdraw A 10000\nrequest B 10000\n"
        "says B closed 10000 yes with t1:10000\nrefund r1 4000"
    )
    assert told(books) == [
        "approval.requested", "purchase.awaiting_approval", "approval.approved", "purchase.issuing", "purchase.ready",
        "authorization.approved", "purchase.authorized", "authorization.declined", "purchase.ready",
        "authorization.approved", "purchase.authorized", "purchase.settled", "refund.booked",
    ]  # fmt: skip
    notices = [notice for record in books.rows(AuditRecord) for notice in notices_of(record)]
    assert {notice.agent_id for notice in notices} == {AGENT}
    assert len({notice.purchase_id for notice in notices}) == 1


def test_one_batch_tells_every_step_between(books: Books) -> None:
    """Two commands of one batch change the same purchase: both statuses are told, each on its own record."""
    purchase = books.ready(1_000)
    needs = Needs(rows=((Purchase, ORG, purchase.id),))

    def into(status: str) -> Do:
        def action(book: Book, now: int) -> None:
            book.put(book.need(Purchase, ORG, purchase.id)._replace(status=status))
            book.record(ORG, "tester", "noted", purchase.id, {}, now)

        return Do(action, needs)

    def broken(book: Book, now: int) -> None:
        book.put(book.need(Purchase, ORG, purchase.id)._replace(status="failed"))
        raise RuntimeError("on purpose")

    before = told(books)
    answers(together(books.till, [into("authorized"), Do(broken, needs), into("settled"), into("settled")]))
    assert told(books)[len(before) :] == ["purchase.authorized", "purchase.settled"]
    books.put(purchase)


def test_a_change_without_a_record_gets_one(books: Books) -> None:
    """P9 holds whatever a command forgets, and the chain stays true."""
    purchase = books.ready(1_000)

    def action(book: Book, now: int) -> None:
        book.put(book.need(Purchase, ORG, purchase.id)._replace(status="expired", updated_at=now))

    books.run(Do(action, Needs(rows=((Purchase, ORG, purchase.id),))))
    last = books.rows(AuditRecord, organization_id=ORG)[-1]
    assert (last.action, last.subject, last.at) == ("purchase.changed", purchase.id, books.clock())
    assert [notice.type for notice in notices_of(last)] == ["purchase.expired"]
    assert verify(books.rows(AuditRecord, organization_id=ORG)) is None
    books.put(purchase)


def test_a_budget_tells_of_80_and_100_percent(books: Books) -> None:
    """As holds are placed, at the crossing and not after it; two at once where one ask takes both."""
    books.limit(AGENT, "month", 10_000)
    for amount in (7_999, 1, 1_999):
        books.ask(amount, f"Shop {amount}")
    assert told(books, "budget.") == ["budget.warning"]
    books.ask(1, "Last")
    assert told(books, "budget.") == ["budget.warning", "budget.exhausted"]
    exhausted = [record for record in books.rows(AuditRecord) if record.action == "budget.exhausted"]
    body = json.loads(exhausted[0].body)
    assert (exhausted[0].subject, body["scope_id"], body["period"]) == ("bud_agent_month", AGENT, "month")
    assert (body["limit"], body["used"]) == (10_000, 10_000)
    books.limit(AGENT, "week", 11_000)
    books.limit(AGENT, "month", 100_000)
    books.ask(1_000, "All at once")
    assert told(books, "budget.")[2:] == ["budget.exhausted"]


def test_a_budget_tells_of_money_past_its_hold(books: Books) -> None:
    """An over-capture brings a budget to its limit that no ask of this batch looked at."""
    books.limit(AGENT, "month", 10_000)
    Story(books).tell("ask 7000\ncard\nrequest A 7000\nsays A closed 7000 yes with t1:12000")
    assert told(books, "budget.") == ["budget.warning", "budget.exhausted"]


def test_a_budget_without_a_limit_tells_nothing(books: Books) -> None:
    books.limit(AGENT, "month", None)
    books.limit(AGENT, "day", 0)
    books.ask(1_000)
    assert told(books, "budget.") == []
