"""One exchange of MCP over streamable HTTP, old and new protocol, without a session."""

from __future__ import annotations

import httpx2
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.types import ASGIApp, Receive, Scope, Send

from roony.client import AsyncRoony
from roony.mcp_server.server import build_server

# The REST API's address as it is called from inside; nothing is sent there.
INSIDE = "http://roony.internal"


async def serve(app: ASGIApp, key: str, streams: bool, scope: Scope, receive: Receive, send: Send) -> None:
    """Answers one request with the tools of the agent of `key`, which call the REST API in `app`.

    As JSON or, with `streams`, as a stream with progress. Everything it needs is made for it and ends with it.
    """
    async with AsyncRoony(INSIDE, key, transport=httpx2.ASGITransport(app)) as roony:
        exchange = StreamableHTTPSessionManager(build_server(roony), json_response=not streams, stateless=True)
        async with exchange.run():
            await exchange.handle_request(scope, receive, send)
