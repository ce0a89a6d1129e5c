"""`roony mcp`: the tools for an agent whose host starts its MCP servers itself."""

from __future__ import annotations

import asyncio
import os

from roony.cli.output import WRONG_USE, fail
from roony.cli.remote import UrlOption


def mcp(url: str = UrlOption) -> None:
    """Serve the MCP tools over standard input and output, as an agent (ROONY_AGENT_KEY)."""
    key = os.environ.get("ROONY_AGENT_KEY")
    if not key:
        fail("No agent key: set ROONY_AGENT_KEY. `roony agent create NAME` prints one.", WRONG_USE, "no_key")
    from roony.client import AsyncRoony
    from roony.logging_setup import configure_logging
    from roony.mcp_server import stdio

    # To stderr: standard output belongs to the protocol.
    configure_logging()

    async def serve() -> None:
        async with AsyncRoony(url, key) as roony:
            await stdio.serve(roony)

    try:
        asyncio.run(serve())
    except ValueError as wrong:
        fail(str(wrong), WRONG_USE)
