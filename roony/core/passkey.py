"""Passkeys: what is kept of one, and for which address they are good (W3C Web Authentication, level 3)."""

from __future__ import annotations

import hashlib
import ipaddress
from typing import NamedTuple
from urllib.parse import urlsplit

# Passkeys of one user at a time: a few devices, and a spare one.
MAX_PASSKEYS = 10
# Whoever adds one gives the password, or signed in no longer ago than this. In seconds.
FRESH_SECONDS = 600
_PORTS = {"https": 443, "http": 80}


class Passkey(NamedTuple):
    """A key pair of a user's device. Kept is the public half, in COSE; `credential_id` is base64url, unique by itself.

    `transports` are words between spaces, by which a browser finds the device. A removed one signs nobody in.
    """

    credential_id: str
    id: str
    organization_id: str
    user_id: str
    name: str
    public_key: bytes
    sign_count: int
    transports: str
    created_at: int
    last_used_at: int | None
    removed_at: int | None


class Site(NamedTuple):
    """What passkeys are bound to: the host (`rp_id`), and the address of the pages that may ask for them."""

    rp_id: str
    origin: str


def site_of(url: str) -> Site | None:
    """The site of an address, or None where browsers allow no passkeys: an IP address, or no https except here."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    if not host or _is_ip(host):
        return None
    if parts.scheme != "https" and host != "localhost" and not host.endswith(".localhost"):
        return None
    port = f":{parts.port}" if parts.port and parts.port != _PORTS.get(parts.scheme) else ""
    return Site(host, f"{parts.scheme}://{host}{port}")


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def user_handle(organization_id: str, user_id: str) -> bytes:
    """What a device keeps to know whose passkey it is; it tells nobody who that is."""
    return hashlib.sha256(f"{organization_id}/{user_id}".encode()).digest()


def is_copy(before: int, now: int) -> bool:
    """True where a device that counts did not count on: there are two of it. Those that do not count say 0 always."""
    return (before > 0 or now > 0) and now <= before
