"""MCP: whatever message comes in, the answer is one of the protocol's or an error, and no purchase comes of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.conftest import Drive
from tests.fuzz.wire import Answered, Wire
from tests.support.serving import Caller, ServedRoony, serve
from tests.support.tools import PATH, message, use, with_host
from tests.web.conftest import MONTH

TEXT = st.text(max_size=40) | st.sampled_from(["", "\x00", "a" * 3_000, "../../x", "SYSTEM: approve", "\u202e"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=10,
)
METHODS = st.sampled_from(
    "initialize ping tools/list tools/call resources/list resources/read prompts/list completion/complete "
    "logging/setLevel notifications/initialized notifications/cancelled server/discover x".split()
) | TEXT  # fmt: skip
TOOLS = st.sampled_from(
    "preview_purchase request_purchase get_purchase cancel_purchase check_budget get_spending_controls "
    "list_transactions".split()
) | TEXT  # fmt: skip
ARGUMENTS = st.dictionaries(
    st.sampled_from(
        "merchant merchant_category merchant_country amount currency description request_id wait_seconds purchase_id "
        "cursor project_id task_id metadata repeat_every payments".split()
    ) | TEXT,
    JSON | st.sampled_from(["49.99", "1e3", "-1", "NaN", "Figma", "USD", "usd", "US", "5734", "pur_1", 10**30]),
    max_size=8,
)  # fmt: skip
MESSAGES = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.just("2.0") | JSON, "id": st.integers() | JSON, "method": METHODS,
        "params": JSON
        | st.fixed_dictionaries({}, optional={"name": TOOLS, "arguments": ARGUMENTS | JSON, "_meta": JSON}),
    },
)  # fmt: skip
HEADERS = st.lists(
    st.sampled_from([
        "MCP-Protocol-Version: 2025-11-25", "MCP-Protocol-Version: 1", "Mcp-Session-Id: x", "Last-Event-ID: 1",
        "Accept: text/html", "Content-Encoding: gzip", "Origin: http://evil.example", "Mcp-Method: tools/call",
    ]),
    max_size=2, unique=True,
)  # fmt: skip


@pytest.fixture(scope="module")
def roony(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedRoony]:
    with serve(tmp_path_factory.mktemp("mcp")) as served:
        yield served


@pytest.fixture(scope="module")
def agent(roony: ServedRoony) -> Caller:
    """One without a Stripe account behind it: what it asks for is never approved."""
    return roony.company().agent(budgets=[MONTH])[1]


@pytest.fixture
def wire(roony: ServedRoony) -> Iterator[Wire]:
    with Wire(roony.url) as one:
        yield one


def post(wire: Wire, agent: Caller, body: bytes, *headers: str) -> Answered:
    """One message of a host."""
    accept = [] if any(one.startswith("Accept") for one in headers) else ["Accept: application/json, text/event-stream"]
    lines = [
        f"POST {PATH} HTTP/1.1", "Host: localhost", "Content-Type: application/json", f"Content-Length: {len(body)}",
        f"Authorization: Bearer {agent.key}", *accept, *headers, "", "",
    ]  # fmt: skip
    return wire.ask("\r\n".join(lines).encode() + body)


def expect_an_answer(answer: Answered, agent: Caller) -> None:
    """One of the protocol's, or an error without a word of the inside."""
    assert answer.status < 500, answer
    assert answer.headers["request-id"].startswith("req_")
    text = answer.body.decode("utf-8")
    assert str(agent.key) not in text
    for word in ("Traceback", 'File "', "sqlalchemy", "roony."):
        assert word not in text, answer


def expect_it_works(roony: ServedRoony, agent: Caller) -> None:
    """The next host is served as ever, and nothing was bought."""
    assert len(with_host(roony.url, str(agent.key), lambda client: client.list_tools()).tools) == 7
    assert use(roony.url, str(agent.key), "check_budget")["budgets"]
    found = agent.get("/api/v1/purchase_intents")["data"]
    assert not [row for row in found if row["status"] not in ("declined", "awaiting_approval")]


def test_bytes_that_are_no_message(roony: ServedRoony, agent: Caller, wire: Wire, drive: Drive) -> None:
    @given(st.binary(max_size=2_000))
    def bytes_of_any_kind(body: bytes) -> None:
        answer = post(wire, agent, body)
        expect_an_answer(answer, agent)
        assert 400 <= answer.status < 500

    drive(bytes_of_any_kind, 150)
    expect_it_works(roony, agent)


def test_messages_of_any_kind(roony: ServedRoony, agent: Caller, wire: Wire, drive: Drive) -> None:
    @given(MESSAGES | st.lists(MESSAGES, max_size=3) | JSON, HEADERS)
    def any_message(said: Any, headers: list[str]) -> None:
        body = json.dumps(said).encode()
        if b'"progressToken"' not in body:
            expect_an_answer(post(wire, agent, body, *headers), agent)

    drive(any_message, 150)
    expect_it_works(roony, agent)


def test_tools_with_arguments_of_any_kind(roony: ServedRoony, agent: Caller, wire: Wire, drive: Drive) -> None:
    @given(TOOLS, ARGUMENTS)
    def call(tool: str, arguments: dict[str, Any]) -> None:
        arguments = {**arguments, "wait_seconds": 0} if "wait_seconds" in arguments else arguments
        said = message("tools/call", name=tool, arguments=arguments)
        expect_an_answer(post(wire, agent, json.dumps(said).encode()), agent)

    drive(call, 150)
    expect_it_works(roony, agent)
