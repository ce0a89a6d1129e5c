"""One who asks over HTTP, and hangs up before the answer."""

from __future__ import annotations

import json
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

from tests.support.tools import ACCEPT, PATH, message

NEWEST, OLD = "2026-07-28", "2025-11-25"
# Each protocol of MCP, answered with one value or, to who wants to hear of progress, with a stream.
TOOLS: list[tuple[str, dict[str, Any]]] = [
    (version, meta) for version in (OLD, NEWEST) for meta in ({}, {"progressToken": 1})
]


class Gone(HTTPConnection):
    """One who asks, and need not wait for the answer."""

    def __init__(self, url: str, key: str) -> None:
        super().__init__(str(urlsplit(url).hostname), urlsplit(url).port, timeout=60)
        self._key = key

    def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> None:
        """Sends it."""
        sent = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json", **(headers or {})}
        self.request(method, path, None if body is None else json.dumps(body), sent)

    def wait(self, id: str) -> None:
        """For one of its purchases, over REST."""
        self.ask("GET", f"/api/v1/purchase_intents/{id}?wait=55")

    def use(self, tool: str, given: dict[str, Any], version: str, meta: dict[str, Any]) -> None:
        """Calls a tool of MCP, in an old protocol or in the newest."""
        headers = {**ACCEPT, "MCP-Protocol-Version": version}
        if version == NEWEST:
            headers |= {"Mcp-Method": "tools/call", "Mcp-Name": tool}
            host = {"name": "host", "version": "1"}
            about = {"protocolVersion": version, "clientInfo": host, "clientCapabilities": {}}
            meta = {**{f"io.modelcontextprotocol/{name}": value for name, value in about.items()}, **meta}
        self.ask("POST", PATH, message("tools/call", name=tool, arguments=given, _meta=meta), headers)

    def heard(self) -> Any:
        """The answer after all."""
        answer = self.getresponse()
        assert answer.status == 200, answer.read()
        return json.loads(answer.read())
