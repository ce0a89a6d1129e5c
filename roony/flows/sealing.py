"""Card details sealed to an agent's public key: JWE compact (RFC 7516), ECDH-ES+A256KW and A256GCM (RFC 7518).

The private key never comes here: `roony agent-key` makes it and opens with it on the agent's machine.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey

from roony.core.audit import canonical
from roony.core.delivery import thumbprint

ALGORITHM, ENCRYPTION = "ECDH-ES+A256KW", "A256GCM"
ALGORITHMS = (ALGORITHM, ENCRYPTION)
# The curves, by kind of key, with the members of a public key that RFC 7638 hashes.
MEMBERS = {("EC", "P-256"): ("crv", "kty", "x", "y"), ("OKP", "X25519"): ("crv", "kty", "x")}
# What may stand beside them, and is not kept.
BESIDE = frozenset({"use", "alg", "kid", "key_ops", "ext", "iat", "exp"})
# What only a private or a secret key has (RFC 7518 section 6).
PRIVATE_MEMBERS = ("d", "p", "q", "dp", "dq", "qi", "oth", "k")
# Characters of a coordinate of either curve, 32 bytes in base64url: with zeros in front a key had two thumbprints.
COORDINATE_LENGTH = 43
# Longer than any of ours by far.
MAX_SEALED = 16_384


class InvalidKey(ValueError):
    """Not a public key card details can be sealed to. `field` is what is wrong; the message quotes nothing of it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class CannotOpen(ValueError):
    """A sealed text that does not open; the message says why."""


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A fresh key pair. `jwk` is the private key as JSON; `public` the public one as Roony keeps it."""

    jwk: str
    public: str

    def __repr__(self) -> str:
        """Without the key: it must not reach a log."""
        return f"PrivateKey({thumbprint(self.public)})"


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


def new_private_key() -> PrivateKey:
    """A fresh key pair on P-256."""
    key = ECKey.generate_key("P-256", private=True)
    return PrivateKey(canonical(key.as_dict(private=True)), canonical(key.as_dict(private=False)))


def open_sealed(private: str, sealed: str) -> dict[str, Any]:
    """What was sealed to this key. Raises InvalidKey for what is no private key, CannotOpen for the rest."""
    try:
        given = json.loads(private)
        key = _import(given)
        public = canonical({name: given[name] for name in MEMBERS[given["kty"], given["crv"]]})
    except (JoseError, ValueError, TypeError, KeyError):
        key = None
    if key is None or not key.is_private:
        raise InvalidKey("key", "This is no private key made by `roony agent-key new`.")
    if len(sealed) > MAX_SEALED:
        raise CannotOpen("This is longer than any sealed card.")
    kid = _kid_of(sealed)
    if kid != thumbprint(public):
        raise CannotOpen(f"It was sealed to the key {str(kid)[:50]!r}, and this is the key {thumbprint(public)!r}.")
    try:
        opened: dict[str, Any] = json.loads(jwe.decrypt_compact(sealed, key, ALGORITHMS).plaintext or b"")
    except (JoseError, ValueError):
        raise CannotOpen("It was changed on its way, or is not complete.") from None
    return opened


def _kid_of(sealed: str) -> object:
    """The `kid` of the header, which is readable without any key. Raises CannotOpen for what is no JWE."""
    head, _, rest = sealed.partition(".")
    try:
        if rest.count(".") == 3:
            return json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))["kid"]
    except (ValueError, TypeError, KeyError):
        pass
    raise CannotOpen("This is no sealed card.")


def _import(jwk: dict[str, Any]) -> ECKey | OKPKey:
    return ECKey.import_key(jwk) if jwk["kty"] == "EC" else OKPKey.import_key(jwk)
