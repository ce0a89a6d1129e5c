"""An agent's host: the official MCP client before a served Roony, or plain messages of an old protocol."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

PATH = "/api/mcp"
# "auto" speaks the newest protocol that both sides know, "legacy" the last one with a handshake.
MODES = ("auto", "legacy")
OLD = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
ACCEPT = {"Accept": "application/json, text/event-stream"}


@asynccontextmanager
async def host(url: str, key: str, mode: str = "auto") -> AsyncIterator[Client]:
    """A connected official client over HTTP."""
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60, trust_env=False, verify=False) as http,
        Client(streamable_http_client(f"{url}{PATH}", http_client=http), mode=mode) as client,
    ):
        yield client


def with_host(url: str, key: str, work: Callable[[Client], Awaitable[Any]], mode: str = "auto") -> Any:
    """What `work` makes of a connected client."""

    async def run() -> Any:
        async with host(url, key, mode) as client:
            return await work(client)

    return asyncio.run(run())


def use(url: str, key: str, tool: str, mode: str = "auto", **given: Any) -> Any:
    """The structured answer of one call, which must be a good one."""
    return good(with_host(url, key, lambda client: client.call_tool(tool, given), mode))


def refused(url: str, key: str, tool: str, mode: str = "auto", **given: Any) -> dict[str, Any]:
    """The error of one call, which must be a refused one."""
    return bad(with_host(url, key, lambda client: client.call_tool(tool, given), mode))


def good(result: Any) -> Any:
    """The structured content of a good result; the text says the same."""
    assert not result.is_error, result.content
    assert json.loads(result.content[0].text) == result.structured_content
    return result.structured_content


def bad(result: Any) -> dict[str, Any]:
    """The error in a result: a code, a sentence, and what to do; nothing of the inside."""
    assert result.is_error, result.structured_content
    assert result.structured_content is None
    error: dict[str, Any] = json.loads(result.content[0].text)["error"]
    assert error["code"]
    assert error["message"]
    assert error["what_to_do"]
    assert "Traceback" not in result.content[0].text
    return error


def message(method: str, id: int | None = 1, **params: Any) -> dict[str, Any]:
    """One JSON-RPC message."""
    made = {"jsonrpc": "2.0", "method": method, "params": params}
    return made if id is None else {**made, "id": id}
