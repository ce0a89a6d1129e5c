"""What becomes of the cards of a connection that is over, and which statements end one, below the pages."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from roony.core.agent import Organization
from roony.core.card import Card
from roony.core.cardholder import Stated
from roony.core.connection import Connection
from roony.core.errors import Refusal
from roony.core.purchase import Purchase
from roony.core.settlement import Discrepancy
from roony.flows import connection as flow
from roony.flows.card import ExpireCard, MadeCard, RecordCard
from roony.flows.connection import end_cards, revocation
from roony.flows.context import FlowContext
from roony.flows.ending import CancelPurchase
from roony.flows.inbox import handle_events
from roony.gateway import issuing
from roony.gateway.errors import FailureKind, StripeFailure, StripeUncertain
from roony.store import inbox, outbox
from roony.store.rows import ConnectionSecret, InboxEvent, OutboxPromise
from tests.gateway.loopback import Answer, LoopbackStripe
from tests.support.books import ACCOUNT, CONNECTION, NOW, ORG, Books, holder
from tests.support.connecting import open_context, stripe_gateway

pytestmark = pytest.mark.anyio

SECOND = 1_000_000
CANCELED = Answer({"id": "ic_x", "status": "canceled"})
ACTIVE = Answer({"id": "ic_x", "status": "active"})
REFUSED = Answer({"error": {"type": "invalid_request_error", "message": "No."}}, 400)
# Stripe keeps it under the idempotency key and repeats it.
BROKEN = Answer({"error": {"type": "api_error", "message": "No."}}, 500, {"Stripe-Should-Retry": "false"})


@pytest.fixture
def wire() -> Iterator[LoopbackStripe]:
    with LoopbackStripe() as server:
        server.script(CANCELED)
        yield server


@pytest.fixture
def context(books: Books, wire: LoopbackStripe) -> Iterator[FlowContext]:
    """The seeded connection with a token, onto a Stripe that answers as scripted."""
    with open_context(books, stripe_gateway(wire.url)) as made:
        books.put(books.row(Organization, id=ORG)._replace(connection_id=CONNECTION, config_version="c2"))
        books.put(ConnectionSecret(ORG, CONNECTION, "access_token", "v1.sealed", NOW))
        yield made


class FakeCancel:
    """Stands in for the call that cancels a card: counts, and fails for the ids in `failing`.

    The first `together` calls wait for each other, and every call waits while the `gate` is not set.
    """

    def __init__(self) -> None:
        self.together = 1
        self.gate = threading.Event()
        self.gate.set()
        self.failing: set[str] = set()
        self.asked: list[str] = []
        self.peak = self.ended = 0
        self._running = 0
        self._lock = threading.Lock()
        self._met = threading.Event()

    def __call__(self, _gateway: Any, _access: Any, stripe_card_id: str, _key: str) -> dict[str, Any]:
        with self._lock:
            self.asked.append(stripe_card_id)
            self._running += 1
            self.peak = max(self.peak, self._running)
            if self._running >= self.together:
                self._met.set()
        assert self._met.wait(60)
        assert self.gate.wait(60)
        with self._lock:
            self._running -= 1
            self.ended += 1
        if stripe_card_id in self.failing:
            raise StripeUncertain(StripeFailure(FailureKind.TIMEOUT, None, None, "no answer", None))
        return {"status": "canceled"}


@pytest.fixture
def cancel(monkeypatch: pytest.MonkeyPatch) -> FakeCancel:
    fake = FakeCancel()
    monkeypatch.setattr(issuing, "cancel_card", fake)
    return fake


async def keep(context: FlowContext) -> None:
    """Keeps the promise to end the cards once, if it is due."""
    for promise in await context.till.write(outbox.claim(context.clock())):
        if promise.kind == revocation.KIND:
            await flow.keep_end_cards(context, promise)


async def disconnect(context: FlowContext) -> None:
    assert isinstance(await flow.disconnect(context, ORG, CONNECTION, "usr_1"), Connection)


def promise_of(books: Books) -> OutboxPromise:
    found = books.row(OutboxPromise, kind=revocation.KIND)
    assert isinstance(found, OutboxPromise)
    return found


def card_of(books: Books, purchase: Purchase) -> Any:
    return books.row(Card, id=purchase.card_id)


def gave_back(wire: LoopbackStripe) -> bool:
    return any(received.path == "/oauth/deauthorize" for received in wire.received)


def is_over_already(books: Books, how: str) -> Purchase:
    """A purchase that ended while Stripe's cancel of its card still waits."""
    purchase = books.ready(1_000)
    if how == "canceled":
        books.run(CancelPurchase(ORG, purchase.id, "usr_1", "out_c"))
    else:
        books.clock.advance(3_601)
        books.run(ExpireCard(ORG, purchase.card_id or "", "out_e"))
    assert (card_of(books, purchase).status, card_of(books, purchase).stripe_status) == (how, "active")
    return purchase


class TestEveryCard:
    """Whatever we call it: what Stripe may still charge is canceled or flagged."""

    @pytest.mark.parametrize("how", ["canceled", "expired"])
    async def test_a_purchase_that_ended_with_its_cancel_still_waiting(
        self, context: FlowContext, books: Books, wire: LoopbackStripe, how: str
    ) -> None:
        purchase = is_over_already(books, how)

        await disconnect(context)
        await keep(context)

        assert [received.path for received in wire.received] == [
            f"/v1/issuing/cards/ic_{purchase.id}",
            "/oauth/deauthorize",
        ]
        assert card_of(books, purchase).stripe_status == "canceled"
        assert books.row(Purchase, id=purchase.id).ended_reason == how
        assert books.rows(Discrepancy) == []

    async def test_one_without_access_is_flagged(self, context: FlowContext, books: Books) -> None:
        purchase = is_over_already(books, "canceled")
        books.run(flow.RevokeConnection(ORG, CONNECTION, "deauthorized", "stripe", "out_r"))

        await keep(context)

        found = books.row(Discrepancy)
        assert (found.kind, found.purchase_id) == ("card_left_open", purchase.id)
        assert promise_of(books).status == "done"

    async def test_a_used_card_keeps_its_hold(self, context: FlowContext, books: Books) -> None:
        used = books.ready(5_000, "Used shop")
        books.authorize(used, 5_000, "USED SHOP")
        await disconnect(context)

        await keep(context)

        assert (card_of(books, used).status, card_of(books, used).stripe_status) == ("used", "canceled")
        assert books.row(Purchase, id=used.id).held == 5_000

    async def test_one_stripe_will_not_cancel_is_asked_for(
        self, context: FlowContext, books: Books, wire: LoopbackStripe
    ) -> None:
        """Another promise was faster: Stripe refuses to cancel what is canceled."""
        purchase = books.ready(1_000)
        await disconnect(context)
        wire.script(REFUSED, CANCELED)

        await keep(context)

        assert [received.method for received in wire.received] == ["POST", "GET", "POST"]
        assert card_of(books, purchase).stripe_status == "canceled"
        assert promise_of(books).status == "done"

    async def test_one_canceled_behind_an_error_is_looked_at(
        self, context: FlowContext, books: Books, wire: LoopbackStripe
    ) -> None:
        purchase = books.ready(1_000)
        await disconnect(context)
        wire.script(BROKEN, CANCELED)

        await keep(context)

        assert [received.method for received in wire.received] == ["POST", "GET", "POST"]
        assert card_of(books, purchase).stripe_status == "canceled"
        assert promise_of(books).status == "done"

    async def test_an_error_that_stripe_repeats_does_not_keep_one_alive(
        self, context: FlowContext, books: Books, wire: LoopbackStripe
    ) -> None:
        """The next round asks with another key."""
        purchase = books.ready(1_000)
        await disconnect(context)
        wire.script(BROKEN, ACTIVE, CANCELED)

        await keep(context)
        assert (promise_of(books).last_error, card_of(books, purchase).stripe_status) == (
            "cards_not_canceled",
            "active",
        )
        books.clock.advance(2)
        await keep(context)

        keys = [received.headers["Idempotency-Key"] for received in wire.received if "/cards/" in received.path]
        assert keys == [f"{purchase.card_id}:disconnect:0", None, f"{purchase.card_id}:disconnect:1"]
        assert card_of(books, purchase).stripe_status == "canceled"
        assert (promise_of(books).status, books.rows(Discrepancy)) == ("done", [])

    async def test_one_not_confirmed_is_flagged_after_the_last_try(
        self, context: FlowContext, books: Books, wire: LoopbackStripe
    ) -> None:
        purchase = is_over_already(books, "canceled")
        await disconnect(context)
        wire.script(Answer(drop=True))

        for _ in range(end_cards.MAX_TRIES):
            assert books.rows(Discrepancy) == []
            await keep(context)
            books.clock.advance(61)

        assert [row.purchase_id for row in books.rows(Discrepancy, kind="card_left_open")] == [purchase.id]

    async def test_what_was_flagged_is_closed_where_a_later_round_cancels_it(
        self, context: FlowContext, books: Books, wire: LoopbackStripe
    ) -> None:
        """The rounds go on while another card is being made."""
        purchase = is_over_already(books, "canceled")
        books.ask(700)
        await disconnect(context)
        wire.script(Answer(drop=True))
        for _ in range(end_cards.MAX_TRIES):
            await keep(context)
            books.clock.advance(61)
        assert books.row(Discrepancy).status == "open"

        wire.script(CANCELED)
        await keep(context)

        assert card_of(books, purchase).stripe_status == "canceled"
        found = books.row(Discrepancy)
        assert (found.kind, found.status, found.resolved_by) == ("card_left_open", "resolved", "roony")


class TestCardInTheMaking:
    """It may exist at Stripe: the disconnect waits for it, but not for ever."""

    async def test_the_access_stays_until_it_is_made_and_canceled(
        self, context: FlowContext, books: Books, wire: LoopbackStripe
    ) -> None:
        asked = books.ask(700)
        await disconnect(context)

        await keep(context)

        assert wire.received == []
        assert (promise_of(books).status, promise_of(books).last_error) == ("promised", "card_being_made")
        assert books.row(ConnectionSecret).sealed == "v1.sealed"
        assert books.row(Purchase, id=asked.purchase.id).ended_reason == "revoked"

        made = MadeCard("ic_late", "active", "4242", 12, 2030)
        books.run(RecordCard(ORG, asked.purchase.card_id, made, "out_m", asked.promise))
        books.clock.advance(2)
        await keep(context)

        assert [received.path for received in wire.received] == ["/v1/issuing/cards/ic_late", "/oauth/deauthorize"]
        assert card_of(books, asked.purchase).stripe_status == "canceled"
        assert books.row(ConnectionSecret).sealed == ""
        assert promise_of(books).status == "done"
        assert books.rows(Discrepancy) == []

    async def test_after_its_number_of_tries_it_is_flagged(
        self, context: FlowContext, books: Books, wire: LoopbackStripe
    ) -> None:
        asked = books.ask(700)
        await disconnect(context)

        for _ in range(end_cards.MAX_WAITS - 1):
            await keep(context)
            books.clock.advance(61)
        assert not gave_back(wire)
        assert books.rows(Discrepancy) == []
        await keep(context)

        found = books.row(Discrepancy)
        assert (found.kind, found.card_id, found.found) == ("card_left_open", asked.purchase.card_id, "being made")
        assert books.row(Purchase, id=asked.purchase.id).held == 700
        assert gave_back(wire)
        assert promise_of(books).status == "done"

    async def test_tokens_of_a_connection_that_came_back_stay(self, context: FlowContext, books: Books) -> None:
        await disconnect(context)
        books.put(books.row(Connection, id=CONNECTION)._replace(status="active"))
        books.reconfigure()

        await keep(context)

        assert books.row(ConnectionSecret).sealed == "v1.sealed"


class TestManyCards:
    """Some at once, and well inside the lease."""

    async def test_a_bounded_number_at_once(self, context: FlowContext, books: Books, cancel: FakeCancel) -> None:
        for number in range(20):
            books.ready(1_000, f"Shop {number}")
        cancel.together = end_cards.AT_ONCE
        await disconnect(context)

        await keep(context)

        assert len(cancel.asked) == 20
        assert cancel.peak == end_cards.AT_ONCE
        assert {card.stripe_status for card in books.rows(Card)} == {"canceled"}

    async def test_the_rest_is_put_off_and_not_counted(
        self,
        context: FlowContext,
        books: Books,
        wire: LoopbackStripe,
        cancel: FakeCancel,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Cards that fail do not keep those behind them from their turn."""
        monkeypatch.setattr(end_cards, "BEGIN_FOR", 0.0)
        wire.script(ACTIVE)
        for number in range(2 * end_cards.AT_ONCE + 1):
            books.ready(1_000, f"Shop {number}")
        cards = sorted(books.rows(Card), key=lambda card: card.id)
        cancel.failing = {card.stripe_card_id for card in cards[: end_cards.AT_ONCE]}
        await disconnect(context)

        for round_number in (1, 2, 3):
            await keep(context)
            assert len(cancel.asked) == min(round_number * end_cards.AT_ONCE, len(cards))
            assert (promise_of(books).tries, promise_of(books).due_at) == (0, 0)

        # The whole round is over; only now it counts as a try.
        await keep(context)
        assert (promise_of(books).tries, promise_of(books).last_error) == (1, "cards_not_canceled")
        cancel.failing = set()
        books.clock.advance(2)
        await keep(context)
        await keep(context)
        assert len(cancel.asked) == len(cards) + end_cards.AT_ONCE
        assert promise_of(books).status == "done"

    async def test_none_is_waited_for_too_long(
        self, context: FlowContext, books: Books, cancel: FakeCancel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(end_cards, "WAIT_FOR", 0.1)
        cancel.gate.clear()
        books.ready(1_000)
        await disconnect(context)
        try:
            await keep(context)

            assert cancel.ended == 0
            assert promise_of(books).last_error == "cards_not_canceled"
        finally:
            cancel.gate.set()

    async def test_a_claim_ends_inside_its_lease(self) -> None:
        """Calls of the last cards may last as long as until then; giving the access back begins before `BEGIN_FOR`."""
        assert end_cards.WAIT_FOR * SECOND <= outbox.LEASE * 2 / 3
        assert end_cards.BEGIN_FOR < end_cards.WAIT_FOR


class TestStatementsThatItEnded:
    """Only what was said after the connection became active ends it."""

    async def test_a_write_after_the_activation_does_not_hide_it(self, context: FlowContext, books: Books) -> None:
        books.put(holder(None))
        books.reconfigure()
        books.clock.advance(300)
        books.run(flow.RecordCardholder(ORG, CONNECTION, ORG, Stated("ich_9", "active", (), None, 1), None))

        said = flow.RevokeConnection(ORG, CONNECTION, "deauthorized", "stripe", "out_r", NOW + 30 * SECOND)

        assert books.run(said).status == "revoked"

    async def test_one_from_before_it_is_refused(self, context: FlowContext, books: Books) -> None:
        books.put(books.row(ConnectionSecret)._replace(updated_at=NOW + 300 * SECOND))

        said = flow.RevokeConnection(ORG, CONNECTION, "deauthorized", "stripe", "out_r", NOW)

        answer = books.run(said)
        assert isinstance(answer, Refusal)
        assert (answer.code, answer.status) == ("already_reconnected", 409)

    async def test_its_event_says_why_it_was_ignored(self, context: FlowContext, books: Books) -> None:
        books.put(books.row(ConnectionSecret)._replace(updated_at=NOW + 300 * SECOND))
        books.clock.advance(300)

        await self._arrives(context, "evt_1", NOW // SECOND)

        row = books.row(InboxEvent, id="evt_1")
        assert (row.status, row.reason) == ("ignored", "before the connection became active")
        assert books.row(Connection, id=CONNECTION).status == "active"
        await self._arrives(context, "evt_2", NOW // SECOND + 300)
        assert books.row(InboxEvent, id="evt_2").status == "applied"
        assert books.row(Connection, id=CONNECTION).status == "revoked"

    async def test_one_about_our_own_disconnect_erases_the_tokens(self, context: FlowContext, books: Books) -> None:
        await disconnect(context)
        assert books.row(ConnectionSecret).sealed == "v1.sealed"

        books.run(flow.RevokeConnection(ORG, CONNECTION, "deauthorized", "stripe", "out_r", NOW))

        assert books.row(ConnectionSecret).sealed == ""
        assert books.row(Connection, id=CONNECTION).status_reason == "disconnected by the owner"

    @staticmethod
    async def _arrives(context: FlowContext, id: str, created: int) -> None:
        kept = inbox.new_event(
            id, ACCOUNT, False, "account.application.deauthorized", None, created, b"{}", context.clock()
        )
        await context.till.write(inbox.keep(kept))
        for event in await context.till.write(inbox.claim(context.clock())):
            await handle_events(context, [event])
