"""What Stripe says afterwards, told as life cycles: held, spent and both states after every step (design section 8)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from roony.core.agent import Organization
from roony.core.audit import ROONY, AuditRecord
from roony.core.authorization import Authorization
from roony.core.settlement import Discrepancy, StripeTransaction
from roony.flows.card import FinishPromise
from roony.flows.settlement import BookAuthorization, BookTransaction
from roony.store.rows import InboxEvent, OutboxPromise
from tests.support.books import AGENT, CONNECTION, ORG, PROJECT, Books, open_books
from tests.support.story import FIGMA, Story, history, kept_event, neat, statement, transaction

READY = """
ask 10000                                       | 10000     0 issuing    creating
card                                            | 10000     0 ready      active
"""

LIVES = {
    "captured in full": """
request A 10000 -> yes                          | 10000     0 authorized used
says A pending 10000 yes                        | 10000     0 authorized used
capture A t1 10000                              |     0 10000 authorized used
says A closed 10000 yes with t1:10000           |     0 10000 settled    used
""",
    "captured in part, and the rest given back": """
request A 10000 -> yes                          | 10000     0 authorized used
says A pending 10000 yes                        | 10000     0 authorized used
says A closed 10000 yes with t1:6000            |     0  6000 settled    used
capture A t1 6000                               |     0  6000 settled    used
""",
    "captured in two parts": """
request A 10000 -> yes                          | 10000     0 authorized used
says A pending 10000 yes with t1:4000           |  6000  4000 authorized used
capture A t1 4000                               |  6000  4000 authorized used
capture A t2 5000                               |  1000  9000 authorized used
says A closed 10000 yes with t1:4000,t2:5000    |     0  9000 settled    used
""",
    "captured for more than authorized": """
request A 10000 -> yes                          | 10000     0 authorized used
capture A t1 12000                              |     0 12000 authorized used
says A closed 10000 yes with t1:12000           |     0 12000 settled    used
""",
    "captured without any authorization": """
capture - t1 3000                               |  7000  3000 settled    active
request A 8000 -> OVER_HOLD                     |  7000  3000 settled    active
request B 7000 -> yes                           |  7000  3000 authorized used
""",
    "refunded in parts and too much": """
request A 10000 -> yes                          | 10000     0 authorized used
says A closed 10000 yes with t1:10000           |     0 10000 settled    used
refund r1 4000                                  |     0  6000 settled    used
refund r1 4000                                  |     0  6000 settled    used
refund r2 6000                                  |     0     0 settled    used
refund r3 500                                   |     0     0 settled    used
""",
    "refunded before the capture is known": """
request A 10000 -> yes                          | 10000     0 authorized used
refund r1 4000                                  | 10000     0 authorized used
says A closed 10000 yes with t1:10000           |     0  6000 settled    used
""",
    "reversed in full": """
request A 10000 -> yes                          | 10000     0 authorized used
says A reversed 0 yes                           |     0     0 canceled   used
""",
    "reversed in part": """
request A 10000 -> yes                          | 10000     0 authorized used
says A pending 10000 yes                        | 10000     0 authorized used
says A pending 2000 yes                         | 10000     0 authorized used
says A closed 2000 yes with t1:2000             |     0  2000 settled    used
""",
    "expired and captured late": """
request A 10000 -> yes                          | 10000     0 authorized used
says A pending 10000 yes                        | 10000     0 authorized used
says A expired 10000 yes                        |     0     0 canceled   used
capture A t1 10000                              |     0 10000 settled    used
says A closed 10000 yes with t1:10000           |     0 10000 settled    used
""",
    "raised once, then refused": """
request A 6000 -> yes                           | 10000     0 authorized used
says A pending 6000 yes                         | 10000     0 authorized used
request A 4000 on 6000 #1 -> yes                | 10000     0 authorized used
says A pending 10000 yes,yes                    | 10000     0 authorized used
request A 1 on 10000 #2 -> OVER_HOLD            | 10000     0 authorized used
says A pending 10000 yes,yes,no                 | 10000     0 authorized used
says A closed 10000 yes,yes,no with t1:10000    |     0 10000 settled    used
""",
    "approved in part when the amount can be chosen": """
request A 12000 +controllable cash 10001 -> OVER_HOLD | 10000     0 ready      active
request B 12000 +controllable cash 10000 -> yes 10000 | 10000     0 authorized used
says B pending 10000 yes                        | 10000     0 authorized used
""",
    "a check of nothing, then the purchase": """
request A 0 -> yes                              | 10000     0 ready      active
says A closed 0 yes                             | 10000     0 ready      active
request B 10000 -> yes                          | 10000     0 authorized used
says B closed 10000 yes with t1:9000            |     0  9000 settled    used
""",
    "a check of 1.00, reversed, then the purchase": """
request A 100 -> yes                            | 10000     0 ready      active
request B 10000 -> OVER_HOLD                    | 10000     0 ready      active
says A reversed 0 yes                           | 10000     0 ready      active
request C 10000 -> yes                          | 10000     0 authorized used
""",
    "a check that is captured uses the card": """
request A 100 -> yes                            | 10000     0 ready      active
says A closed 100 yes with t1:100               |     0   100 settled    used
request B 5000 -> CARD_USED                     |     0   100 settled    used
""",
    "a fuel pump's check that grew at Stripe": """
request A 100 -> yes                            | 10000     0 ready      active
says A pending 10000 yes:100                    | 10000     0 authorized used
""",
    "a check raised behind our back, then reversed": """
request A 100 -> yes                            | 10000     0 ready      active
says A reversed 0 yes:100,active:4000           |     0     0 canceled   used
""",
    "Stripe cancels a single-use card, then tells the authorization": """
request A 10000 -> yes                          | 10000     0 authorized used
stripe canceled                                 | 10000     0 authorized used
says A pending 10000 yes                        | 10000     0 authorized used
says A closed 10000 yes with t1:10000           |     0 10000 settled    used
""",
    "Stripe tells the authorization, then cancels the card": """
request A 10000 -> yes                          | 10000     0 authorized used
says A pending 10000 yes                        | 10000     0 authorized used
stripe canceled                                 | 10000     0 authorized used
""",
    "Stripe cancels a card of which we know no authorization yet": """
stripe canceled                                 | 10000     0 ready      active
request B 5000 -> CARD_NOT_ACTIVE               | 10000     0 ready      active
says A pending 10000 active                     | 10000     0 authorized used
""",
    "our yes came too late and Stripe said no": """
request A 10000 -> yes                          | 10000     0 authorized used
says A closed 10000 timeout                     | 10000     0 ready      active
request B 10000 -> yes                          | 10000     0 authorized used
""",
    "our yes is withdrawn, and Stripe had said no": """
request A 10000 -> yes                          | 10000     0 authorized used
withdraw A 10000                                | 10000     0 ready      active
request A 10000 -> LATE                         | 10000     0 ready      active
says A closed 10000 timeout                     | 10000     0 ready      active
""",
    "our yes is withdrawn, but Stripe approved by itself": """
request A 10000 -> yes                          | 10000     0 authorized used
withdraw A 10000                                | 10000     0 ready      active
says A pending 10000 late                       | 10000     0 authorized used
""",
    "withdrawn after Stripe said yes changes nothing": """
request A 10000 -> yes                          | 10000     0 authorized used
says A pending 10000 late                       | 10000     0 authorized used
withdraw A 10000                                | 10000     0 authorized used
""",
    "a raise is withdrawn": """
request A 6000 -> yes                           | 10000     0 authorized used
says A pending 6000 yes                         | 10000     0 authorized used
request A 4000 on 6000 #1 -> yes                | 10000     0 authorized used
withdraw A 4000 #1                              | 10000     0 authorized used
request A 3000 on 6000 #2 -> yes                | 10000     0 authorized used
""",
    "canceled at Stripe, then our yes is not honoured": """
request A 10000 -> yes                          | 10000     0 authorized used
stripe canceled                                 | 10000     0 authorized used
says A closed 10000 timeout                     | 10000     0 ready      active
expire                                          |     0     0 expired    expired
""",
    "our yes is not honoured, then canceled at Stripe": """
request A 10000 -> yes                          | 10000     0 authorized used
says A closed 10000 timeout                     | 10000     0 ready      active
stripe canceled                                 | 10000     0 ready      active
expire                                          |     0     0 expired    expired
""",
    "approved without Roony": """
says A pending 9000 active                      | 10000     0 authorized used
says A closed 9000 active with t1:9000          |     0  9000 settled    used
""",
    "approved without Roony beyond the hold": """
says A pending 15000 active                     | 15000     0 authorized used
says A closed 15000 active with t1:15000        |     0 15000 settled    used
""",
    "Stripe declines by itself": """
says A closed 10000 controls                    | 10000     0 ready      active
request B 10000 -> yes                          | 10000     0 authorized used
""",
    "the capture comes before any statement": """
capture A t1 10000                              |     0 10000 settled    active
says A closed 10000 active with t1:10000        |     0 10000 settled    used
""",
    "closed, and its capture comes later": """
request A 10000 -> yes                          | 10000     0 authorized used
says A closed 10000 yes                         | 10000     0 authorized used
capture A t1 8000                               |     0  8000 settled    used
""",
    "canceled with a check open": """
request A 100 -> yes                            | 10000     0 ready      active
cancel                                          | 10000     0 canceled   canceled
says A closed 100 yes with t1:100               |     0   100 settled    canceled
""",
    "canceled with the purchase open": """
request A 10000 -> yes                          | 10000     0 authorized used
cancel -> not_cancelable                        | 10000     0 authorized used
""",
    "past its time with an authorization open": """
request A 10000 -> yes                          | 10000     0 authorized used
expire                                          | 10000     0 authorized used
says A closed 10000 yes with t1:10000           |     0 10000 settled    used
""",
    "past its time with a check open": """
request A 100 -> yes                            | 10000     0 ready      active
expire                                          | 10000     0 expired    expired
says A reversed 0 yes                           |     0     0 expired    expired
""",
    "frozen with an authorization open": """
request A 10000 -> yes                          | 10000     0 authorized used
freeze                                          | 10000     0 authorized used
says A pending 10000 yes                        | 10000     0 authorized used
request A 1 on 10000 #1 -> FROZEN               | 10000     0 authorized used
unfreeze                                        | 10000     0 authorized used
says A closed 10000 yes,no with t1:10000        |     0 10000 settled    used
""",
    "frozen before Stripe tells what it approved by itself": """
freeze                                          | 10000     0 ready      frozen
says A closed 10000 active with t1:9000         |     0  9000 settled    used
unfreeze                                        |     0  9000 settled    used
""",
    "expired here, approved by Stripe all the same": """
expire                                          |     0     0 expired    expired
says A pending 10000 active                     | 10000     0 authorized expired
says A closed 10000 active with t1:10000        |     0 10000 settled    expired
""",
    "a tip inside the hold": """
request A 9000 -> yes                           | 10000     0 authorized used
says A pending 9000 yes                         | 10000     0 authorized used
says A closed 9000 yes with t1:10000            |     0 10000 settled    used
""",
    "a fuel pump takes less": """
request A 10000 +controllable -> yes            | 10000     0 authorized used
says A pending 10000 yes                        | 10000     0 authorized used
says A pending 4000 yes                         | 10000     0 authorized used
says A closed 4000 yes with t1:4000             |     0  4000 settled    used
""",
    "a fuel pump's check that grew beyond the hold": """
request A 100 -> yes                            | 10000     0 ready      active
says A pending 20000 yes:100                    | 20000     0 authorized used
says A closed 20000 yes:100 with t1:15000       |     0 15000 settled    used
""",
    "all of it where a part was answered": """
request A 12000 +controllable -> yes 10000      | 10000     0 authorized used
says A closed 12000 yes:12000 with t1:12000     |     0 12000 settled    used
""",
    "more than was answered, and later less": """
request A 100 -> yes                            | 10000     0 ready      active
says A pending 20000 yes:100                    | 20000     0 authorized used
says A pending 9000 yes:100                     | 10000     0 authorized used
""",
    "our no was not heard": """
request A 12000 -> OVER_HOLD                    | 10000     0 ready      active
says A pending 12000 error                      | 12000     0 authorized used
says A closed 12000 error with t1:12000         |     0 12000 settled    used
""",
    "the network decided while Stripe was away": """
says A pending 9000 fallback                    | 10000     0 authorized used
says A closed 9000 fallback with t1:9000        |     0  9000 settled    used
""",
    "Stripe has no money for it, or a reason nobody knows": """
says A closed 9000 broke                        | 10000     0 ready      active
says B closed 9000 newword                      | 10000     0 ready      active
request C 9000 -> yes                           | 10000     0 authorized used
""",
    "captured on what was declined": """
request A 12000 -> OVER_HOLD                    | 10000     0 ready      active
says A closed 12000 no                          | 10000     0 ready      active
capture A t1 500                                |  9500   500 settled    active
""",
    "captured after the cancel": """
request A 100 -> yes                            | 10000     0 ready      active
says A pending 100 yes                          | 10000     0 ready      active
cancel                                          | 10000     0 canceled   canceled
capture A t1 100                                |  9900   100 authorized canceled
says A closed 100 yes with t1:100               |     0   100 settled    canceled
""",
    "force captured after the cancel": """
cancel                                          |     0     0 canceled   canceled
capture - t1 700                                |     0   700 settled    canceled
""",
    "captured beyond a first amount that is raised later": """
says A pending 9000 active                      | 10000     0 authorized used
capture A t1 12000                              |     0 12000 authorized used
says A closed 12000 active,active:3000 with t1:12000 |     0 12000 settled    used
""",
    "a status nobody knows is open money": """
request A 10000 -> yes                          | 10000     0 authorized used
says A suspended 10000 yes                      | 10000     0 authorized used
""",
    "reversed, then captured all the same": """
request A 10000 -> yes                          | 10000     0 authorized used
says A reversed 0 yes                           |     0     0 canceled   used
capture A t1 500                                |     0   500 settled    used
""",
}

FLAGS = {
    "captured for more than authorized": ["over_capture"],
    "captured without any authorization": ["force_capture"],
    "refunded in parts and too much": ["unmatched_refund"],
    "expired and captured late": ["late_capture"],
    "a fuel pump's check that grew at Stripe": [],
    "a check raised behind our back, then reversed": ["approved_without_roony"],
    "Stripe cancels a card of which we know no authorization yet": ["approved_without_roony"],
    "our yes came too late and Stripe said no": ["answer_not_honoured"],
    "our yes is withdrawn, but Stripe approved by itself": ["answer_not_honoured"],
    "canceled at Stripe, then our yes is not honoured": ["answer_not_honoured"],
    "our yes is not honoured, then canceled at Stripe": ["answer_not_honoured"],
    "withdrawn after Stripe said yes changes nothing": ["answer_not_honoured"],
    "a fuel pump's check that grew beyond the hold": ["answer_not_honoured"],
    "all of it where a part was answered": ["answer_not_honoured"],
    "our no was not heard": ["answer_not_honoured"],
    "the network decided while Stripe was away": ["approved_without_roony"],
    "captured on what was declined": ["extra_capture"],
    "force captured after the cancel": ["force_capture"],
    "captured beyond a first amount that is raised later": ["approved_without_roony"],
    "approved without Roony": ["approved_without_roony"],
    "approved without Roony beyond the hold": ["approved_without_roony"],
    "the capture comes before any statement": ["approved_without_roony"],
    "frozen before Stripe tells what it approved by itself": ["approved_without_roony"],
    "expired here, approved by Stripe all the same": ["approved_without_roony"],
    "reversed, then captured all the same": ["extra_capture"],
}


@pytest.fixture
def books(tmp_path: Path, database_url: str | None) -> Iterator[Books]:
    with open_books(tmp_path, database_url) as books:
        yield books


@pytest.mark.parametrize("name", LIVES)
def test_life(name: str, books: Books) -> None:
    story = Story(books)
    table = READY.strip() + "\n" + LIVES[name].strip()
    assert story.tell(table) == neat(table)
    assert story.flags() == FLAGS.get(name, [])


def book(books: Books, said: object, event: InboxEvent | None = None) -> str:
    """Books one statement, with an event of its own unless one is given."""
    event = event or kept_event(books, "issuing", "object")
    command = BookTransaction if hasattr(said, "type") else BookAuthorization
    return books.run(command(ORG, CONNECTION, said, event))


def looked_at(books: Books, stripe_card_id: str) -> None:
    """Stripe was asked whose the card is, and it was none of ours."""
    promise = books.row(OutboxPromise, kind="look_at_card", subject=stripe_card_id)
    books.run(FinishPromise(ORG, promise))


def test_a_card_nobody_knows_waits_a_minute_and_is_flagged_once(books: Books) -> None:
    said = statement("iauth_1", "ic_nobody", "pending", 500, history("active", 500), 1)
    event = kept_event(books, "issuing_authorization.created", "iauth_1")
    for _ in range(3):
        assert book(books, said, event) == "received"
        assert books.row(InboxEvent, id=event.id).reason == "waiting for its card"
        assert books.row(InboxEvent, id=event.id).due_at > books.clock()
        books.clock.advance(19.9)
    books.clock.advance(1)
    assert book(books, said, event) == "received"
    looked_at(books, "ic_nobody")
    assert book(books, said, event) == "applied"
    again = kept_event(books, "issuing_transaction.created", "t1")
    books.clock.advance(60)
    assert book(books, transaction("t1", "capture", 500, "iauth_1", "ic_nobody", 2), again) == "applied"
    found = books.row(Discrepancy)
    assert (found.kind, found.subject, found.purchase_id) == ("unknown_card", "ic_nobody", None)
    assert books.rows(Authorization) == []
    assert books.rows(StripeTransaction) == []


def test_an_authorization_on_a_card_in_the_making_waits_as_long_as_it_is_made(books: Books) -> None:
    story = Story(books)
    story.tell("ask 10000")
    card = story.card
    assert card is not None
    said = statement(
        "iauth_A", story.stripe_card, "pending", 10_000, history("active", 10_000), 1, roony_card_id=card.id
    )
    event = kept_event(books, "issuing_authorization.created", "iauth_A")
    books.clock.advance(3_000)
    assert book(books, said, event) == "received"
    assert books.rows(Discrepancy) == []
    table = "card | 10000 0 ready active"
    assert story.tell(table) == neat(table)
    assert book(books, said, event) == "applied"
    assert (story.purchase.status, story.purchase.held) == ("authorized", 10_000)


def test_an_authorization_answered_before_its_card_was_recorded_is_adopted(books: Books) -> None:
    """Stripe asks between making the card and our commit of it, and the owner approves cards Roony does not know."""
    books.put(books.row(Organization, id=ORG)._replace(unknown_cards="approve"))
    books.reconfigure()
    story = Story(books)
    table = """
ask 10000                                       | 10000     0 issuing    creating
request A 10000 -> yes                          | 10000     0 issuing    creating
card                                            | 10000     0 ready      active
says A pending 10000 yes                        | 10000     0 authorized used
request B 10000 -> CARD_USED                    | 10000     0 authorized used
"""
    assert story.tell(table) == neat(table)
    assert books.row(Authorization, id="iauth_A").purchase_id == story.purchase_id


def test_a_capture_adopts_it_just_as_well(books: Books) -> None:
    books.put(books.row(Organization, id=ORG)._replace(unknown_cards="approve"))
    books.reconfigure()
    story = Story(books)
    table = """
ask 10000                                       | 10000     0 issuing    creating
request A 10000 -> yes                          | 10000     0 issuing    creating
card                                            | 10000     0 ready      active
capture A t1 4000                               |  6000  4000 authorized used
"""
    assert story.tell(table) == neat(table)


def test_an_event_told_twice_is_counted_once(books: Books) -> None:
    story = Story(books)
    story.tell("ask 10000\ncard\nrequest A 10000")
    capture = transaction("t1", "capture", 4_000, "iauth_A", story.stripe_card, 5)
    said = statement("iauth_A", story.stripe_card, "closed", 10_000, history("yes", 10_000), 5, (capture,))
    for item in (capture, said, capture, said):
        assert book(books, item) == "applied"
    assert (story.purchase.captured, story.purchase.spent, story.purchase.held) == (4_000, 4_000, 0)
    assert len(books.rows(StripeTransaction)) == 1


MISMATCHES = {
    "as approved": ({}, []),
    "another merchant": ({"merchant": FIGMA._replace(name="EVIL")}, ["merchant_mismatch"]),
    "another category": ({"merchant": FIGMA._replace(category="7995")}, ["category_mismatch"]),
    "another country": ({"merchant": FIGMA._replace(country="FR")}, ["country_mismatch"]),
    "another currency": ({"merchant_currency": "eur"}, ["currency_mismatch"]),
}


@pytest.mark.parametrize("name", MISMATCHES)
def test_what_differs_from_what_was_approved_is_flagged(name: str, books: Books) -> None:
    books.controls(AGENT, "agent", blocked_categories=["7995"], allowed_countries=["US"])
    story = Story(books)
    story.tell("ask 10000\ncard\nrequest A 10000")
    fields, kinds = MISMATCHES[name]
    book(books, statement("iauth_A", story.stripe_card, "pending", 10_000, history("yes", 10_000), 5, **fields))
    assert story.flags() == kinds


def test_a_category_that_nobody_was_asked_about_is_declined_and_flagged(books: Books) -> None:
    """P7: an agent that names another category passes no person by it; what Stripe approves alone is flagged."""
    books.controls(AGENT, "agent", approve_categories=["7995"])
    story, casino = Story(books), FIGMA._replace(category="7995")
    story.tell("ask 10000\ncard")
    answer = books.authorize(story.stripe_card, 10_000, merchant=casino, authorization_id="iauth_A")
    assert (answer.approved, answer.code) == (False, "CATEGORY_MISMATCH")
    late = history("late", 10_000)
    book(books, statement("iauth_A", story.stripe_card, "pending", 10_000, late, 5, merchant=casino))
    assert story.flags() == ["answer_not_honoured", "category_mismatch"]


def test_nothing_is_compared_where_stripe_declined(books: Books) -> None:
    story = Story(books)
    story.tell("ask 10000\ncard")
    evil = FIGMA._replace(name="EVIL")
    book(books, statement("iauth_A", story.stripe_card, "closed", 10_000, history("no", 10_000), 5, merchant=evil))
    assert story.flags() == []


def test_a_foreign_currency_needs_every_scope_to_allow_it(books: Books) -> None:
    """The flag follows the same rule as the answer."""
    books.controls(AGENT, "agent", foreign_currency="allow")
    books.controls(PROJECT, "project", foreign_currency="decline")
    story = Story(books)
    assert "-> CURRENCY_MISMATCH" in story.tell("ask 10000\ncard\nrequest A 10000 in eur")
    story.tell("request B 10000")
    entries = history("yes", 10_000)
    book(books, statement("iauth_B", story.stripe_card, "pending", 10_000, entries, 5, merchant_currency="eur"))
    assert story.flags() == ["currency_mismatch"]


def test_an_older_statement_changes_nothing(books: Books) -> None:
    story = Story(books)
    story.tell("ask 10000\ncard\nrequest A 10000\nsays A reversed 0 yes")
    before = (story.purchase, story.card, books.rows(Authorization))
    book(books, statement("iauth_A", story.stripe_card, "pending", 10_000, history("yes", 10_000), 1))
    assert (story.purchase._replace(updated_at=0), story.card, books.rows(Authorization)) == (
        before[0]._replace(updated_at=0),
        *before[1:],
    )


def test_a_late_statement_still_shows_that_it_was_no_card_check(books: Books) -> None:
    """A check of 1.00 grew at Stripe and was reversed: the older statement arrives last and uses the card up."""
    story = Story(books)
    table = """
ask 10000                                       | 10000     0 issuing    creating
card                                            | 10000     0 ready      active
request A 100 -> yes                            | 10000     0 ready      active
says A reversed 0 yes:100                       | 10000     0 ready      active
"""
    assert story.tell(table) == neat(table)
    book(books, statement("iauth_A", story.stripe_card, "pending", 10_000, history("yes:100", 100), 1))
    card = story.card
    assert card is not None
    assert (story.purchase.held, story.purchase.status, card.status) == (0, "canceled", "used")


def test_a_finding_that_a_later_statement_explains_is_closed_and_says_so(books: Books) -> None:
    """Captured beyond what was authorized, as far as was known; then Stripe tells that it had been raised."""
    story = Story(books)
    story.tell("ask 10000\ncard\nsays A pending 9000 active\ncapture A t1 12000")
    assert story.flags() == ["approved_without_roony", "over_capture"]
    story.tell("says A closed 12000 active,active:3000 with t1:12000")
    found = books.row(Discrepancy, kind="over_capture")
    assert (found.status, found.resolved_by) == ("resolved", ROONY)
    assert found.note == "What is authorized by now covers what was captured."
    record = next(record for record in books.rows(AuditRecord) if record.action == "discrepancy.explained")
    assert record.subject == found.id


def test_a_foreign_purchase_keeps_both_amounts_and_may_drift_inside_the_tolerance(books: Books) -> None:
    """The rate of the day of the capture differs from that of the authorization (facts 2.5)."""
    books.controls(AGENT, "agent", foreign_currency="allow", tolerance_percent=5)
    story = Story(books)
    assert "-> yes" in story.tell("ask 10000\ncard\nrequest A 10000 in eur")
    hold = story.purchase.hold_amount
    assert hold == 10_500
    eur = {"merchant_amount": 9_200, "merchant_currency": "eur"}
    said = statement("iauth_A", story.stripe_card, "pending", 10_000, history("yes", 10_000), 5, **eur)
    book(books, said)
    taken = transaction("t1", "capture", 10_400, "iauth_A", story.stripe_card, 6)._replace(**eur)
    book(books, taken)
    book(books, said._replace(status="closed", transactions=(taken,), transactions_seen=1, created=6))
    known, row = books.row(Authorization), books.row(StripeTransaction)
    assert (known.amount, known.merchant_amount, known.merchant_currency) == (10_000, 9_200, "eur")
    assert (row.amount, row.merchant_amount, row.merchant_currency) == (10_400, 9_200, "eur")
    assert (story.purchase.spent, story.purchase.held, story.flags()) == (10_400, 0, [])


def test_what_stripe_names_later_is_added_and_explains(books: Books) -> None:
    """A capture told without its authorization, then with it."""
    story = Story(books)
    story.tell("ask 10000\ncard\nrequest A 10000")
    taken = transaction("t1", "capture", 4_000, None, story.stripe_card, 5)
    book(books, taken)
    assert story.flags() == ["force_capture"]
    assert story.purchase.loose_captured == 4_000
    book(books, taken._replace(authorization_id="iauth_A"))
    assert story.flags() == []
    assert (story.purchase.loose_captured, books.row(Authorization).captured) == (0, 4_000)
    assert (story.purchase.held, story.purchase.spent) == (6_000, 4_000)
