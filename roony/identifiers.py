"""New ids: a prefix that says what it is, the time it was made, and enough randomness that nobody can guess it."""

from __future__ import annotations

import base64
import secrets
import time

# 48 bits of milliseconds and 72 random bits, which base32 writes as exactly 24 characters without padding.
TIME_BYTES = 6
RANDOM_BYTES = 9


def new_id(prefix: str) -> str:
    """A fresh id such as `pur_…`; `prefix` comes without the underscore.

    Ids sort by the millisecond they were made in: rows of one moment then lie on few pages, which makes commits cheap.
    """
    stamp = (time.time_ns() // 1_000_000).to_bytes(TIME_BYTES, "big")
    return f"{prefix}_{base64.b32hexencode(stamp + secrets.token_bytes(RANDOM_BYTES)).decode().lower()}"


def new_version() -> str:
    """A fresh random text for an organization whose configuration changed."""
    return secrets.token_hex(8)
