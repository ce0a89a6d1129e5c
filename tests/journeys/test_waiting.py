"""A hundred agents wait for a person: no thread for each, and every one is answered when the person has said yes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from tests.support.events import listening, told
from tests.support.served import Buyer, Simulation, unique, until
from tests.support.threads import threads
from tests.support.tools import ACCEPT, PATH, message

# More than the threads that a process may have at all: forty of anyio's, which read the database for everybody, and a
# dozen that are there from the start.
AGENTS = 100
ASK = "/api/v1/purchase_intents"
PRICE = 12_000


@pytest.fixture(scope="module")
def project(roony: Simulation) -> str:
    """Whose agents' purchases over 100.00 a person decides."""
    body = {"name": unique("Careful"), "controls": {"approval_threshold": 10_000}}
    return str(roony.owner.send("POST", "/api/v1/admin/projects", body, 201)["id"])


def decide(roony: Simulation, purchase: dict[str, Any], word: str) -> None:
    """A person's click."""
    roony.owner.send("POST", f"/api/v1/admin/approvals/{purchase['approval']['id']}/{word}", {})


def waiting(roony: Simulation) -> int:
    """Requests that wait now, by the server's own count."""
    text = roony.web.get("/metrics").text
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("roony_waiting "))


Wait = Callable[[httpx2.AsyncClient, str], Awaitable[httpx2.Response]]


async def with_get(http: httpx2.AsyncClient, id: str) -> httpx2.Response:
    return await http.get(f"{ASK}/{id}", params={"wait": 55})


async def with_mcp(http: httpx2.AsyncClient, id: str) -> httpx2.Response:
    call = message("tools/call", name="get_purchase", arguments={"purchase_id": id, "wait_seconds": 45})
    return await http.post(PATH, json=call, headers={**ACCEPT, "MCP-Protocol-Version": "2025-11-25"})


async def wait_for_all(roony: Simulation, asked: list[tuple[Buyer, dict[str, Any]]], wait: Wait) -> list[Any]:
    """Every agent waits for its purchase at the same time, each over a connection of its own."""

    async def one(buyer: Buyer, purchase: dict[str, Any]) -> Any:
        headers = {"Authorization": f"Bearer {buyer.key}"}
        async with httpx2.AsyncClient(
            base_url=roony.url, timeout=60, trust_env=False, verify=False, headers=headers
        ) as http:
            answer = await wait(http, purchase["id"])
        assert answer.status_code == 200, answer.text
        said = answer.json()
        return said["result"]["structuredContent"] if "result" in said else said

    return list(await asyncio.gather(*(one(buyer, purchase) for buyer, purchase in asked)))


@pytest.mark.parametrize("wait", [with_get, with_mcp])
def test_a_hundred_waits_cost_no_threads_and_are_all_answered(roony: Simulation, project: str, wait: Wait) -> None:
    buyers = [roony.buyer(project) for _ in range(AGENTS)]
    asked = [(buyer, buyer.ask(PRICE, unique("GitHub"))) for buyer in buyers]
    assert {purchase["status"] for _, purchase in asked} == {"awaiting_approval"}

    with ThreadPoolExecutor(1) as pool, ThreadPoolExecutor(8) as people:
        waits = pool.submit(lambda: asyncio.run(wait_for_all(roony, asked, wait)))
        until(lambda: waiting(roony), AGENTS)
        during = threads(roony.ready["pid"])

        # One batch of yeses, by eight people at once.
        list(people.map(lambda purchase: decide(roony, purchase, "approve"), [purchase for _, purchase in asked]))
        answered = waits.result()

    assert during < AGENTS
    assert [(purchase["id"], purchase["status"]) for purchase in answered] == [
        (purchase["id"], "ready") for _, purchase in asked
    ]
    until(lambda: waiting(roony), 0)


def test_a_denied_agent_is_answered_too(roony: Simulation, project: str) -> None:
    buyer = roony.buyer(project)
    purchase = buyer.ask(PRICE, unique("GitHub"))
    with ThreadPoolExecutor(1) as pool:
        wait = pool.submit(buyer.purchase, purchase["id"], 30)
        until(lambda: waiting(roony), 1)
        decide(roony, purchase, "deny")
        assert wait.result()["status"] == "declined"


def test_a_stream_follows_a_purchase_through_its_life(roony: Simulation, project: str) -> None:
    """The agent and the owner hear the same, in the same order, while Stripe and a merchant do their part."""
    buyer = roony.buyer(project)
    merchant = unique("GitHub")
    with listening(roony.url, buyer.key, "/api/v1/stream") as own:
        next(own)
        purchase = buyer.ask(PRICE, merchant)
        decide(roony, purchase, "approve")
        stripe_card = roony.card_of(purchase["id"])["stripe_card_id"]
        authorization = roony.charge(stripe_card, PRICE, merchant)
        roony.stripe.v1.test_helpers.issuing.authorizations.capture(authorization.id)
        heard = told(own, 8)
    assert [event.type for event in heard] == [
        "approval.requested", "purchase.awaiting_approval", "approval.approved", "purchase.issuing", "purchase.ready",
        "authorization.approved", "purchase.authorized", "purchase.settled",
    ]  # fmt: skip
    assert {event.data["purchase_id"] for event in heard} == {purchase["id"]}


def test_a_stop_lets_everybody_go(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The server ends with a waiting request and an open stream; the request is answered with what there is."""
    with Simulation(tmp_path_factory.mktemp("stop")) as roony:
        buyer = roony.buyer(controls={"approval_threshold": 10_000})
        purchase = buyer.ask(PRICE, "GitHub")
        with ThreadPoolExecutor(1) as pool, listening(roony.url, buyer.key, "/api/v1/stream") as events:
            next(events)
            wait = pool.submit(buyer.purchase, purchase["id"], 55)
            until(lambda: waiting(roony), 2)
            roony.child.process.terminate()
            assert wait.result()["status"] == "awaiting_approval"
            assert told(events, 1) == []
            assert roony.child.wait_for_end() == 0
