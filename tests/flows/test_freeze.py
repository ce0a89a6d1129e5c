"""The kill switch: what a freeze stops at once, which cards follow, and what comes back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from roony.core.agent import Agent, Organization, Project
from roony.core.card import Card
from roony.core.purchase import Purchase
from roony.flows import freeze as flow
from roony.flows.context import FlowContext
from roony.flows.ending import CancelPurchase
from roony.flows.freeze import Freeze, Frozen, Unfreeze, keep_freeze_cards
from roony.store.rows import OutboxPromise
from tests.support.books import AGENT, ORG, PROJECT, Books
from tests.support.offline import offline_context
from tests.support.story import Story

SCOPES = [("organization", ORG), ("project", PROJECT), ("agent", AGENT)]


@pytest.fixture
def context(books: Books) -> Iterator[FlowContext]:
    with offline_context(books) as made:
        yield made


def freeze(books: Books, scope: str = "agent", scope_id: str = AGENT) -> Any:
    """Freezes a scope; the answer. Each freeze and unfreeze comes at a time of its own."""
    books.clock.advance(1)
    return books.run(Freeze(ORG, scope, scope_id, "key_owner", books.new_id("out")))


def unfreeze(books: Books, scope: str = "agent", scope_id: str = AGENT) -> Any:
    """Unfreezes a scope; the answer."""
    books.clock.advance(1)
    return books.run(Unfreeze(ORG, scope, scope_id, "key_owner", books.new_id("out")))


def keep(context: FlowContext, books: Books) -> int:
    """Keeps every promise about freezing that is open; for how many cards Stripe is to be told."""
    told = 0
    for promise in books.rows(OutboxPromise, status="promised"):
        if promise.kind in ("freeze_cards", "unfreeze_cards"):
            told += asyncio.run(keep_freeze_cards(context, promise))
    return told


def wishes(books: Books) -> list[str]:
    """The statuses promised to Stripe, in the order of the promises."""
    rows = books.rows(OutboxPromise, kind="set_card_status")
    return [json.loads(row.params)["status"] for row in sorted(rows, key=lambda row: row.created_at)]


@pytest.mark.parametrize(("scope", "scope_id"), SCOPES)
def test_a_freeze_stops_asks_and_authorizations_at_once(books: Books, scope: str, scope_id: str) -> None:
    purchase = books.ready()
    assert freeze(books, scope, scope_id).changed
    answer = books.authorize(purchase)
    assert (answer.approved, answer.code) == (False, "FROZEN")
    declined = books.ask(100, "Other").purchase
    assert declined.status == "declined"
    assert unfreeze(books, scope, scope_id).changed
    assert books.ask(200, "Other").purchase.status == "issuing"


@pytest.mark.parametrize(("scope", "scope_id"), SCOPES)
def test_cards_follow_and_come_back(context: FlowContext, books: Books, scope: str, scope_id: str) -> None:
    purchase = books.ready()
    freeze(books, scope, scope_id)
    assert keep(context, books) == 1
    assert books.row(Card).status == "frozen"
    assert books.row(Purchase).held == purchase.held
    assert wishes(books) == ["inactive"]
    unfreeze(books, scope, scope_id)
    assert keep(context, books) == 1
    assert books.row(Card).status == "active"
    assert wishes(books) == ["inactive", "active"]
    assert books.authorize(purchase).approved
    assert [row.status for row in books.rows(OutboxPromise) if "freeze" in row.kind] == ["done", "done"]


def test_freezing_twice_does_nothing_and_says_so(books: Books) -> None:
    first = freeze(books)
    books.clock.advance(5)
    again = freeze(books)
    assert again == Frozen("agent", AGENT, first.frozen_at, False)
    assert unfreeze(books) == Frozen("agent", AGENT, None, True)
    assert unfreeze(books) == Frozen("agent", AGENT, None, False)
    assert len([row for row in books.rows(OutboxPromise) if "freeze" in row.kind]) == 2
    assert books.row(Organization, id=ORG).audit_sequence == 2


@pytest.mark.parametrize(("scope", "scope_id"), [("agent", "agt_no"), ("project", AGENT), ("organization", "org_2")])
def test_a_scope_that_is_not_there_cannot_be_frozen(books: Books, scope: str, scope_id: str) -> None:
    assert freeze(books, scope, scope_id).status == 404
    assert unfreeze(books, scope, scope_id).status == 404
    assert books.rows(OutboxPromise) == []


def test_a_card_stays_frozen_while_another_scope_is(context: FlowContext, books: Books) -> None:
    books.ready()
    freeze(books)
    freeze(books, "organization", ORG)
    keep(context, books)
    unfreeze(books)
    assert keep(context, books) == 0
    assert books.row(Card).status == "frozen"
    unfreeze(books, "organization", ORG)
    assert keep(context, books) == 1
    assert books.row(Card).status == "active"


def test_a_freeze_and_an_unfreeze_crossing_each_other_end_right(context: FlowContext, books: Books) -> None:
    """The promise to freeze is kept after the owner has changed their mind: it finds nothing frozen any more."""
    books.ready()
    freeze(books)
    unfreeze(books)
    assert keep(context, books) == 1
    assert books.row(Card).status == "active"
    assert wishes(books) == ["active"]


def test_only_cards_below_the_scope_follow(context: FlowContext, books: Books) -> None:
    books.put(Project(ORG, "prj_2", "Other", None, 1), Agent(ORG, "agt_2", "prj_2", "[]", "Other", "", None, None, 1))
    books.reconfigure()
    books.ready()
    freeze(books, "agent", "agt_2")
    freeze(books, "project", "prj_2")
    assert keep(context, books) == 0
    assert books.row(Card).status == "active"


def test_a_card_past_its_time_or_given_up_does_not_come_back(context: FlowContext, books: Books) -> None:
    late, given_up = books.ready(1_000, "One"), books.ready(2_000, "Two")
    freeze(books)
    assert keep(context, books) == 2
    books.run(CancelPurchase(ORG, given_up.id, AGENT, books.new_id("out"), AGENT))
    books.clock.advance(3_600)
    unfreeze(books)
    assert keep(context, books) == 0
    assert books.row(Card, purchase_id=late.id).status == "frozen"
    assert books.row(Card, purchase_id=given_up.id).status == "canceled"


@pytest.mark.parametrize(
    ("begin", "falls_away"),
    [
        ("ask 10000\ncard\nrequest A 10000", "says A closed 10000 timeout"),
        ("ask 5000 every month 2\ncard\nrequest A 5000\ndays 31\nrequest B 5000", "says B reversed 0 yes:5000"),
    ],
    ids=["once", "mandate"],
)
def test_a_used_card_follows_at_stripe_and_falls_back_frozen(
    context: FlowContext, books: Books, begin: str, falls_away: str
) -> None:
    """Its money is on its way; when that falls away nothing of it may be charged before the scope is let go."""
    story = Story(books)
    story.tell(begin)
    assert books.row(Card).status == "used"
    freeze(books, "organization", ORG)
    assert keep(context, books) == 1
    assert (books.row(Card).status, wishes(books)) == ("used", ["inactive"])
    story.tell(falls_away)
    assert (books.row(Card).status, wishes(books)) == ("frozen", ["inactive"])
    unfreeze(books, "organization", ORG)
    assert keep(context, books) == 1
    assert (books.row(Card).status, wishes(books)) == ("active", ["inactive", "active"])
    assert story.tell("request D 5000").split("|")[0].strip().endswith("yes")


def test_one_that_falls_back_before_its_turn_is_told_to_stripe_all_the_same(context: FlowContext, books: Books) -> None:
    """The freeze has been committed, and so has its end, before anybody looked at the card."""
    story = Story(books)
    story.tell("ask 10000\ncard\nrequest A 10000")
    freeze(books)
    story.tell("withdraw A 10000")
    assert (books.row(Card).status, wishes(books)) == ("frozen", [])
    assert keep(context, books) == 1
    assert wishes(books) == ["inactive"]
    unfreeze(books)
    assert keep(context, books) == 1
    assert (books.row(Card).status, wishes(books)) == ("active", ["inactive", "active"])


def test_what_is_over_at_stripe_or_has_ended_is_left_alone(context: FlowContext, books: Books) -> None:
    """Stripe cancels a single-use card after its payment; that of a mandate that was ended is being canceled."""
    single, mandate = Story(books), Story(books)
    single.tell("ask 10000\ncard\nrequest A 10000\nstripe canceled")
    mandate.tell("ask 5000 every day 3\ncard\nrequest B 5000\ncancel")
    told = wishes(books)
    freeze(books)
    assert keep(context, books) == 0
    unfreeze(books)
    assert keep(context, books) == 0
    assert wishes(books) == told == ["canceled"]


def test_many_cards_are_frozen_page_by_page(
    context: FlowContext, books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow, "PAGE", 2)
    for place in range(5):
        books.ready(100 + place, f"Merchant {place}x")
    freeze(books, "organization", ORG)
    assert keep(context, books) == 5
    assert {card.status for card in books.rows(Card)} == {"frozen"}
    assert wishes(books) == ["inactive"] * 5


def test_a_promise_broken_off_is_kept_from_where_it_stopped(context: FlowContext, books: Books) -> None:
    """The process died after the first card: the next holder leaves that one alone."""
    books.ready(1_000, "One")
    books.ready(2_000, "Two")
    freeze(books)
    promise = books.row(OutboxPromise, kind="freeze_cards")
    first = min(card.id for card in books.rows(Card))
    assert asyncio.run(flow._set_card(context, promise, first, True)) is True
    assert asyncio.run(flow._set_card(context, promise, first, True)) is False
    assert asyncio.run(flow._set_card(context, promise, "crd_no", True)) is False
    assert keep(context, books) == 1
    assert wishes(books) == ["inactive", "inactive"]


def test_a_busy_till_puts_the_promise_off(context: FlowContext, books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    from roony.store.command import BUSY

    books.ready()
    freeze(books)
    promise = books.row(OutboxPromise, kind="freeze_cards")

    async def busy(*_: Any) -> Any:
        return BUSY

    with monkeypatch.context() as patched:
        patched.setattr(flow, "_set_card", busy)
        assert asyncio.run(keep_freeze_cards(context, promise)) == 0
    row = books.row(OutboxPromise, kind="freeze_cards")
    assert (row.status, row.last_error, row.tries) == ("promised", "busy", 1)
    assert row.due_at > books.clock()
    assert keep(context, books) == 1
