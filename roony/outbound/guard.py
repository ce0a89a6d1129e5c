"""Where Roony may send something that an owner's address names: to the public internet, and to what the operator lists.

A name is resolved once and the connection goes to the addresses found then, so that a name cannot mean one thing when
it is looked at and another when it is used. One refused address refuses the name: a name that answers with a public and
a private address is a trick or a mistake, and either way not a receiver.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import SplitResult, urlsplit

from roony.core.address import Address, Network, parse_address, parse_network

MAX_URL = 2_000
# Of one name; the next is tried where one does not take the connection.
MAX_ADDRESSES = 4
RESOLVE_SECONDS = 5.0
# A name server that hangs holds these threads and no others: one for each receiver that is sent to at the same time.
RESOLVE_THREADS = 32
HTTPS = 443
# Below it, other protocols than ours listen.
FIRST_FREE_PORT = 1_024

# What `is_global` of some Python lets pass and still leads inside: IPv4 in the clothes of IPv6 (mapped, compatible,
# NAT64 of RFC 6052 and 8215, Teredo, 6to4), the old site-local range, the newer one for examples (RFC 9637), and IPv4's
# protocol assignments and relay.
_INSIDE: tuple[Network, ...] = tuple(
    ipaddress.ip_network(network)
    for network in (
        "::/96", "::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16", "fec0::/10",
        "3fff::/20",
        "192.0.0.0/24", "192.88.99.0/24", "100.64.0.0/10",
    )
)  # fmt: skip


class Blocked(Exception):
    """Nothing was sent, on purpose; `code` names why, the message says what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Guard:
    """The one judge of addresses outside. Shared by all that sends; `resolve` is the system's unless given."""

    def __init__(self, networks: str = "", resolve: Callable[..., Sequence[Any]] = socket.getaddrinfo) -> None:
        """`networks` are the operator's CIDRs (ROONY_OUTBOUND_NETWORKS). Raises ValueError, see `networks_of`."""
        self.listed = networks_of(networks)
        self._resolve = resolve
        self._threads = ThreadPoolExecutor(RESOLVE_THREADS, thread_name_prefix="outbound-names")

    def check_url(self, url: str) -> SplitResult:
        """The parts of an http address without anything odd. Raises Blocked; names are not resolved here.

        A literal address is judged at once, so that whoever types it learns of it.
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            raise Blocked("unreadable", "This is no address.") from None
        if not url.isascii() or not url.isprintable() or " " in url or "\\" in url or len(url) > MAX_URL:
            raise Blocked("unreadable", f"An address is at most {MAX_URL} printable ASCII characters, without spaces.")
        if parts.scheme not in ("http", "https") or not host or port == 0:
            raise Blocked("unreadable", "The address must begin with https:// and name a host.")
        if parts.username is not None or parts.password is not None:
            raise Blocked("unreadable", "The address may not carry a name or password.")
        literal = parse_address(host)
        if literal is not None:
            self.judge([str(literal)], port or _default_port(parts), plain=parts.scheme == "http")
        elif parts.scheme == "http" and not self.listed:
            raise Blocked("plain_http", "The address must begin with https://.")
        return parts

    def judge(self, addresses: Sequence[str], port: int, plain: bool) -> list[str]:
        """The addresses a connection may go to, as they came. Raises Blocked when there is none, or one is refused."""
        if not addresses:
            raise Blocked("no_such_host", "This name has no address.")
        for text in addresses:
            address = ipaddress.ip_address(text)
            if any(address.version == network.version and address in network for network in self.listed):
                continue
            if not _is_public(address):
                raise Blocked(
                    "private_address",
                    "This name leads to a private or special address. The operator may list its network in"
                    " ROONY_OUTBOUND_NETWORKS.",
                )
            if plain:
                raise Blocked("plain_http", "Only https:// goes to the internet.")
            if port != HTTPS and port < FIRST_FREE_PORT:
                raise Blocked("port", f"The port must be {HTTPS} or at least {FIRST_FREE_PORT}.")
        return list(addresses[:MAX_ADDRESSES])

    async def addresses_of(self, parts: SplitResult) -> list[str]:
        """Resolves the host once and judges what came. Raises Blocked."""
        host, port = str(parts.hostname), parts.port or _default_port(parts)
        try:
            async with asyncio.timeout(RESOLVE_SECONDS):
                loop = asyncio.get_running_loop()
                found = await loop.run_in_executor(self._threads, self.look_up, host, port)
        except TimeoutError:
            raise Blocked("no_such_host", "The name could not be resolved in time.") from None
        return self.judge(found, port, plain=parts.scheme == "http")

    def look_up(self, host: str, port: int) -> list[str]:
        """Every address the name has now, each once, unjudged. Blocks. Raises Blocked when there is no such name."""
        try:
            found = self._resolve(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise Blocked("no_such_host", "This name cannot be resolved.") from None
        return list(dict.fromkeys(str(answer[4][0]) for answer in found))

    def close(self) -> None:
        """Lets the threads go; one that waits for a name server ends with its answer."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def networks_of(text: str) -> tuple[Network, ...]:
    """Comma-separated CIDRs or single addresses. Raises ValueError naming the bad one."""
    found = []
    for part in (piece.strip() for piece in text.split(",")):
        if part:
            try:
                found.append(parse_network(part))
            except ValueError as wrong:
                raise ValueError(f"{part[:60]!r} is no network ({wrong})") from None
    return tuple(found)


def _is_public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id is not None:
        return False
    special = address.is_multicast or address.is_reserved or address.is_link_local or address.is_unspecified
    inside = any(address.version == network.version and address in network for network in _INSIDE)
    return address.is_global and not special and not inside


def _default_port(parts: SplitResult) -> int:
    return HTTPS if parts.scheme == "https" else 80
