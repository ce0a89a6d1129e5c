"""The whole web application on a port of its own, with keys for an owner and agents, for any test over real HTTP."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import httpx2
import uvicorn

from roony.client.callers import IDLE_SECONDS
from roony.core.errors import Refusal
from roony.flows.access_key import new_key
from roony.flows.context import FlowContext
from roony.flows.organization import NewOrganization, create_organization
from roony.gateway.pool import GatewayPool
from roony.identifiers import new_id
from roony.outbound.guard import Guard
from roony.outbound.messenger import Messenger
from roony.outbound.post import Poster
from roony.store.database import Database
from roony.store.till import Till
from roony.store.vault import Vault
from roony.web.app import AppOptions, create_app
from roony.web.webhook import WebhookDoor
from tests.support.books import Books, Clock, build_tables, writing_on
from tests.support.connecting import VAULT_KEY, stripe_gateway
from tests.support.contract import expect_declared

# Nothing listens there: a test that reaches Stripe by mistake fails at once.
NO_STRIPE = "http://127.0.0.1:9"


class Server:
    """One ASGI application, served by uvicorn in a thread."""

    def __init__(self, app: Any) -> None:
        self.url = ""
        self._server = uvicorn.Server(
            uvicorn.Config(
                app, "127.0.0.1", 0, log_level="critical", lifespan="off", access_log=False, proxy_headers=False
            )
        )
        self._thread = threading.Thread(target=self._server.run)

    def __enter__(self) -> Self:
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive()
            threading.Event().wait(0.01)
        self.url = f"http://127.0.0.1:{self._server.servers[0].sockets[0].getsockname()[1]}"
        return self

    def __exit__(self, *error: object) -> None:
        self._server.should_exit = True
        self._thread.join(60)


class Caller:
    """Speaks to the API with one key; every answer is checked for what all answers must have.

    There is no TLS on this machine: loading certificates for every caller would only take time.
    """

    def __init__(self, url: str, key: str | None) -> None:
        self.key = key
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        # One that the server is about to close is not used again.
        limits = httpx2.Limits(keepalive_expiry=IDLE_SECONDS)
        self._http = httpx2.Client(
            base_url=url, timeout=30, trust_env=False, verify=False, headers=headers, limits=limits
        )

    def call(self, method: str, path: str, body: Any = None, **more: Any) -> httpx2.Response:
        """One request; `body` is sent as JSON."""
        if body is not None:
            more["json"] = body
        answer = self._http.request(method, path, **more)
        assert answer.headers["request-id"].startswith("req_")
        if answer.status_code >= 400 and path.startswith("/api/v1"):
            error = answer.json()["error"]
            assert set(error) <= {"code", "message", "field", "id", "reasons", "request_id"}
            assert error["request_id"] == answer.headers["request-id"]
            assert error["code"]
            assert error["message"]
        if path.startswith("/api/v1"):
            kind = answer.headers.get("content-type", "")
            value = answer.json() if kind == "application/json" else None
            expect_declared(method, path, answer.status_code, kind, value)
        return answer

    def get(self, path: str, **more: Any) -> Any:
        """The JSON of a GET that must succeed."""
        answer = self.call("GET", path, **more)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def send(self, method: str, path: str, body: Any = None, status: int = 200, **more: Any) -> Any:
        """The JSON of a change, which must be answered with `status`."""
        answer = self.call(method, path, body, **more)
        assert answer.status_code == status, answer.text
        return answer.json()

    def refused(self, status: int, method: str, path: str, body: Any = None, **more: Any) -> dict[str, Any]:
        """The error of a request that must be refused."""
        error: dict[str, Any] = self.send(method, path, body, status, **more)["error"]
        return error

    def close(self) -> None:
        """Gives back the connections."""
        self._http.close()


class Company:
    """One organization on a served Roony: its owner, and agents made by the owner's own calls."""

    def __init__(self, roony: ServedRoony, name: str, **settings: Any) -> None:
        context = roony.context
        admin_key = new_key("admin", context.new_id("key"), "owner")
        new = NewOrganization(
            context.new_id("org"), name, context.new_id("prj"), "test", admin_key=admin_key, **settings
        )
        made = context.till.write_and_wait(create_organization(new, context.clock()))
        assert not isinstance(made, Refusal), made
        self.id, self.project_id = made.id, new.project_id
        self._roony = roony
        self.owner = roony.caller(admin_key.text)

    def agent(self, name: str = "Buyer", **more: Any) -> tuple[dict[str, Any], Caller]:
        """A new agent, and its caller."""
        made = self.owner.send("POST", "/api/v1/admin/agents", {"name": name, **more}, 201)
        return made, self._roony.caller(made["key"])


class ServedRoony:
    """Books, flows and the application on them."""

    def __init__(self, context: FlowContext, door: WebhookDoor, url: str) -> None:
        self.context, self.door = context, door
        self.books = Books(context.database, context.till, context.clock)  # type: ignore[arg-type]
        self.url = url
        self._callers: list[Caller] = []

    def caller(self, key: str | None = None) -> Caller:
        """Somebody with this key, or with none."""
        made = Caller(self.url, key)
        self._callers.append(made)
        return made

    def company(self, name: str = "Test Company", **settings: Any) -> Company:
        """One more organization, with an owner's key."""
        return Company(self, name, **settings)

    def run(self, work: Callable[[FlowContext], Any]) -> Any:
        """Runs an asynchronous flow to its end."""
        return asyncio.run(work(self.context))

    def close(self) -> None:
        """Closes what callers hold."""
        for caller in self._callers:
            caller.close()


@contextmanager
def serve(
    folder: Path, stripe_url: str = NO_STRIPE, database_url: str | None = None, build: bool = True, **gateway: Any
) -> Iterator[ServedRoony]:
    """Roony without any organization and without a worker.

    On a fresh SQLite file in `folder`, or on the fresh database at `database_url`; what was served before goes on
    without `build`.
    """
    database, clock = Database(database_url or f"sqlite:///{folder / 'roony.db'}", own_clock=True), Clock()
    if build:
        build_tables(database)
    died: list[BaseException] = []
    till = Till(writing_on(database), clock, lambda: uuid.uuid4().hex, died.append)
    till.start()
    pool, stripe = GatewayPool(threads=4), stripe_gateway(stripe_url, **gateway)
    context = FlowContext(
        till, database, stripe, pool, Vault([VAULT_KEY]), clock,
        new_id, lambda: "http://localhost:9",
        poster=Poster(Guard("127.0.0.0/8")),
        messenger=Messenger(Guard("127.0.0.0/8")),
    )  # fmt: skip
    try:
        door = create_app(context, AppOptions(("whsec_test",)))
        with Server(door) as server:
            served = ServedRoony(context, door, server.url)
            yield served
            served.close()
    finally:
        till.stop()
        pool.close()
        stripe.close()
        database.close()
        assert not died, died
