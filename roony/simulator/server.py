"""The simulator as a program: builds its parts, listens on the loopback interface, ends cleanly."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from roony.simulator import control_api, oauth_pages, stripe_api
from roony.simulator.asking import Asking
from roony.simulator.card_network import CardNetwork
from roony.simulator.clock import Clock
from roony.simulator.delivery import Delivery
from roony.simulator.events import REQUEST
from roony.simulator.faults import Faults
from roony.simulator.keeping import UnreadableStateError
from roony.simulator.stripe_api.door import Door
from roony.simulator.stripe_api.endpoints import new_endpoint
from roony.simulator.terminal.routes import routes as terminal_routes
from roony.simulator.world import CLIENT_ID, World, new_secret

NOTICE = "roony-simulator (a simulation of Stripe, not Stripe)"
# Exit code for whoever holds the pipe: it knows the option's name and says what to do.
CANNOT_LISTEN = 98
_HOST = "127.0.0.1"


class _Protocol(HttpToolsProtocol):
    """HTTP as usual, with a way for a simulated fault to cut the connection."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["simulator.abort"] = self.transport.abort  # type: ignore[typeddict-unknown-key]


class Simulator:
    """One simulated Stripe: the world and the parts that act on it, as an ASGI application."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.asking = Asking(world)
        self.delivery = Delivery(world)
        network = CardNetwork(world, self.asking)
        network.settle_interrupted()
        self.door = Door(world, network, self.delivery, Faults())
        routes = [
            *oauth_pages.routes(self.door),  # first: /v1/oauth/token is not an operation of the API
            *stripe_api.routes(self.door),
            *control_api.routes(self.door),
            *terminal_routes(self.door),
        ]
        self._app = Starlette(
            routes=routes, lifespan=self._lifespan, exception_handlers={HTTPException: self._unserved}
        )

    async def _unserved(self, request: Request, _error: Exception) -> Response:
        """Answer what no route answers in Stripe's error shape."""
        return await self.door.answer(request, None)

    @contextlib.asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        delivering = asyncio.create_task(self.delivery.run())
        try:
            yield
        finally:
            delivering.cancel()
            await asyncio.gather(delivering, return_exceptions=True)
            await self.delivery.close()
            await self.asking.close()
            self.world.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection event."""
        await self._app(scope, receive, send)


def register_webhooks(world: World, url: str, secret: str) -> None:
    """Register one endpoint for the own account and one for connected ones, both asked in real time."""
    types = ["*", REQUEST]
    for connect in (False, True):
        known = [one for one in world.endpoints.where("account", world.platform) if one.get("from_option") == connect]
        for record in known:
            if record["body"]["url"] != url or record["secrets"] != [secret]:
                record["body"]["url"], record["secrets"] = url, [secret]
                world.endpoints.touch(record)
        if not known:
            record = new_endpoint(world, world.platform, url, types, connect=connect, secret=secret)
            record["from_option"] = connect
    world.save()


def _secret(world: World, given: str | None) -> str:
    """Return the signing secret: the one given, or one that stays the same with the state file."""
    kept: dict[str, Any] = world.kept
    secret = given or kept.get("webhook_secret") or new_secret()
    if kept.get("webhook_secret") != secret:
        kept["webhook_secret"] = secret
        world.settings.touch(kept)
        world.save()
    return str(secret)


def run(
    port: int = 8001,
    webhook_url: str | None = None,
    webhook_secret: str | None = None,
    secret_key: str = "sk_test_simulator",
    state: str | None = None,
    ready_json: bool = False,
    clock_file: str | None = None,
    parent_pipe: bool = False,
) -> None:
    """Serve until a signal, or until standard input ends when `parent_pipe` is set."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    for noisy in ("httpx2", "httpcore2"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        listener = listen(_HOST, port)
    except OSError as error:
        if parent_pipe:
            raise SystemExit(CANNOT_LISTEN) from None
        sys.stderr.write(f"Cannot listen on {_HOST}:{port} ({error.strerror}): choose another --port.\n")
        raise SystemExit(1) from None
    try:
        world = World(Clock(clock_file), secret_key, state)
    except UnreadableStateError as error:
        sys.stderr.write(f"{error} Remove it, or choose another --state.\n")
        raise SystemExit(1) from None
    secret = _secret(world, webhook_secret)
    if webhook_url is not None:
        register_webhooks(world, webhook_url, secret)
    url = f"http://{_HOST}:{listener.getsockname()[1]}"
    ready = {
        "url": url,
        "secret_key": secret_key,
        "account": world.platform,
        "client_id": CLIENT_ID,
        "webhook_secret": secret,
        "pid": os.getpid(),
    }
    server = _Server(_config(Simulator(world)))
    server.ready = ready if ready_json else None
    asyncio.run(_serve(server, listener, parent_pipe=parent_pipe))


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; any address but the loopback interface is refused: there are no real checks here."""
    if not ipaddress.ip_address(host).is_loopback:
        raise ValueError(f"The simulator listens on the loopback interface only, not on {host}.")
    # With the protocol named, asyncio switches Nagle's delay off; without it each answer waits 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(1024)
    except OSError:
        listener.close()
        raise
    return listener


def _config(app: Simulator) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=_Protocol,
        ws="none",
        lifespan="on",
        server_header=False,
        headers=[("Server", NOTICE)],
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=3,
        timeout_keep_alive=75,
    )


class _Server(uvicorn.Server):
    """Says on stdout, in one line, when it answers; a signal ends it with exit code 0."""

    ready: dict[str, Any] | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As uvicorn does, but without raising the signal again once everything is closed: a stop is no failure."""
        loop = asyncio.get_running_loop()
        numbers = (signal.SIGTERM, signal.SIGINT)
        for number in numbers:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then print the ready line if one is wanted."""
        await super().startup(sockets=sockets)
        if self.started and self.ready is not None:
            sys.stdout.write(json.dumps(self.ready) + "\n")
            sys.stdout.flush()


async def _serve(server: _Server, listener: socket.socket, *, parent_pipe: bool) -> None:
    host, port = listener.getsockname()
    logging.getLogger(__name__).info("Stripe simulator (no real money) at http://%s:%s", host, port)
    watching = asyncio.create_task(_until_stdin_ends(server)) if parent_pipe else None
    await server.serve(sockets=[listener])
    if watching is not None:
        watching.cancel()


async def _until_stdin_ends(server: uvicorn.Server) -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.read(4096):
        pass
    server.should_exit = True
