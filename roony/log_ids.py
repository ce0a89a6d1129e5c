"""What the log lines of one piece of work are about: the ids of request and purchase, put on each of them.

A piece of work carries its ids wherever it goes on the event loop, into threads and into tasks that it begins.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

# What is about nothing shares one dict, which nobody writes to.
_NOTHING: dict[str, str] = {}
_ids: ContextVar[dict[str, str]] = ContextVar("roony_ids", default=_NOTHING)


@contextmanager
def about(**ids: str) -> Iterator[None]:
    """Lines logged inside carry these ids beside those around it, and what is learned inside."""
    token = _ids.set({**_ids.get(), **ids})
    try:
        yield
    finally:
        _ids.reset(token)


def learn(**ids: str) -> None:
    """From here on, lines of the piece of work under way carry these too; without one nothing happens."""
    known = _ids.get()
    if known is not _NOTHING:
        known.update(ids)


def ids_now() -> dict[str, str]:
    """Those of the piece of work under way; to be read only."""
    return _ids.get()
