"""Where a caller comes from: IP addresses, the networks a key may be used from, and proxies that are believed."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Steps of `X-Forwarded-For` that are looked at, from its end: a caller may write thousands in front of them.
MAX_STEPS = 32
# What one customer of a network is given of IPv6 at least (RFC 6177): all of it is one place.
_PLACE_BITS = 64
# Bits before an IPv4 address that is written as an IPv6 one, as in `::ffff:192.0.2.1` (RFC 4291, 2.5.5.2).
_MAPPED_BITS = 96


# The names and addresses of this machine itself, as they stand in a URL.
LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


def parse_address(text: str) -> Address | None:
    """An IP address; None for what is none."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def parse_network(text: str) -> Network:
    """A network as `10.0.0.0/8`, or one address. Raises ValueError, also for a network with bits behind its prefix.

    One of IPv4 that is written as IPv6 is the one of IPv4, since callers are compared as such. A zone, as in
    `fe80::1%eth0`, is refused: it may hold anything, spaces too, and says nothing about where a caller is.
    """
    if "%" in text:
        raise ValueError(f"{text!r} does not appear to be a network: it has a zone")
    network = ipaddress.ip_network(text.strip())
    if isinstance(network, ipaddress.IPv6Network) and network.prefixlen >= _MAPPED_BITS:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return ipaddress.IPv4Network((int(mapped), network.prefixlen - _MAPPED_BITS))
    return network


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
    ours. What stands before it was written by the caller, and may be made up. More than `MAX_STEPS` proxies of ours in
    a row are not followed.
    """
    proxies = tuple(proxies)
    if not is_within(peer, proxies):
        return peer
    for one in reversed((forwarded or "").rsplit(",", MAX_STEPS)):
        address = _address(one.strip())
        if address is None:
            return None
        if not is_within(str(address), proxies):
            return str(address)
    return None


def place_of(address: str | None) -> str:
    """What stands for an address where calls are counted: one of IPv4 itself, all that one customer has of IPv6."""
    found = _address(address)
    if isinstance(found, ipaddress.IPv6Address):
        # A link's own addresses have a zone, which is no part of a network.
        return str(ipaddress.IPv6Network((int(found), _PLACE_BITS), strict=False))
    return str(found) if found is not None else "unknown"


def _address(text: str | None) -> Address | None:
    address = parse_address(text or "")
    # What a socket for both kinds calls an IPv4 address.
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
