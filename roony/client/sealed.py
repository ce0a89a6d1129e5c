"""The agent's own key pair, and card details opened with it. The private key never leaves the agent's machine."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

from roony.core.audit import canonical
from roony.core.delivery import ALGORITHMS, MEMBERS, thumbprint

# Longer than any of ours by far.
MAX_SEALED = 16_384
_NO_PRIVATE_KEY = "This is no private key made by `roony agent-key new`."


class InvalidPrivateKey(ValueError):
    """Not a private key that opens card details; the message quotes nothing of it."""


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


def new_private_key() -> PrivateKey:
    """A fresh key pair on P-256."""
    from joserfc.jwk import ECKey

    key = ECKey.generate_key("P-256", private=True)
    return PrivateKey(canonical(key.as_dict(private=True)), canonical(key.as_dict(private=False)))


def check_private_key(private: str) -> None:
    """Nothing, for a private key that can open what is sealed to it. Raises InvalidPrivateKey for what is none."""
    _read(private)


def open_sealed(private: str, sealed: str) -> dict[str, Any]:
    """What was sealed to this key. Raises InvalidPrivateKey for what is none, CannotOpen for the rest."""
    from joserfc import jwe
    from joserfc.errors import JoseError

    key, public = _read(private)
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


def _read(private: str) -> tuple[Any, str]:
    """A private key, and its public half as text. Raises InvalidPrivateKey."""
    # Here, as most programs never open anything and this takes longer to import than all the rest.
    from joserfc.errors import JoseError
    from joserfc.jwk import ECKey, OKPKey

    try:
        given = json.loads(private)
        key = ECKey.import_key(given) if given["kty"] == "EC" else OKPKey.import_key(given)
        public = canonical({name: given[name] for name in MEMBERS[given["kty"], given["crv"]]})
    except (JoseError, ValueError, TypeError, KeyError):
        raise InvalidPrivateKey(_NO_PRIVATE_KEY) from None
    if not key.is_private:
        raise InvalidPrivateKey(_NO_PRIVATE_KEY)
    return key, public


def _kid_of(sealed: str) -> object:
    """The `kid` of the header, which is readable without any key. Raises CannotOpen for what is no JWE."""
    head, _, rest = sealed.partition(".")
    try:
        if rest.count(".") == 3:
            return json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))["kid"]
    except (ValueError, TypeError, KeyError):
        pass
    raise CannotOpen("This is no sealed card.")
