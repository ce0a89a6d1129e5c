"""Answering on the till: one answer for each request, the hold in the same commit, a late yes taken back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from roony.core.agent import Agent, Organization, Project
from roony.core.audit import AuditRecord
from roony.core.authorization import Authorization, AuthorizationDecision
from roony.core.card import Card
from roony.core.connection import Connection
from roony.core.purchase import Purchase
from roony.core.settlement import Discrepancy
from roony.flows.authorization import AnswerAuthorization
from roony.store.rows import InboxEvent
from tests.support.books import AGENT, CONNECTION, ORG, PROJECT, Books, open_books
from tests.support.memory import MemoryBooks
from tests.support.promises import all_is_well, money_rows
from tests.support.story import Story, neat

READY = """
ask 10000                                       | 10000     0 issuing    creating
card                                            | 10000     0 ready      active
"""


@pytest.fixture
def books(tmp_path: Path, database_url: str | None) -> Iterator[Books]:
    with open_books(tmp_path, database_url) as books:
        yield books
        all_is_well(books)


@pytest.fixture
def story(books: Books) -> Story:
    story = Story(books)
    assert story.tell(READY) == neat(READY)
    return story


# Every code on a card that would be approved but for one thing.
CODES: list[tuple[str, str, str]] = [
    ("approved", "request A 10000 -> yes", "ready"),
    ("another merchant", "request A 10000 at EVIL -> MERCHANT_MISMATCH", "ready"),
    ("another currency", "request A 10000 in eur -> CURRENCY_MISMATCH", "ready"),
    ("too much", "request A 10001 -> OVER_HOLD", "ready"),
    ("withdrawing cash: more than the hold", "request A 10500 cash 500 -> OVER_HOLD", "ready"),
    ("used", "request B 10000 -> yes\nrequest A 10000 -> CARD_USED", "ready"),
    ("past its time", "wait 3600\nrequest A 10000 -> CARD_EXPIRED", "ready"),
    ("expired by the worker", "expire\nrequest A 10000 -> CARD_EXPIRED", "expired"),
    ("canceled", "cancel\nrequest A 10000 -> CARD_NOT_ACTIVE", "canceled"),
    ("canceled at Stripe", "stripe canceled\nrequest A 10000 -> CARD_NOT_ACTIVE", "ready"),
    ("frozen", "freeze\nrequest A 10000 -> FROZEN", "ready"),
    ("unfrozen again", "freeze\nunfreeze\nrequest A 10000 -> yes", "ready"),
    ("frozen comes before the card's end", "cancel\nfreeze\nrequest A 10000 -> FROZEN", "ready"),
    ("told twice as new", "request A 10000 -> yes\nrequest A 9000 -> STALE", "ready"),
    ("older than what Stripe told", "says A pending 10000 active\nrequest A 10000 -> STALE", "ready"),
]


@pytest.mark.parametrize("line", CODES, ids=[line[0] for line in CODES])
def test_codes(line: tuple[str, str, str], story: Story) -> None:
    told = [row.split("|")[0].strip() for row in story.tell(line[1]).splitlines()]
    assert told == line[1].splitlines()


@pytest.mark.parametrize(
    ("row", "id", "change", "code"),
    [
        (Organization, ORG, {"frozen_at": 1}, "FROZEN"),
        (Project, PROJECT, {"frozen_at": 1}, "FROZEN"),
        (Agent, AGENT, {"frozen_at": 1}, "FROZEN"),
        (Connection, CONNECTION, {"status": "restricted"}, "CONNECTION_INACTIVE"),
    ],
)
def test_what_changes_counts_from_the_next_request_on(
    row: type, id: str, change: dict[str, Any], code: str, books: Books, story: Story
) -> None:
    books.put(books.row(row, id=id)._replace(**change))
    books.reconfigure()
    assert f"-> {code}" in story.tell("request A 10000")


@pytest.mark.parametrize(
    ("controls", "code"),
    [({"blocked_categories": ["5734"]}, "CATEGORY_MISMATCH"), ({"allowed_countries": ["FR"]}, "COUNTRY_MISMATCH")],
)
def test_the_rules_of_now_count(controls: dict[str, Any], code: str, books: Books, story: Story) -> None:
    books.controls(AGENT, "agent", **controls)
    assert f"-> {code}" in story.tell("request A 10000")


def test_an_approval_and_its_hold_are_one_commit(books: Books, story: Story) -> None:
    story.tell("request A 6000")
    decision, known = books.row(AuthorizationDecision), books.row(Authorization)
    assert (decision.approved, decision.approved_amount, decision.code, decision.answered) == (
        1,
        6_000,
        "APPROVED",
        "approved",
    )
    assert (known.amount, known.approved, known.provisional, known.history_length) == (6_000, 1, 1, 1)
    assert (story.purchase.status, story.purchase.held) == ("authorized", 10_000)
    assert books.row(InboxEvent).status == "applied"
    record = books.rows(AuditRecord)[-1]
    assert (record.action, record.subject) == ("authorization.answered", "iauth_A")


def test_a_decline_holds_nothing_and_is_recorded(books: Books, story: Story) -> None:
    before = (story.purchase, story.card)
    story.tell("request A 10000 at EVIL")
    assert (story.purchase, story.card) == before
    decision, known = books.row(AuthorizationDecision), books.row(Authorization)
    assert (decision.approved, decision.code, decision.answered) == (0, "MERCHANT_MISMATCH", "declined")
    assert (known.approved, known.amount, known.provisional) == (0, 0, 1)
    assert books.rows(AuditRecord)[-1].action == "authorization.answered"


def test_the_same_request_gets_its_stored_answer(books: Books, story: Story) -> None:
    """Even when everything has changed since: an answer is given once."""
    first = books.authorize(story.purchase, 10_000, authorization_id="iauth_A")
    books.freeze()
    before, records = money_rows(books), books.rows(AuditRecord)
    assert books.authorize(story.purchase, 10_000, authorization_id="iauth_A") == first
    assert (money_rows(books), books.rows(AuditRecord)) == (before, records)


def test_a_declined_request_stays_declined_but_a_new_one_is_judged_anew(books: Books, story: Story) -> None:
    assert not books.authorize(story.purchase, 10_000, "EVIL", authorization_id="iauth_A").approved
    assert not books.authorize(story.purchase, 10_000, authorization_id="iauth_A").approved
    assert books.authorize(story.purchase, 10_000, authorization_id="iauth_A", ordinal=1).approved
    assert story.purchase.status == "authorized"


def test_monitoring_approves_and_flags_another_merchant_once(books: Books) -> None:
    books.controls(AGENT, "agent", merchant_lock="monitor")
    story = Story(books)
    story.tell(READY)
    assert "-> yes" in story.tell("request A 10000 at EVIL")
    story.tell("says A pending 10000 yes")
    found = books.row(Discrepancy)
    assert (found.kind, found.subject, found.purchase_id) == ("merchant_mismatch", "iauth_A", story.purchase_id)


def test_a_partial_answer_holds_what_it_said(books: Books, story: Story) -> None:
    story.tell("request C 100")
    answer = books.authorize(story.purchase, 12_000, controllable=True, authorization_id="iauth_A")
    assert (answer.approved, answer.amount, answer.partial) == (True, 9_900, True)
    assert books.row(Authorization, id="iauth_A").amount == 9_900


# Cards Roony did not make


@pytest.mark.parametrize(
    ("choice", "frozen", "approved"),
    [
        ("decline", False, False),
        ("approve", True, True),
        ("approve_while_unfrozen", False, True),
        ("approve_while_unfrozen", True, False),
    ],
)
def test_a_card_of_somebody_else(choice: str, frozen: bool, approved: bool, books: Books) -> None:
    organization = books.row(Organization, id=ORG)
    books.put(organization._replace(unknown_cards=choice, frozen_at=1 if frozen else None))
    books.reconfigure()
    answer = books.authorize("ic_strange", 700)
    assert (answer.approved, answer.purchase_id) == (approved, None)
    assert answer.code == ("APPROVED" if approved else "CARD_UNKNOWN")
    assert books.row(Authorization).purchase_id is None
    assert books.rows(Purchase) == []


@pytest.mark.parametrize("choice", ["approve", "approve_while_unfrozen"])
def test_a_card_of_ours_that_is_not_recorded_is_nobody_elses(choice: str, books: Books) -> None:
    """As after a restore: nothing is set aside for it, and the owner's choice is about cards of others."""
    books.put(books.row(Organization, id=ORG)._replace(unknown_cards=choice))
    books.reconfigure()
    lost = books.authorize("ic_lost", 700, made_for=ORG)
    assert (lost.approved, lost.code) == (False, "CARD_UNKNOWN")
    assert books.authorize("ic_strange", 700, made_for="org_elsewhere", authorization_id="iauth_2").approved


def test_a_card_of_another_connection_is_unknown(books: Books, story: Story) -> None:
    """(P7) The card is looked up inside the connection the request came by."""
    command = books.authorization_command(story.purchase, 10_000)
    elsewhere = AnswerAuthorization(ORG, "con_2", command.request, command.decision_id, command.event)
    assert books.run(elsewhere).code == "CARD_UNKNOWN"


# An answer that never left


def test_a_withdrawn_yes_is_remembered_as_no(books: Books, story: Story) -> None:
    table = """
request A 10000 -> yes                          | 10000     0 authorized used
withdraw A 10000                                | 10000     0 ready      active
withdraw A 10000                                | 10000     0 ready      active
request A 10000 -> LATE                         | 10000     0 ready      active
request B 10000 -> yes                          | 10000     0 authorized used
"""
    assert story.tell(table) == neat(table)
    decision = books.row(AuthorizationDecision, authorization_id="iauth_A")
    assert (decision.approved, decision.answered) == (1, "declined")
    assert [record.action for record in books.rows(AuditRecord)].count("authorization.withdrawn") == 1


def test_a_withdrawn_increment_leaves_the_approval_of_nothing_it_was_asked_on(story: Story) -> None:
    """A card check of 0 stays approved and open when a yes to more on it was not sent."""
    table = """
request A 0 -> yes                              | 10000     0 ready      active
request A 100 on 0 #1 -> yes                    | 10000     0 ready      active
withdraw A 100 #1                               | 10000     0 ready      active
"""
    assert story.tell(table) == neat(table)
    known = story.books.row(Authorization, id="iauth_A")
    assert (known.approved, known.amount) == (1, 0)


@pytest.mark.parametrize("undone", ["withdraw A 9900 #1", "says A pending 100 yes:100,broke:9900"])
def test_a_check_whose_growth_came_to_nothing_is_a_check_again(story: Story, undone: str) -> None:
    """Taken back by us, or declined by Stripe: the card is as good as after any check."""
    table = f"""
request A 100 -> yes                            | 10000     0 ready      active
request A 9900 on 100 #1 -> yes                 | 10000     0 authorized used
{undone:<48}| 10000     0 ready      active
request B 9900 -> yes                           | 10000     0 authorized used
"""
    assert story.tell(table) == neat(table)


def test_withdrawing_what_never_committed_or_was_declined_does_nothing(books: Books, story: Story) -> None:
    story.tell("request A 10001")
    before, records = money_rows(books), books.rows(AuditRecord)
    story.tell("withdraw A 10001\nwithdraw B 500")
    assert (money_rows(books), books.rows(AuditRecord)) == (before, records)


def test_a_caller_that_gave_up_takes_its_approval_back(books: Books, story: Story) -> None:
    """P5 through the till itself: the door declines at its deadline, and the committed yes is withdrawn."""
    ticket = books.till.enqueue(books.authorization_command(story.purchase, 10_000), None, None)
    assert ticket.future.result(60).approved
    books.till.give_up(ticket)
    # Whatever is submitted next waits behind the withdrawal.
    answer = books.authorize(story.purchase, 10_000, authorization_id="iauth_2")
    assert answer.approved
    first = books.row(AuthorizationDecision, authorization_id="iauth_1")
    assert (first.approved, first.answered) == (1, "declined")
    assert books.row(Authorization, id="iauth_1").approved == 0


def test_a_caller_that_gave_up_a_decline_takes_nothing_back(books: Books, story: Story) -> None:
    command = books.authorization_command(story.purchase, 10_001)
    assert command.compensation(books.run(command)) is None


def test_a_raise_that_is_withdrawn_leaves_the_first_amount() -> None:
    books = MemoryBooks()
    story = Story(books)
    story.tell(READY + "request A 6000\nsays A pending 6000 yes\nrequest A 4000 on 6000 #1\nwithdraw A 4000 #1")
    known = books.row(Authorization)
    assert (known.amount, known.approved, story.purchase.status) == (6_000, 1, "authorized")
    story.tell("says A closed 6000 yes,timeout with t1:6000")
    assert (story.purchase.held, story.purchase.spent, story.flags()) == (0, 6_000, [])


def test_the_last_of_a_hold_is_given_once(books: Books, story: Story) -> None:
    """Two requests in one batch: the second finds the card used."""
    commands = [books.authorization_command(story.purchase, 10_000, authorization_id=f"iauth_{n}") for n in range(3)]
    tickets = [books.till.enqueue(command, None, None).future for command in commands]
    assert sorted(ticket.result(60).code for ticket in tickets) == ["APPROVED", "CARD_USED", "CARD_USED"]
    assert books.row(Card).status == "used"
