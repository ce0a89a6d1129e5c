"""Run in a process of its own: sends one text with apprise. It can only connect where the guard lets it.

One order comes as JSON on standard input; the answer is JSON on standard output: `status` of what was taken, and
`error`, a few words, for what was not. An order without a text is only looked at.
"""

from __future__ import annotations

import contextlib
import json
import logging
import resource
import signal
import smtplib
import socket
import ssl
import sys
from collections.abc import Callable
from typing import Any, NoReturn

import apprise
import requests

from roony.outbound.guard import HTTPS, Blocked, Guard
from roony.outbound.messenger import MAIL, TOTAL_SECONDS

# Ports of mail are below those of the guard: only for mail they may be used.
MAIL_PORTS = frozenset({25, 465, 587})
# What SMTP says to a letter it takes (RFC 5321, 4.2.3); apprise keeps it to itself.
MAIL_TAKEN = 250
# What is said of an address that could be used.
LOOKED_AT = 200
# How long a service may take, in seconds.
CONNECT_SECONDS, READ_SECONDS = 5.0, 15.0
# An answer that has no end fills this and no more, in bytes.
MEMORY = 1024 * 1024 * 1024
# Where its parent died, this process ends by itself after as many seconds more.
SPARE_SECONDS = 5


class Door:
    """What this process may connect to, and what it heard there."""

    def __init__(self, guard: Guard, mail: bool) -> None:
        self._guard = guard
        self._mail = mail
        self._plain = False
        self.refused: str | None = None
        self.status: int | None = None

    def close_all_others(self) -> None:
        """From now on a name that leads inside has no address, and a connection there fails, in this whole process."""
        socket.getaddrinfo = self._names(socket.getaddrinfo)
        socket.socket.connect = self._connects(socket.socket.connect)  # type: ignore[method-assign]
        socket.socket.connect_ex = self._connects(socket.socket.connect_ex)  # type: ignore[method-assign]
        # Datagrams go out without a connection.
        socket.socket.sendto = _refuse  # type: ignore[method-assign]
        socket.socket.sendmsg = _refuse  # type: ignore[method-assign]
        requests.Session.trust_env = False
        requests.Session.get_redirect_target = self._hears  # type: ignore[method-assign,assignment]
        requests.adapters.HTTPAdapter.send = self._requests(requests.adapters.HTTPAdapter.send)  # type: ignore[method-assign]
        smtplib.SMTP.login = self._mails(smtplib.SMTP.login)  # type: ignore[method-assign]
        smtplib.SMTP.sendmail = self._mails(smtplib.SMTP.sendmail)  # type: ignore[method-assign]

    def _judge(self, addresses: list[str], port: int, plain: bool) -> None:
        try:
            self._guard.judge(addresses, HTTPS if self._mail and port in MAIL_PORTS else port, plain=plain)
        except Blocked as blocked:
            self.refused = f"{blocked.code}: {blocked}"
            raise OSError(str(blocked)) from None

    def _names(self, resolve: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(host: Any, port: Any, *more: Any, **named: Any) -> Any:
            found = resolve(host, port, *more, **named)
            self._judge([str(one[4][0]) for one in found], found[0][4][1] if found else 0, self._plain)
            return found

        return guarded

    def _connects(self, connect: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(sock: socket.socket, address: Any) -> Any:
            if sock.family not in (socket.AF_INET, socket.AF_INET6):
                raise OSError("only the internet")
            # A name that nobody resolved yet is no address, and fails here.
            self._judge([str(address[0])], int(address[1]), self._plain)
            return connect(sock, address)

        return guarded

    def _requests(self, send: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(adapter: Any, request: requests.PreparedRequest, *more: Any, **named: Any) -> Any:
            self._plain = not str(request.url).lower().startswith("https:")
            return send(adapter, request, *more, **named)

        return guarded

    def _hears(self, answer: requests.Response) -> None:
        """A redirect is an answer like any other: it is no 2xx, and nothing is sent where it points."""
        self.status = answer.status_code

    def _mails(self, speak: Callable[..., Any]) -> Callable[..., Any]:
        """No password and no letter goes to the internet before TLS is spoken."""

        def guarded(smtp: smtplib.SMTP, *more: Any, **named: Any) -> Any:
            if smtp.sock is not None and not isinstance(smtp.sock, ssl.SSLSocket):
                self._judge([str(smtp.sock.getpeername()[0])], HTTPS, plain=True)
            return speak(smtp, *more, **named)

        return guarded


def _refuse(*_: Any, **__: Any) -> NoReturn:
    raise OSError("nothing is sent without a connection")


def bound_this_process() -> None:
    """Of memory, of files written (none) and of time."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    signal.alarm(int(TOTAL_SECONDS) + SPARE_SECONDS)


def carry_out(order: dict[str, str]) -> tuple[int | None, str | None]:
    """Sends the text of an order, if it has one: the status with which it was taken, or why it was not."""
    door = Door(Guard(order["networks"]), order["url"].partition(":")[0] in MAIL)
    door.close_all_others()
    asset = apprise.AppriseAsset(
        app_id="Roony", app_desc="Roony", app_url="", image_url_mask="", image_url_logo="", plugin_paths=[],
        async_mode=False, storage_mode="memory", http_redirects=False, allow_templates=False, pgp_autogen=False,
        pem_autogen=False,
    )  # fmt: skip
    # Text that stays text, where the service knows of others.
    url = order["url"] + ("&" if "?" in order["url"] else "?") + "format=text"
    target = apprise.Apprise.instantiate(url, asset=asset)
    if target is None or not target.verify_certificate:
        return None, "it is not complete"
    # Apprise is in more of a hurry: who reads at a slow service would get the same text again and again.
    target.socket_connect_timeout, target.socket_read_timeout = CONNECT_SECONDS, READ_SECONDS
    if "text" not in order:
        return LOOKED_AT, None
    taken = target.notify(title=order["title"], body=order["text"], body_format=apprise.NotifyFormat.TEXT)
    if taken:
        return door.status or MAIL_TAKEN, None
    heard = f"the service answered {door.status}" if door.status is not None else "the service did not take it"
    return None, door.refused or heard


def main() -> None:
    """One order, one word."""
    order = json.loads(sys.stdin.read())
    bound_this_process()
    logging.disable(logging.CRITICAL)
    with contextlib.redirect_stdout(sys.stderr):
        status, error = carry_out(order)
    print(json.dumps({"status": status, "error": error}))  # noqa: T201 - this is its answer


if __name__ == "__main__":
    main()
