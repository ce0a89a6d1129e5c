"""Restricted and active again: what Stripe's refusals, the account itself and its reports do to a connection."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import threading
import time
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from roony.core.agent import Organization
from roony.core.alert import Alert
from roony.core.audit import AuditRecord
from roony.core.card import Card
from roony.core.confirmation import CONTRADICTED, REALTIME_URL, TIMEOUT_DECLINES, Confirmation
from roony.core.connection import Connection, Seen, restrict, restrictions_of
from roony.core.duration import MINUTE
from roony.core.errors import Refusal
from roony.core.reconciliation import Reconciliation
from roony.core.settlement import read_authorization
from roony.flows import connection as flow
from roony.flows.connection import account_status
from roony.flows.connection.account_status import AccountDuty, RecordAccount, slot_of
from roony.flows.context import FlowContext
from roony.flows.inbox import handle_events
from roony.flows.organization import choose_unknown_cards
from roony.flows.preflight import keep_preflight
from roony.flows.reconciliation import keep_reconcile, start_by_hand
from roony.flows.settlement import BookAuthorization
from roony.flows.webhook_endpoint import setup_webhooks
from roony.gateway import issuing
from roony.gateway.errors import StripeForbidden, StripeUnauthorized
from roony.store import inbox, outbox
from roony.store.rows import OutboxPromise
from tests.gateway.loopback import Answer, LoopbackStripe
from tests.support.books import ACCOUNT, CONNECTION, NOW, ORG, Books
from tests.support.connecting import open_context, stripe_gateway

pytestmark = pytest.mark.anyio

SECOND = 1_000_000


def failing(status: int, message: str, code: str | None = None) -> Answer:
    error = {"type": "invalid_request_error", "message": message} | ({"code": code} if code else {})
    return Answer({"error": error}, status)


def account(capability: str | None = "active") -> Answer:
    return Answer({"id": ACCOUNT, "capabilities": {"card_issuing": capability} if capability else {}})


KEY = failing(401, "Invalid API Key provided: sk_test_abcdefgh")
PERMISSION = failing(403, "The provided key does not have the permission 'issuing_card_write'.")
GONE = failing(403, "The provided key does not have access to account 'acct_1'.", "account_invalid")
NOTHING = Answer({"data": [], "has_more": False})
NO_CARDHOLDER = failing(400, "No such cardholder: 'ich_none'", "resource_missing")


@pytest.fixture
def context(books: Books, wire: LoopbackStripe) -> Iterator[FlowContext]:
    with open_context(books, stripe_gateway(wire.url)) as made:
        books.put(books.row(Organization, id=ORG)._replace(connection_id=CONNECTION, config_version="c2"))
        yield made


def row_of(books: Books) -> Connection:
    found = books.row(Connection, id=CONNECTION)
    assert isinstance(found, Connection)
    return found


def codes(books: Books) -> list[str]:
    return [item.code for item in restrictions_of(row_of(books))]


def alerts(books: Books) -> list[str]:
    return [row.kind for row in books.rows(Alert) if row.status == "open"]


def actions(books: Books) -> list[str]:
    records = books.rows(AuditRecord, organization_id=ORG)
    return [record.action for record in records if record.action.startswith("connection.")]


async def retrieve(context: FlowContext, books: Books) -> None:
    await flow.ask_stripe(context, row_of(books), issuing.retrieve_card, "ic_1")


async def looks(context: FlowContext, duty: AccountDuty) -> list[flow.PromiseCheck]:
    """The looks at accounts that are due; those at balances are another matter."""
    return [command for command in await duty.due(context.clock()) if command.kind == "check_account"]


def arrived(wire: LoopbackStripe) -> bool:
    """Waits for a request."""
    return any(wire.received or time.sleep(0.01) for _ in range(6_000))


async def keep(context: FlowContext) -> list[OutboxPromise]:
    claimed = await context.till.write(outbox.claim(context.clock()))
    claimed = [promise for promise in claimed if promise.kind == "check_account"]
    for promise in claimed:
        await flow.keep_check_account(context, promise)
    return claimed


class TestRefusals:
    """Whatever was asked: a 401, a 403 and the account-access error say something of the connection."""

    async def test_a_refused_key_restricts_and_cancels_nothing(
        self, context: FlowContext, books: Books, wire: LoopbackStripe
    ) -> None:
        bought = books.ready(1_000)
        wire.script(KEY)

        with pytest.raises(StripeUnauthorized):
            await retrieve(context, books)

        assert (row_of(books).status, codes(books)) == ("restricted", ["key_refused"])
        assert "sk_test_abcdefgh" not in (row_of(books).status_reason or "")
        assert alerts(books) == ["connection_restricted"]
        assert books.row(Card, id=bought.card_id).status == "active"
        assert books.rows(OutboxPromise, kind="cancel_card") == []
        assert books.ask(2_000).purchase.status == "declined"
        answered = books.authorize(bought, 1_000)
        assert (answered.approved, answered.code) == (False, "CONNECTION_INACTIVE")

    async def test_a_missing_permission_is_named(
        self, context: FlowContext, books: Books, wire: LoopbackStripe
    ) -> None:
        wire.script(PERMISSION)
        for _ in range(2):
            with pytest.raises(StripeForbidden):
                await retrieve(context, books)

        assert codes(books) == ["permission_missing"]
        assert "issuing_card_write" in (row_of(books).status_reason or "")
        assert actions(books) == ["connection.restricted"]
        assert [row.times for row in books.rows(Alert)] == [1]

    async def test_an_account_that_is_not_ours_any_more_is_revoked(
        self, context: FlowContext, books: Books, wire: LoopbackStripe
    ) -> None:
        wire.script(KEY)
        with pytest.raises(StripeUnauthorized):
            await retrieve(context, books)
        books.put(row_of(books)._replace(platform_account="acct_platform"))
        wire.script(GONE, Answer({"id": "acct_platform"}))
        with pytest.raises(StripeForbidden):
            await retrieve(context, books)

        assert row_of(books).status == "revoked"
        assert alerts(books) == ["connection_revoked"]
        assert len(books.rows(OutboxPromise, kind="end_cards_of_connection")) == 1

    @pytest.mark.parametrize(
        ("platform", "own"),
        [("acct_platform", {"id": "acct_other"}), ("acct_platform", None), (None, {"id": "acct_other"}), (None, None)],
    )
    async def test_a_key_of_another_platform_revokes_nothing(
        self,
        context: FlowContext,
        books: Books,
        wire: LoopbackStripe,
        platform: str | None,
        own: dict[str, str] | None,
    ) -> None:
        """It is valid, and Stripe says of every account that it is not its own."""
        books.put(row_of(books)._replace(platform_account=platform))
        wire.script(GONE, Answer(own) if own else KEY)
        with pytest.raises(StripeForbidden):
            await retrieve(context, books)

        assert (row_of(books).status, codes(books)) == ("restricted", ["key_refused"])
        assert "Stripe-Account" not in wire.received[-1].headers
        assert books.rows(OutboxPromise, kind="end_cards_of_connection") == []

    async def test_whose_platform_it_was_connected_to_is_found_out_later(
        self, context: FlowContext, books: Books, wire: LoopbackStripe
    ) -> None:
        """Stripe did not say when it was connected; else its word that the account is gone would never count."""
        wire.script(account(), KEY)
        await flow.look_at_account(context, row_of(books))
        assert row_of(books).platform_account is None
        wire.script(account(), Answer({"id": "acct_platform"}))
        await flow.look_at_account(context, row_of(books))
        assert row_of(books).platform_account == "acct_platform"
        wire.received.clear()
        wire.script(account(), Answer({"id": "acct_other"}))
        await flow.look_at_account(context, row_of(books))
        assert (row_of(books).platform_account, len(wire.received)) == ("acct_platform", 1)

    @pytest.mark.parametrize("answer", [KEY, PERMISSION, GONE])
    async def test_a_slow_answer_is_not_about_a_connection_made_meanwhile(
        self, context: FlowContext, books: Books, wire: LoopbackStripe, answer: Answer
    ) -> None:
        """The call was begun before the owner connected again."""
        gate = threading.Event()
        wire.script(dataclasses.replace(answer, wait_for=gate))
        before = row_of(books)._replace(activated_at=NOW)
        books.put(before)
        call = asyncio.ensure_future(flow.ask_stripe(context, before, issuing.retrieve_card, "ic_1"))
        assert await asyncio.to_thread(arrived, wire)
        books.clock.advance(5)
        books.put(before._replace(activated_at=books.clock()))
        gate.set()

        with pytest.raises((StripeUnauthorized, StripeForbidden)):
            await call

        assert (row_of(books).status, alerts(books)) == ("active", [])

    async def test_of_one_that_is_over_nothing_is_said(
        self, context: FlowContext, books: Books, wire: LoopbackStripe
    ) -> None:
        books.put(row_of(books)._replace(status="revoked"))
        wire.script(KEY)
        with pytest.raises(StripeUnauthorized):
            await retrieve(context, books)
        assert (row_of(books).status, codes(books), alerts(books)) == ("revoked", [], [])


class TestWhatOnlyHelps:
    """An endpoint of its own and lists of events: without their permissions agents buy as before."""

    async def test_the_endpoint(self, context: FlowContext, books: Books, wire: LoopbackStripe) -> None:
        bought = books.ready(1_000)
        wire.script(NOTHING, failing(403, "The provided key does not have the permission 'webhook_write'."))

        refused = await setup_webhooks(context, ORG, CONNECTION, False, "usr_1")

        assert isinstance(refused, Refusal)
        assert refused.code == "stripe_permission_missing"
        assert "webhook_write" in refused.message
        assert books.row(OutboxPromise, kind="setup_webhooks").status == "dead"
        assert (row_of(books).status, alerts(books)) == ("active", [])
        assert books.authorize(bought, 1_000).approved

    async def test_the_lists_of_events(self, context: FlowContext, books: Books, wire: LoopbackStripe) -> None:
        wire.script(failing(403, "The provided key does not have the permission 'event_read'."))
        await start_by_hand(context, ORG, books.clock.now - 3_600 * SECOND, None, "usr_1")
        for promise in await context.till.write(outbox.claim(context.clock())):
            if promise.kind == "reconcile":
                await keep_reconcile(context, promise)

        assert [sent.path for sent in wire.received] == ["/v1/events"]
        assert "event_read" in books.row(Reconciliation).error
        assert row_of(books).status == "active"

    async def test_an_account_that_is_not_ours_any_more_ends_all_the_same(
        self, context: FlowContext, books: Books, wire: LoopbackStripe
    ) -> None:
        books.put(row_of(books)._replace(platform_account="acct_platform"))
        wire.script(GONE, Answer({"id": "acct_platform"}))
        await setup_webhooks(context, ORG, CONNECTION, False, "usr_1")
        assert row_of(books).status == "revoked"


class TestRecovery:
    """A timed look at restricted connections, at a start too."""

    async def restricted(self, context: FlowContext, books: Books, wire: LoopbackStripe, answer: Answer) -> None:
        wire.script(answer)
        with pytest.raises((StripeUnauthorized, StripeForbidden)):
            await retrieve(context, books)

    async def look(self, context: FlowContext, duty: AccountDuty) -> int:
        """One round of the duty; how many looks began."""
        begun = [await context.till.submit(command) for command in await looks(context, duty)]
        await keep(context)
        return begun.count(True)

    async def test_the_key_works_again(self, context: FlowContext, books: Books, wire: LoopbackStripe) -> None:
        await self.restricted(context, books, wire, KEY)
        duty = AccountDuty(context)

        assert await self.look(context, duty) == 1
        assert codes(books) == ["key_refused"]
        wire.script(account())
        books.clock.advance(5)
        assert await self.look(context, duty) == 0  # not yet
        books.clock.advance(120)
        assert await self.look(context, duty) == 1

        assert (row_of(books).status, row_of(books).status_reason, alerts(books)) == ("active", None, [])
        assert actions(books) == ["connection.restricted", "connection.restored"]
        books.clock.advance(120)
        assert await self.look(context, duty) == 0

    async def test_several_processes_begin_one_look(
        self, context: FlowContext, books: Books, wire: LoopbackStripe
    ) -> None:
        await self.restricted(context, books, wire, KEY)
        duties = [AccountDuty(context) for _ in range(3)]
        commands = [command for duty in duties for command in await looks(context, duty)]
        answers = await asyncio.gather(*(context.till.submit(command) for command in commands))
        assert sorted(answers) == [False, False, True]

    async def test_a_permission_is_tried_without_effect_until_it_is_there(
        self, context: FlowContext, books: Books, wire: LoopbackStripe
    ) -> None:
        await self.restricted(context, books, wire, PERMISSION)
        wire.received.clear()
        wire.script(account(), NOTHING, NOTHING, NOTHING, NOTHING, NO_CARDHOLDER, PERMISSION)
        await self.look(context, AccountDuty(context))
        assert codes(books) == ["permission_missing"]
        assert [(sent.method, sent.path) for sent in wire.received][-1] == ("POST", "/v1/issuing/cards")
        assert wire.received[-1].form["cardholder"] == ["ich_none"]

        books.clock.advance(120)
        wire.received.clear()
        wire.script(account(), NOTHING, NOTHING, NOTHING, NOTHING, PERMISSION)
        await self.look(context, AccountDuty(context))
        assert codes(books) == ["permission_missing"]
        assert [(sent.method, sent.path) for sent in wire.received][-1] == ("POST", "/v1/issuing/cardholders/ich_none")

        books.clock.advance(120)
        wire.received.clear()
        wire.script(account(), PERMISSION)
        await self.look(context, AccountDuty(context))
        assert codes(books) == ["permission_missing"]
        assert [(sent.method, sent.path) for sent in wire.received][-1] == ("GET", "/v1/issuing/cards")

        books.clock.advance(120)
        wire.script(account(), NOTHING, NOTHING, NOTHING, NOTHING, NO_CARDHOLDER)
        await self.look(context, AccountDuty(context))
        assert row_of(books).status == "active"

    async def test_what_only_a_person_can_clear_is_not_looked_at(self, context: FlowContext, books: Books) -> None:
        await context.till.submit(flow.RestrictConnection(ORG, CONNECTION, "reconnect_needed", "no"))
        assert await looks(context, AccountDuty(context)) == []

    async def test_each_has_its_turn_however_many_there_are(
        self, context: FlowContext, books: Books, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Behind a page of those that only a person can clear, and behind more than one round begins."""
        monkeypatch.setattr(account_status, "PAGE", 4)
        monkeypatch.setattr(account_status, "MAX_LOOKS", 2)
        row, personal, passing = row_of(books), "other_cards_undecided", "key_refused"
        for number, code in enumerate([*[personal] * 5, *[passing] * 5]):
            other = row._replace(id=f"con_z{number}", stripe_account=f"acct_z{number}")
            books.put(restrict(other, code, "no", NOW))
        duty, looked, balances = AccountDuty(context), set(), set()
        for _ in range(8):
            due = await duty.due(context.clock())
            looked |= {one.connection_id for one in due if one.kind == "check_account"}
            balances |= {one.connection_id for one in due if one.kind == "check_balance"}
            assert len(due) <= 4
            books.clock.advance(21)
        assert looked == {f"con_z{number}" for number in range(5, 10)}
        assert balances == {row.id, *(f"con_z{number}" for number in range(10))}

    async def test_looks_grow_rare(self, books: Books) -> None:
        row = row_of(books)._replace(status="restricted", restrictions=json.dumps({"key_refused": ["no", NOW]}))

        def counted(begin: int, end: int) -> int:
            minutes = range(begin, end)
            return len({slot_of(row, NOW + minute * MINUTE, False) for minute in minutes})

        assert counted(0, 10) == 10
        assert counted(10, 120) <= 24
        assert counted(120, 120 + 24 * 60) <= 49

    async def test_stripe_that_does_not_answer_is_asked_again_a_bounded_number_of_times(
        self, context: FlowContext, books: Books, wire: LoopbackStripe
    ) -> None:
        await context.till.submit(flow.PromiseCheck(ORG, CONNECTION, "evt_1"))
        wire.script(Answer({"error": {"type": "api_error", "message": "no"}}, 500))
        for _ in range(account_status.MAX_TRIES + 3):
            await keep(context)
            books.clock.advance(400)
        promise = books.row(OutboxPromise, kind="check_account")
        assert (promise.status, promise.tries) == ("dead", account_status.MAX_TRIES)
        assert row_of(books).status == "active"


class TestBalances:
    """Looked at once an hour for each connection, whoever looks."""

    async def due(self, context: FlowContext, duty: AccountDuty) -> int:
        commands = [command for command in await duty.due(context.clock()) if command.kind == "check_balance"]
        return [await context.till.submit(command) for command in commands].count(True)

    async def test_once_an_hour(self, context: FlowContext, books: Books) -> None:
        duty = AccountDuty(context)
        books.put(row_of(books)._replace(activated_at=books.clock()))
        assert await self.due(context, AccountDuty(context)) == 0  # the preflight has just looked
        books.clock.advance(3_600)
        assert await self.due(context, duty) == 1
        assert await self.due(context, AccountDuty(context)) == 0
        begun = 0
        for _ in range(6 * 24):
            books.clock.advance(600)
            begun += await self.due(context, duty)
        assert begun == 24


class TestTheAccountSays:
    """Events are hints; the account as it is decides, whatever their order."""

    async def hint(self, context: FlowContext, id: str, kind: str = "capability.updated") -> None:
        body = json.dumps({"data": {"object": {"id": "card_issuing", "status": "whatever"}}}).encode()
        event = inbox.new_event(id, ACCOUNT, False, kind, "card_issuing", NOW // SECOND, body, context.clock())
        await context.till.write(inbox.keep(event))
        [claimed] = await context.till.write(inbox.claim(context.clock()))
        await handle_events(context, [claimed])

    @pytest.mark.parametrize("kind", ["account.updated", "capability.updated"])
    async def test_a_lost_capability_and_back(
        self, context: FlowContext, books: Books, wire: LoopbackStripe, kind: str
    ) -> None:
        wire.script(account("inactive"))
        await self.hint(context, "evt_1", kind)
        await keep(context)
        assert (row_of(books).status, codes(books)) == ("restricted", ["capability_inactive"])
        assert row_of(books).card_issuing == "inactive"

        wire.script(account("active"))
        await self.hint(context, "evt_2", kind)
        await keep(context)
        assert (row_of(books).status, row_of(books).card_issuing, alerts(books)) == ("active", "active", [])

    async def test_an_event_that_comes_twice_asks_once(
        self, context: FlowContext, books: Books, wire: LoopbackStripe
    ) -> None:
        wire.script(account())
        await context.till.submit(flow.PromiseCheck(ORG, CONNECTION, "evt_1"))
        assert not await context.till.submit(flow.PromiseCheck(ORG, CONNECTION, "evt_1"))
        assert len(await keep(context)) == 1

    async def test_a_look_that_was_overtaken_looks_again(
        self, context: FlowContext, books: Books, wire: LoopbackStripe
    ) -> None:
        """The older look brings `active`, but a later one has recorded `inactive` meanwhile."""
        later = Seen("inactive", None, False, context.clock() + 5 * SECOND)
        await context.till.submit(RecordAccount(ORG, CONNECTION, later))
        await context.till.submit(flow.PromiseCheck(ORG, CONNECTION, "evt_1"))
        wire.script(account("active"))
        await keep(context)
        assert codes(books) == ["capability_inactive"]
        assert books.row(OutboxPromise, kind="check_account").last_error == "overtaken"

        books.clock.advance(10)
        await keep(context)
        assert row_of(books).status == "active"

    async def test_of_a_connection_that_is_over_nothing_is_asked(
        self, context: FlowContext, books: Books, wire: LoopbackStripe
    ) -> None:
        await context.till.submit(flow.PromiseCheck(ORG, CONNECTION, "evt_1"))
        books.put(row_of(books)._replace(status="revoked"))
        books.reconfigure()
        await keep(context)
        assert wire.received == []
        assert not await context.till.submit(flow.PromiseCheck(ORG, CONNECTION, "evt_2"))


class TestContradictions:
    """What Stripe reports of our own cards against what the owner confirmed."""

    def stated(
        self, bought: Any, reason: str, at: int, id: str = "iauth_1", approved: bool = True
    ) -> BookAuthorization:
        entry = {"approved": approved, "reason": reason, "amount": 1_000, "created": at // SECOND}
        data = {"name": "FIGMA", "category": "x", "category_code": "5734", "country": "US", "network_id": "n1"}
        item = {
            "id": id, "card": {"id": f"ic_{bought.id}", "metadata": {}}, "merchant_data": data, "status": "pending",
            "amount": 1_000, "currency": "usd", "merchant_amount": 1_000, "merchant_currency": "usd",
            "request_history": [entry], "balance_transactions": [], "transactions": [],
        }  # fmt: skip
        return BookAuthorization(ORG, CONNECTION, read_authorization(item, at // SECOND))

    @pytest.mark.parametrize(("reason", "name"), [("card_active", REALTIME_URL), ("webhook_timeout", TIMEOUT_DECLINES)])
    async def test_restricts_until_it_is_confirmed_again(
        self, context: FlowContext, books: Books, reason: str, name: str
    ) -> None:
        bought = books.ready(1_000)
        confirm = flow.ConfirmConnection(ORG, CONNECTION, ((name, True),), "usr_1")
        await context.till.submit(confirm)
        books.clock.advance(60)
        said = self.stated(bought, reason, books.clock())
        for _ in range(2):
            books.run(said)

        assert (row_of(books).status, codes(books)) == ("restricted", [CONTRADICTED[name]])
        kept = books.row(Confirmation, name=name)
        assert (kept.confirmed_by, kept.evidence) == (None, "iauth_1")
        assert actions(books) == ["connection.confirmed", "connection.contradicted", "connection.restricted"]
        assert alerts(books) == ["connection_restricted"]

        books.clock.advance(60)
        await context.till.submit(confirm)
        books.run(said)
        assert (row_of(books).status, alerts(books)) == ("active", [])
        assert books.row(Confirmation, name=name).confirmed_by == "usr_1"

    async def test_a_refused_timeout_and_an_older_approval_say_nothing(
        self, context: FlowContext, books: Books
    ) -> None:
        bought = books.ready(1_000)
        books.run(self.stated(bought, "webhook_timeout", books.clock() + 60 * SECOND, approved=False))
        books.run(self.stated(bought, "card_active", books.clock() - 60 * SECOND, "iauth_2"))
        assert (row_of(books).status, books.rows(Confirmation)) == ("active", [])

    async def test_a_look_at_the_account_does_not_clear_it(
        self, context: FlowContext, books: Books, wire: LoopbackStripe
    ) -> None:
        books.run(self.stated(books.ready(1_000), "card_active", books.clock() + 60 * SECOND))
        wire.script(account())
        assert isinstance(await flow.look_at_account(context, row_of(books)), Connection)
        assert row_of(books).status == "restricted"

    async def test_nothing_is_confirmed_of_one_that_is_over(self, context: FlowContext, books: Books) -> None:
        books.put(row_of(books)._replace(status="revoked"))
        answer = await context.till.submit(flow.ConfirmConnection(ORG, CONNECTION, ((REALTIME_URL, True),), "usr_1"))
        assert isinstance(answer, Refusal)
        assert answer.code == "connection_inactive"


class TestOtherCards:
    """Cards of the account that Roony did not make: the owner chooses before the connection is active."""

    FOUND: ClassVar[dict[str, Any]] = {"id": "acct_9", "country": "US", "capabilities": {"card_issuing": "active"}}

    async def connect(self, context: FlowContext, wire: LoopbackStripe, *metadata: dict[str, str]) -> Connection:
        cards = [{"id": f"ic_{number}", "metadata": one} for number, one in enumerate(metadata)]
        wire.script(Answer(self.FOUND), Answer({"data": cards, "has_more": False}))
        answer = await flow.connect_direct(context, ORG, "usr_1")
        assert isinstance(answer, Connection)
        return answer

    async def test_undecided_until_the_owner_chooses(
        self, context: FlowContext, books: Books, wire: LoopbackStripe
    ) -> None:
        made = await self.connect(context, wire, {}, {"roony_organization": "org_x"}, {"theirs": "1"})
        assert (made.status, [item.code for item in restrictions_of(made)]) == ("restricted", ["other_cards_undecided"])
        assert "not make: 2." in (made.status_reason or "")
        assert "connection_restricted" in alerts(books)

        answer = await choose_unknown_cards(context, ORG, "decline", "usr_1")
        assert isinstance(answer, Organization)
        assert books.row(Connection, id=made.id).status == "active"
        assert books.row(Confirmation, name="other_cards").confirmed_by == "usr_1"

    async def test_a_choice_made_before_counts(self, context: FlowContext, books: Books, wire: LoopbackStripe) -> None:
        await choose_unknown_cards(context, ORG, "approve", "usr_1")
        assert (await self.connect(context, wire, {})).status == "active"
        assert books.row(Organization, id=ORG).unknown_cards == "approve"

    async def test_not_counted_they_stay_undecided(
        self, context: FlowContext, books: Books, wire: LoopbackStripe
    ) -> None:
        made = await self.connect(context, wire, {})
        wire.script(Answer(self.FOUND), failing(429, "slow down"))
        again = await flow.connect_direct(context, ORG, "usr_1")
        assert isinstance(again, Connection)
        assert (again.id, again.status) == (made.id, "restricted")

        await choose_unknown_cards(context, ORG, "decline", "usr_1")
        assert books.row(Connection, id=made.id).status == "active"

    @pytest.mark.parametrize(("metadata", "status"), [({}, "restricted"), ({"roony_organization": ORG}, "active")])
    async def test_the_first_preflight_counts_what_connecting_could_not(
        self, context: FlowContext, books: Books, wire: LoopbackStripe, metadata: dict[str, str], status: str
    ) -> None:
        wire.script(Answer(self.FOUND), failing(429, "slow down"))
        made = await flow.connect_direct(context, ORG, "usr_1")
        assert isinstance(made, Connection)
        assert made.status == "active"

        everything = {"data": [{"id": "ic_1", "metadata": metadata}], "has_more": False, "issuing": {"available": []}}
        wire.script(Answer(self.FOUND | everything))
        for promise in await context.till.write(outbox.claim(context.clock())):
            if promise.kind == "preflight":
                await keep_preflight(context, promise)

        assert books.row(Connection, id=made.id).status == status

    async def test_none_ask_for_no_choice(self, context: FlowContext, wire: LoopbackStripe) -> None:
        assert (await self.connect(context, wire, {"roony_organization": ORG})).status == "active"
