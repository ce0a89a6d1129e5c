"""What connecting an account needs: books, a gateway, a vault; and the pages, served to a small browser."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import http.client
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qs, urlencode, urlsplit

import uvicorn
from starlette.applications import Starlette

from roony import stop_points
from roony.core.agent import Organization
from roony.core.connection import Connection
from roony.core.errors import Refusal
from roony.flows import connection as flow
from roony.flows.context import FlowContext
from roony.gateway.client import StripeGateway
from roony.gateway.pool import GatewayPool
from roony.identifiers import new_id
from roony.store.vault import Vault
from roony.web.oauth import routes
from tests.support.books import ORG, Books

OTHER_ORG = "org_2"
PUBLIC_URL = "http://localhost:9"
VAULT_KEY = hashlib.sha256(b"only for tests").digest()


def stripe_gateway(
    url: str, secret_key: str = "sk_test_simulator", client_id: str | None = "ca_simulator", read_timeout: float = 8.0
) -> StripeGateway:
    """A gateway to a Stripe on this machine."""
    return StripeGateway(
        secret_key=secret_key,
        connect_client_id=client_id,
        app_client_id=client_id,
        api_base=url,
        connect_base=url,
        read_timeout=read_timeout,
    )


@contextmanager
def open_context(books: Books, gateway: StripeGateway, public_url: str = PUBLIC_URL) -> Iterator[FlowContext]:
    """What flows work with. Two organizations without a connection of their own."""
    organization = books.row(Organization, id=ORG)
    books.put(
        organization._replace(connection_id=None, config_version="c1"),
        organization._replace(id=OTHER_ORG, name="Other Company", connection_id=None),
    )
    pool = GatewayPool(threads=8)
    try:
        yield FlowContext(
            books.till,
            books.database,
            gateway,
            pool,
            Vault([VAULT_KEY]),
            books.clock,
            new_id,
            lambda: public_url,
        )
    finally:
        pool.close()
        gateway.close()


class Page(NamedTuple):
    """One answer, as a browser sees it."""

    status: int
    headers: dict[str, str]
    body: str
    set_cookie: str | None

    @property
    def location(self) -> str:
        """Where it redirects to."""
        return self.headers["location"]

    @property
    def state(self) -> str:
        """The state in the address it redirects to."""
        return parse_qs(urlsplit(self.location).query)["state"][0]


class Browser:
    """Follows nothing by itself and keeps one site's cookies."""

    def __init__(self) -> None:
        self.cookies: dict[str, str] = {}

    def open(self, url: str, method: str = "GET") -> Page:
        """One request."""
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.netloc, timeout=60)
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        try:
            connection.request(
                method,
                f"{parts.path}?{parts.query}" if parts.query else parts.path,
                None,
                headers if self.cookies else {},
            )
            answer = connection.getresponse()
            body = answer.read().decode()
        finally:
            connection.close()
        set_cookie = answer.getheader("set-cookie")
        if set_cookie:
            name, _, value = set_cookie.partition(";")[0].partition("=")
            self.cookies[name] = value.strip('"')
            if "max-age=0" in set_cookie.lower():
                del self.cookies[name]
        return Page(answer.status, {key.lower(): value for key, value in answer.getheaders()}, body, set_cookie)


class Site:
    """The OAuth pages on a port of their own, on a loop of their own."""

    def __init__(self, context: FlowContext) -> None:
        self.url = ""
        self.context = dataclasses.replace(context, public_url=lambda: self.url)
        self._server = uvicorn.Server(
            uvicorn.Config(Starlette(routes=routes(self.context)), "127.0.0.1", 0, log_level="critical", lifespan="off")
        )
        self._thread = threading.Thread(target=self._server.run)

    def __enter__(self) -> Self:
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive()
            threading.Event().wait(0.01)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        return self

    def __exit__(self, *error: object) -> None:
        self._server.should_exit = True
        self._thread.join(60)


async def _start(context: FlowContext, organization_id: str, kind: str) -> flow.Started | Refusal:
    return await flow.start_connection(context, organization_id, kind, "usr_1")


def start(site: Site, organization_id: str = ORG, kind: str = "connect") -> tuple[Connection, str]:
    """A pending connection and its start link, as the admin API makes them."""
    begun = asyncio.run(_start(site.context, organization_id, kind))
    assert isinstance(begun, flow.Started)
    assert begun.url is not None
    return begun.connection, begun.url


def begin(site: Site, browser: Browser, organization_id: str = ORG, kind: str = "connect") -> tuple[Connection, Page]:
    """Opens a start link."""
    connection, url = start(site, organization_id, kind)
    page = browser.open(url)
    assert page.status == 303, page.body
    return connection, page


def press(page: Page, **form: str) -> str:
    """Presses a button on Stripe's page; returns the address it sends the browser back to."""
    parts = urlsplit(page.location)
    stripe_page = Browser().open(page.location)
    assert stripe_page.status == 200
    connection = http.client.HTTPConnection(parts.netloc, timeout=60)
    try:
        connection.request(
            "POST",
            f"{parts.path}?{parts.query}",
            urlencode(form),
            {"Content-Type": "application/x-www-form-urlencoded"},
        )
        answer = connection.getresponse()
        answer.read()
    finally:
        connection.close()
    assert answer.status == 303
    location = answer.getheader("location")
    assert location is not None
    return location


def approve(page: Page) -> str:
    """Approves with a new business."""
    return press(page, action="approve", business_name="Acme")


def serve_and_die(database_url: str, stripe_url: str, stop_at: str, told: Any) -> None:
    """Run in a child: the pages on that database, with a stop point armed; tells its address."""
    from tests.support.books import Clock, Database, Till, writing_on

    database = Database(database_url, own_clock=True)
    till = Till(writing_on(database), Clock(), lambda: uuid.uuid4().hex)
    till.start()
    books = Books(database, till, Clock())
    context = FlowContext(
        till,
        database,
        stripe_gateway(stripe_url),
        GatewayPool(threads=2),
        Vault([VAULT_KEY]),
        books.clock,
        new_id,
        lambda: PUBLIC_URL,
    )
    stop_points.arm(stop_at)
    with Site(context) as site:
        told.send(site.url)
        threading.Event().wait(60)
