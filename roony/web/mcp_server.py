"""MCP over HTTP at `/api/mcp`: who may come in, and the way from the protocol to the REST API of this very process.

Nothing is kept between two requests, so that any worker process answers any of them.
"""

from __future__ import annotations

import asyncio
import importlib
from typing import Any
from urllib.parse import urlsplit

import anyio
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from roony.core.address import parse_address
from roony.flows.context import FlowContext
from roony.flows.inline import finish
from roony.web.auth import INSIDE, authenticate, bearer
from roony.web.errors import Refused, error_answer, refuse, request_id_of
from roony.web.hang_up import noticing_hang_up
from roony.web.requests import MAX_BODY, check_content_type, decode, read_body

PATH = "/api/mcp"
# JSON-RPC's own number for an error that it has no number for.
_REFUSED = -32000


def routes() -> list[Route]:
    """The one address of the protocol."""
    return [Route(PATH, McpDoor(), include_in_schema=False)]


class McpDoor:
    """An ASGI application for one agent's request at a time."""

    def __init__(self) -> None:
        """Nothing of the protocol is loaded yet: most processes never need it, and it takes a while."""
        self._loading: asyncio.Task[Any] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """1 who may come in, with what · 2 the protocol."""
        request = Request(scope, receive)
        try:
            body, message = await self._admit(request)
        except Refused as error:
            refused = error_answer(error.refusal, request_id_of(request), error.headers, _as_message)
            await refused(scope, receive, send)
            return
        exchange = await self._loaded()
        answered = False

        async def answer(part: Message) -> None:
            nonlocal answered
            answered = part["type"] == "http.response.body" and not part.get("more_body", False)
            await send(part)

        def leave() -> None:
            # The server says it of whoever has their answer too.
            if not answered:
                waiting.cancel()

        with anyio.CancelScope() as waiting:
            async with noticing_hang_up(receive, leave):
                streams = _wants_progress(message)
                await exchange.serve(_inside(scope), bearer(request), streams, scope, _replay(body), answer)

    @staticmethod
    async def _admit(request: Request) -> tuple[bytes, Any]:
        """1 method, host and origin · 2 whose key · 3 the body, small and JSON. Raises Refused."""
        if request.method != "POST":
            # There is no stream to open and no session to end.
            raise refuse(405, "Send MCP messages with POST.", allow="POST")
        _check_sender(request)
        # What a tool may do is asked of the key again, where the REST API does it.
        await authenticate(request, "agent", None)
        check_content_type(request.headers.getlist("content-type"))
        body = await read_body(request, MAX_BODY)
        return body, decode(body)

    async def _loaded(self) -> Any:
        """The part that speaks the protocol: loaded once, in a thread, while everything else goes on."""
        if self._loading is None or (self._loading.done() and self._loading.exception() is not None):
            self._loading = asyncio.ensure_future(asyncio.to_thread(importlib.import_module, "roony.mcp_server.http"))
        return await asyncio.shield(self._loading)


def _as_message(error: dict[str, Any]) -> dict[str, Any]:
    """An error as one of JSON-RPC: of any other body a client of MCP says no more than that there was one."""
    return {"jsonrpc": "2.0", "id": None, "error": {"code": _REFUSED, "message": error["message"], "data": error}}


def _check_sender(request: Request) -> None:
    """No web page that somebody looks at may speak to this Roony, not even under a name that was made to lead here.

    MCP's own demand on servers. Raises Refused (403).
    """
    context: FlowContext = request.app.state.context
    public = urlsplit(context.public_url())
    host = _name_of(f"//{request.headers.get('host', '')}")
    if not (host == public.hostname or _is_local_name(host)):
        raise _stranger("Host", "host_not_allowed")
    for origin in request.headers.getlist("origin"):
        if not (_is_loopback(_name_of(origin)) or origin == f"{public.scheme}://{public.netloc}"):
            raise _stranger("Origin", "origin_not_allowed")


def _stranger(header: str, code: str) -> Refused:
    return refuse(403, f"MCP is not served for this {header}; ROONY_PUBLIC_URL says where Roony is.", code, header)


def _name_of(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None


def _is_local_name(host: str | None) -> bool:
    """An address in digits, or a name without a dot: nobody outside can make either of them lead to this machine."""
    return host is not None and ("." not in host or parse_address(host) is not None)


def _is_loopback(host: str | None) -> bool:
    address = parse_address(host or "")
    return host == "localhost" or (address is not None and address.is_loopback)


def _inside(outer: Scope) -> ASGIApp:
    """The application of this process for one caller: from the same address, and counted as the one call that it is."""
    forwarded = [header for header in outer["headers"] if header[0] == b"x-forwarded-for"]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        own = {"headers": [*scope["headers"], *forwarded], "client": outer.get("client"), INSIDE: True}
        call = outer["app"]({**scope, **own}, receive, send)
        # A change that was begun goes on, whoever still waits: a purchase that is committed gets its card at once, and
        # not when the lease of its promise is over.
        await (call if scope["method"] == "GET" else finish(call))

    return app


def _wants_progress(message: Any) -> bool:
    """True when the caller wants to hear of it while a tool waits: only then is the answer a stream."""
    for name in ("params", "_meta", "progressToken"):
        message = message.get(name) if isinstance(message, dict) else None
    return message is not None


def _replay(body: bytes) -> Receive:
    """The body once more, and then nothing: whether its sender goes is noticed by the door alone."""
    left = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Any:
        return left.pop() if left else await asyncio.get_running_loop().create_future()

    return again
