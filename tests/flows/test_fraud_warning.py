"""Stripe warns of fraud with a card, or sees it in a wallet: the card ends, everyone is told, whatever comes first."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from roony.core.alert import Alert
from roony.core.audit import AuditRecord
from roony.core.card import Card
from roony.core.purchase import Purchase
from roony.flows.card import MadeCard, RecordCard, RecordCardStatus
from roony.flows.card_event import BookCard
from roony.flows.fraud_warning import BookToken
from roony.flows.reconciliation.cards import SeeCard
from roony.store.rows import InboxEvent, OutboxPromise
from tests.support.books import CONNECTION, ORG, Books
from tests.support.reconciling import Lossy
from tests.support.story import Story, kept_event

KINDS = ("card_testing_exposure", "fraud_dispute_filed", "third_party_reported", "user_indicated_fraud", "a new word")
CARD = "ic_pur_1"


def made(warning: str | None = None, status: str = "active") -> MadeCard:
    """The card as Stripe shows it."""
    return MadeCard(CARD, status, "4242", 12, 2030, warning)


def says(books: Books, warning: str | None, status: str = "active") -> str:
    """An event about the card; how its handling ended."""
    event = kept_event(books, "issuing_card.updated", CARD)
    said: str = books.run(BookCard(ORG, CONNECTION, made(warning, status), "crd_1", event, books.new_id("out")))
    return said


def wishes(books: Books) -> list[str]:
    """The statuses promised to Stripe."""
    return [json.loads(row.params)["status"] for row in books.rows(OutboxPromise, kind="set_card_status")]


def warnings(books: Books) -> list[tuple[str, str]]:
    """Kind and state of every alert."""
    return [(row.kind, row.status) for row in books.rows(Alert)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_warning_ends_the_card_and_everyone_is_told(kind: str, books: Books) -> None:
    purchase = books.ready()
    assert says(books, kind) == "applied"
    card = books.row(Card)
    assert (card.status, card.fraud_warning) == ("canceled", kind)
    ended = books.row(Purchase)
    assert (ended.status, ended.ended_reason, ended.held) == ("canceled", "fraud_warning", 0)
    assert books.authorize(purchase).code == "CARD_NOT_ACTIVE"
    assert wishes(books) == ["canceled"]
    assert warnings(books) == [("card_fraud_warning", "open")]
    [record] = [row for row in books.rows(AuditRecord) if row.action == "card.fraud_warning"]
    assert json.loads(record.body)["warning"] == kind
    message = books.row(Alert).message
    assert all(word in message for word in (card.id, purchase.id, kind))


@pytest.mark.parametrize(
    "order", sorted(set(itertools.permutations([None, "fraud_dispute_filed", "again", None])), key=str)
)
def test_the_first_warning_counts_once_in_any_order(order: tuple[str | None, ...], books: Books) -> None:
    """Older statements have no warning, later ones may take it back: the card stays ended."""
    books.ready()
    for warning in order:
        says(books, warning)
    assert books.row(Card).fraud_warning == next(warning for warning in order if warning)
    assert (wishes(books), warnings(books)) == (["canceled"], [("card_fraud_warning", "open")])
    assert len([row for row in books.rows(AuditRecord) if row.action == "card.fraud_warning"]) == 1


def test_a_used_card_is_canceled_too_and_its_money_stays_held(books: Books) -> None:
    story = Story(books)
    story.tell("ask 10000\ncard\nrequest A 10000")
    says(books, "user_indicated_fraud")
    assert (story.purchase.status, story.purchase.held, books.row(Card).status) == ("authorized", 10_000, "used")
    assert wishes(books) == ["canceled"]
    # Setting it is what counts, whatever was wanted of a used card; told active, it is promised again.
    promise = books.row(OutboxPromise, kind="set_card_status")
    books.run(RecordCardStatus(ORG, "crd_1", "active", promise, books.new_id("out")))
    assert wishes(books) == ["canceled", "canceled"]
    story.tell("says A closed 10000 timeout")
    assert (books.row(Card).status, story.purchase.status, story.purchase.held) == ("canceled", "canceled", 0)
    assert books.authorize(CARD, 100, authorization_id="iauth_B").code == "CARD_NOT_ACTIVE"


def test_what_was_captured_is_captured_all_the_same(books: Books) -> None:
    story = Story(books)
    story.tell("ask 10000\ncard\nrequest A 10000")
    says(books, "user_indicated_fraud", "canceled")
    story.tell("capture A t1 10000\nsays A closed 10000 yes with t1:10000")
    assert (story.purchase.status, story.purchase.spent) == ("settled", 10_000)
    assert wishes(books) == []


def test_an_ended_card_is_told_of_as_well(books: Books) -> None:
    Story(books).tell("ask 10000\ncard\ncancel")
    says(books, "card_testing_exposure")
    assert (wishes(books), warnings(books)) == (["canceled"], [("card_fraud_warning", "open")])


def test_a_warning_before_the_card_is_recorded_waits_for_it(books: Books) -> None:
    books.ask(10_000)
    assert says(books, "card_testing_exposure") == "received"
    assert warnings(books) == []


def test_a_card_that_is_recorded_with_a_warning_is_never_open(books: Books) -> None:
    asked = books.ask(10_000)
    purchase = books.run(RecordCard(ORG, "crd_1", made("fraud_dispute_filed"), books.new_id("out"), asked.promise))
    assert (purchase.status, purchase.held, books.row(Card).status) == ("canceled", 0, "canceled")
    assert (wishes(books), warnings(books)) == (["canceled"], [("card_fraud_warning", "open")])


def test_a_reconciliation_finds_a_warning_no_event_told_of(books: Books) -> None:
    books.ready()
    for _ in range(2):
        books.run(SeeCard(ORG, "crd_1", made("third_party_reported")))
    assert (wishes(books), warnings(books)) == (["canceled"], [("card_fraud_warning", "open")])


def test_a_lost_warning_is_found_at_stripe(roony: Lossy) -> None:
    bought = roony.buy()
    card = roony.card(bought)
    roony.simulator.control(f"cards/{card}", {"fraud_warning": "fraud_dispute_filed"})
    roony.reconcile()
    roony.work()
    assert roony.books.row(Card, id=bought.card_id).fraud_warning == "fraud_dispute_filed"
    assert roony.stripe.v1.issuing.cards.retrieve(card).status == "canceled"
    assert warnings(roony.books) == [("card_fraud_warning", "open")]


def token(books: Books, id: str = "intok_1", card: str = CARD) -> Any:
    """A card was put into a wallet."""
    event = kept_event(books, "issuing_token.created", id)
    return books.run(BookToken(ORG, CONNECTION, id, card, "apple_pay", event))


def test_a_card_in_a_wallet_is_told_of_once_for_each_token(books: Books) -> None:
    books.ready()
    assert [token(books), token(books), token(books, "intok_2")] == ["applied"] * 3
    assert warnings(books) == [("card_wallet_token", "open")] * 2
    assert "roony card freeze crd_1" in books.rows(Alert)[0].message
    assert books.row(Card).status == "active"


def test_a_token_of_an_unknown_card_waits_and_flags_nothing(books: Books) -> None:
    assert token(books, card="ic_strange") == "received"
    assert books.row(InboxEvent).status == "received"
    books.clock.advance(61)
    event = books.row(InboxEvent)
    books.run(BookToken(ORG, CONNECTION, "intok_1", "ic_strange", "apple_pay", event))
    books.put(books.row(OutboxPromise, kind="look_at_card")._replace(status="done"))
    assert books.run(BookToken(ORG, CONNECTION, "intok_1", "ic_strange", "apple_pay", event)) == "applied"
    assert warnings(books) == []


def test_a_mandate_ends_with_its_card(books: Books) -> None:
    story = Story(books)
    story.tell("ask 10000 every month 3\ncard\nrequest A 10000\nsays A closed 10000 yes with t1:10000\ndays 30")
    says(books, "user_indicated_fraud")
    assert story.tell("request B 10000").split("|")[0].strip().endswith("CARD_NOT_ACTIVE")
    assert (books.row(Card).status, story.purchase.ended_reason) == ("canceled", "fraud_warning")
    assert (story.purchase.held, story.purchase.spent, wishes(books)) == (0, 10_000, ["canceled"])
