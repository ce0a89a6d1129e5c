"""How card details are delivered: sealed, behind a one-time link, or in clear; and when such a link is good."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from typing import NamedTuple

from roony.core.control import DELIVERIES
from roony.core.duration import MINUTE

# How long a link is good, in microseconds, and how many keys that open nothing it stands.
LINK_LIFETIME = 10 * MINUTE
MAX_WRONG_KEYS = 5

# How details are sealed (RFC 7518): key agreement and content encryption.
ALGORITHM, ENCRYPTION = "ECDH-ES+A256KW", "A256GCM"
ALGORITHMS = (ALGORITHM, ENCRYPTION)
# The curves they are sealed on, by kind of key, with the members of a public key that RFC 7638 hashes.
MEMBERS = {("EC", "P-256"): ("crv", "kty", "x", "y"), ("OKP", "X25519"): ("crv", "kty", "x")}


class RevealLink(NamedTuple):
    """A one-time link to a card's details for a person, kept as a hash. Times in microseconds UTC.

    `delivery` is its number among the deliveries of the card. `requested_by` and `purpose` are the agent's.
    """

    hash: str
    organization_id: str
    purchase_id: str
    delivery: int
    requested_by: str
    purpose: str
    wrong_keys: int
    expires_at: int
    used_at: int | None
    used_by: str | None
    created_at: int

    @property
    def tries_left(self) -> int:
        """How many wrong keys it still stands."""
        return max(0, MAX_WRONG_KEYS - self.wrong_keys)

    def is_open(self, now: int) -> bool:
        """True while it can be used: not used, not too old, not tried with too many wrong keys."""
        return self.used_at is None and now < self.expires_at and self.tries_left > 0


def allowed_delivery(organization: str, said: Iterable[str | None]) -> str:
    """The weakest way allowed: the strictest of what the organization sets and the controls of the chain say."""
    return min((organization, *(word for word in said if word)), key=DELIVERIES.index)


def delivers_as(wanted: str | None, allowed: str) -> str | None:
    """The way card details go, or None when the one wanted is weaker than allowed. One left out is the one allowed."""
    if wanted is None:
        return allowed
    return wanted if DELIVERIES.index(wanted) <= DELIVERIES.index(allowed) else None


def thumbprint(public_key: str) -> str:
    """The RFC 7638 thumbprint (SHA-256, base64url) of a public key.

    `public_key` is its JWK as Roony keeps it: the required members alone, sorted, without spaces, which is the text
    that is hashed.
    """
    return base64.urlsafe_b64encode(hashlib.sha256(public_key.encode()).digest()).rstrip(b"=").decode()
