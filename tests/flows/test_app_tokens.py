"""Renewing an app's tokens: once, by one holder, the pair committed before it is used; and every way it can fail."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import multiprocessing
import threading
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from roony import stop_points
from roony.core.alert import Alert
from roony.core.app_token import ACCESS_LIFETIME, LEASE, REFRESH_MARGIN, AppTokens
from roony.core.audit import AuditRecord
from roony.core.connection import Connection
from roony.flows import connection as flow
from roony.flows.connection import app_access
from roony.flows.connection.access import ask_stripe
from roony.flows.connection.app_tokens import EndRefresh, RecordPair, TakeRefresh
from roony.flows.context import FlowContext
from roony.flows.inbox import handle_events
from roony.flows.key_rotation import rotate_keys
from roony.gateway import issuing
from roony.gateway.client import CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS
from roony.gateway.errors import StripeUnauthorized
from roony.gateway.pace import MAX_WAIT
from roony.gateway.pool import GatewayBusy, GatewayPool
from roony.identifiers import new_id
from roony.store import outbox
from roony.store.command import UNKNOWN_OUTCOME, Command
from roony.store.database import Database
from roony.store.inbox import new_event
from roony.store.rows import ConnectionSecret, InboxEvent, OutboxPromise
from roony.store.till import Till
from roony.store.vault import Vault, key_id_of
from tests.gateway.loopback import Answer, LoopbackStripe
from tests.support.books import NOW, ORG, Books, Clock, writing_on
from tests.support.connecting import VAULT_KEY, open_context, stripe_gateway
from tests.support.installing import install, presented, refreshes, token_of
from tests.support.simulator import SimulatorProcess

pytestmark = pytest.mark.anyio

HOUR = ACCESS_LIFETIME / 1_000_000
MARGIN = REFRESH_MARGIN / 1_000_000
TOKEN = "POST /v1/oauth/token"
PATIENCE = 60.0  # seconds after which something that was waited for has failed


@pytest.fixture
def stripe(simulator: SimulatorProcess) -> SimulatorProcess:
    simulator.control("reset", {})
    return simulator


@pytest.fixture
def context(books: Books, stripe: SimulatorProcess, monkeypatch: pytest.MonkeyPatch) -> Iterator[FlowContext]:
    monkeypatch.setattr(app_access, "PAUSE", 0.02)
    with open_context(books, stripe_gateway(stripe.url)) as made:
        yield made


async def ask(context: FlowContext, connection: Connection) -> str:
    """A call for the connection; the account it was answered for."""
    account = await ask_stripe(context, connection, issuing.retrieve_account)
    return str(account["id"])


async def no_token(context: FlowContext, connection: Connection) -> str:
    """A call that finds no token; the code it fails with."""
    with pytest.raises(StripeUnauthorized) as refused:
        await ask(context, connection)
    return str(refused.value.failure.code)


def tokens(books: Books) -> AppTokens:
    row: AppTokens = books.row(AppTokens)
    return row


async def being_renewed(books: Books) -> None:
    """Returns once somebody holds the lease."""
    async with asyncio.timeout(PATIENCE):
        while tokens(books).holder is None:  # noqa: ASYNC110 - the row tells no event
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def held_renewal() -> AsyncIterator[threading.Event]:
    """The next new pair of tokens that Stripe gives out is not heard of inside the block; told is when it was asked."""
    asked, heard = threading.Event(), threading.Event()

    def hold() -> None:
        asked.set()
        assert heard.wait(PATIENCE)

    stop_points.arm("after_call:refresh_app_tokens", hold)
    try:
        yield asked
    finally:
        stop_points.arm(None)
        heard.set()


def status(books: Books, connection: Connection) -> tuple[str, str | None]:
    row = books.row(Connection, id=connection.id)
    return row.status, (row.status_reason or "").partition(":")[0] or None


def expect_reconnect(books: Books, connection: Connection) -> None:
    """Restricted with everyone told; nothing canceled, nothing erased."""
    assert status(books, connection) == ("restricted", "reconnect_needed")
    [alert] = books.rows(Alert, kind="connection_restricted", status="open")
    assert alert.subject == connection.id
    assert books.rows(OutboxPromise, kind="end_cards_of_connection") == []
    assert all(row.sealed for row in books.rows(ConnectionSecret))


class TestInTime:
    """Used while it is good, renewed before it ends."""

    async def test_a_token_with_time_left_is_just_used(
        self, context: FlowContext, books: Books, stripe: SimulatorProcess
    ) -> None:
        connection = await install(context, stripe)
        books.clock.advance(HOUR - MARGIN - 1)

        assert await ask(context, connection) == connection.stripe_account

        assert refreshes(stripe) == []
        assert tokens(books).generation == 1

    async def test_it_is_renewed_before_its_end(
        self, context: FlowContext, books: Books, stripe: SimulatorProcess
    ) -> None:
        connection = await install(context, stripe)
        old = token_of(context, books, connection)
        books.clock.advance(HOUR - MARGIN)

        assert await ask(context, connection) == connection.stripe_account
        assert await ask(context, connection) == connection.stripe_account

        assert presented(stripe, old) == ["tokens"]
        pair = tokens(books)
        assert (pair.generation, pair.holder, pair.expires_at) == (2, None, books.clock() + ACCESS_LIFETIME)
        assert token_of(context, books, connection) != old
        assert [row.action for row in books.rows(AuditRecord) if row.action == "connection.tokens_renewed"] != []

    @pytest.mark.parametrize("after", [HOUR - MARGIN, HOUR + 1, 30 * 24 * HOUR], ids=["in time", "over", "a month"])
    async def test_sixteen_at_once_renew_once(
        self, context: FlowContext, books: Books, stripe: SimulatorProcess, after: float
    ) -> None:
        connection = await install(context, stripe)
        books.clock.advance(after)

        accounts = await asyncio.gather(*(ask(context, connection) for _ in range(16)))

        assert accounts == [connection.stripe_account] * 16
        assert [one["result"] for one in refreshes(stripe)] == ["tokens"]
        assert tokens(books).generation == 2

    async def test_while_one_renews_the_others_use_the_old_token(
        self, context: FlowContext, books: Books, stripe: SimulatorProcess
    ) -> None:
        connection = await install(context, stripe)
        books.clock.advance(HOUR - MARGIN)
        async with held_renewal():
            first = asyncio.ensure_future(ask(context, connection))
            await being_renewed(books)

            await asyncio.gather(*(ask(context, connection) for _ in range(5)))

            assert not first.done()
            assert tokens(books).generation == 1
        assert await first == connection.stripe_account
        assert len(refreshes(stripe)) == 1

    @pytest.mark.parametrize("leaves", ["while Stripe is asked", "while the lease is taken"])
    async def test_the_work_goes_on_when_its_caller_leaves(
        self, context: FlowContext, books: Books, stripe: SimulatorProcess, leaves: str
    ) -> None:
        loop = asyncio.get_running_loop()
        connection = await install(context, stripe)
        books.clock.advance(HOUR)
        stripe.control("faults", [{"endpoint": TOKEN, "kind": "slow", "seconds": 0.5, "count": 1}])
        first = asyncio.ensure_future(ask(context, connection))
        if leaves == "while Stripe is asked":
            await being_renewed(books)
            first.cancel()
        else:
            # It is in the till's hands by then: whether it commits is no longer ours to say.
            stop_points.arm("before_commit:TakeRefresh", lambda: loop.call_soon_threadsafe(first.cancel))
        with contextlib.suppress(asyncio.CancelledError):
            await first
        stop_points.arm(None)

        await app_access.finish_renewals(10)

        assert tokens(books).generation == 2
        assert await ask(context, connection) == connection.stripe_account
        assert len(refreshes(stripe)) == 1


def renew_in_child(database_url: str, stripe_url: str, connection: Connection, now: int, gate: Any, told: Any) -> None:
    """Run in a child: eight calls at once, as soon as the gate opens; tells the accounts."""
    database = Database(database_url, own_clock=True)
    till = Till(writing_on(database), Clock(now), lambda: uuid.uuid4().hex)
    till.start()
    context = FlowContext(
        till, database, stripe_gateway(stripe_url), GatewayPool(threads=8), Vault([VAULT_KEY]), Clock(now),
        new_id, lambda: "http://localhost:9",
    )  # fmt: skip

    async def calls() -> list[str]:
        return await asyncio.gather(*(ask(context, connection) for _ in range(8)))

    gate.wait(60)
    told.send(asyncio.run(calls()))
    till.stop()


async def test_two_processes_renew_once(context: FlowContext, books: Books, stripe: SimulatorProcess) -> None:
    if books.database.is_sqlite:
        pytest.skip("on SQLite one process serves a file")
    connection = await install(context, stripe)
    books.clock.advance(HOUR + 1)
    spawn = multiprocessing.get_context("spawn")
    gate = spawn.Barrier(2)
    url = books.database.url.render_as_string(hide_password=False)
    pipes = [spawn.Pipe(duplex=False) for _ in range(2)]
    children = [
        spawn.Process(target=renew_in_child, args=(url, stripe.url, connection, books.clock(), gate, tell))
        for _, tell in pipes
    ]
    for child in children:
        child.start()
    try:
        for told, _ in pipes:
            assert told.poll(60)
            assert told.recv() == [connection.stripe_account] * 8
    finally:
        for child in children:
            child.join(60)
            child.kill()

    assert [one["result"] for one in refreshes(stripe)] == ["tokens"]
    assert tokens(books).generation == 2


class TestNotDone:
    """Stripe certainly did nothing: the refresh token is good, and is used again later."""

    async def test_turned_away_for_now(self, context: FlowContext, books: Books, stripe: SimulatorProcess) -> None:
        connection = await install(context, stripe)
        books.clock.advance(HOUR - MARGIN)
        stripe.control("faults", [{"endpoint": TOKEN, "kind": "rate_limit"}])

        # The old token still serves, and Stripe is left alone until the pause is over.
        for _ in range(3):
            assert await ask(context, connection) == connection.stripe_account
        pair = tokens(books)
        assert (pair.holder, pair.failures, pair.unsure) == (None, 1, 0)
        books.clock.advance(MARGIN)
        with pytest.raises(GatewayBusy):
            await ask(context, connection)
        assert tokens(books).failures == 2
        with pytest.raises(GatewayBusy):
            await ask(context, connection)
        assert tokens(books).failures == 2
        assert status(books, connection) == ("active", None)

        stripe.control("faults", [])
        books.clock.advance(5)
        assert await ask(context, connection) == connection.stripe_account
        assert (tokens(books).generation, tokens(books).failures) == (2, 0)

    async def test_the_database_broke_off_when_the_lease_was_taken(
        self, context: FlowContext, books: Books, stripe: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It was committed, and its holder never learns: it gives back what may be its own."""
        connection = await install(context, stripe)
        books.clock.advance(HOUR)
        submit, broken = context.till.submit, [TakeRefresh, EndRefresh]

        async def break_off(command: Command[Any], deadline: float | None = None) -> Any:
            answer = await submit(command, deadline)
            if type(command) not in broken:
                return answer
            broken.remove(type(command))
            return UNKNOWN_OUTCOME

        monkeypatch.setattr(context.till, "submit", break_off)
        with pytest.raises(GatewayBusy):
            await ask(context, connection)
        assert (tokens(books).holder, tokens(books).failures, broken) == (None, 1, [])

        books.clock.advance(LEASE / 1_000_000 + 1)
        assert await ask(context, connection) == connection.stripe_account
        assert (status(books, connection), tokens(books).generation) == (("active", None), 2)

    async def test_our_own_key_is_refused(self, context: FlowContext, books: Books, stripe: SimulatorProcess) -> None:
        connection = await install(context, stripe)
        wrong = dataclasses.replace(context, gateway=stripe_gateway(stripe.url, secret_key="sk_test_wrong"))
        books.clock.advance(HOUR - MARGIN)
        assert await ask(wrong, connection) == connection.stripe_account
        assert status(books, connection) == ("active", None)

        books.clock.advance(MARGIN)
        with pytest.raises(GatewayBusy):
            await ask(wrong, connection)

        # A wrong key is no reason to end a connection, and what it leaves undone is good as before.
        assert status(books, connection) == ("restricted", "key_refused")
        assert books.rows(OutboxPromise, kind="end_cards_of_connection") == []
        wrong.gateway.close()
        books.clock.advance(10)
        assert await ask(context, connection) == connection.stripe_account

    @pytest.mark.parametrize("after", [HOUR - MARGIN, HOUR], ids=["in time", "over"])
    async def test_the_app_was_uninstalled(
        self, context: FlowContext, books: Books, stripe: SimulatorProcess, after: float
    ) -> None:
        """`invalid_grant` at the first clean try says what a lost event would have said."""
        connection = await install(context, stripe)
        stripe.control(f"accounts/{connection.stripe_account}/disconnect", {})
        books.clock.advance(after)

        assert await no_token(context, connection) == "reconnect_needed"

        row = books.row(Connection, id=connection.id)
        assert (row.status, row.status_reason) == (
            "revoked", "the app was uninstalled, or its access taken back, at Stripe",
        )  # fmt: skip
        assert {secret.sealed for secret in books.rows(ConnectionSecret)} == {""}
        assert [alert.kind for alert in books.rows(Alert, status="open")] == ["connection_revoked"]
        assert await no_token(context, connection) == "reconnect_needed"
        assert len(refreshes(stripe)) == 1

    async def test_the_refresh_token_is_wrong_and_the_app_still_installed(
        self, context: FlowContext, books: Books, stripe: SimulatorProcess
    ) -> None:
        """As when an older copy of the database is used, or the key is another platform's: no card is canceled."""
        connection = await install(context, stripe)
        older = token_of(context, books, connection)
        exchange = {"grant_type": "refresh_token", "refresh_token": older}
        stripe.client().raw_request("post", "/v1/oauth/token", **exchange)
        books.clock.advance(HOUR - MARGIN)

        assert await ask(context, connection) == connection.stripe_account

        expect_reconnect(books, connection)
        assert presented(stripe, older) == ["tokens", "invalid_grant"]

    async def test_the_look_at_the_account_misses_a_permission(
        self, context: FlowContext, books: Books, stripe: SimulatorProcess
    ) -> None:
        """Only of an app that is installed a permission is asked: no card is canceled for that."""
        connection = await install(context, stripe)
        exchange = {"grant_type": "refresh_token", "refresh_token": token_of(context, books, connection)}
        stripe.client().raw_request("post", "/v1/oauth/token", **exchange)
        stripe.control("faults", [{"endpoint": "GET /v1/account", "kind": "forbidden", "count": 1}])
        books.clock.advance(HOUR - MARGIN)

        assert await ask(context, connection) == connection.stripe_account

        expect_reconnect(books, connection)
        assert books.rows(OutboxPromise, kind="end_cards_of_connection") == []

    async def test_an_older_copy_of_the_database_was_put_back(
        self, context: FlowContext, books: Books, stripe: SimulatorProcess
    ) -> None:
        """Its tokens were renewed since. Roony sees the gap, and cancels nothing for a token that is merely old."""
        connection = await install(context, stripe)
        exchange = {"grant_type": "refresh_token", "refresh_token": token_of(context, books, connection)}
        stripe.client().raw_request("post", "/v1/oauth/token", **exchange)
        books.put(books.row(Connection, id=connection.id)._replace(catching_up_since=NOW))
        books.clock.advance(24 * HOUR)

        assert await no_token(context, connection) == "reconnect_needed"

        expect_reconnect(books, connection)

    async def test_a_key_of_the_other_mode(self, context: FlowContext, books: Books, stripe: SimulatorProcess) -> None:
        connection = await install(context, stripe)
        live = dataclasses.replace(context, gateway=stripe_gateway(stripe.url, secret_key="sk_live_of_the_other"))
        books.clock.advance(HOUR)
        assert await no_token(live, connection) == "wrong_mode"
        live.gateway.close()
        assert refreshes(stripe) == []
        assert (status(books, connection)[0], tokens(books).failures) == ("restricted", 0)


class TestUnclear:
    """Nobody knows whether the pair was issued: the holder tries again; a refusal then proves nothing."""

    @pytest.mark.parametrize("fault", ["drop_before", "error_before", "conflict"])
    async def test_nothing_had_happened(
        self, context: FlowContext, books: Books, stripe: SimulatorProcess, fault: str
    ) -> None:
        connection = await install(context, stripe)
        books.clock.advance(HOUR)
        stripe.control("faults", [{"endpoint": TOKEN, "kind": fault, "count": 2}])

        assert await ask(context, connection) == connection.stripe_account

        assert tokens(books).generation == 2
        assert status(books, connection) == ("active", None)

    @pytest.mark.parametrize("left", [MARGIN, 0], ids=["in time", "over"])
    @pytest.mark.parametrize("fault", ["drop_after", "error_after"])
    async def test_the_pair_was_issued_and_lost(
        self, context: FlowContext, books: Books, stripe: SimulatorProcess, fault: str, left: float
    ) -> None:
        connection = await install(context, stripe)
        old = token_of(context, books, connection)
        books.clock.advance(HOUR - left)
        stripe.control("faults", [{"endpoint": TOKEN, "kind": fault, "count": 1}])

        # The old access token lives to its end.
        if left:
            assert await ask(context, connection) == connection.stripe_account
            expect_reconnect(books, connection)
            books.clock.advance(left)
        assert await no_token(context, connection) == "reconnect_needed"

        expect_reconnect(books, connection)
        assert presented(stripe, old) == ["tokens", "invalid_grant"]
        # The owner installs it once more, on the same account.
        again = await install(context, stripe, account=str(connection.stripe_account))
        assert again.id == connection.id
        assert status(books, connection) == ("active", None)
        assert books.rows(Alert, status="open") == []
        assert await ask(context, again) == connection.stripe_account

    async def test_it_stays_unclear_for_long(
        self, context: FlowContext, books: Books, stripe: SimulatorProcess
    ) -> None:
        """Stripe is away: nobody is restricted for that. What it says later is then no proof of an uninstall."""
        connection = await install(context, stripe)
        books.clock.advance(HOUR)
        stripe.control("faults", [{"endpoint": TOKEN, "kind": "error_before"}])
        for failures in (1, 2):
            with pytest.raises(GatewayBusy):
                await ask(context, connection)
            assert (tokens(books).failures, tokens(books).unsure) == (failures, 1)
            books.clock.advance(10)
        assert status(books, connection) == ("active", None)
        stripe.control("faults", [])
        stripe.control(f"accounts/{connection.stripe_account}/disconnect", {})

        assert await no_token(context, connection) == "reconnect_needed"

        expect_reconnect(books, connection)


class TestDeadHolder:
    """Whoever holds the lease and is not heard of took the outcome along."""

    async def take(self, context: FlowContext, connection: Connection) -> TakeRefresh:
        """Somebody takes the lease and dies."""
        taken = TakeRefresh(connection.organization_id, connection.id, context.new_id("ref"))
        await context.till.submit(taken)
        return taken

    async def test_the_next_one_says_so_at_once(
        self, context: FlowContext, books: Books, stripe: SimulatorProcess
    ) -> None:
        connection = await install(context, stripe)
        old = token_of(context, books, connection)
        books.clock.advance(HOUR - MARGIN)
        await self.take(context, connection)
        books.clock.advance(LEASE / 1_000_000 - 1)
        assert await ask(context, connection) == connection.stripe_account
        assert status(books, connection) == ("active", None)
        books.clock.advance(1)

        assert await ask(context, connection) == connection.stripe_account

        expect_reconnect(books, connection)
        books.clock.advance(MARGIN)
        for _ in range(3):
            assert await no_token(context, connection) == "reconnect_needed"
        assert presented(stripe, old) == []

    async def test_sixteen_at_once_find_it_dead(
        self, context: FlowContext, books: Books, stripe: SimulatorProcess
    ) -> None:
        connection = await install(context, stripe)
        books.clock.advance(HOUR)
        await self.take(context, connection)
        books.clock.advance(LEASE / 1_000_000)

        codes = await asyncio.gather(*(no_token(context, connection) for _ in range(16)))

        assert set(codes) == {"reconnect_needed"}
        assert refreshes(stripe) == []
        expect_reconnect(books, connection)

    async def test_it_was_not_dead_but_late(self, context: FlowContext, books: Books, stripe: SimulatorProcess) -> None:
        """Stopped for longer than its lease, it comes back with the only pair there is."""
        connection = await install(context, stripe)
        books.clock.advance(HOUR)
        async with held_renewal() as asked:
            late = asyncio.ensure_future(ask(context, connection))
            assert await asyncio.to_thread(asked.wait, PATIENCE)
            books.clock.advance(LEASE / 1_000_000)
            assert await no_token(context, connection) == "reconnect_needed"
            expect_reconnect(books, connection)

        assert await late == connection.stripe_account

        assert status(books, connection) == ("active", None)
        assert tokens(books).generation == 2
        assert len(refreshes(stripe)) == 1

    @pytest.mark.parametrize("ended", ["reconnected", "disconnected"])
    async def test_it_comes_when_the_tokens_are_no_longer_its_own(
        self, context: FlowContext, books: Books, stripe: SimulatorProcess, ended: str
    ) -> None:
        connection = await install(context, stripe)
        books.clock.advance(HOUR)
        taken = await self.take(context, connection)
        if ended == "reconnected":
            await install(context, stripe, account=str(connection.stripe_account))
        else:
            await context.till.submit(flow.RevokeConnection(ORG, connection.id, "x", "stripe", "out_x"))
        before = (tokens(books), books.rows(ConnectionSecret), status(books, connection))
        pair = (("access_token", "v1.late"), ("refresh_token", "v1.late"))

        for late in (
            RecordPair(ORG, connection.id, taken.holder, 1, books.clock(), pair),
            EndRefresh(ORG, connection.id, taken.holder, 1, "invalid_grant", "out_1"),
            EndRefresh(ORG, connection.id, taken.holder, 1, "lost", "out_2"),
        ):
            assert await context.till.submit(late) is False

        assert (tokens(books), books.rows(ConnectionSecret), status(books, connection)) == before


class TestRefusedToken:
    """401 on a call: renew once, make the same call once more."""

    async def test_stripe_thinks_it_is_over_before_we_do(
        self, context: FlowContext, books: Books, stripe: SimulatorProcess
    ) -> None:
        connection = await install(context, stripe)
        stripe.control("clock", {"advance": 3_600})

        accounts = await asyncio.gather(*(ask(context, connection) for _ in range(16)))

        # Many were refused with the same token; whoever comes second finds another one there.
        assert accounts == [connection.stripe_account] * 16
        assert len(refreshes(stripe)) == 1
        assert (tokens(books).generation, status(books, connection)) == (2, ("active", None))

    async def test_the_call_is_repeated_with_its_idempotency_key(self, books: Books) -> None:
        grant = {
            "access_token": "sk_test_1", "refresh_token": "rt_1", "livemode": False, "scope": "stripe_apps",
            "stripe_user_id": "acct_9", "token_type": "bearer",
        }  # fmt: skip
        holder = {"id": "ich_1", "object": "issuing.cardholder"}
        refused = Answer({"error": {"type": "invalid_request_error", "message": "Expired"}}, 401)
        with LoopbackStripe() as wire, open_context(books, stripe_gateway(wire.url)) as context:
            connection = await self._connected(context, wire, grant)
            wire.received.clear()
            renewed = Answer({**grant, "access_token": "sk_test_2", "refresh_token": "rt_2"})
            wire.script(refused, renewed, Answer(holder))

            made = await ask_stripe(context, connection, issuing.create_cardholder, {"name": "A"}, "key_1")

            assert made["id"] == "ich_1"
            first, token, second = wire.received
            assert (first.path, token.path, second.path) == (
                "/v1/issuing/cardholders", "/v1/oauth/token", "/v1/issuing/cardholders",
            )  # fmt: skip
            assert token.form["refresh_token"] == ["rt_1"]
            assert [one.headers["Idempotency-Key"] for one in (first, second)] == ["key_1", "key_1"]
            assert [one.headers["Authorization"][-1] for one in (first, second)] == ["1", "2"]
            assert token_of(context, books, connection) == "rt_2"

            # Refused again with the new one: only the owner can help, and nothing is asked any more.
            wire.received.clear()
            wire.script(refused, Answer({**grant, "access_token": "sk_test_3", "refresh_token": "rt_3"}), refused)
            with pytest.raises(StripeUnauthorized):
                await ask(context, connection)
            assert [one.path for one in wire.received].count("/v1/oauth/token") == 1
            expect_reconnect(books, connection)
            wire.received.clear()
            assert await no_token(context, connection) == "reconnect_needed"
            assert wire.received == []

    async def _connected(self, context: FlowContext, wire: LoopbackStripe, grant: dict[str, Any]) -> Connection:
        begun = await flow.start_connection(context, ORG, "stripe_app", "usr_1")
        assert isinstance(begun, flow.Started)
        link = await flow.open_ticket(context, parse_qs(urlsplit(str(begun.url)).query)["ticket"][0])
        assert isinstance(link, flow.Opened)
        wire.script(Answer(grant), Answer({"id": "acct_9", "object": "account", "country": "US"}))
        state = parse_qs(urlsplit(link.authorize_url).query)["state"][0]
        done = await flow.finish(context, flow.Callback(state, link.cookie, "ac_1", None))
        assert isinstance(done, Connection), done
        return done


class TestKeys:
    """The vault's keys and an app's tokens."""

    async def test_a_missing_key_is_named(self, context: FlowContext, books: Books, stripe: SimulatorProcess) -> None:
        connection = await install(context, stripe)
        bare = dataclasses.replace(context, vault=Vault([b"another key, as good as the first"[:32]]))

        assert await no_token(bare, connection) == "key_missing"

        row = books.row(Connection, id=connection.id)
        assert row.status == "restricted"
        assert row.status_reason.startswith(f"key_missing: The key {key_id_of(VAULT_KEY)}")
        [alert] = books.rows(Alert, status="open")
        assert "ROONY_SECRET_KEYS" in alert.message
        # Found again, it works again.
        assert await ask(context, connection) == connection.stripe_account

    async def test_a_token_of_another_row(self, context: FlowContext, books: Books, stripe: SimulatorProcess) -> None:
        connection = await install(context, stripe)
        access, refresh = books.rows(ConnectionSecret)
        books.put(access._replace(sealed=refresh.sealed))

        assert await no_token(context, connection) == "token_unreadable"

        assert status(books, connection) == ("restricted", "token_unreadable")
        assert refreshes(stripe) == []

    async def test_keys_are_rotated_while_tokens_are_renewed(
        self, context: FlowContext, books: Books, stripe: SimulatorProcess
    ) -> None:
        connections = [await install(context, stripe) for _ in range(4)]
        books.clock.advance(HOUR)
        new = b"yet another key of the same kind."[:32]
        rotating = dataclasses.replace(context, vault=Vault([new, VAULT_KEY]))

        async def rotate() -> None:
            for _ in range(10):
                await rotate_keys(rotating, ORG, None, "key_1")

        await asyncio.gather(rotate(), *(ask(rotating, connection) for connection in connections))
        await rotate()

        # The old key is dropped: every token opens, and every pair is the one Stripe knows.
        after = dataclasses.replace(context, vault=Vault([new]))
        assert {row.generation for row in books.rows(AppTokens)} == {2}
        for connection in connections:
            assert await ask(after, connection) == connection.stripe_account
        books.clock.advance(HOUR)
        for connection in connections:
            assert await ask(after, connection) == connection.stripe_account
        assert {one["result"] for one in refreshes(stripe)} == {"tokens"}


class TestEnd:
    """Disconnected by its owner, uninstalled at Stripe."""

    async def test_the_owner_disconnects(self, context: FlowContext, books: Books, stripe: SimulatorProcess) -> None:
        connection = await install(context, stripe)
        access = token_of(context, books, connection, "access_token")
        await flow.disconnect(context, ORG, connection.id, "usr_1")
        # Its cards are still to be canceled, with its tokens.
        assert token_of(context, books, connection) != ""
        for promise in await context.till.write(outbox.claim(context.clock())):
            if promise.kind == "end_cards_of_connection":
                await flow.keep_end_cards(context, promise)

        assert {secret.sealed for secret in books.rows(ConnectionSecret)} == {""}
        assert (tokens(books).expires_at, tokens(books).holder) == (0, None)
        assert await no_token(context, connection) == "reconnect_needed"
        # Nothing tells Stripe: the owner is asked to.
        [alert] = books.rows(Alert, kind="app_to_uninstall", status="open")
        assert "Uninstall Roony's app" in alert.message
        assert str(connection.stripe_account) in alert.message
        stripe.client(key=access).v1.balance.retrieve()
        await context.till.submit(flow.RevokeConnection(ORG, connection.id, "deauthorized", "stripe", "out_9", NOW * 2))
        assert books.rows(Alert, kind="app_to_uninstall", status="open") == []
        assert refreshes(stripe) == []

    @pytest.mark.parametrize(
        ("application", "ends"), [("ca_simulator", True), (None, True), ("ca_third", False), ("ca_connect", False)]
    )
    async def test_uninstalled(
        self, context: FlowContext, books: Books, stripe: SimulatorProcess, application: str | None, ends: bool
    ) -> None:
        """By the event Stripe sends; one about our Connect platform is another matter. Of a third application the
        account is asked."""
        connection = await install(context, stripe)
        context.gateway.connect_client_id = "ca_connect"
        body = {"data": {"object": {"id": application, "object": "application"}}}
        created = NOW // 1_000_000
        event = new_event(
            "evt_1", connection.stripe_account, False, "account.application.deauthorized", None, created,
            json.dumps(body).encode(), NOW,
        )  # fmt: skip
        books.put(event)

        await handle_events(context, [event])

        told = books.row(InboxEvent)
        if not ends:
            third = application == "ca_third"
            handled = ("applied", None) if third else ("ignored", "of another application")
            assert (told.status, told.reason) == handled
            assert len(books.rows(OutboxPromise, kind="check_account")) == int(third)
            assert status(books, connection) == ("active", None)
            assert token_of(context, books, connection) != ""
            return
        assert told.status == "applied"
        assert status(books, connection)[0] == "revoked"
        assert {secret.sealed for secret in books.rows(ConnectionSecret)} == {""}
        assert books.rows(Alert, kind="app_to_uninstall") == []
        assert await no_token(context, connection) == "reconnect_needed"


def test_a_call_that_is_begun_ends_inside_the_lease() -> None:
    longest = MAX_WAIT + CONNECT_TIMEOUT_SECONDS + READ_TIMEOUT_SECONDS
    assert longest < app_access.CALL_SECONDS < LEASE / 1_000_000


def test_a_stop_waits_for_threads_of_this_loop_only() -> None:
    """Another loop's work is another's to wait for."""
    done = threading.Event()

    async def nothing_under_way() -> None:
        await app_access.finish_renewals(5)
        done.set()

    asyncio.run(nothing_under_way())
    assert done.is_set()
