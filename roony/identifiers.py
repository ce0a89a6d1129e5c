"""New ids: a prefix that says what it is, the time it was made, and enough randomness that nobody can guess it."""

from __future__ import annotations

import os
import secrets
import time

# 64 random bits behind the millisecond: nobody meets the same one, and an id alone opens nothing.
RANDOM_BYTES = 8
# Written in letters: a run of digits could be taken for a card number and cut out of a log. The order stays the same.
_LETTERS = str.maketrans("0123456789abcdef", "abcdefghijklmnop")


def new_id(prefix: str) -> str:
    """A fresh id such as `pur_…`; `prefix` comes without the underscore.

    Ids sort by the millisecond they were made in: rows of one moment then lie on few pages, which makes commits cheap.
    """
    digits = f"{time.time_ns() // 1_000_000:011x}{os.urandom(RANDOM_BYTES).hex()}"
    return f"{prefix}_{digits.translate(_LETTERS)}"


def new_version() -> str:
    """A fresh random text for an organization whose configuration changed."""
    return secrets.token_hex(8)
