"""An agent's host buys with MCP: a person says yes while it waits, over HTTP and `roony mcp`; restarts in between."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from tests.support.served import Buyer, Simulation, clean_environment, unique, until
from tests.support.tools import MODES, good, message, refused, use, with_host

WISH = {"currency": "usd", "description": "1 month", "merchant_category": "5734", "merchant_country": "US"}
COMMAND = [sys.executable, "-m", "roony", "mcp"]


def with_child(url: str, key: str, log: Path, work: Callable[[Client], Awaitable[Any]], mode: str = "auto") -> Any:
    """What `work` makes of the official client with a `roony mcp` of its own."""
    environment = clean_environment(ROONY_URL=url, ROONY_AGENT_KEY=key)
    parameters = StdioServerParameters(command=COMMAND[0], args=COMMAND[1:], env=environment)

    async def run() -> Any:
        with log.open("a") as stderr:
            async with Client(stdio_client(parameters, errlog=stderr), mode=mode) as client:
                return await work(client)

    return asyncio.run(run())


def yes_when_it_waits(roony: Simulation, buyer: Buyer) -> threading.Thread:
    """A person who approves the one purchase of this agent as soon as it waits."""

    def approve() -> None:
        until(lambda: len(waiting(buyer)), 1)
        [purchase] = waiting(buyer)
        roony.owner.send("POST", f"/api/v1/admin/approvals/{purchase['approval']['id']}/approve", {})

    person = threading.Thread(target=approve)
    person.start()
    return person


def waiting(buyer: Buyer) -> list[dict[str, Any]]:
    """Its purchases that wait for a person."""
    rows: list[dict[str, Any]] = buyer.api.get("/api/v1/purchase_intents", params={"status": "awaiting_approval"})[
        "data"
    ]
    return rows


@pytest.fixture
def careful(roony: Simulation) -> Buyer:
    """An agent whose purchases over 100.00 a person decides."""
    return roony.buyer(controls={"approval_threshold": 10_000})


@pytest.mark.parametrize("way", ["http", "stdio"])
@pytest.mark.parametrize("mode", MODES)
def test_it_buys_with_approval(roony: Simulation, careful: Buyer, tmp_path: Path, way: str, mode: str) -> None:
    """One call asks and waits, a person says yes, the agent gets its card, pays, and sees the payment."""
    merchant = unique("GitHub")

    async def buy(client: Client) -> tuple[Any, Any]:
        asked = {**WISH, "merchant": merchant, "amount": "120.00", "request_id": "one", "wait_seconds": 30}
        made = good(await client.call_tool("request_purchase", asked))
        look = {"purchase_id": made["id"], "card_purpose": "pay the bill"}
        return made, good(await client.call_tool("get_purchase", look))

    person = yes_when_it_waits(roony, careful)
    log = tmp_path / "stderr"
    made, shown = (
        with_host(roony.url, careful.key, buy, mode)
        if way == "http"
        else with_child(roony.url, careful.key, log, buy, mode)
    )
    person.join()
    assert (made["status"], made["credentials"], made["replayed"]) == ("ready", None, False)
    assert "card_purpose" in made["next_step"]
    card = roony.card_of(made["id"])
    assert shown["credentials"]["number"].endswith(card["last4"])
    assert roony.charge(card["stripe_card_id"], 12_000, merchant).approved
    number = shown["credentials"]["number"]
    assert number not in (roony.folder / "serve.log").read_text()
    assert way == "http" or number not in log.read_text()


def test_a_no_is_told_to_who_waits(roony: Simulation, careful: Buyer) -> None:
    async def buy(client: Client) -> Any:
        asked = {**WISH, "merchant": unique("GitHub"), "amount": "120.00"}
        call = asyncio.ensure_future(client.call_tool("request_purchase", asked))
        await asyncio.to_thread(until, lambda: len(waiting(careful)), 1)
        [purchase] = waiting(careful)
        path = f"/api/v1/admin/approvals/{purchase['approval']['id']}/deny"
        await asyncio.to_thread(roony.owner.send, "POST", path, {"note": "too dear"})
        return good(await call)

    answer = with_host(roony.url, careful.key, buy)
    assert (answer["status"], answer["card"]) == ("declined", None)
    assert (answer["approval"]["status"], answer["approval"]["note"]) == ("denied", "too dear")
    assert answer["next_step"].startswith("A person was asked and said no. Do not ask for the same again;")


def test_what_is_next_is_true_of_a_subscription_and_of_a_freeze(roony: Simulation, buyer: Buyer) -> None:
    """Each payment is limited, not their sum; with a frozen card nothing is to be paid, nor its details asked for."""
    asked = {**WISH, "merchant": unique("GitHub"), "amount": "12.00", "repeat_every": "month", "payments": 3}
    made = use(roony.url, buyer.key, "request_purchase", **asked)
    assert (made["card"]["hard_limit"], made["hold_amount"]) == ("36.00", "12.00")
    assert "at most 12.00 USD each month, 3 times in all" in made["next_step"]
    authorization = roony.charge(roony.card_of(made["id"])["stripe_card_id"], 1_200, asked["merchant"])
    roony.stripe.v1.test_helpers.issuing.authorizations.capture(authorization.id)
    roony.settle()
    paid = use(roony.url, buyer.key, "get_purchase", purchase_id=made["id"])
    assert (paid["status"], paid["next_step"][:25]) == ("ready", "1 of 3 payments are made.")
    roony.owner.send("POST", "/api/v1/admin/freeze", {"scope": "agent", "scope_id": buyer.id})
    until(lambda: roony.card_of(made["id"])["status"], "frozen")
    look = {"purchase_id": made["id"]}
    assert "Do not pay." in use(roony.url, buyer.key, "get_purchase", **look)["next_step"]
    error = refused(roony.url, buyer.key, "get_purchase", **look, card_purpose="pay")
    assert (error["code"], "The card is frozen" in error["message"]) == ("card_not_ready", True)


def test_many_ask_and_look_at_the_same_time(roony: Simulation, buyer: Buyer) -> None:
    """Every call is answered, each with its own purchase; together they hold what they should."""

    async def rush(client: Client) -> list[Any]:
        asked = [{**WISH, "merchant": unique("Shop"), "amount": "1.50"} for _ in range(8)]
        made = await asyncio.gather(*(client.call_tool("request_purchase", wish) for wish in asked))
        ids = [good(result)["id"] for result in made]
        looked = await asyncio.gather(*(client.call_tool("get_purchase", {"purchase_id": id}) for id in ids))
        return [(id, good(result)["id"]) for id, result in zip(ids, looked, strict=True)]

    pairs = with_host(roony.url, buyer.key, rush)
    assert all(asked == looked for asked, looked in pairs)
    assert len(set(pairs)) == 8
    assert buyer.standings()[0] == (8 * 150, 0)


def test_a_restart_between_the_request_and_the_look(tmp_path: Path) -> None:
    """Nothing is kept in the process: what one has asked for, the next one knows, under the same names."""
    asked = {**WISH, "merchant": "Notion", "amount": "49.00", "request_id": "notion"}
    with Simulation(tmp_path) as first:
        key = first.ready["agent_key"]
        made = use(first.url, key, "request_purchase", **asked)
        assert made["status"] == "ready"
    with Simulation(tmp_path) as second:
        assert use(second.url, key, "get_purchase", purchase_id=made["id"])["status"] == "ready"
        again = use(second.url, key, "request_purchase", **asked)
        assert (again["id"], again["replayed"], again["credentials"]) == (made["id"], True, None)
        assert use(second.url, key, "cancel_purchase", purchase_id=made["id"])["status"] == "canceled"


def test_the_program_in_the_docs_buys(roony: Simulation, tmp_path: Path) -> None:
    """As it is printed there, with the demo company's agent."""
    text = (Path(__file__).parents[2] / "docs" / "mcp.md").read_text(encoding="utf-8")
    [program] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    environment = clean_environment(ROONY_URL=roony.url, ROONY_AGENT_KEY=roony.ready["agent_key"])
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert done.stdout.startswith("ready The card's details are in `credentials`"), done


class TestTheCommand:
    """`roony mcp` by itself."""

    def test_it_says_nothing_but_the_protocol(self, roony: Simulation, buyer: Buyer) -> None:
        """Also when what it is told is no message; it ends when its input does."""
        client = {"protocolVersion": "2025-03-26", "capabilities": {}, "clientInfo": {"name": "old", "version": "1"}}
        told = [
            message("initialize", **client), message("notifications/initialized", None), message("tools/list", 2),
            message("tools/call", 3, name="check_budget", arguments={}),
        ]  # fmt: skip
        lines = [*(json.dumps(each).encode() for each in told), b"{nonsense", b"\xff\xfe", b'{"jsonrpc":"2.0"}']
        environment = clean_environment(ROONY_URL=roony.url, ROONY_AGENT_KEY=buyer.key)
        child = subprocess.Popen(
            COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
        )
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(b"\n".join(lines) + b"\n")
        child.stdin.flush()
        said = [json.loads(child.stdout.readline()) for _ in range(3)]
        rest, errors = child.communicate(timeout=30)
        assert child.returncode == 0, errors
        said += [json.loads(line) for line in rest.splitlines()]
        answered = {each["id"]: each["result"] for each in said if each.get("id") in (1, 2, 3)}
        assert answered[1]["protocolVersion"] == "2025-03-26"
        assert len(answered[2]["tools"]) == 7
        assert json.loads(answered[3]["content"][0]["text"])["budgets"]
        assert buyer.key not in errors.decode()

    @pytest.mark.parametrize("key", [None, "ключ"])
    def test_without_a_key_it_says_what_is_missing(self, key: str | None) -> None:
        given = {} if key is None else {"ROONY_AGENT_KEY": key}
        done = subprocess.run(
            COMMAND, env=clean_environment(**given), capture_output=True, text=True, stdin=subprocess.DEVNULL,
            timeout=60, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (2, "")
        assert "key" in done.stderr
        assert "Traceback" not in done.stderr

    def test_without_a_server_every_call_says_so(self, tmp_path: Path) -> None:
        """It starts, lists its tools, and tells what to do, with the name under which asking again is safe."""

        async def work(client: Client) -> Any:
            assert len((await client.list_tools()).tools) == 7
            asked = {**WISH, "merchant": "Figma", "amount": "5.00", "request_id": "again"}
            return await client.call_tool("request_purchase", asked)

        result = with_child("http://127.0.0.1:9", "roony_agent_x", tmp_path / "stderr", work)
        assert result.is_error
        error = json.loads(result.content[0].text)["error"]
        assert error["code"] == "unreachable"
        assert 'request_id "again"' in error["what_to_do"]


def test_a_key_of_another_kind_is_told_so(roony: Simulation, tmp_path: Path) -> None:
    """Over stdio it is the answer of every call."""

    async def work(client: Client) -> Any:
        return await client.call_tool("check_budget", {})

    result = with_child(roony.url, roony.ready["admin_key"], tmp_path / "stderr", work)
    assert json.loads(result.content[0].text)["error"]["code"] == "wrong_kind_of_key"
