"""A card that Stripe has weaker than it was asked for is never handed out, whichever way it is found."""

from __future__ import annotations

import json
from typing import Any

import pytest

from roony.core.audit import AuditRecord
from roony.core.card import Card
from roony.core.purchase import Purchase
from roony.core.settlement import Discrepancy
from roony.flows.card_making import CANCEL_TRIES
from roony.store.rows import OutboxPromise
from tests.support.books import Books
from tests.support.reconciling import Lossy

WEAKER: dict[str, tuple[dict[str, Any], str]] = {
    "a higher limit": (
        {"spending_controls": {"spending_limits": [{"amount": 90_000, "interval": "all_time"}]}},
        "spending_limits",
    ),
    "in person": ({"spending_controls": {"allowed_card_presences": ""}}, "allowed_card_presences"),
    "switched off": ({"status": "inactive"}, "status"),
    "canceled": ({"status": "canceled"}, "status"),
}


def made_unheard(roony: Lossy) -> tuple[Purchase, str]:
    """A purchase whose card Stripe made and answered with a 500: it is to be looked for."""
    roony.at()
    fault = {"endpoint": "POST /v1/issuing/cards", "kind": "error_after", "count": 1, "should_retry": False}
    roony.simulator.control("faults", [fault])
    purchase = roony.books.ask(5_000).purchase
    roony.books.clock.advance(31)
    roony.work()
    [card] = roony.stripe.v1.issuing.cards.list().data
    assert roony.books.row(Purchase).status == "issuing"
    return purchase, card.id


def look(books: Books, roony: Lossy, seconds: int = 31) -> None:
    """The worker tries the same key until it looks for the card, and ends the promise."""
    for _ in range(8):
        books.clock.advance(seconds)
        roony.work()
        if books.row(OutboxPromise, kind="make_card").status != "promised":
            return
    raise AssertionError("still promised")


@pytest.mark.parametrize("name", WEAKER)
def test_one_found_by_its_metadata_is_compared(name: str, roony: Lossy, books: Books) -> None:
    change, control = WEAKER[name]
    _, card = made_unheard(roony)
    roony.stripe.v1.issuing.cards.update(card, change)  # type: ignore[arg-type]
    look(books, roony)
    purchase = books.row(Purchase)
    assert (purchase.status, purchase.held) == ("failed", 0)
    failure = json.loads(purchase.failure or "{}")
    assert (failure["code"], control in failure["message"]) == ("card_weaker", True)
    assert roony.stripe.v1.issuing.cards.retrieve(card).status == "canceled"
    assert books.row(Card).stripe_card_id is None
    assert books.row(OutboxPromise, kind="make_card").status == "dead"


def test_one_that_is_as_asked_is_adopted(roony: Lossy, books: Books) -> None:
    _, card = made_unheard(roony)
    look(books, roony)
    assert (books.row(Purchase).status, books.row(Card).stripe_card_id) == ("ready", card)


@pytest.mark.parametrize("kind", ["rate_limit", "error_kept"])
def test_a_cancel_that_does_not_come_through_is_tried_again(kind: str, roony: Lossy, books: Books) -> None:
    """Until Stripe has canceled it the purchase stays as it is, and keeps its hold. No kept 500 is asked for twice."""
    _, card = made_unheard(roony)
    roony.stripe.v1.issuing.cards.update(card, {"status": "inactive"})
    fault = {"endpoint": "POST /v1/issuing/cards/{card}", "kind": kind, "count": 1}
    roony.simulator.control("faults", [fault])
    while roony.simulator.control("faults")["faults"][0]["count"]:
        assert (books.row(Purchase).status, books.row(Purchase).held) == ("issuing", 5_000)
        books.clock.advance(31)
        roony.work()
    assert (books.row(Purchase).status, books.row(Purchase).held) == ("issuing", 5_000)
    look(books, roony)
    assert (books.row(Purchase).status, books.row(Purchase).held) == ("failed", 0)
    assert roony.stripe.v1.issuing.cards.retrieve(card).status == "canceled"


def test_one_that_stripe_never_cancels_is_left_to_a_person(roony: Lossy, books: Books) -> None:
    _, card = made_unheard(roony)
    roony.stripe.v1.issuing.cards.update(card, {"status": "inactive"})
    promise = books.row(OutboxPromise, kind="make_card")
    books.put(promise._replace(tries=CANCEL_TRIES - 2, last_error="look_up"))
    roony.simulator.control(
        "faults", [{"endpoint": "POST /v1/issuing/cards/{card}", "kind": "rate_limit", "count": 50}]
    )
    books.clock.advance(31)
    roony.work()
    assert (books.row(Purchase).status, books.rows(Discrepancy)) == ("issuing", [])
    look(books, roony, 301)
    roony.simulator.control("faults", [])
    purchase = books.row(Purchase)
    assert (purchase.status, purchase.held) == ("failed", 0)
    failure = json.loads(purchase.failure or "{}")
    assert (failure["code"], "did not cancel it" in failure["message"]) == ("card_weaker", True)
    assert [found.kind for found in books.rows(Discrepancy, status="open")] == ["card_left_open"]
    [failed] = [json.loads(row.body) for row in books.rows(AuditRecord) if row.action == "card.failed"]
    assert failed["stripe_card"] == card
    assert books.row(OutboxPromise, kind="make_card").status == "dead"
