"""Encryption at rest: a ring of keys that seals single values, each bound to the row it lies in.

A sealed value is text, `v1.<key id>.<base64url(nonce + ciphertext)>`. The key id is no secret: it says which
key of the ring opens the value, so that keys can be changed one at a time. To rotate, put a new key at the end of
every ring, so that all can open what it seals; then in front, from where it seals; seal again what
`needs_resealing`, then drop the old key.

AES-256-GCM with a random 12-byte nonce for each value. Random nonces are safe for some 2^32 values per key,
far more than the tokens and secrets of any installation. The row is authenticated with the value ("additional
data"), so that a value copied into another row, another column or another organization does not open there.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from collections.abc import Sequence
from itertools import pairwise

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

FORMAT = "v1"
KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
KEY_ID_CHARACTERS = 8
FEWEST_DISTINCT_BYTES = 8
"""Random 32 bytes have about 30 distinct values; fewer than this means a key typed by hand."""


class VaultError(Exception):
    """Anything the vault refuses. No message carries a key or a plain value."""


class VaultKeyRefused(VaultError):
    """A key of the ring is unusable; `position` counts from 1 as given, 0 means the ring as a whole."""

    def __init__(self, position: int, reason: str) -> None:
        where = f"key {position} of the ring" if position else "the key ring"
        super().__init__(f"{where} {reason}; `roony keys new` prints a good key")
        self.position = position


class VaultKeyMissing(VaultError):
    """The value was sealed with a key that is not in the ring; `key_id` names it."""

    def __init__(self, key_id: str) -> None:
        super().__init__(f"no key with id {key_id} in the ring; add the key this value was sealed with")
        self.key_id = key_id


class VaultTampered(VaultError):
    """The value was changed, cut, or taken from another row."""


class Vault:
    """A ring of 32-byte keys: the first seals, every one opens. Threads may share it."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        """Raises VaultKeyRefused for an empty ring, a weak key and the same key twice."""
        if not keys:
            raise VaultKeyRefused(0, "is empty")
        self._ciphers: dict[str, AESGCM] = {}
        for position, key in enumerate(keys, start=1):
            _refuse_weak(position, key)
            key_id = key_id_of(key)
            if key_id in self._ciphers:
                raise VaultKeyRefused(position, f"has the same id ({key_id}) as an earlier one")
            self._ciphers[key_id] = AESGCM(key)
        self.primary_key_id = next(iter(self._ciphers))

    @classmethod
    def from_text(cls, text: str) -> Vault:
        """The ring from comma-separated base64 (ROONY_SECRET_KEYS); VaultKeyRefused names the position."""
        parts = [part.strip() for part in text.split(",")]
        if parts == [""]:
            raise VaultKeyRefused(0, "is empty")
        return cls([_decoded(position, part) for position, part in enumerate(parts, start=1)])

    @property
    def key_ids(self) -> tuple[str, ...]:
        """Ids of all keys in the ring, the sealing one first."""
        return tuple(self._ciphers)

    def __repr__(self) -> str:
        return f"Vault(key_ids={self.key_ids!r})"

    def seal(self, value: str, row: bytes) -> str:
        """`value` encrypted for `row` (see `row_name`); sealing twice gives two different texts."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        cipher = self._ciphers[self.primary_key_id]
        sealed = nonce + cipher.encrypt(nonce, value.encode(), _bound(self.primary_key_id, row))
        return f"{FORMAT}.{self.primary_key_id}.{base64.urlsafe_b64encode(sealed).rstrip(b'=').decode()}"

    def open(self, sealed: str, row: bytes) -> str:
        """The value sealed for `row`. Raises VaultKeyMissing; VaultTampered if not sealed there."""
        key_id, content = _parsed(sealed)
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise VaultKeyMissing(key_id)
        try:
            value = cipher.decrypt(content[:NONCE_BYTES], content[NONCE_BYTES:], _bound(key_id, row))
        except InvalidTag:
            raise VaultTampered("a sealed value was changed or belongs to another row") from None
        return value.decode()

    def needs_resealing(self, sealed: str) -> bool:
        """True when another key than the first sealed it; VaultTampered for what no vault sealed."""
        key_id, _content = _parsed(sealed)
        return key_id != self.primary_key_id


def new_key() -> str:
    """A fresh random key in base64, as ROONY_SECRET_KEYS wants it."""
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def key_id_of(key: bytes) -> str:
    """The short name of a key: 8 hex digits of its SHA-256, which tell nothing about a random key."""
    return hashlib.sha256(key).hexdigest()[:KEY_ID_CHARACTERS]


def row_name(table: str, organization_id: str, row_id: str, column: str) -> bytes:
    """The name a value is bound to, e.g. `connections:org_x:con_y:access_token`.

    Raises ValueError for an empty part or one with a colon: two different rows must never get the same name.
    """
    parts = (table, organization_id, row_id, column)
    if any(not part or ":" in part for part in parts):
        raise ValueError(f"a row name has four non-empty parts without a colon, got {parts!r}")
    return ":".join(parts).encode()


def _bound(key_id: str, row: bytes) -> bytes:
    if not row:
        raise ValueError("a sealed value must be bound to a row")
    return f"roony.vault.{FORMAT}.{key_id}:".encode() + row


def _decoded(position: int, part: str) -> bytes:
    if not part:
        raise VaultKeyRefused(position, "is empty")
    try:
        return base64.b64decode(part, validate=True)
    except (binascii.Error, ValueError):
        # Unchained and without its text: the decoder's message may quote the key.
        pass
    raise VaultKeyRefused(position, "is not valid base64")


def _refuse_weak(position: int, key: bytes) -> None:
    if len(key) != KEY_BYTES:
        raise VaultKeyRefused(position, f"has {len(key)} bytes instead of {KEY_BYTES}")
    # A constant step covers one repeated byte (step 0) and a counted-up placeholder (00 01 02 …).
    constant_step = len({(after - before) % 256 for before, after in pairwise(key)}) == 1
    if constant_step or len(set(key)) < FEWEST_DISTINCT_BYTES:
        raise VaultKeyRefused(position, "is not random")


def _parsed(sealed: str) -> tuple[str, bytes]:
    version, _dot, rest = sealed.partition(".")
    key_id, _dot, encoded = rest.partition(".")
    if version != FORMAT or len(key_id) != KEY_ID_CHARACTERS or not encoded:
        raise VaultTampered("not a sealed value of a known format")
    try:
        content = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise VaultTampered("a sealed value is not readable") from None
    if len(content) < NONCE_BYTES + TAG_BYTES:
        raise VaultTampered("a sealed value is too short")
    return key_id, content
