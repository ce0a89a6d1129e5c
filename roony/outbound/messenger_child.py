"""Run in a process of its own: sends one text with apprise. It can only connect where the guard lets it.

One order comes as JSON on standard input; the answer is JSON on standard output, null or a few words.
"""

from __future__ import annotations

import json
import logging
import socket
import sys
from collections.abc import Callable
from typing import Any

import apprise
import requests

from roony.outbound.guard import HTTPS, Blocked, Guard

# Ports of mail are below those of the guard: only here may they be used.
MAIL_PORTS = frozenset({25, 465, 587})
_seen: list[str] = []


def guard_sockets(guard: Guard) -> None:
    """From now on a name that leads inside has no address, and a connection there fails, in this whole process."""
    socket.getaddrinfo = _guarded_names(guard, socket.getaddrinfo)
    socket.socket.connect = _guarded_connect(guard, socket.socket.connect)  # type: ignore[method-assign]
    socket.socket.connect_ex = _guarded_connect(guard, socket.socket.connect_ex)  # type: ignore[method-assign]
    socket.socket.sendto = _refuse  # type: ignore[method-assign]


def _judge(guard: Guard, addresses: list[str], port: int) -> None:
    try:
        guard.judge(addresses, HTTPS if port in MAIL_PORTS else port, plain=False)
    except Blocked as blocked:
        _seen.append(f"{blocked.code}: {blocked}")
        raise OSError(str(blocked)) from None


def _guarded_names(guard: Guard, resolve: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(host: Any, port: Any, *more: Any, **named: Any) -> Any:
        found = resolve(host, port, *more, **named)
        _judge(guard, [str(answer[4][0]) for answer in found], found[0][4][1] if found else 0)
        return found

    return guarded


def _guarded_connect(guard: Guard, connect: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(self: socket.socket, address: Any) -> Any:
        if self.family not in (socket.AF_INET, socket.AF_INET6):
            raise OSError("only the internet")
        _judge(guard, [str(address[0])], int(address[1]))
        return connect(self, address)

    return guarded


def _refuse(*_: Any) -> Any:
    raise OSError("nothing is sent without a connection")


def send(order: dict[str, str]) -> str | None:
    """Sends one text; why it was not taken, or None."""
    # A redirect is an answer like any other: it is no 2xx, and nothing is sent where it points.
    requests.Session.get_redirect_target = lambda *_: None  # type: ignore[method-assign]
    requests.Session.trust_env = False
    logging.disable(logging.CRITICAL)
    asset = apprise.AppriseAsset(plugin_paths=[], async_mode=False, storage_mode="memory")
    target = apprise.Apprise.instantiate(order["url"], asset=asset)
    if target is None:
        return "the address is not complete"
    taken = target.notify(title=order["title"], body=order["text"], body_format=apprise.NotifyFormat.TEXT)
    return None if taken else (_seen[0] if _seen else "the service did not take it")


def main() -> None:
    """One order, one word."""
    order = json.loads(sys.stdin.read())
    guard_sockets(Guard(order["networks"]))
    print(json.dumps(send(order)))  # noqa: T201 - this is its answer


if __name__ == "__main__":
    main()
