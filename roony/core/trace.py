"""Spans of a purchase's journey, whose ids follow from the purchase: written hours apart, by any process, they join.

The format of the ids is that of W3C Trace Context: 16 and 8 bytes in hexadecimal.
"""

from __future__ import annotations

from typing import NamedTuple

from roony.core.hashing import text_hash

Value = str | int | bool


class Span(NamedTuple):
    """One step, with its begin and end in nanoseconds since 1970. `failed` says why it did; empty: it did not."""

    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    began: int
    ended: int
    about: dict[str, Value]
    failed: str = ""


def trace_id(subject: str) -> str:
    """The trace of a purchase, or of whatever else has an id."""
    return text_hash(f"trace|{subject}")[:32]


def span_id(subject: str, step: str) -> str:
    """The one span of this step in the trace of that subject: whoever comes after it names it without being told."""
    return text_hash(f"span|{subject}|{step}")[:16]
