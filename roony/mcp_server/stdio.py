"""MCP over standard input and output, for a host that starts `roony mcp` itself."""

from __future__ import annotations

from mcp.server.stdio import stdio_server

from roony.client import AsyncRoony
from roony.mcp_server.server import build_server


async def serve(roony: AsyncRoony) -> None:
    """Answers until the input ends. While it runs, nothing but the protocol gets to the output."""
    server = build_server(roony)
    async with stdio_server() as (reading, writing):
        await server.run(reading, writing, server.create_initialization_options())
