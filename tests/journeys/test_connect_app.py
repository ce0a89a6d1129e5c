"""The owner installs the Stripe App in a browser; and a code of either kind is presented once, whatever happens."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from roony.core.app_token import ACCESS_LIFETIME, AppTokens
from roony.core.connection import Connection
from roony.store.rows import ConnectionSecret, OutboxPromise
from roony.store.vault import row_name
from tests.support.books import NOW, Books, everything_in, open_books
from tests.support.connecting import Browser, Page, Site, approve, begin, open_context, press, stripe_gateway
from tests.support.installing import presented
from tests.support.postgres import swept_books_database
from tests.support.simulator import SimulatorProcess

KINDS = ("connect", "stripe_app")
ADDRESS = {"connect": "/oauth/token", "stripe_app": "/v1/oauth/token"}


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


def code_in(address: str) -> str:
    return parse_qs(urlsplit(address).query)["code"][0]


def come_back_at_once(back: str, cookies: dict[str, str], count: int = 8) -> list[Page]:
    """The same answer from Stripe, by that many copies of a browser at the same moment."""
    barrier = threading.Barrier(count)

    def come_back(_number: int) -> Page:
        mine = Browser()
        mine.cookies = dict(cookies)
        barrier.wait(60)
        return mine.open(back)

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(come_back, range(count)))


class TestInstalling:
    """From the link to an active connection."""

    def test_the_straight_way(self, site: Site, books: Books, simulator: SimulatorProcess) -> None:
        browser = Browser()
        connection, page = begin(site, browser, kind="stripe_app")
        asked = parse_qs(urlsplit(page.location).query)
        assert page.location.startswith(f"{simulator.url}/oauth/v2/authorize?")
        assert set(asked) == {"client_id", "redirect_uri", "state"}
        assert asked["redirect_uri"] == [f"{site.url}/connect/stripe/callback"]

        done = browser.open(approve(page))

        assert (done.status, "The Stripe account is connected" in done.body) == (200, True)
        row = books.row(Connection, id=connection.id)
        assert (row.kind, row.status, row.scope, row.currency) == ("stripe_app", "active", "stripe_apps", "usd")
        tokens = books.row(AppTokens, connection_id=connection.id)
        assert (tokens.generation, tokens.expires_at, tokens.holder) == (1, NOW + ACCESS_LIFETIME, None)
        assert {secret.name for secret in books.rows(ConnectionSecret)} == {"access_token", "refresh_token"}
        assert books.row(OutboxPromise, kind="make_cardholder").subject == connection.id
        kept = everything_in(books.database)
        for secret in books.rows(ConnectionSecret):
            name = row_name("connection_secrets", row.organization_id, row.id, secret.name)
            assert site.context.vault.open(secret.sealed, name).encode() not in kept

    def test_the_owner_refuses(self, site: Site, books: Books, simulator: SimulatorProcess) -> None:
        browser = Browser()
        connection, page = begin(site, browser, kind="stripe_app")

        assert browser.open(press(page, action="refuse")).status == 400
        assert books.row(Connection, id=connection.id).status == "expired"
        assert simulator.control("state")["oauth_exchanges"] == []

    def test_the_same_account_resumes_its_connection(self, site: Site, books: Books) -> None:
        browser = Browser()
        first, page = begin(site, browser, kind="stripe_app")
        assert browser.open(approve(page)).status == 200
        before = books.row(Connection, id=first.id)
        sealed = {row.name: row.sealed for row in books.rows(ConnectionSecret)}
        second, page = begin(site, browser, kind="stripe_app")

        assert browser.open(press(page, action="approve", account=before.stripe_account)).status == 200

        assert books.row(Connection, id=second.id).status_reason == f"resumed {first.id}"
        after = books.row(Connection, id=first.id)
        assert (after.status, after.stripe_account) == ("active", before.stripe_account)
        assert books.row(AppTokens, connection_id=first.id).generation == 2
        assert books.rows(AppTokens, connection_id=second.id) == []
        again = {row.name: row.sealed for row in books.rows(ConnectionSecret)}
        assert again.keys() == sealed.keys()
        assert not set(again.values()) & set(sealed.values())

    def test_an_account_that_is_connected_in_another_way(self, site: Site, books: Books) -> None:
        browser = Browser()
        first, page = begin(site, browser)
        assert browser.open(approve(page)).status == 200
        account = books.row(Connection, id=first.id).stripe_account
        second, page = begin(site, browser, kind="stripe_app")

        refused = browser.open(press(page, action="approve", account=account))

        assert (refused.status, "already connected here in another way" in refused.body) == (409, True)
        assert books.row(Connection, id=first.id).status == "active"
        assert books.row(Connection, id=second.id).status == "expired"
        assert books.rows(AppTokens) == []


@pytest.mark.parametrize("kind", KINDS)
class TestOnce:
    """Stripe ends a connection whose code comes twice (facts 6.2)."""

    def test_many_callbacks_at_once(self, site: Site, books: Books, simulator: SimulatorProcess, kind: str) -> None:
        browser = Browser()
        connection, page = begin(site, browser, kind=kind)
        back = approve(page)

        pages = come_back_at_once(back, browser.cookies)

        assert sorted(page.status for page in pages) == [200] + [400] * 7
        assert presented(simulator, code_in(back)) == ["tokens"]
        assert books.row(Connection, id=connection.id).status == "active"

    @pytest.mark.parametrize("fault", ["drop_before", "drop_after", "error_before", "error_after", "rate_limit"])
    def test_many_callbacks_while_stripe_fails(
        self, site: Site, books: Books, simulator: SimulatorProcess, kind: str, fault: str
    ) -> None:
        """What is not answered clearly is not tried again, by Roony, by the SDK or by the browser."""
        browser = Browser()
        connection, page = begin(site, browser, kind=kind)
        back = approve(page)
        rule = {"endpoint": f"POST {ADDRESS[kind]}", "kind": fault, "should_retry": True}
        simulator.control("faults", [rule])
        pages = come_back_at_once(back, browser.cookies, 4)
        simulator.control("faults", [])
        pages += come_back_at_once(back, browser.cookies, 4)

        assert sorted(page.status for page in pages) == [400] * 7 + [502]
        assert len(presented(simulator, code_in(back))) == (1 if fault.endswith("after") else 0)
        assert books.row(Connection, id=connection.id).status == "expired"
        assert books.rows(ConnectionSecret) == []
        # Starting again is all it takes.
        _, page = begin(site, browser, kind=kind)
        assert browser.open(approve(page)).status == 200
