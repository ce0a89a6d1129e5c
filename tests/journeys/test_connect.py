"""The owner connects an account in a browser: every page, over real HTTP, against the simulated Stripe."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import re
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from roony.core.agent import Organization
from roony.core.audit import AuditRecord
from roony.core.connection import Connection
from roony.core.purchase import Purchase
from roony.core.settlement import Discrepancy
from roony.core.user import User
from roony.flows import connection as flow
from roony.flows.access_key import key_row
from roony.flows.card_making import keep_make_card
from roony.flows.context import FlowContext
from roony.flows.inbox import handle_events
from roony.flows.sign_in import SignOut, new_session
from roony.store import inbox, outbox
from roony.store.rows import AccessKey, AccountRoute, ConnectionSecret, OAuthState
from roony.web.session import COOKIE, PREFIX
from tests.gateway.loopback import Answer, LoopbackStripe
from tests.support.books import NOW, ORG, Books, everything_in, open_books
from tests.support.connecting import (
    OTHER_ORG,
    Browser,
    Page,
    Site,
    approve,
    begin,
    open_context,
    press,
    serve_and_die,
    start,
    stripe_gateway,
)
from tests.support.postgres import swept_books_database
from tests.support.simulator import Receiver, SimulatorProcess

CSP = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


@pytest.fixture(scope="module")
def running() -> Iterator[SimulatorProcess]:
    with SimulatorProcess() as process:
        yield process


@pytest.fixture
def simulator(running: SimulatorProcess) -> SimulatorProcess:
    running.control("reset", {})
    return running


@pytest.fixture
def books(tmp_path: Path, backend: str) -> Iterator[Books]:
    with swept_books_database(backend) as url, open_books(tmp_path, url) as opened:
        yield opened


@pytest.fixture
def site(books: Books, simulator: SimulatorProcess) -> Iterator[Site]:
    with open_context(books, stripe_gateway(simulator.url)) as context, Site(context) as served:
        yield served


def connect(site: Site, organization_id: str = ORG) -> Page:
    """A whole round trip with a new business."""
    browser = Browser()
    _, page = begin(site, browser, organization_id)
    return browser.open(approve(page))


def account_of(books: Books, connection: Connection) -> str:
    account = books.row(Connection, id=connection.id).stripe_account
    assert account is not None
    return str(account)


def is_connected(simulator: SimulatorProcess, account: str) -> bool:
    return next(bool(row["connected"]) for row in simulator.control("state")["accounts"] if row["id"] == account)


def expect_page(page: Page, status: int, title: str) -> None:
    """A whole page, with the headers every page has, and nothing of what was typed or thrown."""
    assert page.status == status, page.body
    assert f"<h1>{title}</h1>" in page.body
    assert page.headers["content-security-policy"] == CSP
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    for word in ("Traceback", "Exception", "sk_test_", "rt_", "ac_", "<script", "style="):
        assert word not in page.body


STATE = "This answer from Stripe could not be used"
CODE = "Stripe did not accept the code"


class TestSuccess:
    """The straight way."""

    def test_from_the_link_to_the_page(self, site: Site, books: Books, simulator: SimulatorProcess) -> None:
        browser = Browser()
        connection, page = begin(site, browser)
        asked = parse_qs(urlsplit(page.location).query)
        assert page.location.startswith(f"{simulator.url}/oauth/authorize?")
        assert asked["redirect_uri"] == [f"{site.url}/connect/stripe/callback"]
        assert (asked["scope"], asked["client_id"]) == (["read_write"], [simulator.client_id])
        assert page.set_cookie is not None
        for attribute in ("HttpOnly", "SameSite=lax", "Path=/connect/stripe", "Max-Age=600"):
            assert attribute in page.set_cookie
        assert "Secure" not in page.set_cookie
        assert page.headers["referrer-policy"] == "no-referrer"

        done = browser.open(approve(page))

        expect_page(done, 200, "The Stripe account is connected")
        row = books.row(Connection, id=connection.id)
        assert row.status == "active"
        assert f"roony connection preflight {connection.id}" in done.body
        assert str(row.stripe_account) in done.body
        assert books.row(Organization, id=ORG).name in done.body
        assert is_connected(simulator, str(row.stripe_account))
        assert books.row(Organization, id=ORG).connection_id == connection.id
        assert browser.cookies == {}

    def test_who_has_a_session_is_led_to_the_page_of_connections(self, site: Site) -> None:
        browser = Browser()
        _, page = begin(site, browser)
        browser.cookies[COOKIE] = f"{PREFIX}of-somebody"
        done = browser.open(approve(page))
        expect_page(done, 200, "The Stripe account is connected")
        assert '/connections">See what Roony found</a>' in done.body
        assert "roony connection" not in done.body

    def test_nobody_connects_to_an_organization_they_are_not_signed_in_to(self, site: Site, books: Books) -> None:
        """A link that somebody else's organization sent them: what they grant would be its own to spend from."""
        session = new_session("key_ann", "test")
        books.put(
            User(ORG, "usr_ann", "Ann", "ann@example.com", "owner", NOW, None),
            key_row(session, ORG, None, site.context.clock(), "usr_ann"),
        )
        (_, foreign), (_, own) = start(site, OTHER_ORG), start(site, ORG)
        browser = Browser()
        browser.cookies[COOKIE] = session.text
        expect_page(browser.open(foreign), 409, "This link is not of your organization")
        assert browser.open(own).status == 303
        books.run(SignOut(ORG, books.row(AccessKey, id="key_ann")))
        assert browser.open(foreign).status == 303

    def test_the_style_sheet_is_ours(self, site: Site) -> None:
        """Beside the pages, for owners of accounts who are let to nothing else."""
        [path] = re.findall('<link rel="stylesheet" href="([^"]+)">', Browser().open(f"{site.url}/connect/stripe").body)
        assert path.startswith("/connect/")
        sheet = Browser().open(f"{site.url}{path}")

        assert (sheet.status, sheet.headers["content-type"]) == (200, "text/css; charset=utf-8")
        assert sheet.headers["x-content-type-options"] == "nosniff"

    def test_behind_https_the_cookie_is_secure(self, books: Books, simulator: SimulatorProcess) -> None:
        with open_context(books, stripe_gateway(simulator.url)) as context, Site(context) as site:
            _, url = start(site)
            address, site.url = site.url, "https://roony.example"
            page = Browser().open(url.replace("https://roony.example", address))

        assert page.set_cookie is not None
        assert "Secure" in page.set_cookie
        asked = parse_qs(urlsplit(page.location).query)
        assert asked["redirect_uri"] == ["https://roony.example/connect/stripe/callback"]

    def test_tokens_lie_sealed_in_the_database(self, site: Site, books: Books, simulator: SimulatorProcess) -> None:
        connect(site)
        row = books.row(ConnectionSecret, name="access_token")
        token = site.context.vault.open(
            row.sealed, f"connection_secrets:{ORG}:{row.connection_id}:access_token".encode()
        )
        assert simulator.client(key=token).v1.issuing.cards.list({"limit": 1}).data == []
        planted = "sk_test_planted_on_purpose"
        books.put(ConnectionSecret(OTHER_ORG, "con_x", "access_token", planted, 0))

        content = everything_in(books.database)

        assert planted.encode() in content, "the scan does not see what is there"
        secret = books.row(ConnectionSecret, organization_id=ORG, name="refresh_token")
        refresh = site.context.vault.open(
            secret.sealed, f"connection_secrets:{ORG}:{row.connection_id}:refresh_token".encode()
        )
        assert token.startswith("sk_test_")
        assert refresh.startswith("rt_")
        for clear in (token, refresh):
            assert clear.encode() not in content
        assert content.count(b"sk_test_") == content.count(planted.encode())


class TestLink:
    """The start link works once, in time, and only when it is opened."""

    TITLE = "This start link no longer works"

    def test_once(self, site: Site) -> None:
        _, url = start(site)
        assert Browser().open(url).status == 303

        again = Browser().open(url)

        expect_page(again, 400, self.TITLE)
        assert again.set_cookie is None

    def test_in_time(self, site: Site, books: Books) -> None:
        _, url = start(site)
        books.clock.advance(600)

        expect_page(Browser().open(url), 400, self.TITLE)

    def test_a_preview_does_not_use_it_up(self, site: Site) -> None:
        _, url = start(site)

        assert Browser().open(url, "HEAD").status == 405
        assert Browser().open(url, "POST").status == 405

        assert Browser().open(url).status == 303

    @pytest.mark.parametrize(
        "query",
        [
            "",
            "ticket=",
            "ticket=a&ticket=a",
            "ticket=" + "a" * 129,
            "ticket=%00",
            "ticket=%C3%A4",
            "ticket=a%0Ab",
            "ticket=a&x=" + "y" * 5000,
            "&".join(f"x{number}=1" for number in range(30)),
            "ticket=%FF",
        ],
    )
    def test_malformed(self, site: Site, query: str) -> None:
        expect_page(Browser().open(f"{site.url}/connect/stripe?{query}"), 400, "This address is not valid")


class TestRefusals:
    """Each ends in a clear page and no connection."""

    def test_the_owner_refuses(self, site: Site, books: Books) -> None:
        browser = Browser()
        connection, page = begin(site, browser)

        refused = browser.open(press(page, action="refuse"))

        expect_page(refused, 400, "Access was not granted")
        row = books.row(Connection, id=connection.id)
        assert (row.status, row.stripe_account) == ("expired", None)
        expect_page(browser.open(f"{site.url}/connect/stripe/callback?state={page.state}&code=ac_1"), 400, STATE)

    def test_a_wrong_state(self, site: Site, books: Books, simulator: SimulatorProcess) -> None:
        browser = Browser()
        connection, page = begin(site, browser)
        back = approve(page)

        wrong = browser.open(back.replace(page.state, "x" * 43))

        expect_page(wrong, 400, STATE)
        assert books.row(Connection, id=connection.id).status == "pending"
        # The code was not presented: the right state still works.
        expect_page(browser.open(back), 200, "The Stripe account is connected")

    def test_another_browser(self, site: Site, books: Books) -> None:
        """Somebody is handed the address of an attacker's round trip, or loses the cookie."""
        owner, stranger = Browser(), Browser()
        connection, page = begin(site, owner)
        _, foreign = begin(site, stranger, OTHER_ORG)
        back = approve(page)

        expect_page(Browser().open(back), 400, STATE)
        expect_page(stranger.open(back), 400, STATE)
        expect_page(owner.open(back.replace(page.state, foreign.state)), 400, STATE)

        assert books.row(Connection, id=connection.id).status == "pending"
        expect_page(owner.open(back), 200, "The Stripe account is connected")

    def test_an_expired_state(self, site: Site, books: Books, simulator: SimulatorProcess) -> None:
        browser = Browser()
        connection, page = begin(site, browser)
        back = approve(page)
        books.clock.advance(600)

        expect_page(browser.open(back), 400, STATE)
        assert books.row(Connection, id=connection.id).status == "pending"
        assert books.rows(ConnectionSecret) == []

    def test_a_reused_state_leaves_the_connection_alone(
        self, site: Site, books: Books, simulator: SimulatorProcess
    ) -> None:
        browser = Browser()
        connection, page = begin(site, browser)
        back, kept = approve(page), dict(browser.cookies)
        assert browser.open(back).status == 200
        browser.cookies = kept

        expect_page(browser.open(back), 400, STATE)

        # A second exchange of the code would have made Stripe revoke it (facts 6.2).
        assert is_connected(simulator, account_of(books, connection))
        assert books.row(Connection, id=connection.id).status == "active"

    def test_two_callbacks_at_once_exchange_once(self, site: Site, books: Books, simulator: SimulatorProcess) -> None:
        browser = Browser()
        connection, page = begin(site, browser)
        back, cookies = approve(page), dict(browser.cookies)

        def come_back(_number: int) -> Page:
            mine = Browser()
            mine.cookies = dict(cookies)
            return mine.open(back)

        with ThreadPoolExecutor(8) as threads:
            pages = list(threads.map(come_back, range(8)))

        assert sorted(page.status for page in pages) == [200] + [400] * 7
        assert is_connected(simulator, account_of(books, connection))
        assert [row.consumed_at is not None for row in books.rows(OAuthState)] == [True]
        activated = [row for row in books.rows(AuditRecord) if row.action == "connection.activated"]
        assert len(activated) == 1

    def test_a_reused_code(self, site: Site, books: Books, simulator: SimulatorProcess) -> None:
        code = simulator.approve("Acme")
        simulator.client().oauth.token({"grant_type": "authorization_code", "code": code})
        browser = Browser()
        connection, page = begin(site, browser)

        expect_page(browser.open(f"{site.url}/connect/stripe/callback?state={page.state}&code={code}"), 400, CODE)
        row = books.row(Connection, id=connection.id)
        assert (row.status, row.status_reason) == ("expired", "code_refused")

    def test_an_expired_code(self, site: Site, books: Books, simulator: SimulatorProcess) -> None:
        browser = Browser()
        _, page = begin(site, browser)
        back = approve(page)
        simulator.control("clock", {"advance": 301})

        expect_page(browser.open(back), 400, CODE)
        assert books.rows(ConnectionSecret) == []

    def test_an_unknown_code(self, site: Site) -> None:
        browser = Browser()
        _, page = begin(site, browser)

        expect_page(browser.open(f"{site.url}/connect/stripe/callback?state={page.state}&code=ac_none"), 400, CODE)

    @pytest.mark.parametrize(
        "query",
        [
            "code=ac_1",
            "state=a",
            "state=a&code=b&error=c",
            "state=a&state=a&code=b",
            "state=a&code=b&code=b",
            "state=" + "a" * 129 + "&code=b",
            "state=a&code=" + "b" * 256,
            "state=a&code=",
            "state=a&error=" + "c" * 101,
            "state=a&code=b%20%0d%0a",
        ],
    )
    def test_malformed(self, site: Site, query: str) -> None:
        page = Browser().open(f"{site.url}/connect/stripe/callback?{query}")

        expect_page(page, 400, "This address is not valid")

    def test_what_stripe_says_is_not_shown(self, site: Site) -> None:
        browser = Browser()
        _, page = begin(site, browser)
        said = urlencode(
            {"state": page.state, "error": "<b>unheard-of</b>", "error_description": "<script>alert(1)</script>"}
        )

        shown = browser.open(f"{site.url}/connect/stripe/callback?{said}")

        expect_page(shown, 400, "Access was not granted")
        assert "unheard-of" not in shown.body
        assert "alert(1)" not in shown.body


class TestAccounts:
    """Whose account it is."""

    def test_an_account_of_another_organization(self, site: Site, books: Books, simulator: SimulatorProcess) -> None:
        browser = Browser()
        first, page = begin(site, browser)
        assert browser.open(approve(page)).status == 200
        account = account_of(books, first)
        second, page = begin(site, browser, OTHER_ORG)

        taken = browser.open(press(page, action="approve", account=account))

        expect_page(taken, 409, "This Stripe account is already connected")
        assert books.row(Connection, id=second.id).status == "expired"
        assert books.row(AccountRoute, stripe_account=account).organization_id == ORG
        assert is_connected(simulator, account)
        assert account not in taken.body

    def test_the_same_organization_connects_again(self, site: Site, books: Books) -> None:
        browser = Browser()
        first, page = begin(site, browser)
        assert browser.open(approve(page)).status == 200
        account = account_of(books, first)
        second, page = begin(site, browser)

        done = browser.open(press(page, action="approve", account=account))

        expect_page(done, 200, "The Stripe account is connected")
        assert first.id in done.body
        assert books.row(Connection, id=second.id).status_reason == f"resumed {first.id}"

    def test_the_other_mode(self, books: Books) -> None:
        grant = {
            "access_token": "sk_live_1",
            "refresh_token": "rt_1",
            "livemode": True,
            "scope": "read_write",
            "stripe_user_id": "acct_9",
        }
        with LoopbackStripe() as wire, open_context(books, stripe_gateway(wire.url)) as context, Site(context) as site:
            browser = Browser()
            _, page = begin(site, browser)
            wire.script(Answer(grant), Answer({"stripe_user_id": "acct_9"}))

            shown = browser.open(f"{site.url}/connect/stripe/callback?state={page.state}&code=ac_1")

        expect_page(shown, 409, "The account is in the other mode")
        assert [received.path for received in wire.received] == ["/oauth/token", "/oauth/deauthorize"]


class TestDeauthorized:
    """The owner ends the access at Stripe: no new money from that event on, holds voided, what is left open flagged."""

    def test_from_the_event_to_the_discrepancy(self, books: Books) -> None:
        with (
            Receiver() as receiver,
            SimulatorProcess("--webhook-url", receiver.url) as simulator,
            open_context(books, stripe_gateway(simulator.url)) as context,
            Site(context) as site,
        ):
            browser = Browser()
            connection, page = begin(site, browser)
            assert browser.open(approve(page)).status == 200
            books.reconfigure()
            asked = books.ask()
            asyncio.run(keep_make_card(context, asked.promise))
            assert books.row(Purchase, id=asked.purchase.id).status == "ready"
            account = account_of(books, connection)
            simulator.client().oauth.deauthorize({"client_id": simulator.client_id, "stripe_user_id": account})
            event = receiver.wait_for("account.application.deauthorized")[0]

            asyncio.run(self._handle(context, event))
            late = books.ask(merchant="Later")
            asyncio.run(self._keep(context))

        row = books.row(Connection, id=connection.id)
        assert (row.status, row.stripe_account) == ("revoked", account)
        assert {secret.sealed for secret in books.rows(ConnectionSecret)} == {""}
        assert late.purchase.status == "declined"
        purchase = books.row(Purchase, id=asked.purchase.id)
        assert (purchase.status, purchase.held) == ("canceled", 0)
        left_open = books.row(Discrepancy)
        assert (left_open.kind, left_open.purchase_id) == ("card_left_open", purchase.id)

    @staticmethod
    async def _handle(context: FlowContext, event: dict[str, Any]) -> None:
        now = context.clock()
        kept = inbox.new_event(
            event["id"],
            event["account"],
            event["livemode"],
            event["type"],
            None,
            now // 1_000_000,
            json.dumps(event).encode(),
            now,
        )
        await context.till.write(inbox.keep(kept))
        for claimed in await context.till.write(inbox.claim(now)):
            await handle_events(context, [claimed])

    @staticmethod
    async def _keep(context: FlowContext) -> None:
        for promise in await context.till.write(outbox.claim(context.clock())):
            if promise.kind == "end_cards_of_connection":
                await flow.keep_end_cards(context, promise)


class TestStripeDown:
    """An unclear exchange is never repeated: the owner starts again."""

    @pytest.mark.parametrize("kind", ["error_before", "error_after", "drop_after"])
    def test_the_exchange_fails(self, site: Site, books: Books, simulator: SimulatorProcess, kind: str) -> None:
        browser = Browser()
        connection, page = begin(site, browser)
        back = approve(page)
        simulator.control("faults", [{"endpoint": "POST /oauth/token", "kind": kind, "count": 1}])

        expect_page(browser.open(back), 502, "Stripe did not answer")

        assert books.row(Connection, id=connection.id).status == "expired"
        assert books.rows(ConnectionSecret) == []
        # Starting again is all it takes.
        expect_page(connect(site), 200, "The Stripe account is connected")

    def test_while_roony_stops(self, site: Site, books: Books) -> None:
        browser = Browser()
        _, page = begin(site, browser)
        _, url = start(site)
        books.till.stop()

        expect_page(Browser().open(url), 503, "Too much is waiting")
        callback = f"{site.url}/connect/stripe/callback?state={page.state}&code=ac_1"
        expect_page(browser.open(callback), 503, "Too much is waiting")

    def test_the_process_dies_after_the_exchange(self, site: Site, books: Books, simulator: SimulatorProcess) -> None:
        """The code is spent and the tokens are lost: nothing half-made is left, and the owner starts again."""
        browser = Browser()
        connection, page = begin(site, browser)
        back = approve(page)
        spawn = multiprocessing.get_context("spawn")
        told, tell = spawn.Pipe(duplex=False)
        url = books.database.url.render_as_string(hide_password=False)
        child = spawn.Process(target=serve_and_die, args=(url, simulator.url, "after_code_exchange", tell))
        child.start()
        try:
            assert told.poll(60)
            address = told.recv()
            with pytest.raises(ConnectionError):
                browser.open(back.replace(site.url, address))
            child.join(60)
            assert child.exitcode == -signal.SIGKILL
        finally:
            child.kill()
            child.join(60)

        assert books.row(Connection, id=connection.id).status == "pending"
        assert books.rows(ConnectionSecret) == []
        assert books.row(OAuthState).consumed_at is not None
        # The state was used up before the code was presented: the code cannot come a second time.
        expect_page(browser.open(back), 400, STATE)
        expect_page(connect(site), 200, "The Stripe account is connected")
