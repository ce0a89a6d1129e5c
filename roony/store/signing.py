"""Ed25519: pairs of keys, signatures and their verification; keys and signatures are base64 of the raw bytes."""

from __future__ import annotations

import base64
import binascii

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey


def new_pair() -> tuple[str, str]:
    """A fresh private key and its public one."""
    private = Ed25519PrivateKey.generate()
    return _text(private.private_bytes_raw()), _text(private.public_key().public_bytes_raw())


def sign(private_key: str, text: str) -> str:
    """The signature of a text. Raises ValueError for what is no private key."""
    return _text(Ed25519PrivateKey.from_private_bytes(base64.b64decode(private_key)).sign(text.encode()))


def is_public_key(text: str) -> bool:
    """Whether this is a public key at all."""
    try:
        Ed25519PublicKey.from_public_bytes(_bytes(text))
    except ValueError:
        return False
    return True


def is_signed(public_key: str, text: str, signature: str) -> bool:
    """Whether this signature of the text was made with the private key to this public one; False for nonsense."""
    try:
        Ed25519PublicKey.from_public_bytes(_bytes(public_key)).verify(_bytes(signature), text.encode())
    except (ValueError, InvalidSignature):
        return False
    return True


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise ValueError("no base64") from None
