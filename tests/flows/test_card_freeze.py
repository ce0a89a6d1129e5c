"""One card frozen by its owner: what stops, what Stripe is to be told, and what brings it back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from roony.core.audit import AuditRecord
from roony.core.card import Card
from roony.core.connection import Connection
from roony.core.purchase import Purchase
from roony.flows.card import RecordCardStatus
from roony.flows.card_freeze import FreezeCard, UnfreezeCard
from roony.flows.ending import CancelPurchase
from roony.flows.freeze import Freeze, SetCardFrozen, Unfreeze
from roony.store.outbox import new_promise
from roony.store.rows import OutboxPromise
from tests.support.books import AGENT, ORG, Books
from tests.support.reconciling import Lossy
from tests.support.story import Story


def freeze(books: Books, card_id: str = "crd_1") -> Any:
    """The owner freezes a card."""
    return books.run(FreezeCard(ORG, card_id, "usr_1", books.new_id("out")))


def unfreeze(books: Books, card_id: str = "crd_1") -> Any:
    """The owner lets it go."""
    return books.run(UnfreezeCard(ORG, card_id, "usr_1", books.new_id("out")))


def scope(books: Books, frozen: bool) -> None:
    """The kill switch of the agent, with its promise kept."""
    command = (Freeze if frozen else Unfreeze)(ORG, "agent", AGENT, "usr_1", books.new_id("out"))
    assert books.run(command).changed
    for card in books.rows(Card):
        books.run(SetCardFrozen(ORG, card.id, frozen, books.new_id("out")))


def wishes(books: Books) -> list[str]:
    """The statuses promised to Stripe, in the order of the promises."""
    rows = books.rows(OutboxPromise, kind="set_card_status")
    return [json.loads(row.params)["status"] for row in sorted(rows, key=lambda row: int(row.id.partition("_")[2]))]


def test_a_frozen_card_pays_nothing_and_comes_back(books: Books) -> None:
    purchase = books.ready()
    other = books.ready(500, "Other")
    frozen = freeze(books)
    assert (frozen.changed, frozen.card.status, frozen.card.frozen_at) == (True, "frozen", books.clock())
    answer = books.authorize(purchase)
    assert (answer.approved, answer.code) == (False, "CARD_NOT_ACTIVE")
    assert books.row(Purchase, id=purchase.id).held == purchase.held
    assert books.authorize(other, 500, "OTHER", authorization_id="iauth_2").approved
    assert books.ask(700, "Third").purchase.status == "issuing"
    assert unfreeze(books).card.status == "active"
    assert wishes(books) == ["inactive", "active"]
    assert books.authorize(purchase, authorization_id="iauth_3").approved


def test_it_is_said_once_with_before_and_after(books: Books) -> None:
    books.ready()
    assert freeze(books).changed
    at = books.clock()
    books.clock.advance(5)
    again = freeze(books)
    assert (again.changed, again.card.frozen_at) == (False, at)
    assert unfreeze(books).changed
    assert not unfreeze(books).changed
    bodies = {
        row.action: (row.actor, json.loads(row.body)) for row in books.rows(AuditRecord) if "frozen" in row.action
    }
    assert list(bodies) == ["card.frozen", "card.unfrozen"]
    actor, body = bodies["card.frozen"]
    assert (actor, body["card"]) == ("usr_1", "crd_1")
    assert body["before"] == {"status": "active", "frozen_at": None}
    assert body["after"] == {"status": "frozen", "frozen_at": at}
    assert bodies["card.unfrozen"][1]["after"] == {"status": "active", "frozen_at": None}


def test_it_stays_frozen_when_the_scope_above_is_let_go(books: Books) -> None:
    books.ready()
    freeze(books)
    scope(books, True)
    scope(books, False)
    assert books.row(Card).status == "frozen"
    assert unfreeze(books).card.status == "active"


def test_a_scope_keeps_it_frozen_when_its_owner_lets_it_go(books: Books) -> None:
    books.ready()
    scope(books, True)
    freeze(books)
    assert unfreeze(books).card.status == "frozen"
    scope(books, False)
    assert books.row(Card).status == "active"
    assert wishes(books) == ["inactive", "inactive", "active"]


def test_one_still_being_made_is_frozen_when_it_is_recorded(books: Books) -> None:
    story = Story(books)
    story.tell("ask 10000")
    assert freeze(books).card.status == "creating"
    story.tell("card")
    assert (books.row(Card).status, wishes(books)) == ("frozen", ["inactive"])


def test_a_used_card_gives_no_more_and_is_frozen_when_it_is_free_again(books: Books) -> None:
    """An increment of what was approved is declined too; that Stripe never heard our yes does not bring it back."""
    story = Story(books)
    story.tell("ask 10000\ncard\nrequest A 4000")
    assert freeze(books).card.status == "used"
    assert story.tell("request A 1000 on 4000 #1").split("|")[0].strip().endswith("CARD_NOT_ACTIVE")
    story.tell("says A closed 4000 timeout,no:1000")
    assert books.row(Card).status == "frozen"
    assert wishes(books) == ["inactive"]
    assert unfreeze(books).card.status == "active"


@pytest.mark.parametrize("end", ["cancel", "expire", "fail"])
def test_a_card_that_is_over_cannot_be_frozen(end: str, books: Books) -> None:
    story = Story(books)
    story.tell("ask 10000\nfail" if end == "fail" else f"ask 10000\ncard\n{end}")
    refused = freeze(books)
    assert (refused.code, refused.status) == ("card_over", 409)
    assert books.row(Card).frozen_at is None


def test_no_card_of_this_organization(books: Books) -> None:
    assert freeze(books, "crd_no").status == 404
    assert unfreeze(books, "crd_no").status == 404


def test_one_that_is_past_its_time_or_canceled_does_not_come_back(books: Books) -> None:
    late, given_up = books.ready(1_000, "One"), books.ready(2_000, "Two")
    for purchase in (late, given_up):
        freeze(books, purchase.card_id or "")
    books.run(CancelPurchase(ORG, given_up.id, "usr_1", books.new_id("out")))
    books.clock.advance(3_600)
    assert unfreeze(books, late.card_id or "").card.status == "frozen"
    assert unfreeze(books, given_up.card_id or "").card.status == "canceled"
    assert wishes(books) == ["inactive", "inactive", "canceled"]


def test_a_freeze_and_its_end_that_reach_stripe_in_the_other_order_end_right(books: Books) -> None:
    books.ready()
    freeze(books)
    unfreeze(books)
    freezing = next(row for row in books.rows(OutboxPromise) if row.params == json.dumps({"status": "inactive"}))
    books.run(RecordCardStatus(ORG, "crd_1", "inactive", freezing, books.new_id("out")))
    assert wishes(books) == ["inactive", "active", "active"]


def test_that_is_so_for_a_used_card_too_unless_a_scope_is_frozen(books: Books) -> None:
    purchase = books.ready()
    assert books.authorize(purchase, 4_000).approved
    freeze(books)
    unfreeze(books)
    freezing = next(row for row in books.rows(OutboxPromise) if row.params == json.dumps({"status": "inactive"}))
    scope(books, True)
    books.run(RecordCardStatus(ORG, "crd_1", "inactive", freezing, books.new_id("out")))
    assert wishes(books) == ["inactive", "active", "inactive"]
    books.run(RecordCardStatus(ORG, "crd_1", "active", freezing, books.new_id("out")))
    assert wishes(books) == ["inactive", "active", "inactive", "inactive"]
    scope(books, False)
    assert wishes(books) == ["inactive", "active", "inactive", "inactive", "active"]
    books.run(RecordCardStatus(ORG, "crd_1", "inactive", freezing, books.new_id("out")))
    assert wishes(books) == ["inactive", "active", "inactive", "inactive", "active", "active"]


def test_a_used_card_its_owner_froze_is_canceled_when_its_purchase_ends(roony: Lossy) -> None:
    """At Stripe it is still there, only switched off: the end counts for more than the freeze."""
    purchase = roony.buy()
    card = roony.books.row(Card, id=purchase.card_id)
    assert roony.books.authorize(roony.card(purchase), 4_000).approved
    freeze(roony.books, card.id)
    roony.work()
    assert roony.stripe.v1.issuing.cards.retrieve(roony.card(purchase)).status == "inactive"
    roony.books.put(
        new_promise(ORG, "out_end", "set_card_status", card.id, {"status": "canceled"}, roony.books.clock())
    )
    roony.work()
    assert roony.stripe.v1.issuing.cards.retrieve(roony.card(purchase)).status == "canceled"


def test_a_frozen_card_expires_like_any_other(books: Books) -> None:
    story = Story(books)
    story.tell("ask 10000\ncard")
    freeze(books)
    story.tell("expire")
    assert (books.row(Card).status, books.row(Purchase).held) == ("expired", 0)
    assert books.row(Connection).status == "active"


def test_a_mandate_is_not_renewed_while_its_card_is_frozen(books: Books) -> None:
    story = Story(books)
    story.tell("ask 10000 every month 3\ncard\nrequest A 10000\nsays A closed 10000 yes with t1:10000\ndays 30")
    assert freeze(books).card.status == "frozen"
    assert story.tell("request B 10000").split("|")[0].strip().endswith("CARD_NOT_ACTIVE")
    assert (story.purchase.held, story.purchase.spent) == (0, 10_000)
    assert unfreeze(books).card.status == "active"
    assert story.tell("request C 10000").split("|")[0].strip().endswith("yes")
    assert (story.purchase.held, wishes(books)) == (10_000, ["inactive", "active"])
