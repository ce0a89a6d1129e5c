"""Preflight, own endpoint and probe on both databases, against the simulator; and a probe that was interrupted."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from roony.core.alert import Alert
from roony.core.connection import Connection
from roony.core.errors import Refusal
from roony.core.preflight import Check, Preflight, checks_of
from roony.core.settlement import Discrepancy
from roony.flows import connection as flow
from roony.flows.context import FlowContext
from roony.flows.organization import UpdateOrganization
from roony.flows.preflight import keep_check_balance, run_preflight
from roony.flows.probe import PromiseProbe, keep_probe, probe
from roony.flows.webhook_endpoint import (
    ROLLED_FOR,
    PromiseWebhooks,
    RecordWebhook,
    endpoints_of,
    keep_setup_webhooks,
    setup_webhooks,
)
from roony.gateway import events, issuing, paging
from roony.store import outbox
from roony.store.rows import ConnectionSecret, OutboxPromise
from roony.web import webhook_secrets
from roony.web.webhook import PATH, WebhookDoor
from roony.web.webhook_secrets import WebhookSecrets
from tests.support.books import ORG, Books
from tests.support.connecting import PUBLIC_URL, open_context, stripe_gateway
from tests.support.simulator import Receiver, SimulatorProcess, said

pytestmark = pytest.mark.anyio


@pytest.fixture
def context(books: Books, simulator: SimulatorProcess) -> Iterator[FlowContext]:
    simulator.control("reset", {})
    with open_context(books, stripe_gateway(simulator.url)) as made:
        yield made


async def connected(context: FlowContext) -> Connection:
    answer = await flow.connect_direct(context, ORG, "usr_1")
    assert isinstance(answer, Connection), answer
    await flow.ensure_cardholder(context, answer, ORG)
    return answer


def now(books: Books, connection: Connection) -> Connection:
    found = books.row(Connection, id=connection.id)
    assert isinstance(found, Connection)
    return found


async def cards(context: FlowContext, connection: Connection) -> list[tuple[str, str]]:
    """(mark, status) of every card at Stripe."""
    listed = await flow.ask_stripe(context, connection, lambda g, a: list(issuing.list_cards(g, a)))
    return [(card["metadata"].get("roony_probe"), card["status"]) for card in listed]


async def probed_at(url: str, context: FlowContext, simulator: SimulatorProcess, connection_id: str) -> Check:
    """What the probe says while Stripe asks whoever answers at this address, and nobody else."""
    endpoints = simulator.client().v1.webhook_endpoints
    for left in endpoints.list().data:
        endpoints.delete(left.id)
    wish: Any = {"url": url, "enabled_events": ["issuing_authorization.request"]}
    endpoint = endpoints.create(wish)
    found = await probe(context, ORG, connection_id, "usr_1")
    endpoints.delete(endpoint.id)
    assert isinstance(found, Preflight)
    [check] = checks_of(found)
    return check


class TestPreflight:
    """Kept with who and when; the balance has an alert of its own."""

    async def test_kept_and_audited_once_while_nothing_changes(self, context: FlowContext, books: Books) -> None:
        connection = await connected(context)
        for actor in ("usr_1", "usr_2"):
            assert isinstance(await run_preflight(context, connection, actor), Preflight)
        kept = books.row(Preflight, kind="preflight")
        assert (kept.checked_by, kept.connection_id) == ("usr_2", connection.id)
        assert {check.id: check.status for check in checks_of(kept)}["issuing_balance"] == "ok"

    async def test_of_a_cardholder_that_is_still_being_made_nothing_is_known(
        self, context: FlowContext, books: Books
    ) -> None:
        """The first look goes on beside the making of it: it does not say that there is none."""
        connection = await flow.connect_direct(context, ORG, "usr_1")
        assert isinstance(connection, Connection)

        async def look() -> Check:
            assert isinstance(await run_preflight(context, connection, "usr_1"), Preflight)
            kept = checks_of(books.row(Preflight, kind="preflight"))
            return next(check for check in kept if check.id == "cardholder")

        before = await look()
        assert (before.status, "not known yet" in before.message) == ("warning", True)
        await flow.ensure_cardholder(context, connection, ORG)
        assert (await look()).status == "ok"

    async def test_the_balance_is_told_of_once_and_no_more(self, context: FlowContext, books: Books) -> None:
        connection = await connected(context)

        async def look(cause: str) -> list[tuple[str, int]]:
            await context.till.submit(flow.PromiseCheck(ORG, connection.id, cause, kind="check_balance"))
            for promise in await context.till.write(outbox.claim(context.clock())):
                if promise.kind == "check_balance":
                    await keep_check_balance(context, promise)
            return [(row.status, row.times) for row in books.rows(Alert, kind="issuing_balance_low")]

        assert await look("1") == []
        await context.till.submit(UpdateOrganization(ORG, "usr_1", low_balance_amount=10**11))
        assert await look("2") == [("open", 1)]
        assert "no more than 1,000,000,000.00 USD: payments" in books.row(Alert, kind="issuing_balance_low").message
        assert await look("3") == [("open", 1)]
        await context.till.submit(UpdateOrganization(ORG, "usr_1", low_balance_amount=0))
        assert await look("4") == [("closed", 1)]


class TestOwnEndpoint:
    """One endpoint, whose secret is sealed in the commit that records it."""

    async def there(self, context: FlowContext, connection: Connection) -> list[Any]:
        return [
            one
            for one in await flow.ask_stripe(context, connection, events.list_webhook_endpoints)
            if one["metadata"].get("roony_connection") == connection.id
        ]

    async def test_one_and_rolled(self, context: FlowContext, books: Books) -> None:
        connection = await connected(context)
        for _ in range(2):
            assert isinstance(await setup_webhooks(context, ORG, connection.id, False, "usr_1"), Connection)
        [first] = await self.there(context, connection)
        assert first["url"] == f"{PUBLIC_URL}/api/webhooks/stripe?connection={connection.id}"
        [sealed] = [row.sealed for row in books.rows(ConnectionSecret) if row.name == f"webhook.{first['id']}"]
        assert "whsec" not in sealed

        await setup_webhooks(context, ORG, connection.id, True, "usr_1")
        [second] = await self.there(context, connection)
        assert second["id"] != first["id"]
        kept = {one.id: one.until for one in endpoints_of(now(books, connection))}
        assert kept == {first["id"]: books.clock() + ROLLED_FOR, second["id"]: None}

        speaker = await WebhookSecrets(context).speaker(connection.id)
        assert speaker is not None
        assert len(speaker.good_at(books.clock())) == 2
        assert len(speaker.good_at(books.clock() + ROLLED_FOR)) == 1

        books.clock.advance(ROLLED_FOR // 1_000_000 + 1)
        await setup_webhooks(context, ORG, connection.id, True, "usr_1")
        [third] = await self.there(context, connection)
        secrets = {row.name: row.sealed != "" for row in books.rows(ConnectionSecret) if row.name.startswith("webhook")}
        assert secrets == {
            f"webhook.{first['id']}": False, f"webhook.{second['id']}": True, f"webhook.{third['id']}": True,
        }  # fmt: skip
        assert {one.id for one in endpoints_of(now(books, connection))} == {second["id"], third["id"]}

    async def test_a_fresh_secret_counts_however_shortly_before_it_all_were_read(self, context: FlowContext) -> None:
        connection = await connected(context)
        await setup_webhooks(context, ORG, connection.id, False, "usr_1")
        known = WebhookSecrets(context)
        before = await known.speaker(connection.id)
        await setup_webhooks(context, ORG, connection.id, True, "usr_1")
        # As if all had been read at the last moment before.
        known._read_at, known._took = time.monotonic(), 0.01
        assert await known.speaker(connection.id) == before

        after = await known.newer(connection.id)
        assert before is not None
        assert after is not None
        assert len(before.secrets) + 1 == len(after.secrets)

    async def test_asked_for_twice_at_once_it_is_made_once(self, context: FlowContext) -> None:
        connection = await connected(context)
        first = await context.till.submit(PromiseWebhooks(ORG, connection.id, "run_1", False, "usr_1"))
        second = await context.till.submit(PromiseWebhooks(ORG, connection.id, "run_2", False, "usr_1"))
        assert isinstance(first, OutboxPromise)
        assert isinstance(second, Refusal)
        assert second.code == "already_running"

    async def test_a_late_holder_records_nothing(
        self, context: FlowContext, books: Books, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its endpoint was deleted by the next holder; the one that is there keeps its secret."""
        connection = await connected(context)
        promise = await context.till.submit(PromiseWebhooks(ORG, connection.id, "run", False, "usr_1"))
        assert isinstance(promise, OutboxPromise)
        submit, held, go = context.till.submit, asyncio.Event(), asyncio.Event()

        async def stopping(command: Any, deadline: float | None = None) -> Any:
            if isinstance(command, RecordWebhook) and not held.is_set():
                held.set()
                await go.wait()
            return await submit(command, deadline)

        monkeypatch.setattr(context.till, "submit", stopping)
        late = asyncio.ensure_future(keep_setup_webhooks(context, promise))
        await held.wait()
        books.clock.advance(outbox.LEASE // 1_000_000 + 1)
        for claimed in await context.till.write(outbox.claim(context.clock())):
            if claimed.kind == "setup_webhooks":
                assert isinstance(await keep_setup_webhooks(context, claimed), Connection)
        go.set()

        assert await late is None
        [there] = await self.there(context, connection)
        assert [(one.id, one.until) for one in endpoints_of(now(books, connection))] == [(there["id"], None)]
        assert books.row(OutboxPromise, kind="setup_webhooks").status == "done"

    async def test_a_lost_answer_costs_one_endpoint_which_goes(
        self, context: FlowContext, books: Books, simulator: SimulatorProcess
    ) -> None:
        connection = await connected(context)
        simulator.control("faults", [{"endpoint": "POST /v1/webhook_endpoints", "kind": "drop_after", "count": 1}])
        refused = await setup_webhooks(context, ORG, connection.id, False, "usr_1")
        assert isinstance(refused, Refusal)
        [lost] = await self.there(context, connection)
        books.clock.advance(60)
        for promise in await context.till.write(outbox.claim(context.clock())):
            if promise.kind == "setup_webhooks":
                await keep_setup_webhooks(context, promise)
        [made] = await self.there(context, connection)
        assert made["id"] != lost["id"]
        assert [one.id for one in endpoints_of(now(books, connection))] == [made["id"]]


class TestSecretsAtTheDoor:
    """What is in memory of them, while a flood comes in and while the database is away."""

    async def test_a_flood_takes_a_small_share_of_the_time(
        self, context: FlowContext, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Readings that take half a second each, seen by a clock of the test's own."""
        secrets, time, read_at = WebhookSecrets(context), SimpleNamespace(now=100.0), []

        def slow() -> None:
            time.now += 0.5
            read_at.append(time.now)

        async def sleep(seconds: float) -> None:
            time.now += seconds

        monkeypatch.setattr(webhook_secrets, "time", SimpleNamespace(monotonic=lambda: time.now))
        monkeypatch.setattr(asyncio, "sleep", sleep)
        monkeypatch.setattr(secrets, "_load", slow)
        for _ in range(300):
            await secrets.speaker("con_forged")
            await secrets.newer("con_forged")
            time.now += 0.1
        # From the end of one to the end of the next: the pause that is due, and the next one's own time.
        pauses = {round(later - earlier, 3) for earlier, later in itertools.pairwise(read_at)}
        assert pauses == {webhook_secrets.SHARE * 0.5 + 0.5}
        assert len(read_at) == 1 + int((time.now - read_at[0]) / 10.5)

    @pytest.mark.parametrize(
        ("body", "status"),
        [(b'{"id": "evt_1", "type": "account.updated"}', 503),
         (b'{"id": "evt_1", "type": "issuing_authorization.request"}', 200)],
    )  # fmt: skip
    async def test_the_database_is_away_at_the_first_event(
        self, context: FlowContext, monkeypatch: pytest.MonkeyPatch, body: bytes, status: int
    ) -> None:
        """Stripe sends an event again; a request is declined, since nobody else should decide it."""
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        async def app(scope: Any, receive: Any, send: Any) -> None:
            raise AssertionError(scope["path"])

        def away(statement: Any) -> Any:
            raise OperationalError("SELECT", {}, Exception("no connection"))

        monkeypatch.setattr(context.database, "read", away)
        scope = {"type": "http", "method": "POST", "path": PATH, "query_string": b"connection=con_1", "headers": []}
        await WebhookDoor(context, (), app)(scope, receive, send)
        assert sent[0]["status"] == status
        if status == 200:
            assert json.loads(sent[1]["body"])["approved"] is False


class TestProbe:
    """It ends what it began, also where another had to."""

    async def test_with_no_endpoint_it_shows_that_nobody_is_asked(self, context: FlowContext, books: Books) -> None:
        connection = await connected(context)
        books.clock.advance(-10)  # Stripe's time is the simulator's: later than the activation
        found = await probe(context, ORG, connection.id, "usr_1")
        assert isinstance(found, Preflight)
        assert [check.status for check in checks_of(found)] == ["missing"]
        assert {status for _, status in await cards(context, connection)} == {"canceled"}
        assert books.rows(Discrepancy) == []

    async def test_an_answer_of_somebody_else_is_none_of_ours(
        self, context: FlowContext, books: Books, simulator: SimulatorProcess
    ) -> None:
        """The real-time URL may still be that of another Roony, which answers in the same words."""
        connection = await connected(context)
        books.clock.advance(-10)
        with Receiver() as other:
            check = await probed_at(other.url, context, simulator, connection.id)
        assert (check.status, "another program" in check.message) == ("missing", True), check

    async def test_a_decline_for_want_of_time_is_not_called_another_programs(
        self, context: FlowContext, books: Books, simulator: SimulatorProcess
    ) -> None:
        """Roony declines so itself, and then its books have no answer: whoever is told otherwise changes a good URL."""
        connection = await connected(context)
        books.clock.advance(-10)
        with Receiver(answer=lambda event: said({"approved": False, "metadata": {"code": "BUSY"}})) as busy:
            check = await probed_at(busy.url, context, simulator, connection.id)
        assert (check.status, "(BUSY)" in check.message) == ("unknown", True), check

    async def test_a_key_that_may_not_ask_is_said_and_leaves_no_card(
        self, context: FlowContext, books: Books, simulator: SimulatorProcess
    ) -> None:
        """The test helpers' permission is nothing that agents need: the connection stays as it is."""
        connection = await connected(context)
        endpoint = "POST /v1/test_helpers/issuing/authorizations"
        simulator.control("faults", [{"endpoint": endpoint, "kind": "forbidden", "count": 1}])
        found = await probe(context, ORG, connection.id, "usr_1")
        assert isinstance(found, Preflight)
        [check] = checks_of(found)
        assert (check.id, check.status) == ("probe", "unknown")
        assert "permission" in check.message
        assert [status for _, status in await cards(context, connection)] == ["canceled"]
        assert now(books, connection).status == "active"
        assert books.row(OutboxPromise, kind="probe").status == "done"

    async def test_what_a_dead_holder_left_is_canceled_and_not_repeated(
        self, context: FlowContext, books: Books
    ) -> None:
        connection = await connected(context)
        promise = await context.till.submit(PromiseProbe(ORG, connection.id, "out_probe", "usr_1"))
        assert isinstance(promise, OutboxPromise)
        holder = await flow.ensure_cardholder(context, connection, ORG)
        params = {
            "cardholder": holder, "currency": "usd", "type": "virtual", "status": "active",
            "metadata": {"roony_probe": promise.id, "roony_organization": ORG},
        }  # fmt: skip
        await flow.ask_stripe(context, connection, issuing.create_card, params, promise.key)
        books.clock.advance(40)
        [again] = [one for one in await context.till.write(outbox.claim(context.clock())) if one.kind == "probe"]
        assert again.generation == 2
        found = await keep_probe(context, again)
        assert isinstance(found, Preflight)
        assert [check.status for check in checks_of(found)] == ["unknown"]
        assert await cards(context, connection) == [("out_probe", "canceled")]

    async def test_a_list_that_is_too_long_is_said_and_not_read_for_ever(
        self, context: FlowContext, books: Books, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        connection = await connected(context)
        promise = await context.till.submit(PromiseProbe(ORG, connection.id, "out_probe", "usr_1"))
        assert isinstance(promise, OutboxPromise)
        for name in ("FIND_CARDS_MAX_PAGES", "LIST_CARDHOLDERS_MAX_PAGES"):
            monkeypatch.setattr(issuing, name, 1)
        monkeypatch.setattr(paging, "PAGE_SIZE", 1)
        holder = await flow.ensure_cardholder(context, connection, ORG)
        params = {"cardholder": holder, "currency": "usd", "type": "virtual", "status": "active"}
        for number in range(2):
            await flow.ask_stripe(context, connection, issuing.create_card, params, f"card{number}")
        books.clock.advance(40)
        [again] = [one for one in await context.till.write(outbox.claim(context.clock())) if one.kind == "probe"]
        found = await keep_probe(context, again)
        assert isinstance(found, Preflight)
        [check] = checks_of(found)
        assert check.status == "unknown"
        assert "more than 1 pages" in check.message
        assert books.row(OutboxPromise, kind="probe").status == "done"

    async def test_never_in_live_mode(self, context: FlowContext, books: Books) -> None:
        connection = await connected(context)
        books.put(now(books, connection)._replace(livemode=1))
        books.reconfigure()
        refused = await probe(context, ORG, connection.id, "usr_1")
        assert isinstance(refused, Refusal)
        assert refused.code == "live_mode"
