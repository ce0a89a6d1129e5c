"""Above `second_approval_threshold` two users agree to the same amount; how long people have, and what they see."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from roony.core.approval import Approval, current_status, what_was_shown
from roony.core.audit import AuditRecord
from roony.core.card import Card
from roony.core.errors import Refusal
from roony.core.purchase import Purchase, Recurring
from roony.core.user import User
from roony.flows.access_key import CreateAccessKey, RevokeAccessKey, RotateAccessKey, new_key
from roony.flows.approval import Approve, ApproveIds, Approver, Deny
from roony.flows.raising import ApproveRaise, RaiseIds, RaisePurchase
from roony.flows.renewal import ApproveRenewal
from roony.flows.user import UpdateUser
from roony.store.rows import AccessKey, OutboxPromise
from tests.support.books import AGENT, ORG, PROJECT, Books, open_books, user
from tests.support.memory import MemoryBooks
from tests.support.postgres import swept_books_database
from tests.support.promises import all_is_well, money_rows
from tests.support.tills import DATABASES

ANNA, BERT, PROGRAM = Approver("usr_anna", "usr_anna"), Approver("usr_bert", "usr_bert"), Approver("key_1", None)
PEOPLE = (user("usr_anna"), user("usr_bert", "owner"))
TWO = 20_000
PRICE = 30_000


@pytest.fixture(params=[*DATABASES, "memory"])
def books(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Books]:
    """A person decides over 50.00, two over 200.00; on the real till, and without any database."""
    if request.param == "memory":
        books: Books = MemoryBooks()
        books.put(*PEOPLE)
        books.controls(AGENT, "agent", approval_threshold=5_000, second_approval_threshold=TWO)
        yield books
        all_is_well(books)
        return
    with swept_books_database(request.param) as url, open_books(tmp_path, url) as books:
        books.put(*PEOPLE)
        books.controls(AGENT, "agent", approval_threshold=5_000, second_approval_threshold=TWO)
        yield books
        all_is_well(books)


def approve(books: Books, who: Approver, amount: int | None = None, note: str = "") -> Any:
    """A yes to the newest approval, of whichever kind."""
    approval = max(books.rows(Approval), key=lambda row: row.created_at)
    purchase = books.row(Purchase, id=approval.purchase_id)
    if approval.kind == "raise":
        ids = RaiseIds(*(books.new_id(prefix) for prefix in ("hold", "apr", "out")))
        return books.run(ApproveRaise(ORG, approval, purchase, who, note, ids, amount))
    if approval.kind == "renewal":
        return books.run(ApproveRenewal(ORG, approval, purchase, who, note, books.new_id("out"), amount))
    card_ids = ApproveIds(*(books.new_id(prefix) for prefix in ("hold", "crd", "out")))
    return books.run(Approve(ORG, approval.id, purchase, who, note, card_ids, amount))


def refused(books: Books, who: Approver, amount: int | None = None) -> str:
    """The code of a yes that does not count; it leaves nothing behind."""
    before = (money_rows(books), books.rows(AuditRecord), books.rows(Approval))
    answer = approve(books, who, amount)
    assert isinstance(answer, Refusal)
    assert (money_rows(books), books.rows(AuditRecord), books.rows(Approval)) == before
    return answer.code


def status(books: Books) -> str:
    return current_status(max(books.rows(Approval), key=lambda row: row.created_at), books.clock())


def test_two_people_make_the_card(books: Books) -> None:
    purchase = books.ask(PRICE).purchase
    first = approve(books, ANNA, note="needed for the launch")
    assert (first.purchase.status, first.promise, status(books)) == ("awaiting_approval", None, "partly_approved")
    assert (books.rows(Card), books.rows(OutboxPromise), books.row(Purchase).held) == ([], [], purchase.held)
    last = approve(books, BERT)
    assert last.promise is not None
    row = books.row(Approval)
    assert (row.status, row.first_approved_by, row.decided_by, row.approved_amount, row.note) == (
        "approved", "usr_anna", "usr_bert", PRICE, "needed for the launch",
    )  # fmt: skip
    said = [
        (record.action, record.actor) for record in books.rows(AuditRecord) if record.action.startswith("approval.")
    ]
    assert said == [("approval.partly_approved", "usr_anna"), ("approval.approved", "usr_bert")]


def test_at_the_threshold_one_is_enough(books: Books) -> None:
    books.ask(TWO)
    assert approve(books, PROGRAM).promise is not None


def test_one_person_is_one_person(books: Books) -> None:
    books.ask(PRICE)
    approve(books, ANNA)
    assert refused(books, ANNA) == "second_person_needed"
    assert status(books) == "partly_approved"


def test_a_key_that_belongs_to_nobody_is_none_of_the_two(books: Books) -> None:
    books.ask(PRICE)
    assert refused(books, PROGRAM) == "user_key_needed"
    approve(books, ANNA)
    assert refused(books, PROGRAM) == "user_key_needed"


def test_both_agree_to_the_same_amount(books: Books) -> None:
    """Another amount takes the place of the yes before: whoever said that has to agree again, or says another one."""
    books.ask(PRICE)
    approve(books, ANNA, 25_000)
    assert approve(books, BERT).promise is None
    assert refused(books, BERT) == "second_person_needed"
    row = books.row(Approval)
    assert (row.first_approved_by, row.approved_amount) == ("usr_bert", PRICE)
    # Bert thinks again: he may change his own word, and that alone decides nothing.
    assert approve(books, BERT, 25_000).promise is None
    assert approve(books, ANNA, 25_000).promise is not None
    assert (books.row(Purchase).amount, books.row(Card).hard_limit) == (25_000, 25_000)


def test_less_than_the_threshold_needs_one(books: Books) -> None:
    """Whoever lowers the amount below it decides alone, and the first yes to more is not counted as one to less."""
    books.ask(PRICE)
    approve(books, ANNA)
    assert approve(books, PROGRAM, TWO).promise is not None
    row = books.row(Approval)
    assert (row.status, row.first_approved_by, row.approved_amount) == ("approved", None, TWO)


def test_more_than_the_threshold_needs_two_whatever_was_asked(books: Books) -> None:
    books.ask(TWO)
    assert approve(books, ANNA, TWO + 1).promise is None
    assert approve(books, BERT, TWO + 1).promise is not None


def test_the_strictest_threshold_of_now_counts(books: Books) -> None:
    """Set on the project after the ask; lifted everywhere, one yes is enough, be it by the same person."""
    books.ask(TWO)
    books.controls(PROJECT, "project", second_approval_threshold=0)
    approve(books, ANNA)
    assert refused(books, ANNA) == "second_person_needed"
    books.controls(PROJECT, "project")
    assert approve(books, ANNA).promise is not None
    assert books.row(Approval).first_approved_by is None


def test_the_last_yes_asks_the_rules_again(books: Books) -> None:
    books.ask(PRICE)
    approve(books, ANNA)
    books.limit(AGENT, "day", PRICE - 1)
    answer = approve(books, BERT)
    assert (answer.purchase.status, answer.purchase.held, answer.promise) == ("declined", 0, None)
    assert books.row(Approval).status == "denied"


def test_the_first_yes_asks_the_rules_too(books: Books) -> None:
    """Nobody waits for a second person where the rules say no already."""
    books.ask(PRICE)
    books.limit(AGENT, "day", PRICE - 1)
    assert approve(books, ANNA).purchase.status == "declined"


@pytest.mark.parametrize("change", [{"disabled_at": 1}, {"role": "viewer"}])
def test_a_first_yes_of_somebody_who_may_no_longer_approve_is_none(books: Books, change: dict[str, Any]) -> None:
    """Anna left, or has another job now, before Bert came: then his is the first yes."""
    books.ask(PRICE)
    approve(books, ANNA)
    books.put(books.row(User, id="usr_anna")._replace(**change))
    assert approve(books, BERT).promise is None
    assert (books.row(Approval).first_approved_by, refused(books, BERT)) == ("usr_bert", "second_person_needed")


def test_a_first_yes_counts_only_without_a_break_since(books: Books) -> None:
    """Anna's job changed and changed back, or she was shut out and let in again: what she said before is over."""
    for place, (gone, back) in enumerate((("viewer", "approver"), (True, False))):
        books.ask(PRICE + place)
        books.clock.advance(1)
        approve(books, ANNA)
        for value in (gone, back):
            books.clock.advance(1)
            name = "disabled" if isinstance(value, bool) else "role"
            books.run(UpdateUser(ORG, "usr_anna", "key_1", **{name: value}))
        assert approve(books, BERT).promise is None, name
        books.clock.advance(1)
        assert approve(books, ANNA).promise is not None, name


def test_a_first_yes_is_over_when_a_key_of_its_giver_is_taken_back(books: Books) -> None:
    """Somebody else may have had it. A rotation with an overlap says nothing of the kind."""
    made = books.run(CreateAccessKey(ORG, new_key("admin", "key_anna", "x"), "key_1", user_id="usr_anna"))
    books.ask(PRICE)
    approve(books, ANNA)
    books.clock.advance(1)
    new = books.run(RotateAccessKey(ORG, made, new_key("admin", "key_next", "x"), 600, "key_1"))
    assert approve(books, BERT).promise is not None
    for place, ending in enumerate(
        (RotateAccessKey(ORG, new, new_key("admin", "key_last", "x"), 0, "key_1"), None)
    ):  # fmt: skip
        books.ask(PRICE + 1 + place)
        approve(books, ANNA)
        last = books.run(ending or RevokeAccessKey(ORG, books.row(AccessKey, id="key_last"), "key_1"))
        assert not isinstance(last, Refusal)
        books.clock.advance(1)
        assert approve(books, BERT).promise is None
        assert refused(books, BERT) == "second_person_needed"
        assert approve(books, ANNA).promise is not None
        books.clock.advance(1)


def test_another_amount_that_breaks_a_limit_is_no_first_yes_either(books: Books) -> None:
    """Nor is one to a raise: what waits still waits, and what was asked for can still be agreed to."""
    books.controls(AGENT, "agent", approval_threshold=5_000, second_approval_threshold=TWO, purchase_limit=PRICE)
    books.ask(PRICE)
    assert refused(books, ANNA, PRICE + 1) == "amount_not_allowed"
    approve(books, ANNA, 25_000)
    books.limit(AGENT, "day", 24_000)
    assert refused(books, BERT, 25_000) == "amount_not_allowed"
    assert (status(books), books.row(Approval).first_approved_by) == ("partly_approved", "usr_anna")
    assert approve(books, BERT, TWO).promise is not None


def test_each_yes_keeps_what_the_rules_said_to_it(books: Books) -> None:
    books.ask(PRICE)
    approve(books, ANNA, 25_000)
    first = json.loads(books.row(Approval).decision)["inputs"]
    books.clock.advance(5)
    approve(books, BERT, 25_000)
    last = json.loads(books.row(Approval).decision)["inputs"]
    assert (first["ask"]["amount"], last["ask"]["amount"]) == (25_000, 25_000)
    assert last["at"] - first["at"] == 5_000_000


def test_one_no_is_enough(books: Books) -> None:
    purchase = books.ask(PRICE).purchase
    approve(books, ANNA)
    assert books.run(Deny(ORG, purchase.approval_id, "usr_bert", "no", "out_deny")).status == "declined"
    assert refused(books, BERT) == "approval_closed"


def test_half_a_yes_expires(books: Books) -> None:
    """Judged by the clock; the first yes makes nobody wait longer."""
    books.ask(PRICE)
    books.clock.advance(1_799)
    approve(books, ANNA)
    books.clock.advance(1)
    assert (status(books), refused(books, BERT)) == ("expired", "approval_closed")


def test_a_raise_over_the_threshold_needs_two(books: Books) -> None:
    purchase = books.ready(5_000)
    ids = RaiseIds(*(books.new_id(prefix) for prefix in ("hold", "apr", "out")))
    books.run(RaisePurchase(ORG, purchase, AGENT, PRICE, ids))
    approve(books, ANNA)
    assert (books.row(Purchase).amount, refused(books, ANNA), refused(books, PROGRAM)) == (
        5_000, "second_person_needed", "user_key_needed",
    )  # fmt: skip
    # The agent asks again meanwhile: the same question, and no other one beside it.
    assert books.run(RaisePurchase(ORG, purchase, AGENT, PRICE, ids)).promise is None
    other = books.run(RaisePurchase(ORG, purchase, AGENT, PRICE + 1, ids))
    assert (other.code, len(books.rows(Approval))) == ("raise_pending", 1)
    assert approve(books, BERT).promise is not None
    assert (books.row(Purchase).amount, books.row(Approval).first_approved_by) == (PRICE, "usr_anna")


def test_a_dearer_renewal_over_the_threshold_needs_two(books: Books) -> None:
    """`amount` is that of each payment, as the threshold is."""
    asked = books.ask(5_000, recurring=Recurring("month", 3))
    shown = books.row(Purchase, id=asked.purchase.id)
    late = Approval(
        ORG, "apr_more", shown.id, "pending", "{}", books.clock() + 10**12, None, None, "", books.clock() + 1,
        "renewal", PRICE,
    )  # fmt: skip
    books.put(late, shown._replace(approval_id=late.id))
    approve(books, ANNA)
    assert (books.row(Purchase).amount, refused(books, ANNA)) == (5_000, "second_person_needed")
    approve(books, BERT)
    assert (books.row(Purchase).amount, books.row(Approval, id="apr_more").status) == (PRICE, "approved")


def test_another_price_that_breaks_a_limit_leaves_a_raise_and_a_renewal_waiting(books: Books) -> None:
    books.controls(AGENT, "agent", approval_threshold=5_000, purchase_limit=PRICE)
    raised = books.ready(5_000)
    ids = RaiseIds(*(books.new_id(prefix) for prefix in ("hold", "apr", "out")))
    books.run(RaisePurchase(ORG, raised, AGENT, 6_000, ids))
    assert refused(books, PROGRAM, PRICE + 1) == "amount_not_allowed"
    assert approve(books, PROGRAM).purchase.amount == 6_000
    asked = books.ask(5_000, "Notion", recurring=Recurring("month", 3))
    shown = books.row(Purchase, id=asked.purchase.id)
    late = Approval(
        ORG, "apr_more", shown.id, "pending", "{}", books.clock() + 10**12, None, None, "", books.clock() + 1,
        "renewal", 6_000,
    )  # fmt: skip
    books.put(late, shown._replace(approval_id=late.id))
    assert refused(books, PROGRAM, PRICE + 1) == "amount_not_allowed"
    assert approve(books, PROGRAM).amount == 6_000
    assert all(json.loads(row.decision)["inputs"]["ask"]["amount"] == 6_000 for row in books.rows(Approval))


@pytest.mark.parametrize(("seconds", "ttl"), [({}, 1_800), ({"approval_expiry_seconds": 90}, 90)])
def test_how_long_people_have(books: Books, seconds: dict[str, int], ttl: int) -> None:
    """Half an hour, or as the strictest control says: for a raise as well."""
    books.controls(AGENT, "agent", approval_threshold=5_000, **seconds)
    books.controls(PROJECT, "project", approval_expiry_seconds=3_600 if seconds else None)
    purchase = books.ask(6_000).purchase
    raised = books.ready(5_000, "Notion")
    ids = RaiseIds(*(books.new_id(prefix) for prefix in ("hold", "apr", "out")))
    books.run(RaisePurchase(ORG, raised, AGENT, 6_000, ids))
    rows = books.rows(Approval)
    assert [(row.expires_at - books.clock()) // 1_000_000 for row in rows] == [ttl, ttl]
    books.clock.advance(ttl)
    late = books.run(
        Approve(ORG, purchase.approval_id, purchase, ANNA, "", ApproveIds("hold_late", "crd_late", "out_late"))
    )
    assert (late.code, "already expired, since" in late.message) == ("approval_closed", True)


def test_what_an_approver_sees(books: Books) -> None:
    """Who asks, for what, why a person, what is left in every budget, and what was bought there before."""
    books.limit(PROJECT, "month", 100_000)
    books.ready(4_000)
    books.clock.advance(60)
    books.ask(PRICE)
    seen = what_was_shown(books.row(Approval))
    assert (seen["agent_id"], seen["agent"], seen["project_id"], seen["project"], seen["task_id"]) == (
        AGENT, "Buyer", PROJECT, "Research", None,
    )  # fmt: skip
    assert (seen["amount"], seen["hold_amount"], seen["currency"]) == (PRICE, PRICE, "usd")
    assert seen["merchant"] == {"name": "Figma", "category": "5734", "country": "US"}
    assert seen["history"] == {
        "new": False, "purchases": 1, "first_at": books.clock() - 60_000_000, "last_at": books.clock() - 60_000_000,
        "last_amount": 4_000, "last_currency": "usd",
    }  # fmt: skip
    left = [(budget["scope"], budget["scope_id"], budget["available_after"]) for budget in seen["budgets"]]
    assert left == [("agent", AGENT, 500_000 - 34_000), ("project", PROJECT, 100_000 - 34_000)]
    assert [reason["code"] for reason in seen["reasons"]] == ["APPROVAL_OVER_THRESHOLD"] * 2
    assert seen["second_approval_threshold"] == TWO
    assert seen["untrusted"] == {"description": "a thing", "metadata": {}}


def test_a_merchant_nothing_was_bought_from_is_new(books: Books) -> None:
    """An ask that waits is no purchase yet."""
    books.ask(PRICE)
    books.ask(PRICE + 1)
    for row in books.rows(Approval):
        assert what_was_shown(row)["history"]["new"]


def test_what_an_older_release_wrote_down_can_be_shown(books: Books) -> None:
    books.ask(PRICE)
    old = books.row(Approval)._replace(snapshot='{"amount": 1, "description": "a thing"}')
    assert what_was_shown(old) == {"amount": 1, "untrusted": {"description": "a thing", "metadata": {}}}
