"""Connecting an account, below the pages: links and states used once, accounts with one owner, cardholders, the end."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from roony.core.agent import Organization
from roony.core.alert import Alert
from roony.core.audit import AuditRecord
from roony.core.authorization import Authorization
from roony.core.card import Card
from roony.core.cardholder import Cardholder, Stated, card_name
from roony.core.connection import Connection
from roony.core.errors import Refusal
from roony.core.purchase import Purchase
from roony.core.reconciliation import EVENTS_OVERLAP
from roony.core.settlement import Discrepancy
from roony.flows import connection as flow
from roony.flows.card_making import keep_make_card
from roony.flows.connection import activation, end_cards, routing
from roony.flows.connection.access import access_of
from roony.flows.connection.activation import OPEN_FOR
from roony.flows.connection.attempts import LOOK_PACE
from roony.flows.connection.cardholder_rows import default_params
from roony.flows.context import FlowContext
from roony.flows.duty_lease import DutyLease
from roony.flows.reconciliation import ReconciliationDuty
from roony.gateway.client import StripeGateway
from roony.store import outbox
from roony.store.rows import AccountRoute, ConnectionSecret, OAuthState, OutboxPromise, StartTicket
from tests.gateway.loopback import Answer, LoopbackStripe
from tests.support.books import ACCOUNT, CONNECTION, NOW, ORG, Books
from tests.support.connecting import OTHER_ORG, open_context, stripe_gateway
from tests.support.simulator import SimulatorProcess

pytestmark = pytest.mark.anyio

SECOND = 1_000_000
GRANT = {
    "access_token": "sk_test_granted",
    "refresh_token": "rt_granted",
    "livemode": False,
    "scope": "read_write",
    "stripe_publishable_key": "pk_test_granted",
    "stripe_user_id": "acct_9",
    "token_type": "bearer",
}
ACCOUNT_9 = {"id": "acct_9", "object": "account", "country": "GB"}


@pytest.fixture(scope="module")
def running() -> Iterator[SimulatorProcess]:
    with SimulatorProcess() as process:
        yield process


@pytest.fixture
def simulator(running: SimulatorProcess) -> SimulatorProcess:
    running.control("reset", {})
    return running


@pytest.fixture
def context(books: Books, simulator: SimulatorProcess) -> Iterator[FlowContext]:
    with open_context(books, stripe_gateway(simulator.url)) as made:
        yield made


@pytest.fixture
def scripted(books: Books, wire: LoopbackStripe) -> Iterator[FlowContext]:
    """A context onto a Stripe that answers as scripted."""
    with open_context(books, stripe_gateway(wire.url)) as made:
        yield made


async def started(context: FlowContext, organization_id: str = ORG, kind: str = "connect") -> tuple[Connection, str]:
    """A pending connection and its ticket."""
    begun = await flow.start_connection(context, organization_id, kind, "usr_1")
    assert isinstance(begun, flow.Started), begun
    assert begun.url is not None
    return begun.connection, parse_qs(urlsplit(begun.url).query)["ticket"][0]


async def opened(context: FlowContext, organization_id: str = ORG) -> tuple[Connection, str, str]:
    """A pending connection whose link was opened: with state and cookie."""
    connection, ticket = await started(context, organization_id)
    link = await flow.open_ticket(context, ticket)
    assert isinstance(link, flow.Opened), link
    return connection, parse_qs(urlsplit(link.authorize_url).query)["state"][0], link.cookie


async def connected(context: FlowContext, code: str, organization_id: str = ORG) -> Connection | Refusal:
    """A whole round trip with this code."""
    _, state, cookie = await opened(context, organization_id)
    return await flow.finish(context, flow.Callback(state, cookie, code, None))


def good(answer: Any) -> Connection:
    assert isinstance(answer, Connection), answer
    return answer


def code_of(answer: Any) -> str:
    assert isinstance(answer, Refusal), answer
    return answer.code


async def claimed(context: FlowContext) -> list[OutboxPromise]:
    """What is due, claimed as the worker does."""
    return await context.till.write(outbox.claim(context.clock()))


async def keep(context: FlowContext) -> None:
    """Keeps the promises of connections that are due, once each."""
    for promise in await claimed(context):
        if promise.kind == "make_cardholder":
            await flow.keep_make_cardholder(context, promise)
        elif promise.kind == "end_cards_of_connection":
            await flow.keep_end_cards(context, promise)


def holder_of(books: Books, connection: Connection) -> str | None:
    """The id at Stripe of the organization's cardholder on a connection."""
    found: str | None = books.row(Cardholder, connection_id=connection.id, scope_id=ORG).stripe_cardholder_id
    return found


def statuses(books: Books, kind: str) -> list[str]:
    return [promise.status for promise in books.rows(OutboxPromise, kind=kind)]


def actions(books: Books, organization_id: str = ORG) -> list[str]:
    return [record.action for record in books.rows(AuditRecord, organization_id=organization_id)]


class TestCardholderParameters:
    """What Stripe prints on a card (facts 1.1)."""

    @pytest.mark.parametrize(
        ("name", "printed"),
        [
            ("Acme", "Acme"),
            ("Agent 7 Research & Co.", "Agent Research Co"),
            ("Česká spořitelna, a.s.", "Ceska sporitelna a s"),
            ("The Very Long Company Name Incorporated", "The Very Long Company"),
            ("Donaudampfschifffahrtsgesellschaft", "Donaudampfschifffahrtsge"),
            ("株式会社", "Roony Cardholder"),
            ("12345", "Roony Cardholder"),
            ("", "Roony Cardholder"),
        ],
    )
    async def test_names(self, name: str, printed: str) -> None:
        assert card_name(name) == printed
        assert len(printed) <= 24

    async def test_the_address_is_made_up_in_test_mode_only(self, books: Books) -> None:
        organization = books.row(Organization, id=ORG)

        params = default_params(organization, "con_x", False, "usd")
        refusal = default_params(organization, "con_x", True, "usd")

        assert not isinstance(params, Refusal)
        assert params["billing"]["address"]["line1"] == "510 Townsend Street"
        assert (params["type"], params["name"]) == ("company", "Test Company")
        assert code_of(refusal) == "billing_address_missing"

    async def test_the_organization_may_say_otherwise(self, books: Books) -> None:
        address = {"line1": "1 High St", "city": "London", "postal_code": "N1", "country": "GB"}
        settings = {"cardholder": {"name": "Jane 2 Doe", "type": "individual", "billing": {"address": address}}}
        organization = books.row(Organization, id=ORG)._replace(settings=json.dumps(settings))

        params = default_params(organization, "con_x", True, "usd")

        assert not isinstance(params, Refusal)
        assert (params["name"], params["type"]) == ("Jane Doe", "individual")
        assert params["billing"] == {"address": address}
        assert params["metadata"] == {"roony_organization": ORG, "roony_connection": "con_x"}

    async def test_cards_in_eur_need_a_phone_number_in_live_mode(self, books: Books) -> None:
        address = {"line1": "1 Rue de la Paix", "city": "Paris", "postal_code": "75002", "country": "FR"}
        given: dict[str, Any] = {"billing": {"address": address}}
        organization = books.row(Organization, id=ORG)._replace(settings=json.dumps({"cardholder": given}))
        assert code_of(default_params(organization, "con_x", True, "eur")) == "phone_number_missing"
        assert not isinstance(default_params(organization, "con_x", True, "gbp"), Refusal)
        given["phone_number"] = "+33123456789"
        organization = organization._replace(settings=json.dumps({"cardholder": given}))
        assert not isinstance(default_params(organization, "con_x", True, "eur"), Refusal)


class TestStart:
    """The one-time link."""

    async def test_an_attempt_that_nobody_finishes_ends_and_is_written_down(
        self, context: FlowContext, books: Books
    ) -> None:
        late, state, cookie = await opened(context)
        books.clock.advance(OPEN_FOR / 1_000_000 - 1)
        duty = flow.AttemptDuty(context)
        assert await duty.due(context.clock()) == []
        young, _ = await started(context)
        books.clock.advance(LOOK_PACE / 1_000_000)
        ends = await duty.due(context.clock())
        assert [one.connection_id for one in ends] == [late.id]
        # It is looked for again only after a while, and another process may be as fast.
        assert await duty.due(context.clock()) == []
        for end in [*ends, *await flow.AttemptDuty(context).due(context.clock())]:
            await context.till.submit(end)
        rows = [books.row(Connection, id=one.id) for one in (late, young)]
        found = {row.id: (row.status, row.status_reason) for row in rows}
        assert found == {late.id: ("expired", "not_finished"), young.id: ("pending", None)}
        [record] = books.rows(AuditRecord, action="connection.not_connected")
        assert (record.subject, record.actor) == (late.id, "roony")
        answer = await flow.finish(context, flow.Callback(state, cookie, "ac_late", None))
        assert isinstance(answer, Refusal)

    async def test_a_pending_connection_and_only_the_hash_of_its_ticket(
        self, context: FlowContext, books: Books
    ) -> None:
        connection, ticket = await started(context)

        assert (connection.status, connection.kind, connection.stripe_account) == ("pending", "connect", None)
        assert len(ticket) >= 43
        row = books.row(StartTicket, connection_id=connection.id)
        assert ticket not in row
        assert row.expires_at == NOW + 600 * SECOND
        assert actions(books) == ["connection.started"]

    async def test_other_kinds(self, context: FlowContext, books: Books) -> None:
        answer = await flow.start_connection(context, ORG, "bank", "usr_1")

        assert code_of(answer) == "invalid_kind"
        assert isinstance(answer, Refusal)
        assert answer.status == 422
        assert books.rows(StartTicket) == []

    async def test_an_unknown_organization(self, context: FlowContext) -> None:
        assert code_of(await flow.start_connection(context, "org_none", "connect", "usr_1")) == "not_found"

    async def test_without_a_client_id(self, context: FlowContext, simulator: SimulatorProcess) -> None:
        bare = dataclasses.replace(context, gateway=stripe_gateway(simulator.url, client_id=None))

        for kind, code in (("connect", "connect_not_configured"), ("stripe_app", "app_not_configured")):
            _, ticket = await started(context, kind=kind)
            refused = await flow.start_connection(bare, ORG, kind, "usr_1")
            assert code_of(refused) == code
            assert isinstance(refused, Refusal)
            assert {"connect": "STRIPE_CONNECT_CLIENT_ID", "stripe_app": "STRIPE_APP_CLIENT_ID"}[
                kind
            ] in refused.message
            assert code_of(await flow.open_ticket(bare, ticket)) == code
            # The link is still good once the setting is there.
            assert isinstance(await flow.open_ticket(context, ticket), flow.Opened)
        bare.gateway.close()

    async def test_it_opens_once(self, context: FlowContext, books: Books) -> None:
        _, ticket = await started(context)

        answers = await asyncio.gather(*(flow.open_ticket(context, ticket) for _ in range(8)))

        assert sorted(type(answer).__name__ for answer in answers) == ["Opened"] + ["Refusal"] * 7
        assert {code_of(answer) for answer in answers if isinstance(answer, Refusal)} == {"link_invalid"}
        assert len(books.rows(OAuthState)) == 1

    async def test_it_is_good_for_ten_minutes(self, context: FlowContext, books: Books) -> None:
        _, first = await started(context)
        _, second = await started(context)
        books.clock.advance(599)
        assert isinstance(await flow.open_ticket(context, first), flow.Opened)

        books.clock.advance(1)

        assert code_of(await flow.open_ticket(context, second)) == "link_invalid"

    async def test_a_made_up_ticket(self, context: FlowContext, books: Books) -> None:
        assert code_of(await flow.open_ticket(context, "a" * 43)) == "link_invalid"
        assert books.rows(OAuthState) == []

    async def test_state_and_cookie_are_kept_as_hashes(self, context: FlowContext, books: Books) -> None:
        _, state, cookie = await opened(context)

        row = books.row(OAuthState)
        assert state != cookie
        assert state not in row
        assert cookie not in row


class TestState:
    """Used up once, by the browser that began, in time; else the code is never presented."""

    async def test_wrong_cookie_wrong_state_no_cookie(self, scripted: FlowContext, wire: LoopbackStripe) -> None:
        _, state, cookie = await opened(scripted)
        _, _, foreign = await opened(scripted, OTHER_ORG)
        wire.script(Answer(GRANT), Answer(ACCOUNT_9))

        for wrong in ((state, None), (state, foreign), (state, state), ("x" * 43, cookie), (cookie, cookie)):
            answer = await flow.finish(scripted, flow.Callback(*wrong, "ac_1", None))
            assert code_of(answer) == "state_invalid"

        assert wire.received == []
        # None of these used it up: the right browser still gets through.
        good(await flow.finish(scripted, flow.Callback(state, cookie, "ac_1", None)))

    async def test_ten_minutes(self, scripted: FlowContext, books: Books, wire: LoopbackStripe) -> None:
        _, state, cookie = await opened(scripted)
        books.clock.advance(600)

        assert code_of(await flow.finish(scripted, flow.Callback(state, cookie, "ac_1", None))) == "state_invalid"
        assert wire.received == []

    async def test_many_callbacks_at_once_exchange_once(
        self, scripted: FlowContext, books: Books, wire: LoopbackStripe
    ) -> None:
        _, state, cookie = await opened(scripted)
        wire.script(Answer(GRANT), Answer(ACCOUNT_9))

        answers = await asyncio.gather(
            *(flow.finish(scripted, flow.Callback(state, cookie, "ac_1", None)) for _ in range(8))
        )

        assert sorted(type(answer).__name__ for answer in answers) == ["Connection"] + ["Refusal"] * 7
        assert {code_of(answer) for answer in answers if isinstance(answer, Refusal)} == {"state_invalid"}
        assert [received.path for received in wire.received].count("/oauth/token") == 1

    async def test_a_connection_ended_meanwhile_exchanges_nothing(
        self, scripted: FlowContext, wire: LoopbackStripe
    ) -> None:
        connection, state, cookie = await opened(scripted)
        await flow.disconnect(scripted, ORG, connection.id, "usr_1")

        assert code_of(await flow.finish(scripted, flow.Callback(state, cookie, "ac_1", None))) == "state_invalid"
        assert wire.received == []

    async def test_a_refusal_at_stripe_ends_the_attempt(
        self, scripted: FlowContext, books: Books, wire: LoopbackStripe
    ) -> None:
        connection, state, cookie = await opened(scripted)

        answer = await flow.finish(scripted, flow.Callback(state, cookie, None, "access_denied"))

        assert code_of(answer) == "refused_at_stripe"
        row = books.row(Connection, id=connection.id)
        assert (row.status, row.status_reason) == ("expired", "refused_at_stripe")
        assert wire.received == []
        assert code_of(await flow.finish(scripted, flow.Callback(state, cookie, "ac_1", None))) == "state_invalid"


class TestExchange:
    """Once, whatever comes of it."""

    @pytest.mark.parametrize(
        ("answer", "code"),
        [
            (Answer({"error": "invalid_grant", "error_description": "used"}, 400), "code_refused"),
            (Answer({"error": "something_new"}, 400), "code_refused"),
            (Answer({"error": "server_error"}, 500, {"Stripe-Should-Retry": "true"}), "stripe_unavailable"),
            (Answer({"error": {"type": "invalid_request_error"}}, 401), "stripe_unavailable"),
            (Answer(drop=True), "stripe_unavailable"),
            (Answer(b"<html>"), "stripe_unavailable"),
        ],
    )
    async def test_a_failed_one_leaves_nothing(
        self, scripted: FlowContext, books: Books, wire: LoopbackStripe, answer: Answer, code: str
    ) -> None:
        wire.script(answer)

        assert code_of(await connected(scripted, "ac_1")) == code

        assert len(wire.received) == 1
        assert {row.status for row in books.rows(Connection, organization_id=ORG)} == {"active", "expired"}
        assert books.rows(ConnectionSecret) == []
        assert books.row(AccountRoute).connection_id == CONNECTION
        assert books.row(Organization, id=ORG).connection_id is None

    async def test_the_other_mode_is_given_back(
        self, scripted: FlowContext, books: Books, wire: LoopbackStripe
    ) -> None:
        wire.script(Answer({**GRANT, "livemode": True}), Answer({"stripe_user_id": "acct_9"}))

        assert code_of(await connected(scripted, "ac_1")) == "wrong_mode"

        assert [received.path for received in wire.received] == ["/oauth/token", "/oauth/deauthorize"]
        assert books.rows(AccountRoute, stripe_account="acct_9") == []
        assert books.rows(ConnectionSecret) == []

    @pytest.mark.parametrize("change", [{"livemode": True}, {"scope": "read_only"}])
    async def test_but_not_where_somebody_lives_by_it(
        self, scripted: FlowContext, wire: LoopbackStripe, change: dict[str, Any]
    ) -> None:
        """Deauthorizing is for the whole platform: it would end the other connection to the same account."""
        wire.script(Answer({**GRANT, **change, "stripe_user_id": ACCOUNT}))

        assert code_of(await connected(scripted, "ac_1", OTHER_ORG)) in ("wrong_mode", "scope_too_small")

        assert [received.path for received in wire.received] == ["/oauth/token"]

    async def test_an_account_that_cannot_be_read_is_connected_all_the_same(
        self, scripted: FlowContext, wire: LoopbackStripe
    ) -> None:
        wire.script(Answer(GRANT), Answer({"error": {"type": "api_error"}}, 500))

        assert good(await connected(scripted, "ac_1")).currency == "usd"

    async def test_the_currency_follows_the_country(self, scripted: FlowContext, wire: LoopbackStripe) -> None:
        wire.script(Answer(GRANT), Answer(ACCOUNT_9))

        assert good(await connected(scripted, "ac_1")).currency == "gbp"


class TestActivation:
    """What is kept, and who owns an account."""

    async def test_everything_in_one_commit(
        self, context: FlowContext, books: Books, simulator: SimulatorProcess
    ) -> None:
        connection = good(await connected(context, simulator.approve("Acme")))

        assert (connection.status, connection.livemode, connection.scope) == ("active", 0, "read_write")
        assert books.row(Organization, id=ORG).connection_id == connection.id
        route = AccountRoute(str(connection.stripe_account), 0, ORG, connection.id)
        assert flow.route_of(context, connection.stripe_account, livemode=False) == route
        assert flow.route_of(context, connection.stripe_account, livemode=True) is None
        assert flow.all_routes(context)[connection.stripe_account, 0] == route
        promise = books.row(OutboxPromise, kind="make_cardholder")
        assert (promise.subject, promise.key) == (connection.id, f"{connection.id}:cardholder:1")
        assert actions(books) == ["connection.started", "connection.activated"]
        access = access_of(connection)
        assert (access.kind, access.stripe_account, access.livemode) == ("connect", connection.stripe_account, False)
        platform = simulator.client().v1.accounts.retrieve_current()
        assert connection.platform_account == platform.id != connection.stripe_account

    async def test_tokens_are_sealed_for_their_row(
        self, scripted: FlowContext, books: Books, wire: LoopbackStripe
    ) -> None:
        wire.script(Answer(GRANT), Answer(ACCOUNT_9))
        connection = good(await connected(scripted, "ac_1"))

        opened_tokens = {
            row.name: scripted.vault.open(
                row.sealed, activation.row_name("connection_secrets", ORG, connection.id, row.name)
            )
            for row in books.rows(ConnectionSecret)
        }

        assert opened_tokens == {"access_token": "sk_test_granted", "refresh_token": "rt_granted"}
        for row in [row for kind in (AuditRecord, Connection, OutboxPromise) for row in books.rows(kind)]:
            assert "granted" not in str(row)

    async def test_another_organization_is_refused_and_the_first_goes_on(
        self, context: FlowContext, books: Books, simulator: SimulatorProcess
    ) -> None:
        first = good(await connected(context, simulator.approve("Acme")))
        again = simulator.redirect({"action": "approve", "account": str(first.stripe_account)}, scope="read_write")

        answer = await connected(context, parse_qs(urlsplit(again).query)["code"][0], OTHER_ORG)

        assert code_of(answer) == "account_taken"
        assert books.row(Organization, id=OTHER_ORG).connection_id is None
        assert books.rows(ConnectionSecret, organization_id=OTHER_ORG) == []
        assert await flow.ensure_cardholder(context, first, ORG)

    async def test_two_organizations_at_once_one_gets_it(
        self, scripted: FlowContext, books: Books, wire: LoopbackStripe
    ) -> None:
        wire.script(Answer({**GRANT, **ACCOUNT_9}))  # whoever asks, and in whatever order
        trips = [(await opened(scripted, org))[1:] for org in (ORG, OTHER_ORG)]

        answers = await asyncio.gather(
            *(flow.finish(scripted, flow.Callback(*trip, f"ac_{number}", None)) for number, trip in enumerate(trips))
        )

        assert sorted(type(answer).__name__ for answer in answers) == ["Connection", "Refusal"]
        winner = next(answer for answer in answers if isinstance(answer, Connection))
        assert {code_of(answer) for answer in answers if isinstance(answer, Refusal)} == {"account_taken"}
        assert books.row(AccountRoute, stripe_account="acct_9").organization_id == winner.organization_id
        assert {row.organization_id for row in books.rows(ConnectionSecret)} == {winner.organization_id}

    async def test_the_same_organization_resumes(
        self, scripted: FlowContext, books: Books, wire: LoopbackStripe
    ) -> None:
        wire.script(Answer(GRANT), Answer(ACCOUNT_9))
        first = good(await connected(scripted, "ac_1"))
        books.run(flow.RecordCardholder(ORG, first.id, ORG, Stated("ich_9", "active", (), None, 1), None))
        books.run(flow.RevokeConnection(ORG, first.id, "deauthorized", "stripe", "out_r"))
        wire.script(Answer({**GRANT, "access_token": "sk_test_second"}), Answer(ACCOUNT_9))

        again = good(await connected(scripted, "ac_2"))

        assert (again.id, again.status, holder_of(books, first)) == (first.id, "active", "ich_9")
        ended = [row for row in books.rows(Connection, organization_id=ORG) if row.status == "expired"]
        assert [row.status_reason for row in ended] == [f"resumed {first.id}"]
        sealed = books.row(ConnectionSecret, name="access_token").sealed
        row = activation.row_name("connection_secrets", ORG, first.id, "access_token")
        assert scripted.vault.open(sealed, row) == "sk_test_second"
        assert len(books.rows(OutboxPromise, kind="make_cardholder")) == 1

    async def test_one_that_was_over_catches_up_before_it_approves(
        self, scripted: FlowContext, books: Books, wire: LoopbackStripe
    ) -> None:
        """Stripe told nothing meanwhile, and may have approved alone what was left open."""
        wire.script(Answer(GRANT), Answer(ACCOUNT_9))
        first = good(await connected(scripted, "ac_1"))
        assert first.approves
        wire.script(Answer(GRANT), Answer(ACCOUNT_9))
        assert good(await connected(scripted, "ac_2")).approves
        over_at = books.clock()
        books.run(flow.RevokeConnection(ORG, first.id, "deauthorized", "stripe", "out_r"))
        books.clock.advance(86_400)
        wire.script(Answer(GRANT), Answer(ACCOUNT_9))

        again = good(await connected(scripted, "ac_3"))

        assert (again.id, again.status, again.approves) == (first.id, "active", False)
        assert again.catching_up_since == over_at - EVENTS_OVERLAP
        begun = await ReconciliationDuty(scripted, DutyLease(scripted)).due(books.clock())
        runs = [(run.kind, run.cause, run.since) for run in begun if run.connection_id == again.id]
        assert runs == [("full", "gap", again.catching_up_since)]

    async def test_a_claim_that_came_to_nothing_binds_nobody(self, context: FlowContext, books: Books) -> None:
        """A crash after the claim: for an hour it is kept for the one who may still be at it, then it is free."""
        pending, _ = await started(context)
        mine = await routing.claim_route(context, ORG, pending.id, "acct_7", livemode=False)
        theirs = await routing.claim_route(context, OTHER_ORG, "con_x", "acct_7", livemode=False)
        assert mine == theirs == AccountRoute("acct_7", 0, ORG, pending.id)

        books.clock.advance(3600)

        taken = await routing.claim_route(context, OTHER_ORG, "con_x", "acct_7", livemode=False)
        assert taken == AccountRoute("acct_7", 0, OTHER_ORG, "con_x")
        late = activation.ActivateConnection(
            ORG, pending.id, pending.id, "acct_7", False, None, "usd", "{}", (), None, "out_1", "owner"
        )
        assert code_of(books.run(late)) == "account_taken"

    async def test_a_claim_is_used_in_time_or_not_at_all(self, context: FlowContext, books: Books) -> None:
        pending, _ = await started(context)
        await routing.claim_route(context, ORG, pending.id, "acct_7", livemode=False)
        books.clock.advance(1800)

        late = activation.ActivateConnection(
            ORG, pending.id, pending.id, "acct_7", False, None, "usd", "{}", (), None, "out_1", "owner"
        )

        assert code_of(books.run(late)) == "start_again"

    async def test_an_attempt_that_is_over_resumes_nothing(self, context: FlowContext, books: Books) -> None:
        """The owner ended it while the code was being exchanged."""
        attempt, _ = await started(context)
        books.run(flow.RevokeConnection(ORG, CONNECTION, "deauthorized", "stripe", "out_r"))
        await flow.disconnect(context, ORG, attempt.id, "usr_1")

        resuming = activation.ActivateConnection(
            ORG, CONNECTION, attempt.id, ACCOUNT, False, None, "usd", "{}", (), None, "out_1", "owner"
        )

        assert code_of(books.run(resuming)) == "start_again"
        assert books.row(Connection, id=CONNECTION).status == "revoked"

    async def test_the_claim_of_an_ended_attempt_is_free_at_once(self, context: FlowContext, books: Books) -> None:
        pending, _ = await started(context)
        await routing.claim_route(context, ORG, pending.id, "acct_7", livemode=False)
        books.run(flow.EndPending(ORG, pending.id, "x", "owner"))

        taken = await routing.claim_route(context, OTHER_ORG, "con_x", "acct_7", livemode=False)

        assert taken.organization_id == OTHER_ORG

    async def test_an_active_account_is_never_taken_over(self, context: FlowContext, books: Books) -> None:
        books.clock.advance(86_400 * 365)

        kept = await routing.claim_route(context, OTHER_ORG, "con_x", ACCOUNT, livemode=False)

        assert kept == AccountRoute(ACCOUNT, 0, ORG, CONNECTION)

    async def test_the_default_moves_only_from_a_dead_connection(
        self, context: FlowContext, books: Books, simulator: SimulatorProcess
    ) -> None:
        first = good(await connected(context, simulator.approve("One")))
        second = good(await connected(context, simulator.approve("Two")))
        assert books.row(Organization, id=ORG).connection_id == first.id

        books.run(flow.RevokeConnection(ORG, first.id, "deauthorized", "stripe", "out_r"))
        third = good(await connected(context, simulator.approve("Three")))

        assert books.row(Organization, id=ORG).connection_id == third.id
        assert len({first.id, second.id, third.id}) == 3


class TestDirect:
    """The account of our own key."""

    async def test_it_is_active_at_once_with_nothing_secret(
        self, context: FlowContext, books: Books, simulator: SimulatorProcess
    ) -> None:
        begun = await flow.start_connection(context, ORG, "direct", "usr_1")

        assert isinstance(begun, flow.Started)
        connection = begun.connection
        assert (connection.kind, connection.status) == ("direct", "active")
        assert connection.stripe_account == simulator.account
        assert begun.url is None
        assert books.rows(ConnectionSecret) == []
        assert books.row(Organization, id=ORG).connection_id == connection.id
        own = AccountRoute(simulator.account, 0, ORG, connection.id)
        assert flow.route_of(context, None, livemode=False) == own
        assert flow.route_of(context, None, livemode=True) is None
        assert flow.all_routes(context)[None, 0] == own
        assert await flow.ensure_cardholder(context, connection, ORG)

    async def test_asked_again_it_is_the_same(self, context: FlowContext, books: Books) -> None:
        first = good(await flow.connect_direct(context, ORG, "usr_1"))
        before = actions(books)

        assert good(await flow.connect_direct(context, ORG, "usr_1")).id == first.id
        assert actions(books) == before

        books.run(flow.RevokeConnection(ORG, first.id, "by hand", "usr_1", "out_r"))
        again = good(await flow.connect_direct(context, ORG, "usr_1"))
        assert (again.id, again.status) == (first.id, "active")

    async def test_at_once_it_is_one(self, context: FlowContext, books: Books) -> None:
        answers = await asyncio.gather(*(flow.connect_direct(context, ORG, "usr_1") for _ in range(6)))

        assert len({good(answer).id for answer in answers}) == 1
        direct = books.rows(Connection, kind="direct")
        assert [row.status for row in direct].count("active") == 1
        assert {row.status for row in direct} <= {"active", "expired"}

    async def test_one_organization_only(self, context: FlowContext, books: Books) -> None:
        good(await flow.connect_direct(context, ORG, "usr_1"))

        assert code_of(await flow.connect_direct(context, OTHER_ORG, "usr_2")) == "account_taken"
        assert books.row(Organization, id=OTHER_ORG).connection_id is None

    async def test_stripe_down(self, scripted: FlowContext, books: Books, wire: LoopbackStripe) -> None:
        wire.script(Answer(drop=True))

        assert code_of(await flow.connect_direct(scripted, ORG, "usr_1")) == "stripe_unavailable"
        assert books.rows(Connection, kind="direct") == []


class TestCardholder:
    """Made once for each connection."""

    async def test_once_however_often_asked(
        self, context: FlowContext, books: Books, simulator: SimulatorProcess
    ) -> None:
        connection = good(await connected(context, simulator.approve("Acme")))

        ids = await asyncio.gather(*(flow.ensure_cardholder(context, connection, ORG) for _ in range(6)))
        await keep(context)

        assert len(set(ids)) == 1
        assert [holder["id"] for holder in simulator.control("state")["cardholders"]] == [ids[0]]
        assert holder_of(books, connection) == ids[0]
        assert statuses(books, "make_cardholder") == ["done"]
        assert actions(books).count("connection.cardholder_made") == 1

    async def test_a_lost_answer_is_asked_for_again_with_the_same_key(
        self, context: FlowContext, books: Books, simulator: SimulatorProcess
    ) -> None:
        good(await connected(context, simulator.approve("Acme")))
        simulator.control("faults", [{"endpoint": "POST /v1/issuing/cardholders", "kind": "drop_after", "count": 1}])
        await keep(context)
        assert statuses(books, "make_cardholder") == ["promised"]

        books.clock.advance(2)
        await keep(context)

        assert statuses(books, "make_cardholder") == ["done"]
        assert len(simulator.control("state")["cardholders"]) == 1

    async def test_a_refused_one_restricts_the_connection_until_it_is_connected_again(
        self, scripted: FlowContext, books: Books, wire: LoopbackStripe
    ) -> None:
        wire.script(Answer(GRANT), Answer(ACCOUNT_9))
        connection = good(await connected(scripted, "ac_1"))
        wire.script(Answer({"error": {"type": "invalid_request_error", "message": "No Issuing here."}}, 400))

        await keep(scripted)

        row = books.row(Connection, id=connection.id)
        assert (row.status, row.status_reason) == (
            "restricted",
            "cardholder_refused: Stripe refused the cardholder: invalid_request.",
        )
        assert statuses(books, "make_cardholder") == ["dead"]
        wire.script(Answer(GRANT), Answer(ACCOUNT_9), Answer({"id": "ich_2"}))
        assert good(await connected(scripted, "ac_2")).id == connection.id
        await keep(scripted)
        assert wire.received[-1].headers["Idempotency-Key"] == f"{connection.id}:cardholder:2"
        row = books.row(Connection, id=connection.id)
        assert (row.status, holder_of(books, row)) == ("active", "ich_2")

    async def test_a_revoked_connection_gets_none(
        self, context: FlowContext, books: Books, simulator: SimulatorProcess
    ) -> None:
        connection = good(await connected(context, simulator.approve("Acme")))
        books.run(flow.RevokeConnection(ORG, connection.id, "deauthorized", "stripe", "out_r"))

        await keep(context)

        assert simulator.control("state")["cardholders"] == []
        assert statuses(books, "make_cardholder") == ["dead"]


class TestRevocation:
    """By Stripe's word: nothing can be canceled there any more."""

    @pytest.fixture
    def spender(self, books: Books) -> Iterator[FlowContext]:
        """The seeded connection, with cards that were recorded by hand; Stripe cannot be reached."""
        gateway: StripeGateway = stripe_gateway("http://127.0.0.1:1")
        with open_context(books, gateway) as made:
            books.put(books.row(Organization, id=ORG)._replace(connection_id=CONNECTION, config_version="c2"))
            yield made

    async def test_tokens_are_erased_and_asks_refused_from_that_commit_on(
        self, spender: FlowContext, books: Books
    ) -> None:
        books.put(ConnectionSecret(ORG, CONNECTION, "access_token", "v1.sealed", NOW))

        revoked = good(books.run(flow.RevokeConnection(ORG, CONNECTION, "deauthorized", "stripe", "out_r")))

        assert (revoked.status, revoked.status_reason) == ("revoked", "deauthorized")
        assert books.row(ConnectionSecret).sealed == ""
        asked = books.ask()
        assert asked.purchase.status == "declined"
        assert json.loads(asked.purchase.decision)["reasons"][0]["code"] == "CONNECTION_INACTIVE"
        assert actions(books)[0] == "connection.revoked"

    async def test_it_happens_once(self, spender: FlowContext, books: Books) -> None:
        for number in range(3):
            good(books.run(flow.RevokeConnection(ORG, CONNECTION, "deauthorized", "stripe", f"out_{number}")))

        assert actions(books) == ["connection.revoked", "alert.opened"]
        [alert] = books.rows(Alert, status="open")
        assert (alert.kind, alert.subject, alert.times) == ("connection_revoked", CONNECTION, 1)
        assert len(books.rows(OutboxPromise, kind="end_cards_of_connection")) == 1

    async def test_cards_end_holds_are_voided_and_what_is_left_open_is_flagged(
        self, spender: FlowContext, books: Books
    ) -> None:
        """More of them than fit on one page."""
        bought = [books.ready(1_000, f"Shop {number}") for number in range(end_cards.PAGE + 3)]
        used = books.ready(5_000, "Used shop")
        books.authorize(used, 5_000, "USED SHOP")
        unmade = books.ask(700, "Slow shop").purchase
        books.run(flow.RevokeConnection(ORG, CONNECTION, "deauthorized", "stripe", "out_r"))

        await keep(spender)
        await keep(spender)

        for purchase in bought:
            row = books.row(Purchase, id=purchase.id)
            assert (row.status, row.held, row.ended_reason) == ("canceled", 0, "revoked")
            card = books.row(Card, id=row.card_id)
            # What Stripe has not confirmed is not claimed; should the account come back, the cancel is still promised.
            assert (card.status, card.stripe_status) == ("canceled", "active")
            assert books.row(OutboxPromise, kind="set_card_status", subject=card.id).status == "promised"
        found = books.rows(Discrepancy)
        assert {row.kind for row in found} == {"card_left_open"}
        assert {row.purchase_id for row in found} == {purchase.id for purchase in (*bought, used)}
        # An open authorization is money on its way; a card in the making may exist: both keep their holds.
        assert books.row(Purchase, id=used.id).held == 5_000
        assert books.row(Authorization).status == "pending"
        assert books.row(Purchase, id=unmade.id).held == 700
        assert books.row(Purchase, id=unmade.id).ended_reason == "revoked"
        assert statuses(books, "end_cards_of_connection") == ["done"]

    async def test_an_old_statement_does_not_end_a_new_connection(self, spender: FlowContext, books: Books) -> None:
        late = flow.RevokeConnection(ORG, CONNECTION, "deauthorized", "stripe", "out_r", NOW - 61 * SECOND)
        fresh = flow.RevokeConnection(ORG, CONNECTION, "deauthorized", "stripe", "out_r", NOW - 1)

        assert code_of(books.run(late)) == "already_reconnected"
        assert books.row(Connection, id=CONNECTION).status == "active"
        assert good(books.run(fresh)).status == "revoked"

    async def test_another_organization_cannot(self, spender: FlowContext) -> None:
        assert code_of(await flow.disconnect(spender, OTHER_ORG, CONNECTION, "usr_2")) == "not_found"


class TestDisconnect:
    """By the owner: the cards are canceled at Stripe, then the access is given back."""

    async def test_cards_are_canceled_then_the_access_is_given_back(
        self, context: FlowContext, books: Books, simulator: SimulatorProcess
    ) -> None:
        connection, purchase = await self._card(context, books, simulator)

        good(await flow.disconnect(context, ORG, connection.id, "usr_1"))
        await keep(context)

        assert [card["status"] for card in simulator.control("state")["cards"]] == ["canceled"]
        assert self._is_connected(simulator, connection) is False
        assert books.row(Purchase, id=purchase.id).held == 0
        assert books.rows(Discrepancy) == []
        assert books.rows(OutboxPromise, kind="set_card_status") == []
        assert statuses(books, "end_cards_of_connection") == ["done"]

    async def test_it_waits_for_the_cancel_but_not_for_ever(
        self, context: FlowContext, books: Books, simulator: SimulatorProcess
    ) -> None:
        connection, purchase = await self._card(context, books, simulator)
        simulator.control("faults", [{"endpoint": "POST /v1/issuing/cards/{card}", "kind": "rate_limit"}])
        good(await flow.disconnect(context, ORG, connection.id, "usr_1"))

        for _ in range(end_cards.MAX_TRIES - 1):
            await keep(context)
            books.clock.advance(61)
            assert statuses(books, "end_cards_of_connection") == ["promised"]
            assert books.row(Purchase, id=purchase.id).held > 0
            assert self._is_connected(simulator, connection) is True
        await keep(context)

        assert statuses(books, "end_cards_of_connection") == ["done"]
        assert [row.kind for row in books.rows(Discrepancy)] == ["card_left_open"]
        # The card may still be charged: its hold stays (section 9).
        assert books.row(Purchase, id=purchase.id).held > 0
        assert self._is_connected(simulator, connection) is False

    async def test_cards_of_a_connection_that_came_back_are_left_alone(
        self, context: FlowContext, books: Books, simulator: SimulatorProcess
    ) -> None:
        connection, purchase = await self._card(context, books, simulator)
        good(await flow.disconnect(context, ORG, connection.id, "usr_1"))
        books.put(books.row(Connection, id=connection.id)._replace(status="active"))

        await keep(context)

        assert books.row(Purchase, id=purchase.id).status == "ready"
        assert [card["status"] for card in simulator.control("state")["cards"]] == ["active"]

    @staticmethod
    async def _card(context: FlowContext, books: Books, simulator: SimulatorProcess) -> tuple[Connection, Purchase]:
        connection = good(await connected(context, simulator.approve("Acme")))
        books.reconfigure()
        asked = books.ask(12_999)
        promise = asked.promise._replace(generation=asked.promise.generation)
        purchase = await keep_make_card(context, promise)
        assert purchase is not None
        assert purchase.status == "ready"
        return connection, purchase

    @staticmethod
    def _is_connected(simulator: SimulatorProcess, connection: Connection) -> bool:
        accounts = simulator.control("state")["accounts"]
        return next(bool(row["connected"]) for row in accounts if row["id"] == connection.stripe_account)
