"""What webhooks did not bring for an account that installed our app: kept as the webhook would have kept it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from roony.core.connection import Connection
from roony.core.reconciliation import EVENTS_PACE
from roony.flows import connection as flow
from roony.flows.context import FlowContext
from roony.flows.reconciliation import start_by_hand
from roony.store.rows import InboxEvent
from roony.worker import Worker
from tests.support.books import CONNECTION, ORG, Books
from tests.support.connecting import OTHER_ORG, open_context, stripe_gateway
from tests.support.installing import install
from tests.support.simulator import SimulatorProcess

pytestmark = pytest.mark.anyio

SECOND = 1_000_000


@pytest.fixture
def context(books: Books, simulator: SimulatorProcess) -> Iterator[FlowContext]:
    simulator.control("reset", {})
    with open_context(books, stripe_gateway(simulator.url)) as made:
        books.clock.now = max(books.clock.now, int(simulator.control("clock")["now"]) * SECOND)
        books.put(books.row(Connection, id=CONNECTION)._replace(status="revoked"))
        yield made


@pytest.mark.parametrize("beside_a_direct_one", [True, False])
async def test_events_belong_to_the_account_that_installed_the_app(
    context: FlowContext, books: Books, simulator: SimulatorProcess, beside_a_direct_one: bool
) -> None:
    if beside_a_direct_one:
        assert isinstance(await flow.connect_direct(context, OTHER_ORG, "usr_2"), Connection)
    app = await install(context, simulator)
    await flow.ensure_cardholder(context, app, ORG)
    worker = Worker(context)

    await start_by_hand(context, ORG, books.clock.now - 4 * EVENTS_PACE, None, "person")
    for _ in range(10):
        await worker.round()
        books.clock.advance(5)

    found = [row for row in books.rows(InboxEvent) if row.account == app.stripe_account]
    assert found, [(row.type, row.account, row.status, row.reason) for row in books.rows(InboxEvent)]
    assert {(row.organization_id, row.status) for row in found} == {(ORG, "applied")}
    assert all(json.loads(row.payload)["account"] == app.stripe_account for row in found)
    others = [row for row in books.rows(InboxEvent) if row not in found]
    assert all(row.organization_id == OTHER_ORG and row.object_id != found[0].object_id for row in others)
