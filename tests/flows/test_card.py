"""A card's life on our side: recorded once, failed, ended, frozen, adopted (design sections 5, 10)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from roony.core.card import Card
from roony.core.connection import Connection
from roony.core.errors import Refusal
from roony.flows.card import MadeCard, RecordCard, RecordCardStatus
from roony.flows.card_event import BookCard
from roony.flows.ending import CancelPurchase
from roony.store.rows import InboxEvent, OutboxPromise
from tests.support.books import CONNECTION, ORG, Books, open_books
from tests.support.promises import money_rows
from tests.support.story import Story, kept_event, neat


@pytest.fixture
def books(everywhere: Books) -> Books:
    return everywhere


def wanted(books: Books) -> list[str]:
    """The statuses promised at Stripe, in order."""
    promises = sorted(books.rows(OutboxPromise), key=lambda promise: (promise.created_at, promise.id))
    return [json.loads(promise.params)["status"] for promise in promises if promise.kind == "set_card_status"]


LIVES: dict[str, tuple[str, list[str]]] = {
    "made": (
        """
ask 10000                                       | 10000     0 issuing    creating
card                                            | 10000     0 ready      active
card                                            | 10000     0 ready      active
""",
        [],
    ),
    "refused by Stripe": (
        """
ask 10000                                       | 10000     0 issuing    creating
fail                                            |     0     0 failed     canceled
fail                                            |     0     0 failed     canceled
cancel -> not_cancelable                        |     0     0 failed     canceled
""",
        [],
    ),
    "canceled while it was made": (
        """
ask 10000                                       | 10000     0 issuing    creating
cancel                                          | 10000     0 canceled   creating
cancel                                          | 10000     0 canceled   creating
card                                            |     0     0 canceled   canceled
""",
        ["canceled"],
    ),
    "canceled while it was made, and then refused": (
        """
ask 10000                                       | 10000     0 issuing    creating
cancel                                          | 10000     0 canceled   creating
fail                                            |     0     0 canceled   canceled
""",
        [],
    ),
    "made after its time": (
        """
ask 10000                                       | 10000     0 issuing    creating
wait 3600                                       | 10000     0 issuing    creating
card                                            |     0     0 expired    expired
""",
        ["canceled"],
    ),
    "frozen while it was made": (
        """
ask 10000                                       | 10000     0 issuing    creating
freeze                                          | 10000     0 issuing    creating
card                                            | 10000     0 ready      frozen
unfreeze                                        | 10000     0 ready      active
""",
        ["inactive", "active"],
    ),
    "frozen and brought back": (
        """
ask 10000                                       | 10000     0 issuing    creating
card                                            | 10000     0 ready      active
freeze                                          | 10000     0 ready      frozen
freeze                                          | 10000     0 ready      frozen
unfreeze                                        | 10000     0 ready      active
""",
        # Each walk over the cards says it again: what is known of the card at Stripe may be old.
        ["inactive", "inactive", "active"],
    ),
    "past its time while frozen": (
        """
ask 10000                                       | 10000     0 issuing    creating
card                                            | 10000     0 ready      active
freeze                                          | 10000     0 ready      frozen
wait 3600                                       | 10000     0 ready      frozen
unfreeze                                        | 10000     0 ready      frozen
expire                                          |     0     0 expired    expired
""",
        ["inactive", "canceled"],
    ),
    "canceled while frozen": (
        """
ask 10000                                       | 10000     0 issuing    creating
card                                            | 10000     0 ready      active
freeze                                          | 10000     0 ready      frozen
cancel                                          |     0     0 canceled   canceled
unfreeze                                        |     0     0 canceled   canceled
""",
        ["inactive", "canceled"],
    ),
    "canceled unused": (
        """
ask 10000                                       | 10000     0 issuing    creating
card                                            | 10000     0 ready      active
cancel                                          |     0     0 canceled   canceled
expire                                          |     0     0 canceled   canceled
""",
        ["canceled"],
    ),
    "canceled, and canceled at Stripe before": (
        """
ask 10000                                       | 10000     0 issuing    creating
card                                            | 10000     0 ready      active
stripe canceled                                 | 10000     0 ready      active
cancel                                          |     0     0 canceled   canceled
""",
        [],
    ),
    "past its time": (
        """
ask 10000                                       | 10000     0 issuing    creating
card                                            | 10000     0 ready      active
expire                                          |     0     0 expired    expired
cancel -> not_cancelable                        |     0     0 expired    expired
""",
        ["canceled"],
    ),
    "told by an event before its promise came back": (
        """
ask 10000                                       | 10000     0 issuing    creating
stripe active                                   | 10000     0 issuing    creating
card                                            | 10000     0 ready      active
""",
        [],
    ),
    "given up here, made at Stripe all the same": (
        """
ask 10000                                       | 10000     0 issuing    creating
fail                                            |     0     0 failed     canceled
stripe active                                   |     0     0 failed     canceled
stripe active                                   |     0     0 failed     canceled
""",
        ["canceled"],
    ),
    "told by an event after it was canceled": (
        """
ask 10000                                       | 10000     0 issuing    creating
cancel                                          | 10000     0 canceled   creating
stripe active                                   | 10000     0 canceled   creating
card                                            |     0     0 canceled   canceled
""",
        ["canceled"],
    ),
}


@pytest.mark.parametrize("name", LIVES)
def test_life(name: str, books: Books) -> None:
    table, promised = LIVES[name]
    assert Story(books).tell(table) == neat(table)
    assert wanted(books) == promised


def test_the_promise_is_finished_with_the_card(tmp_path: Path, database_url: str | None) -> None:
    with open_books(tmp_path, database_url) as books:
        story = Story(books)
        story.tell("ask 10000")
        assert books.row(OutboxPromise).status == "promised"
        story.tell("card")
        assert books.row(OutboxPromise).status == "done"
        card = story.card
        assert card is not None
        assert (card.stripe_card_id, card.last4, card.exp_month, card.exp_year) == (story.stripe_card, "4242", 12, 2030)
        story.tell("ask 9000\nfail")
        assert sorted(promise.status for promise in books.rows(OutboxPromise)) == ["dead", "done"]


def test_a_second_card_for_the_same_promise_is_not_recorded_over_the_first(books: Books) -> None:
    """P2: whatever is retried, the card on record stays the first, and its twin is made known."""
    story = Story(books)
    story.tell("ask 10000\ncard")
    before, card = money_rows(books), story.card
    assert card is not None
    other = MadeCard("ic_other", "active", "9999", 1, 2031)
    books.run(RecordCard(ORG, card.id, other, books.new_id("out")))
    after = money_rows(books)
    assert [(row.kind, row.found) for row in after.pop("Discrepancy")] == [("card_left_open", "ic_other")]
    del before["Discrepancy"]
    assert after == before


def test_a_failed_purchase_says_whether_asking_again_can_help(books: Books) -> None:
    story = Story(books)
    story.tell("ask 10000\nfail")
    failure = json.loads(story.purchase.failure or "{}")
    assert failure == {"code": "insufficient_funds", "message": "No money.", "retry_can_help": False}
    assert books.ask(10_000).purchase.status == "issuing"


def test_a_card_made_for_a_revoked_connection_is_canceled(books: Books) -> None:
    story = Story(books)
    story.tell("ask 10000")
    books.put(books.row(Connection)._replace(status="revoked"))
    books.reconfigure()
    story.tell("card")
    card = story.card
    assert card is not None
    assert (card.status, story.purchase.status, story.purchase.held) == ("canceled", "canceled", 0)
    assert (story.purchase.ended_reason, wanted(books)) == ("revoked", ["canceled"])


def test_an_agent_cancels_only_its_own(books: Books) -> None:
    """P7: somebody else's purchase looks like none."""
    story = Story(books)
    story.tell("ask 10000\ncard")
    before = money_rows(books)
    answer = books.run(CancelPurchase(ORG, story.purchase_id, "agt_2", books.new_id("out"), "agt_2"))
    assert isinstance(answer, Refusal)
    assert (answer.code, answer.status) == ("not_found", 404)
    assert money_rows(books) == before
    by_owner = books.run(CancelPurchase(ORG, story.purchase_id, "usr_1", books.new_id("out")))
    assert by_owner.status == "canceled"


# What Stripe says about cards


def event_about(books: Books, stripe_id: str, named: str | None, status: str = "active", by: str = CONNECTION) -> str:
    event = kept_event(books, "issuing_card.updated", stripe_id)
    made = MadeCard(stripe_id, status, "4242", 12, 2030)
    return books.run(BookCard(ORG, by, made, named, event, books.new_id("out")))


def test_a_card_of_somebody_else_is_ignored_with_a_reason(tmp_path: Path, database_url: str | None) -> None:
    with open_books(tmp_path, database_url) as books:
        assert event_about(books, "ic_strange", None) == "ignored"
        event = books.row(InboxEvent)
        assert (event.status, event.reason) == ("ignored", "a card Roony did not make")


def test_a_card_in_the_making_waits_for_its_promise(books: Books) -> None:
    """Only the promise compares what Stripe made with what was asked for."""
    story = Story(books)
    story.tell("ask 10000")
    before = money_rows(books)
    assert event_about(books, "ic_x", "crd_1") == "received"
    assert money_rows(books) == before


@pytest.mark.parametrize(("named", "by"), [("crd_none", CONNECTION), ("crd_1", "con_2")])
def test_what_only_names_a_card_of_ours_is_ignored(named: str, by: str, books: Books) -> None:
    story = Story(books)
    story.tell("ask 10000\nfail")
    before = money_rows(books)
    assert event_about(books, "ic_x", named, by=by) == "ignored"
    assert money_rows(books) == before


def test_canceled_at_stripe_is_final(books: Books) -> None:
    story = Story(books)
    story.tell("ask 10000\ncard\nstripe inactive")
    card = story.card
    assert card is not None
    assert card.stripe_status == "inactive"
    promise = books.rows(OutboxPromise)[0]
    for status in ("canceled", "active"):
        books.run(RecordCardStatus(ORG, card.id, status, promise, books.new_id("out")))
    story.tell("stripe active")
    assert books.row(Card).stripe_status == "canceled"
    assert wanted(books) == []


def test_a_status_that_is_no_longer_wanted_is_promised_again(books: Books) -> None:
    """A freeze and an unfreeze reached Stripe in the other order: the card ends as it is wanted."""
    story = Story(books)
    story.tell("ask 10000\ncard\nfreeze\nunfreeze")
    card = story.card
    assert card is not None
    freezing = next(row for row in books.rows(OutboxPromise) if row.params == json.dumps({"status": "inactive"}))
    books.run(RecordCardStatus(ORG, card.id, "inactive", freezing, books.new_id("out")))
    assert wanted(books) == ["inactive", "active", "active"]
