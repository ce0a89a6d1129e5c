"""Roony's web, served over real HTTP: once without any Stripe, once with the simulated one behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest
import structlog

from roony.core.agent import Organization
from roony.core.connection import Connection
from roony.flows.access_key import key_row
from roony.flows.sign_in import new_session
from roony.web.session import COOKIE
from tests.support.postgres import swept_books_database
from tests.support.receiver import Receiver
from tests.support.serving import Caller, Company, ServedRoony, serve
from tests.support.simulator import SimulatorProcess
from tests.support.tills import DATABASES

MONTH = {"period": "month", "limit": 500_000, "currency": "usd"}


@pytest.fixture(autouse=True, scope="module")
def plain_logs() -> Iterator[None]:
    """As in production: a traceback without the values of every frame, which would take seconds to draw."""
    processors = structlog.processors
    structlog.configure([processors.add_log_level, processors.format_exc_info, processors.KeyValueRenderer()])
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="module", params=DATABASES)
def backend(request: pytest.FixtureRequest) -> str:
    """Where the books are."""
    return str(request.param)


@pytest.fixture(scope="module")
def roony(tmp_path_factory: pytest.TempPathFactory, backend: str) -> Iterator[ServedRoony]:
    """One for each file of tests and database; every test makes a company of its own."""
    with swept_books_database(backend) as url, serve(tmp_path_factory.mktemp("web"), database_url=url) as served:
        yield served


@pytest.fixture
def company(roony: ServedRoony) -> Company:
    return roony.company()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as one:
        yield one


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorProcess]:
    with SimulatorProcess() as process:
        yield process


@pytest.fixture
def connected(
    simulator: SimulatorProcess, tmp_path_factory: pytest.TempPathFactory, backend: str
) -> Iterator[ServedRoony]:
    """A Roony of its own with an empty Stripe behind it."""
    simulator.control("reset", {})
    folder = tmp_path_factory.mktemp("connected")
    with swept_books_database(backend) as url, serve(folder, simulator.url, url) as served:
        yield served


@pytest.fixture
def shop(connected: ServedRoony) -> Company:
    """A company with an active Stripe account, handing out card numbers in its answers."""
    made = connected.company("Shop", delivery="raw")
    made.owner.send("POST", "/api/v1/admin/connections", {"kind": "direct"}, 201)
    return made


def session_of(roony: ServedRoony, company: Company, user_id: str) -> str:
    """A new session of this user, as their browser keeps it."""
    session = new_session(roony.context.new_id("key"), "a test")
    roony.books.put(key_row(session, company.id, None, roony.context.clock(), user_id))
    return session.text


@pytest.fixture
def look(roony: ServedRoony, company: Company) -> Iterator[Callable[[str], httpx2.Response]]:
    """Opens pages of the dashboard as the company's owner, signed in."""
    person = {"name": "Ann Owner", "email": "ann@example.com", "role": "owner"}
    user = company.owner.send("POST", "/api/v1/admin/users", person, 201)
    cookies = {"Cookie": f"{COOKIE}={session_of(roony, company, user['id'])}"}
    with httpx2.Client(base_url=roony.url, timeout=30, trust_env=False, verify=False, headers=cookies) as browser:
        yield browser.get


def waiting(roony: ServedRoony, company: Company) -> tuple[Caller, dict[str, Any]]:
    """An agent and its purchase that waits for a person; no Stripe stands behind the company's connection."""
    connection = Connection(
        company.id, f"con_{company.id}", "direct", "active", f"acct_{company.id}", 0, None, "usd", None, 0, 0
    )
    row = roony.books.row(Organization, id=company.id)
    roony.books.put(connection, row._replace(connection_id=connection.id, config_version="connected"))
    _, agent = company.agent(budgets=[MONTH], controls={"approval_threshold": 0})
    merchant = {"name": "Figma", "country": "US"}
    body = {"amount": 1_000, "currency": "usd", "description": "seats", "merchant": merchant}
    purchase: dict[str, Any] = agent.send("POST", "/api/v1/purchase_intents", body, 201)
    assert purchase["status"] == "awaiting_approval", purchase
    return agent, purchase


def signed_in(roony: ServedRoony, company: Company, role: str = "owner") -> httpx2.Client:
    """The browser of a new user with this role, signed in, for looking at pages of the dashboard."""
    user: dict[str, Any] = company.owner.send(
        "POST", "/api/v1/admin/users", {"name": role.capitalize(), "email": f"{role}@example.com", "role": role}, 201
    )
    session = new_session(roony.context.new_id("key"), "test")
    roony.books.put(key_row(session, company.id, None, roony.context.clock(), user["id"]))
    return httpx2.Client(base_url=roony.url, cookies={COOKIE: session.text}, trust_env=False, timeout=60, verify=False)
