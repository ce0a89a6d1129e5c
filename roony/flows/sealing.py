"""Card details sealed to an agent's public key: JWE compact (RFC 7516), ECDH-ES+A256KW and A256GCM (RFC 7518).

The private key never comes here: roony.client.sealed makes it and opens with it on the agent's machine.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey

from roony.core.audit import canonical
from roony.core.delivery import ALGORITHM, ALGORITHMS, ENCRYPTION, MEMBERS, thumbprint

# What may stand beside its members, and is not kept.
BESIDE = frozenset({"use", "alg", "kid", "key_ops", "ext", "iat", "exp"})
# What only a private or a secret key has (RFC 7518 section 6).
PRIVATE_MEMBERS = ("d", "p", "q", "dp", "dq", "qi", "oth", "k")
# Characters of a coordinate of either curve, 32 bytes in base64url: with zeros in front a key had two thumbprints.
COORDINATE_LENGTH = 43


class InvalidKey(ValueError):
    """Not a public key card details can be sealed to. `field` is what is wrong; the message quotes nothing of it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def public_key(given: Mapping[str, Any]) -> str:
    """A public JWK as Roony keeps it: its required members, sorted, without spaces.

    EC on P-256 or OKP on X25519. Raises InvalidKey for anything else, and for a private key: whoever sent it has to
    know that it is not secret any more.
    """
    for name in PRIVATE_MEMBERS:
        if name in given:
            raise InvalidKey(name, "This is a private key. Send the public one only, and make a new pair now.")
    members = MEMBERS.get((str(given.get("kty")), str(given.get("crv"))))
    if members is None:
        raise InvalidKey("crv", 'It must be an EC key on "P-256" or an OKP key on "X25519".')
    unknown = sorted(given.keys() - BESIDE - set(members))
    if unknown:
        raise InvalidKey(unknown[0], "There is no field of this name in such a key.")
    if given.get("use") not in (None, "enc"):
        raise InvalidKey("use", 'A key for sealing has the use "enc".')
    if given.get("alg") not in (None, ALGORITHM):
        raise InvalidKey("alg", f'It must be "{ALGORITHM}", or left out.')
    kept = {name: str(given.get(name)) for name in members}
    wrong = next((name for name in members[2:] if len(kept[name]) != COORDINATE_LENGTH), None)
    if wrong is not None:
        raise InvalidKey(wrong, f"It must be {COORDINATE_LENGTH} characters of base64url.")
    try:
        # A trial: some points are on a curve and yet no key, and it must not show when a card is to be delivered.
        seal(canonical(kept), {})
    except (JoseError, ValueError):
        raise InvalidKey("x", f"These are not the coordinates of a public key on {given['crv']}.") from None
    return canonical(kept)


def seal(public: str, details: Mapping[str, Any]) -> str:
    """`details` as JSON, readable by the holder of the private key alone. The header's `kid` is the thumbprint."""
    header = {"alg": ALGORITHM, "enc": ENCRYPTION, "kid": thumbprint(public)}
    return jwe.encrypt_compact(header, canonical(details), _import(json.loads(public)), ALGORITHMS)


def _import(jwk: dict[str, Any]) -> ECKey | OKPKey:
    return ECKey.import_key(jwk) if jwk["kty"] == "EC" else OKPKey.import_key(jwk)
