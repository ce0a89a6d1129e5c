"""The HTTP server of one process: binds its port first, says when it answers, stops when it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import uvicorn

from roony.cli.patience import Lobby, PatientProtocol, allow_connections

# How long a stop waits for requests that are being answered; those that wait for something to happen are let go first.
GRACEFUL_SECONDS = 5
BACKLOG = 2048
# How often it is looked whether the last connection has ended.
LOOK_SECONDS = 0.05


class Server(uvicorn.Server):
    """uvicorn without signal handlers of its own: what stops Roony also has to drain the till."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.answering = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts, then sets `answering`."""
        await super().startup(sockets=sockets)
        if self.started:
            self.answering.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves the signals to `stop_on_signals`."""
        yield

    def hang_up_after_answers(self) -> None:
        """From now on every answer is the last of its connection: who wants more connects anew."""
        # The first is what the next answers begin with, the second what that is made of once a second.
        for headers in (self.server_state.default_headers, self.config.encoded_headers):
            headers.append((b"connection", b"close"))

    def stop_accepting(self) -> None:
        """Takes no new connections; what came over those it has is answered."""
        for server in self.servers:
            server.close()

    async def emptied(self, seconds: float) -> None:
        """Waits until there is no connection left, for at most so long."""
        until = time.monotonic() + seconds
        while self.server_state.connections and time.monotonic() < until:  # noqa: ASYNC110 - a set tells nobody
            await asyncio.sleep(LOOK_SECONDS)

    def stop(self) -> None:
        """Takes no new requests and ends; a second call does not wait for those being answered."""
        self.force_exit = self.should_exit
        self.should_exit = True


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises OSError when the address is taken or not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def address_of(listener: socket.socket) -> str:
    """Where this machine reaches the socket, as http://host:port."""
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def stay_on_one_core(number: int | None = None) -> None:
    """Keeps this process on one core, where the system lets us (Linux). `number`: its place among several.

    The event loop and the till's thread hand Python's lock to each other all the time, and only one of them runs.
    Across cores every hand-over wakes the other core; on one core it costs a fifth less time for each decision
    (measured). Child processes started before keep all cores.
    """
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        # Several servers on one machine spread over its cores.
        os.sched_setaffinity(0, {cores[(os.getpid() if number is None else number) % len(cores)]})


def make_server(app: Any, lobby: Lobby | None = None) -> Server:
    """uvloop and httptools with limits; no access log, since addresses carry tickets and states.

    Nobody is believed about whom they speak for but here: the proxies of ROONY_TRUSTED_PROXIES (`core/address.py`).
    """
    protocol: Any = partial(PatientProtocol, lobby or Lobby(allow_connections()))
    config = uvicorn.Config(
        app, http=protocol, ws="none", lifespan="off", access_log=False, log_config=None, server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACEFUL_SECONDS, backlog=BACKLOG,
    )  # fmt: skip
    return Server(config)


def stop_on_signals(stop: asyncio.Event) -> None:
    """SIGTERM and SIGINT set `stop`."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)


def renew_on_signal(anew: asyncio.Event) -> None:
    """SIGHUP sets `anew`."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, anew.set)
