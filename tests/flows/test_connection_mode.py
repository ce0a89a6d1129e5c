"""The installation's key went from test to live: connections of the mode before wait, and nothing is sent for them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from roony.core.agent import Organization
from roony.core.alert import Alert
from roony.core.connection import Connection, restrictions_of
from roony.core.errors import Refusal
from roony.core.preflight import Preflight, checks_of
from roony.core.purchase import Purchase
from roony.core.settlement import Discrepancy
from roony.flows import connection as flow
from roony.flows.card_making import keep_make_card
from roony.flows.connection import AccountDuty, end_cards
from roony.flows.context import FlowContext
from roony.flows.preflight import keep_check_balance, run_preflight
from roony.gateway import issuing
from roony.gateway.errors import StripeUnauthorized
from roony.store import outbox
from roony.store.rows import OutboxPromise
from tests.gateway.loopback import Answer, LoopbackStripe
from tests.support.books import ACCOUNT, CONNECTION, ORG, Books
from tests.support.connecting import open_context, stripe_gateway

pytestmark = pytest.mark.anyio

WORDS = "Roony's Stripe key is of live mode, the account was connected in test mode."


@pytest.fixture
def context(books: Books, wire: LoopbackStripe) -> Iterator[FlowContext]:
    """With a live key; the connection of the books is of test mode."""
    gateway = stripe_gateway(wire.url, secret_key="sk_live_key_of_the_platform")
    with open_context(books, gateway) as made:
        books.put(books.row(Organization, id=ORG)._replace(connection_id=CONNECTION, config_version="c2"))
        yield made


def row_of(books: Books) -> Connection:
    found = books.row(Connection, id=CONNECTION)
    assert isinstance(found, Connection)
    return found


def reasons(books: Books) -> list[tuple[str, str]]:
    return [(item.code, item.message) for item in restrictions_of(row_of(books))]


async def keep(context: FlowContext) -> None:
    for promise in await context.till.write(outbox.claim(context.clock())):
        if promise.kind == "end_cards_of_connection":
            await flow.keep_end_cards(context, promise)
        elif promise.kind == "check_account":
            await flow.keep_check_account(context, promise)
        elif promise.kind == "check_balance":
            await keep_check_balance(context, promise)


async def test_a_call_restricts_and_is_not_sent(context: FlowContext, books: Books, wire: LoopbackStripe) -> None:
    with pytest.raises(StripeUnauthorized):
        await flow.ask_stripe(context, row_of(books), issuing.retrieve_card, "ic_1")

    assert (row_of(books).status, reasons(books)) == ("restricted", [("key_refused", WORDS)])
    assert [row.kind for row in books.rows(Alert)] == ["connection_restricted"]
    assert wire.received == []


async def test_the_first_look_of_a_process_finds_it_and_the_key_of_before_ends_it(
    context: FlowContext, books: Books, wire: LoopbackStripe
) -> None:
    for command in await AccountDuty(context).due(context.clock()):
        await context.till.submit(command)
    await keep(context)
    assert reasons(books) == [("key_refused", WORDS)]
    assert {row.status for row in books.rows(OutboxPromise)} == {"dead"}
    assert wire.received == []

    books.clock.advance(120)
    wire.script(Answer({"id": ACCOUNT, "object": "account"}))
    with open_context(books, stripe_gateway(wire.url)) as before:
        await flow.look_at_account(before, row_of(books))
    assert (row_of(books).status, reasons(books)) == ("active", [])


async def test_a_preflight_says_so(context: FlowContext, books: Books, wire: LoopbackStripe) -> None:
    wire.script(Answer({"data": [], "has_more": False}))
    kept = await run_preflight(context, row_of(books), "usr_1")

    assert isinstance(kept, Preflight), kept
    found = {check.id: check.status for check in checks_of(kept)}
    assert (found["livemode"], found["key_refused"], found["stripe_access"]) == ("missing", "missing", "unknown")
    # Only the platform's own endpoints were looked at.
    assert [sent.path for sent in wire.received] == ["/v1/webhook_endpoints"]


async def test_a_card_that_was_to_be_made_gives_its_hold_back(
    context: FlowContext, books: Books, wire: LoopbackStripe
) -> None:
    asked = books.ask(1_000)
    assert await keep_make_card(context, asked.promise) is None
    assert books.row(Purchase, id=asked.purchase.id).held > 0
    books.clock.advance(24 * 3_600)
    [promise] = [one for one in await context.till.write(outbox.claim(context.clock())) if one.kind == "make_card"]
    await keep_make_card(context, promise)

    purchase = books.row(Purchase, id=asked.purchase.id)
    assert (purchase.status, purchase.held) == ("failed", 0)
    assert wire.received == []


async def test_a_disconnect_ends_and_leaves_the_other_mode_alone(
    context: FlowContext, books: Books, wire: LoopbackStripe
) -> None:
    """Deauthorizing with a live key would end what the account granted in live mode."""
    purchase = books.ready(1_000)
    await flow.disconnect(context, ORG, CONNECTION, "usr_1")
    for _ in range(end_cards.MAX_TRIES):
        await keep(context)
        books.clock.advance(61)

    assert [row.status for row in books.rows(OutboxPromise, kind="end_cards_of_connection")] == ["done"]
    assert [row.kind for row in books.rows(Discrepancy)] == ["card_left_open"]
    assert books.row(Purchase, id=purchase.id).held > 0
    assert wire.received == []


async def test_books_with_cards_of_one_mode_take_no_account_in_the_other(
    context: FlowContext, books: Books, wire: LoopbackStripe
) -> None:
    """Budgets and reports would count test payments as money."""
    wire.script(Answer({"id": "acct_live", "object": "account", "country": "US"}))
    books.put(books.row(Connection, id=CONNECTION)._replace(status="revoked"))
    unused = await flow.start_connection(context, ORG, "direct", "usr_1")
    assert isinstance(unused, Refusal)
    assert unused.code == "billing_address_missing", "without any card it may go on"

    books.put(books.row(Connection, id=CONNECTION)._replace(status="active"))
    books.ready(1_000)
    asked = len(wire.received)
    for kind in ("direct", "connect", "stripe_app"):
        refused = await flow.start_connection(context, ORG, kind, "usr_1")
        assert isinstance(refused, Refusal)
        assert (refused.code, refused.status) == ("wrong_mode", 409)
    assert len(wire.received) == asked
    assert [row.id for row in books.rows(Connection)] == [CONNECTION]

    # What was connected in this mode before may be connected again.
    live = books.row(Connection, id=CONNECTION)._replace(id="con_live", stripe_account="acct_live", livemode=1)
    books.put(live)
    again = await flow.start_connection(context, ORG, "connect", "usr_1")
    assert isinstance(again, Refusal)
    assert again.code != "wrong_mode"
