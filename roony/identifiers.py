"""New ids: a prefix that says what it is, and 24 random characters that nobody can guess."""

from __future__ import annotations

import base64
import secrets

RANDOM_BYTES = 15  # 120 bits, which base32 writes as exactly 24 characters without padding


def new_id(prefix: str) -> str:
    """A fresh id such as `pur_…`; `prefix` comes without the underscore."""
    return f"{prefix}_{base64.b32encode(secrets.token_bytes(RANDOM_BYTES)).decode().lower()}"


def new_version() -> str:
    """A fresh random text for an organization whose configuration changed."""
    return secrets.token_hex(8)
