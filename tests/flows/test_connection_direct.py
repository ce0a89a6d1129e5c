"""The key of the installation belongs to one account at a time, and so to one organization."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from roony.core.agent import Organization
from roony.core.audit import AuditRecord
from roony.core.connection import Connection
from roony.core.errors import Refusal
from roony.core.preflight import Preflight
from roony.core.purchase import Purchase
from roony.core.settlement import Discrepancy
from roony.flows import connection as flow
from roony.flows.card_making import keep_make_card
from roony.flows.connection import AccountDuty, KeyOfAnother
from roony.flows.context import FlowContext
from roony.flows.preflight import keep_check_balance, run_preflight
from roony.store import outbox
from roony.store.rows import OutboxPromise
from tests.gateway.loopback import Answer, LoopbackStripe
from tests.support.books import ORG, Books, holder
from tests.support.connecting import OTHER_ORG, open_context, stripe_gateway

pytestmark = pytest.mark.anyio


@pytest.fixture
def context(books: Books, wire: LoopbackStripe) -> Iterator[FlowContext]:
    with open_context(books, stripe_gateway(wire.url)) as made:
        yield made


@pytest.fixture
def key_of(wire: LoopbackStripe) -> Any:
    """Puts a key of another account in place."""

    def change(account: str) -> None:
        wire.script(Answer({"id": account, "object": "account", "country": "US"}))

    return change


async def direct(context: FlowContext, organization_id: str = ORG) -> Connection:
    answer = await flow.connect_direct(context, organization_id, "usr_1")
    assert isinstance(answer, Connection), answer
    return answer


async def keep(context: FlowContext) -> None:
    for promise in await context.till.write(outbox.claim(context.clock())):
        if promise.kind == "end_cards_of_connection":
            await flow.keep_end_cards(context, promise)
        elif promise.kind == "make_cardholder":
            await flow.keep_make_cardholder(context, promise)


def own_route(context: FlowContext) -> str | None:
    """The connection that events without an account belong to."""
    route = flow.route_of(context, None, livemode=False)
    return route.connection_id if route else None


class TestKeySwap:
    """Connected again with a key of another account."""

    async def test_the_connection_before_ends(self, context: FlowContext, books: Books, key_of: Any) -> None:
        key_of("acct_a")
        first = await direct(context)
        key_of("acct_b")

        second = await direct(context)

        row = books.row(Connection, id=first.id)
        assert (row.status, row.status_reason) == ("expired", "our key is of acct_b now")
        assert second.status == "active"
        assert own_route(context) == second.id
        assert books.row(Organization, id=ORG).connection_id == second.id
        records = books.rows(AuditRecord, organization_id=ORG, action="connection.expired")
        assert [record.subject for record in records] == [first.id]

    async def test_and_back(self, context: FlowContext, books: Books, key_of: Any) -> None:
        key_of("acct_a")
        first = await direct(context)
        key_of("acct_b")
        second = await direct(context)
        key_of("acct_a")

        assert (await direct(context)).id == first.id

        assert books.row(Connection, id=second.id).status == "expired"
        assert own_route(context) == first.id

    async def test_two_that_are_active_from_before_are_put_right(
        self, context: FlowContext, books: Books, key_of: Any
    ) -> None:
        key_of("acct_a")
        first = await direct(context)
        key_of("acct_b")
        second = await direct(context)
        books.put(books.row(Connection, id=first.id)._replace(status="active", status_reason=None))
        books.reconfigure()

        assert (await direct(context)).id == second.id

        assert books.row(Connection, id=first.id).status == "expired"

    async def test_its_cards_end_and_what_is_left_open_is_flagged(
        self, context: FlowContext, books: Books, wire: LoopbackStripe, key_of: Any
    ) -> None:
        key_of("acct_a")
        await direct(context)
        bought = books.ready(1_000)
        key_of("acct_b")
        await direct(context)
        wire.received.clear()

        await keep(context)

        purchase = books.row(Purchase, id=bought.id)
        assert (purchase.status, purchase.held) == ("canceled", 0)
        assert books.row(Discrepancy).kind == "card_left_open"
        assert not any("/cards" in received.path for received in wire.received)
        # Nor is a cardholder made for it with a key of another account.
        assert [received.path for received in wire.received] == ["/v1/issuing/cardholders"]
        assert sorted(row.status for row in books.rows(OutboxPromise, kind="make_cardholder")) == ["dead", "done"]


class TestKeyOfAnotherCompany:
    """A key that works says nothing of a connection whose account it is not of."""

    async def restricted(self, context: FlowContext, key_of: Any) -> Connection:
        key_of("acct_a")
        first = await direct(context)
        await context.till.submit(flow.RestrictConnection(ORG, first.id, "key_refused", "no"))
        key_of("acct_b")
        return first

    async def test_a_look_restores_nothing(self, context: FlowContext, books: Books, key_of: Any) -> None:
        first = await self.restricted(context, key_of)
        books.clock.advance(60)
        await context.till.submit(flow.PromiseCheck(ORG, first.id, "timed"))
        for promise in await context.till.write(outbox.claim(context.clock())):
            if promise.kind == "check_account":
                await flow.keep_check_account(context, promise)

        row = books.row(Connection, id=first.id)
        assert row.status == "restricted"
        assert row.status_reason == "key_refused: Roony's Stripe key is of acct_b, not of acct_a."
        assert (row.stripe_account, row.card_issuing) == ("acct_a", None)
        promise = books.row(OutboxPromise, kind="check_account")
        assert (promise.status, promise.last_error) == ("dead", "key_of_another")

    async def test_a_preflight_shows_nothing_of_the_other_account(
        self, context: FlowContext, books: Books, wire: LoopbackStripe, key_of: Any
    ) -> None:
        first = await self.restricted(context, key_of)
        wire.received.clear()

        kept = await run_preflight(context, books.row(Connection, id=first.id), "usr_1")

        assert isinstance(kept, Preflight), kept
        assert [received.path for received in wire.received] == ["/v1/account"]
        assert "acct_b" in kept.checks
        assert books.row(Connection, id=first.id).status == "restricted"

    async def test_a_key_of_one_that_was_active_restricts_it(
        self, context: FlowContext, books: Books, key_of: Any
    ) -> None:
        key_of("acct_a")
        first = await direct(context)
        key_of("acct_b")
        with pytest.raises(KeyOfAnother):
            await flow.look_at_account(context, first)
        assert books.row(Connection, id=first.id).status == "restricted"

    @pytest.mark.parametrize("kind", ["check_account", "check_balance"])
    async def test_a_start_and_each_hour_find_out(
        self, context: FlowContext, books: Books, wire: LoopbackStripe, key_of: Any, kind: str
    ) -> None:
        """And the other account's balance is not taken for this one's."""
        key_of("acct_a")
        first = await direct(context)
        key_of("acct_b")
        books.clock.advance(2 * 3_600)
        wire.received.clear()
        for look in await AccountDuty(context).due(context.clock()):
            if (look.kind, look.connection_id) == (kind, first.id):
                await context.till.submit(look)
        keep_look = flow.keep_check_account if kind == "check_account" else keep_check_balance
        for promise in await context.till.write(outbox.claim(context.clock())):
            if promise.kind == kind:
                await keep_look(context, promise)

        row = books.row(Connection, id=first.id)
        assert row.status_reason == "key_refused: Roony's Stripe key is of acct_b, not of acct_a."
        assert [sent.path for sent in wire.received] == ["/v1/account"]

    async def test_its_refusal_of_a_card_is_no_word_of_the_own_account(
        self, context: FlowContext, books: Books, wire: LoopbackStripe, key_of: Any
    ) -> None:
        """P2: an earlier try may have made the card there, so the hold stays until somebody can look."""
        key_of("acct_a")
        first = await direct(context)
        books.put(holder("ich_a", first.id))
        asked = books.ask(1_000)
        missing = {"type": "invalid_request_error", "code": "resource_missing", "param": "cardholder", "message": "No."}
        wire.script(Answer({"error": missing}, 400), Answer({"id": "acct_b", "object": "account"}))
        wire.received.clear()

        assert await keep_make_card(context, asked.promise) is None

        assert [sent.path for sent in wire.received] == ["/v1/issuing/cards", "/v1/account"]
        purchase = books.row(Purchase, id=asked.purchase.id)
        assert (purchase.status, purchase.held) == ("issuing", purchase.hold_amount)
        assert books.row(Connection, id=first.id).status == "restricted"
        promise = books.row(OutboxPromise, id=asked.promise.id)
        assert (promise.status, promise.key, promise.tries) == ("promised", asked.promise.key, 1)

    async def test_a_restricted_connection_holds_the_key_too(
        self, context: FlowContext, books: Books, key_of: Any
    ) -> None:
        await self.restricted(context, key_of)
        answer = await flow.connect_direct(context, OTHER_ORG, "usr_2")
        assert isinstance(answer, Refusal)
        assert answer.code == "direct_taken"


class TestOneForEachInstallation:
    """Whose events without an account are."""

    async def test_another_organization_is_refused_clearly(
        self, context: FlowContext, books: Books, key_of: Any
    ) -> None:
        key_of("acct_a")
        first = await direct(context)
        key_of("acct_b")

        answer = await flow.connect_direct(context, OTHER_ORG, "usr_2")

        assert isinstance(answer, Refusal)
        assert (answer.code, answer.status) == ("direct_taken", 409)
        assert books.rows(Connection, organization_id=OTHER_ORG) == []
        assert own_route(context) == first.id

    async def test_until_the_first_one_has_ended(self, context: FlowContext, books: Books, key_of: Any) -> None:
        key_of("acct_a")
        first = await direct(context)
        await flow.disconnect(context, ORG, first.id, "usr_1")
        key_of("acct_b")

        second = await direct(context, OTHER_ORG)

        # Whatever is written to the first one later.
        books.clock.advance(60)
        books.put(books.row(Connection, id=first.id)._replace(updated_at=books.clock()))
        assert own_route(context) == second.id

    async def test_one_that_is_left_alone_still_hears_of_its_last_cards(
        self, context: FlowContext, books: Books, key_of: Any
    ) -> None:
        key_of("acct_a")
        first = await direct(context)
        await flow.disconnect(context, ORG, first.id, "usr_1")
        assert own_route(context) == first.id
        key_of("acct_b")
        second = await direct(context, OTHER_ORG)

        await flow.disconnect(context, OTHER_ORG, second.id, "usr_2")

        # Of two that are over, nobody can say whose it is.
        assert own_route(context) is None

    @pytest.mark.parametrize(("code", "hears"), [("capability_inactive", True), ("key_refused", False)])
    async def test_one_that_is_restricted_hears_of_its_cards_while_the_key_is_its_own(
        self, context: FlowContext, books: Books, key_of: Any, code: str, hears: bool
    ) -> None:
        key_of("acct_a")
        first = await direct(context)
        await flow.disconnect(context, ORG, first.id, "usr_1")
        key_of("acct_b")
        second = await direct(context, OTHER_ORG)

        await context.till.submit(flow.RestrictConnection(OTHER_ORG, second.id, code, "no"))

        assert own_route(context) == (second.id if hears else None)
