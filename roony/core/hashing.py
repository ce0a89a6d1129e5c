"""SHA-256 of texts: what is kept of a secret, what a record says of a longer text, and ids that follow from texts."""

from __future__ import annotations

import hashlib


def text_hash(text: str) -> str:
    """The SHA-256 of a text in lower-case hex. It tells nothing of a key, ticket or state: they are random."""
    return hashlib.sha256(text.encode()).hexdigest()


def derived_id(prefix: str, *about: object) -> str:
    """An id that follows from what it is about, so that whoever makes the row a second time makes the same row."""
    return f"{prefix}_{text_hash('|'.join(map(str, about)))[:24]}"
