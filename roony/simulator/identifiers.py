"""Random identifiers, keys and card numbers in Stripe's spelling."""

from __future__ import annotations

import secrets
import string

_ALPHABET = string.ascii_letters + string.digits
_ISSUER_PREFIX = "40000099"


def new_id(prefix: str, length: int = 24) -> str:
    """Return `prefix_` followed by `length` random letters and digits (facts 7.4: ids are opaque)."""
    return f"{prefix}_{''.join(secrets.choice(_ALPHABET) for _ in range(length))}"


def new_account_id() -> str:
    """Return an account id; Stripe's have 16 characters after the prefix."""
    return new_id("acct", 16)


def new_card_number() -> str:
    """Return 16 digits that start with 40000099 and pass the Luhn check (facts 8)."""
    digits = _ISSUER_PREFIX + "".join(secrets.choice(string.digits) for _ in range(7))
    return digits + luhn_digit(digits)


def luhn_digit(digits: str) -> str:
    """Return the digit that makes `digits` + digit pass the Luhn check."""
    total = 0
    for place, character in enumerate(reversed(digits)):
        value = int(character) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def random_digits(length: int) -> str:
    """Return `length` random digits, for card verification codes and network numbers."""
    return "".join(secrets.choice(string.digits) for _ in range(length))
