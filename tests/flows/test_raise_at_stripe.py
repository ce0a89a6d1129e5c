"""A raised limit on its way to Stripe: set once whatever gets lost, compared, and given back where it is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from roony.core.agent import Organization
from roony.core.card import Card, raised_controls
from roony.core.purchase import Purchase
from roony.flows.context import FlowContext
from roony.flows.raise_at_stripe import raise_card
from roony.flows.raising import Raised, RaiseIds, RaisePurchase
from roony.store.rows import OutboxPromise
from roony.worker import Worker
from tests.gateway.loopback import Answer, LoopbackStripe
from tests.support.books import AGENT, CONNECTION, ORG, Books
from tests.support.connecting import open_context, stripe_gateway
from tests.support.reconciling import Lossy

FROM, TO = 5_000, 8_000
UPDATE = "POST /v1/issuing/cards/{card}"


def lift(books: Books, purchase: Purchase, amount: int = TO) -> Raised:
    ids = RaiseIds(books.new_id("hold"), books.new_id("apr"), books.new_id("out"))
    raised = books.run(RaisePurchase(ORG, books.row(Purchase, id=purchase.id), AGENT, amount, ids))
    assert isinstance(raised, Raised), raised
    return raised


def keep(roony: Lossy, raised: Raised) -> Any:
    """The first try, by the process that promised it."""
    assert raised.promise is not None
    return asyncio.run(raise_card(roony.context, raised.promise, 10))


def at_stripe(roony: Lossy, purchase: Purchase) -> Any:
    return roony.stripe.v1.issuing.cards.retrieve(roony.card(purchase)).to_dict()


def limit_at_stripe(roony: Lossy, purchase: Purchase) -> int:
    [limit] = at_stripe(roony, purchase)["spending_controls"]["spending_limits"]
    assert limit["interval"] == "all_time"
    return int(limit["amount"])


def card_of(books: Books, purchase: Purchase) -> Card:
    row: Card = books.row(Card, id=purchase.card_id)
    return row


class TestLifting:
    def test_stripe_has_the_new_limit_and_all_else_as_before(self, roony: Lossy) -> None:
        roony.books.controls(blocked_categories=["7995"])
        bought = roony.buy(FROM)
        was = at_stripe(roony, bought)
        assert keep(roony, lift(roony.books, bought)) is None
        now = at_stripe(roony, bought)
        assert limit_at_stripe(roony, bought) == TO
        was["spending_controls"]["spending_limits"] = now["spending_controls"]["spending_limits"]
        assert now == was
        assert (card_of(roony.books, bought).usable_limit, card_of(roony.books, bought).limit_at_stripe) == (TO, None)
        assert roony.authorize(bought, TO, ask=False).approved

    @pytest.mark.parametrize(
        "fault",
        [
            {"kind": "rate_limit"},
            {"kind": "lock_timeout"},
            {"kind": "conflict"},
            {"kind": "error_before"},
            {"kind": "error_after"},
            {"kind": "error_after", "should_retry": False},
            {"kind": "drop_before"},
            {"kind": "drop_after"},
        ],
    )
    def test_a_try_that_fails_is_made_again_until_stripe_has_it(self, roony: Lossy, fault: dict[str, Any]) -> None:
        """Until then the old limit is what counts; a kept 500 whose effect is there is found by looking."""
        bought = roony.buy(FROM)
        roony.simulator.control("faults", [{"endpoint": UPDATE, "count": 1, **fault}])
        assert keep(roony, lift(roony.books, bought)) is None
        assert (roony.purchase(bought).amount, card_of(roony.books, bought).usable_limit) == (TO, FROM)
        roony.advance(301)
        roony.work()
        assert card_of(roony.books, bought).usable_limit == TO
        assert limit_at_stripe(roony, bought) == TO
        assert roony.books.row(OutboxPromise, kind="raise_card").status == "done"

    def test_a_card_stripe_has_ended_gives_the_raise_back(self, roony: Lossy) -> None:
        bought = roony.buy(FROM)
        raised = lift(roony.books, bought)
        roony.stripe.v1.issuing.cards.update(roony.card(bought), {"status": "canceled"})
        refused = keep(roony, raised)
        assert (refused.code, refused.reasons[0][0]) == ("raise_refused", "card_over")
        purchase = roony.purchase(bought)
        assert (purchase.amount, purchase.held) == (FROM, FROM)

    def test_a_card_used_up_at_the_new_limit_keeps_it(self, roony: Lossy) -> None:
        """Stripe cancels a single-use card once it is paid with: what it had raised before is not given back."""
        roony.books.controls(tolerance_percent=10)
        bought = roony.buy(FROM)
        roony.simulator.control("faults", [{"endpoint": UPDATE, "count": 1, "kind": "drop_after"}])
        assert keep(roony, lift(roony.books, bought)) is None
        assert roony.authorize(bought, TO).approved
        assert at_stripe(roony, bought)["status"] == "canceled"
        was = roony.purchase(bought)
        roony.advance(301)
        roony.work()
        purchase, card = roony.purchase(bought), card_of(roony.books, bought)
        assert (purchase.amount, purchase.hold_amount, purchase.held) == (TO, was.hold_amount, was.held)
        assert (purchase.failure, card.hard_limit, card.limit_at_stripe) == (None, was.hold_amount, None)
        assert roony.books.row(OutboxPromise, kind="raise_card").status == "done"

    def test_a_purchase_that_is_over_needs_no_limit(self, roony: Lossy) -> None:
        bought = roony.buy(FROM)
        lift(roony.books, bought)
        roony.advance(3_700)
        roony.work()
        assert roony.purchase(bought).status == "expired"
        assert roony.books.row(OutboxPromise, kind="raise_card").status == "done"
        assert roony.purchase(bought).held == 0


def stripe_card(limit: int, **controls: Any) -> Answer:
    """A card as Stripe answers it."""
    kept = {"allowed_card_presences": ["not_present"], **controls}
    limits = [{"amount": limit, "interval": "all_time"}]
    card = {"id": "ic_x", "object": "issuing.card", "type": "virtual", "currency": "usd", "status": "active"}
    cancel_after = {"cancel_after": {"payment_count": 1}}
    return Answer(
        {**card, "spending_controls": {**kept, "spending_limits": limits}, "lifecycle_controls": cancel_after}
    )


REFUSAL = Answer(
    {"error": {"type": "invalid_request_error", "message": "secret words", "param": "spending_controls[x]"}},
    400,
    {"Request-Id": "req_77"},
)


class TestRefused:
    @pytest.fixture
    def wire(self) -> Iterator[LoopbackStripe]:
        with LoopbackStripe() as server:
            yield server

    @pytest.fixture
    def scripted(self, books: Books, wire: LoopbackStripe) -> Iterator[FlowContext]:
        with open_context(books, stripe_gateway(wire.url)) as context:
            # Without a connection of its own: given back, for the card there is.
            books.put(books.row(Organization, id=ORG)._replace(connection_id=CONNECTION))
            books.reconfigure()
            yield context

    def raised(self, books: Books) -> tuple[Purchase, Raised]:
        bought = books.ready(FROM)
        return bought, lift(books, bought)

    def test_it_is_given_back_in_words_of_ours(self, books: Books, scripted: FlowContext, wire: LoopbackStripe) -> None:
        bought, raised = self.raised(books)
        wire.script(stripe_card(FROM), REFUSAL, stripe_card(FROM))
        assert raised.promise is not None
        refused = asyncio.run(raise_card(scripted, raised.promise, 10))
        assert refused is not None
        assert (refused.code, refused.status, refused.reasons[0][0]) == ("raise_refused", 409, "controls_refused")
        assert "secret words" not in refused.message
        purchase = books.row(Purchase, id=bought.id)
        assert (purchase.amount, purchase.held) == (FROM, FROM)
        assert "secret words" not in (purchase.failure or "")

    def test_a_refusal_after_a_lost_success_is_none(
        self, books: Books, scripted: FlowContext, wire: LoopbackStripe
    ) -> None:
        """What Stripe has counts, not what it said last."""
        bought, raised = self.raised(books)
        wire.script(stripe_card(FROM), REFUSAL, stripe_card(TO))
        assert raised.promise is not None
        assert asyncio.run(raise_card(scripted, raised.promise, 10)) is None
        assert books.row(Card, id=bought.card_id).usable_limit == TO

    def test_a_card_that_came_back_weaker_is_canceled(
        self, books: Books, scripted: FlowContext, wire: LoopbackStripe
    ) -> None:
        bought, raised = self.raised(books)
        wire.script(
            stripe_card(FROM),
            stripe_card(TO, blocked_categories=[], allowed_card_presences=[]),
            Answer({"status": "canceled"}),
        )
        assert raised.promise is not None
        refused = asyncio.run(raise_card(scripted, raised.promise, 10))
        assert refused is not None
        assert refused.reasons[0][0] == "card_weaker"
        purchase = books.row(Purchase, id=bought.id)
        assert (purchase.status, purchase.held) == ("failed", 0)
        asyncio.run(Worker(scripted).round())
        assert {"status": ["canceled"]} in [request.form for request in wire.received]

    def test_without_a_permission_it_waits_at_the_old_limit(
        self, books: Books, scripted: FlowContext, wire: LoopbackStripe
    ) -> None:
        bought, raised = self.raised(books)
        wire.script(Answer({"error": {"type": "invalid_request_error", "message": "no"}}, 403))
        assert raised.promise is not None
        assert asyncio.run(raise_card(scripted, raised.promise, 10)) is None
        row = books.row(OutboxPromise, kind="raise_card")
        assert (row.status, row.tries, row.last_error) == ("promised", 1, "permission")
        assert books.row(Card, id=bought.card_id).usable_limit == FROM


@pytest.mark.parametrize(
    ("wanted", "found", "sent"),
    [
        ({}, {}, {}),
        ({"blocked_categories": ["a"]}, {}, {"blocked_categories": ["a"]}),
        ({"allowed_categories": ["a"]}, {"allowed_categories": ["a", "b"]}, {"allowed_categories": ["a"]}),
        # Nothing is cleared: the card keeps the stricter list it has.
        ({}, {"allowed_categories": ["a"]}, {"allowed_categories": ["a"]}),
        ({"blocked_categories": ["b"]}, {"allowed_categories": ["a"]}, {"allowed_categories": ["a"]}),
    ],
)
def test_all_controls_are_sent_and_no_list_is_cleared(
    wanted: dict[str, Any], found: dict[str, Any], sent: dict[str, Any]
) -> None:
    limits = [{"amount": TO, "interval": "all_time"}]
    made = raised_controls(
        {"spending_controls": {**wanted, "spending_limits": limits}},
        {"spending_controls": {**dict.fromkeys(["blocked_categories"]), **found, "spending_limits": []}},
    )
    assert made == {**sent, "spending_limits": limits}
