"""What is asked of Stripe again: cards nobody here knows, authorizations in question, events left out (P2, P3, P12)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from roony.core.audit import ROONY
from roony.core.authorization import Authorization
from roony.core.card import Card
from roony.core.purchase import Purchase
from roony.core.settlement import Discrepancy, StripeTransaction, read_authorization
from roony.flows.card import FailCard, MadeCard, RecordCard, card_facts
from roony.flows.retrieval import MAX_TRIES
from roony.flows.settlement import BookAuthorization
from roony.flows.unknown_card import UNKNOWN_CARD, WAITING
from roony.store.inbox import keep, new_event
from roony.store.rows import InboxEvent, OutboxPromise
from tests.support.books import CONNECTION, ORG
from tests.support.promises import all_is_well
from tests.support.reconciling import SHOP, Lossy


def deliver(roony: Lossy, kind: str) -> list[str]:
    """Keeps all of Stripe's events of a type, as the webhook does; returns their ids."""
    roony.at()
    ids = []
    for event in roony.stripe.v1.events.list({"limit": 100, "type": kind}).data:
        body: dict[str, Any] = event.to_dict()
        payload = json.dumps(body).encode()
        about = body["data"]["object"]["id"]
        row = new_event(body["id"], roony.account, False, kind, about, body["created"], payload, roony.books.clock())
        roony.books.till.write_and_wait(keep(row))
        ids.append(body["id"])
    return ids


def wait(roony: Lossy, seconds: int) -> None:
    """Works for so long, looking as often as a promise or an event may be due."""
    for _ in range(seconds // 3):
        roony.books.clock.advance(3)
        roony.work()


def event(roony: Lossy, id: str) -> tuple[str, str | None]:
    row = roony.books.row(InboxEvent, id=id)
    return row.status, row.reason


def made_at_stripe(roony: Lossy, card: Card | None) -> dict[str, Any]:
    """A card at Stripe that no commit of ours recorded; its metadata names `card`."""
    params: Any = {
        "cardholder": roony.cardholder,
        "currency": "usd",
        "type": "virtual",
        "status": "active",
        "metadata": {"roony_card": card.id} if card is not None else {},
    }
    found: dict[str, Any] = roony.stripe.v1.issuing.cards.create(params).to_dict()
    return found


def force_capture(roony: Lossy, stripe_card_id: str, amount: int = 700) -> str:
    params: Any = {"card": stripe_card_id, "amount": amount, "merchant_data": SHOP}
    made = roony.stripe.v1.test_helpers.issuing.transactions.create_force_capture(params)
    return str(made.id)


def asked(roony: Lossy) -> tuple[Purchase, Card, OutboxPromise]:
    """A purchase whose card is promised; the process that promised it is gone before it was made."""
    roony.at()
    answer = roony.books.ask(5_000, allow_duplicate=True)
    return answer.purchase, roony.books.row(Card, id=answer.purchase.card_id), answer.promise


class TestUnknownCard:
    def test_a_capture_alone_on_a_card_given_up_is_booked(self, roony: Lossy) -> None:
        purchase, card, promise = asked(roony)
        made = made_at_stripe(roony, card)
        roony.books.run(FailCard(ORG, card.id, "gone", "No answer.", True, promise, "out_cancel"))
        force_capture(roony, made["id"])
        (id,) = deliver(roony, "issuing_transaction.created")
        roony.work()
        assert event(roony, id) == ("received", WAITING)
        wait(roony, 75)
        assert event(roony, id) == ("applied", None)
        assert roony.purchase(purchase).captured == 700
        found = roony.books.row(Card, id=card.id)
        assert (found.status, found.stripe_card_id) == ("canceled", made["id"])
        assert roony.stripe.v1.issuing.cards.retrieve(made["id"]).status == "canceled"
        assert roony.findings("unknown_card") == []
        all_is_well(roony.books)

    def test_one_on_a_card_in_the_making_waits_as_long_as_that_takes(self, roony: Lossy) -> None:
        purchase, card, promise = asked(roony)
        # Nobody else makes it before it is recorded below.
        roony.books.put(promise._replace(lease_until=roony.books.clock() + 10**12))
        made = made_at_stripe(roony, card)
        force_capture(roony, made["id"])
        (id,) = deliver(roony, "issuing_transaction.created")
        wait(roony, 180)
        assert event(roony, id) == ("received", WAITING)
        assert roony.findings("unknown_card") == []
        roony.books.run(RecordCard(ORG, card.id, card_facts(made), "out_cancel", promise))
        wait(roony, 75)
        assert event(roony, id) == ("applied", None)
        assert roony.purchase(purchase).captured == 700
        assert {row.status for row in roony.books.rows(OutboxPromise, kind="look_at_card")} == {"done"}

    def test_one_of_nobody_is_flagged_once_and_booked_when_known(self, roony: Lossy) -> None:
        made = made_at_stripe(roony, None)
        for amount in (700, 800):
            force_capture(roony, made["id"], amount)
        ids = deliver(roony, "issuing_transaction.created")
        wait(roony, 75)
        assert [event(roony, id) for id in ids] == [("applied", UNKNOWN_CARD)] * 2
        assert roony.findings("unknown_card") == [("unknown_card", made["id"], "open")]
        assert roony.books.rows(StripeTransaction) == []
        purchase, card, promise = asked(roony)
        roony.books.run(RecordCard(ORG, card.id, card_facts(made), "out_cancel", promise))
        wait(roony, 9)
        assert [event(roony, id) for id in ids] == [("applied", None)] * 2
        assert roony.purchase(purchase).captured == 1_500
        finding = roony.books.row(Discrepancy, kind="unknown_card")
        assert (finding.status, finding.resolved_by) == ("resolved", ROONY)
        all_is_well(roony.books)

    def test_stripe_knows_no_such_card(self, roony: Lossy) -> None:
        """A card of another account, say: asked once, then it is unknown."""
        said = MadeCard("ic_elsewhere", "active", "4242", 12, 2030)
        made = made_at_stripe(roony, None)
        force_capture(roony, made["id"])
        (id,) = deliver(roony, "issuing_transaction.created")
        row = roony.books.row(InboxEvent, id=id)
        payload = row.payload.replace(made["id"].encode(), said.stripe_card_id.encode())
        roony.books.put(row._replace(id="evt_other", payload=payload), row._replace(status="ignored"))
        wait(roony, 75)
        looked = roony.books.row(OutboxPromise, kind="look_at_card", subject="ic_elsewhere")
        assert (looked.status, looked.last_error) == ("dead", "resource_missing")
        assert event(roony, "evt_other") == ("applied", UNKNOWN_CARD)


def state(roony: Lossy, id: str, **changed: Any) -> str:
    """Books the authorization as Stripe has it now, told with some of it changed."""
    item = {**roony.stripe.v1.issuing.authorizations.retrieve(id).to_dict(), **changed}
    command = BookAuthorization(ORG, CONNECTION, read_authorization(item, roony.at()))
    return str(roony.books.run(command))


def retrievals(roony: Lossy) -> list[tuple[str, str | None]]:
    rows = roony.books.rows(OutboxPromise, kind="retrieve_authorization")
    return [(row.status, row.last_error) for row in rows]


class TestAuthorization:
    def test_closed_with_no_capture_told_is_asked_for_once(self, roony: Lossy) -> None:
        purchase = roony.buy(5_000)
        made = roony.authorize(purchase)
        roony.capture(made)
        for _ in range(2):
            assert state(roony, made.id, transactions=[]) == "applied"
        assert retrievals(roony) == [("promised", None)]
        assert roony.purchase(purchase).held == 5_000
        wait(roony, 63)
        assert retrievals(roony) == [("done", None)]
        after = roony.purchase(purchase)
        assert (after.status, after.spent, after.held) == ("settled", 5_000, 0)
        assert roony.books.row(Authorization, id=made.id).seen_at > made.created * 1_000_000

    def test_its_capture_told_meanwhile_needs_no_question(self, roony: Lossy) -> None:
        purchase = roony.buy(5_000)
        made = roony.authorize(purchase)
        roony.capture(made)
        state(roony, made.id, transactions=[])
        ids = deliver(roony, "issuing_transaction.created")
        roony.work()
        seen = roony.books.row(Authorization, id=made.id).seen_at
        wait(roony, 63)
        assert [event(roony, id) for id in ids] == [("applied", None)]
        assert retrievals(roony) == [("done", None)]
        assert roony.books.row(Authorization, id=made.id).seen_at == seen
        assert roony.purchase(purchase).spent == 5_000

    @pytest.mark.parametrize("order", [(5_000, 4_000), (4_000, 5_000)])
    def test_two_that_say_as_much_but_not_the_same_are_settled_by_stripe(
        self, roony: Lossy, order: tuple[int, int]
    ) -> None:
        """In either order the larger one counts until then, and an answer that says nothing new is no new question."""
        purchase = roony.buy(5_000)
        made = roony.authorize(purchase)
        at = roony.at()
        item = roony.stripe.v1.issuing.authorizations.retrieve(made.id).to_dict()
        for amount in order:
            said = read_authorization({**item, "amount": amount}, at)
            roony.books.run(BookAuthorization(ORG, CONNECTION, said))
        assert roony.books.row(Authorization, id=made.id).amount == 5_000
        assert retrievals(roony) == [("promised", None)]
        wait(roony, 63)
        for amount in order:
            roony.books.run(BookAuthorization(ORG, CONNECTION, read_authorization({**item, "amount": amount}, at)))
        wait(roony, 9)
        assert retrievals(roony) == [("done", None)]
        assert roony.purchase(purchase).held == 5_000

    def test_a_question_nobody_answers_ends(self, roony: Lossy) -> None:
        purchase = roony.buy(5_000)
        made = roony.authorize(purchase)
        roony.capture(made)
        state(roony, made.id, transactions=[])
        promise = roony.books.row(OutboxPromise, kind="retrieve_authorization")
        roony.books.put(promise._replace(tries=MAX_TRIES, last_error="unsure StripeUncertain"))
        wait(roony, 63)
        assert retrievals(roony) == [("dead", "unsure StripeUncertain")]
        assert roony.purchase(purchase).held == 5_000
