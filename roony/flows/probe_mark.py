"""How a probe's card is told apart from others: its metadata names the promise, which must be one of ours."""

from __future__ import annotations

from roony.store.book import Book
from roony.store.rows import OutboxPromise

KIND = "probe"
PROBE = "roony_probe"


def is_probe(book: Book, organization_id: str, connection_id: str, promise_id: str | None) -> bool:
    """True if this connection was probed under that promise; the command named its row."""
    if promise_id is None:
        return False
    promise = book.get(OutboxPromise, organization_id, promise_id)
    return promise is not None and (promise.kind, promise.subject) == (KIND, connection_id)
