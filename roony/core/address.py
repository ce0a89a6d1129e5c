"""Where a caller comes from: IP addresses, the networks a key may be used from, and proxies that are believed."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def parse_network(text: str) -> Network:
    """A network as `10.0.0.0/8`, or one address. Raises ValueError, also for a network with bits behind its prefix."""
    return ipaddress.ip_network(text.strip())


def parse_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Several of them. Raises ValueError."""
    return tuple(parse_network(text) for text in texts)


def is_within(address: str | None, networks: Iterable[Network]) -> bool:
    """True if the address lies in one of the networks; one that is unknown or unreadable lies in none."""
    found = _address(address)
    return found is not None and any(found in network for network in networks)


def caller_address(peer: str | None, forwarded: str | None, proxies: Iterable[Network]) -> str | None:
    """The address a request comes from; None where it cannot be known.

    That of the connection, unless a proxy of ours made it: then the last one in `X-Forwarded-For` that is no proxy of
    ours. What stands before it was written by the caller, and may be made up.
    """
    proxies = tuple(proxies)
    if not is_within(peer, proxies):
        return peer
    for one in reversed((forwarded or "").split(",")):
        address = _address(one.strip())
        if address is None:
            return None
        if not is_within(str(address), proxies):
            return str(address)
    return None


def _address(text: str | None) -> Address | None:
    try:
        address = ipaddress.ip_address(text or "")
    except ValueError:
        return None
    # What a socket for both kinds calls an IPv4 address.
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
