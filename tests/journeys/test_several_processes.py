"""Two servers and a worker on one PostgreSQL: what one decides counts in the others; an outage stops none of them."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from roony.client.sealed import new_private_key, open_sealed
from tests.support.forking import Forked
from tests.support.ports import hold_port
from tests.support.postgres import PostgresServer, own_server
from tests.support.served import BUDGETS, SOFTWARE, Child, Installation, clean_environment, until
from tests.support.serving import Caller
from tests.support.tools import use
from tests.test_deploy import health_checks

pytestmark = pytest.mark.postgres
ASK = "/api/v1/purchase_intents"
FREEZE = "/api/v1/admin/{}freeze"


def wish(amount: int, merchant: str) -> dict[str, Any]:
    """An ask for software in the US."""
    shop = {"name": merchant, **SOFTWARE}
    return {"amount": amount, "currency": "usd", "description": "a thing", "merchant": shop}


class Several(Installation):
    """The installation with a second server and a worker of its own."""

    def start(self) -> None:
        """All of it, with an active Stripe account."""
        key = self.make()
        self.start_simulator()
        self.start_roony()
        self.second = Child(["serve", "--port", "0", "--ready-json"], self.folder / "second.log", **self.environment())
        environment = clean_environment(**self.environment())
        self._watched = hold_port()
        port = self.worker_port = int(self._watched.getsockname()[1])
        self.worker = Forked(["worker", "--metrics-port", str(port)], environment, self.folder / "worker.log")
        # An outage must not find it on its start: it would end, as whoever starts without a database does.
        until(lambda: self.ready(f"http://127.0.0.1:{port}/readyz"), "ok")
        self.owners = self.both(key)
        connection = self.owners[0].send("POST", "/api/v1/admin/connections", {"kind": "direct"}, 201)
        assert connection["status"] == "active"

    @staticmethod
    def ready(url: str) -> str:
        """What a process says of itself; that nobody answers yet is a word too."""
        try:
            return str(httpx2.get(url, trust_env=False, timeout=30).json()["status"])
        except httpx2.ConnectError:
            return "nobody answers"

    def both(self, key: str) -> tuple[Caller, Caller]:
        """Somebody with this key, before either server."""
        second = Caller(self.second.ready["url"], key)
        self._callers.append(second)
        return self.caller(key), second

    def agent(self, **more: Any) -> tuple[str, tuple[Caller, Caller]]:
        """A new agent, before either server."""
        body = {"name": "buyer", "budgets": BUDGETS, **more}
        made = self.owners[0].send("POST", "/api/v1/admin/agents", body, 201)
        return made["id"], self.both(made["key"])

    def stripe_card(self, purchase: dict[str, Any]) -> str:
        """The card of a purchase at Stripe."""
        [row] = self.owners[1].get("/api/v1/admin/cards", params={"purchase_id": purchase["id"]})["data"]
        return str(row["stripe_card_id"])

    def charge(self, stripe_card: str, amount: int, merchant: str) -> tuple[bool, str]:
        """A merchant asks the network: approved or not, and Stripe's reason."""
        made = self.stripe().v1.test_helpers.issuing.authorizations.create(
            {"card": stripe_card, "amount": amount, "merchant_data": {"name": merchant, **SOFTWARE}}  # type: ignore[typeddict-item]
        )
        return bool(made.approved), str(made.request_history[0].reason)

    def stop(self) -> None:
        """Ends all programs."""
        super().stop()
        self.second.stop()
        self.worker.terminate()
        self.worker.wait(30)
        self._watched.close()


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A server that may be stopped."""
    with own_server() as started:
        yield started


@pytest.fixture(scope="module")
def several(server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Several]:
    """All programs, shared by the tests of this file."""
    with ExitStack() as stack:
        url = stack.enter_context(server.database())
        made = Several(tmp_path_factory.mktemp("several"), url)
        made.start()
        stack.callback(made.stop)
        yield made


def test_the_health_check_of_the_image_is_answered_by_a_worker(several: Several) -> None:
    """The container of a worker that works is not one that is to be started again (docs/operations.md)."""
    [check] = [code for code, path in health_checks() if path == "/healthz"]
    command = [sys.executable, "-c", check.replace("8000", str(several.worker_port))]
    assert subprocess.run(command, check=False, timeout=60).returncode == 0


def test_a_freeze_by_one_counts_at_once_in_the_other(several: Several) -> None:
    """Facts are kept in memory only while nobody has changed any: the version is on the row that is locked."""
    id, (first, second) = several.agent()
    scope = {"scope": "agent", "scope_id": id}
    for number in range(3):
        for asks, freezes in ((first, several.owners[1]), (second, several.owners[0])):
            name = f"Shop {number} {asks is first}"
            bought = asks.send("POST", ASK, wish(1_000, name), 201)
            freezes.send("POST", FREEZE.format(""), scope)
            refused = asks.send("POST", ASK, wish(1_100, name), 201)
            assert refused["decision"]["reasons"][0]["code"] == "AGENT_SUSPENDED"
            # The network's requests go to the first server.
            assert several.charge(several.stripe_card(bought), 1_000, name)[0] is False
            freezes.send("POST", FREEZE.format("un"), scope)
            assert asks.send("POST", ASK, wish(1_200, name), 201)["decision"]["verdict"] == "approved"


def test_mcp_needs_no_server_in_particular(several: Several) -> None:
    """What one was asked for, the other looks at, knows by its name, and cancels."""
    _, both = several.agent()
    urls = (several.url, several.second.ready["url"])
    key = both[0].key
    assert key is not None
    asked = {
        "merchant": "Tools", "amount": "12.00", "currency": "usd", "description": "a thing", "request_id": "tools",
        "merchant_category": SOFTWARE["category"], "merchant_country": "US",
    }  # fmt: skip
    made = use(urls[0], key, "request_purchase", **asked)
    assert (made["status"], made["replayed"]) == ("ready", False)
    again = use(urls[1], key, "request_purchase", **asked)
    assert (again["id"], again["replayed"]) == (made["id"], True)
    assert use(urls[1], key, "cancel_purchase", purchase_id=made["id"])["status"] == "canceled"
    assert use(urls[0], key, "get_purchase", purchase_id=made["id"])["status"] == "canceled"


def test_two_servers_share_one_budget_and_one_key(several: Several) -> None:
    _, both = several.agent(budgets=[{"period": "lifetime", "limit": 10_000, "currency": "usd"}])

    def ask(number: int) -> dict[str, Any]:
        headers = {"Idempotency-Key": f"key {number // 2}"}
        answer = both[number % 2].call("POST", ASK, wish(2_500, f"Shop {number // 2}"), headers=headers)
        assert answer.status_code in (200, 201), answer.text
        return dict(answer.json())

    with ThreadPoolExecutor(20) as threads:
        made = list(threads.map(ask, range(20)))
    # Each pair of asks carried the same key, one to each server.
    assert len({purchase["id"] for purchase in made}) == 10
    approved = {purchase["id"] for purchase in made if purchase["decision"]["verdict"] == "approved"}
    assert len(approved) == 4
    for id in approved:
        until(lambda id=id: both[0].get(f"{ASK}/{id}")["status"], "ready")  # type: ignore[misc]
    cards = [
        card.metadata["roony_purchase"]
        for card in several.stripe().v1.issuing.cards.list({"limit": 100}).auto_paging_iter()
    ]
    assert all(cards.count(id) == 1 for id in approved)


def test_two_servers_show_a_card_once(several: Several) -> None:
    """One link opened at both at once, and a key registered at one that counts in the other."""
    key = new_private_key()
    id, both = several.agent()
    bought = both[0].send("POST", ASK, wish(1_000, "Linear"), 201)
    path, owner_key = f"{ASK}/{bought['id']}/card", several.owners[0].key
    url = both[0].send("POST", path, {"delivery": "reveal"})["url"]
    form = {"ticket": parse_qs(urlsplit(url).query)["ticket"][0], "key": owner_key}
    together = threading.Barrier(6)

    def open_at(number: int) -> int:
        together.wait(60)
        return both[number % 2].call("POST", "/reveal", data=form).status_code

    with ThreadPoolExecutor(6) as threads:
        assert sorted(threads.map(open_at, range(6))) == [200, 410, 410, 410, 410, 410]
    several.owners[0].send("PUT", f"/api/v1/admin/agents/{id}/public_key", json.loads(key.public))
    sealed = both[1].send("POST", path, {"delivery": "sealed"})["jwe"]
    assert open_sealed(key.jwk, sealed)["purchase_id"] == bought["id"]
    several.owners[1].send("DELETE", f"/api/v1/admin/agents/{id}/public_key")
    assert both[0].refused(409, "POST", path, {"delivery": "sealed"})["code"] == "no_public_key"


def test_an_outage_refuses_at_once_and_ends_by_itself(several: Several, server: PostgresServer) -> None:
    """Well-formed declines and 503 while the database is away; the same processes go on when it is back."""
    assert several.roony is not None
    _, both = several.agent()
    bought = both[0].send("POST", ASK, wish(2_000, "Figma"), 201)
    stripe_card = several.stripe_card(bought)
    server.stop()
    for _ in range(3):
        # Not "webhook_error" nor "webhook_timeout": the answer came, was well-formed, and said no.
        assert several.charge(stripe_card, 2_000, "FIGMA") == (False, "webhook_declined")
        for agent in both:
            assert agent.refused(503, "POST", ASK, wish(1_000, "Notion"))["code"]
    server.start()
    for place, agent in enumerate(both):

        def ask(agent: Caller = agent, shop: str = f"Shop after {place}") -> int:
            return agent.call("POST", ASK, wish(1_000, shop), headers={"Idempotency-Key": shop}).status_code

        until(lambda ask=ask: ask() in (200, 201), True)  # type: ignore[misc]
    assert several.charge(stripe_card, 2_000, "FIGMA") == (True, "webhook_approved")
    ended = [several.roony.process.poll(), several.second.process.poll(), several.worker.poll()]
    assert ended == [None, None, None], (several.folder / "worker.log").read_text()[-4_000:]
    until(lambda: both[1].get(f"{ASK}/{bought['id']}")["status"], "authorized")
