"""The promise to ask Stripe for an authorization, where what it told leaves a question open."""

from __future__ import annotations

from roony.core.authorization import Authorization
from roony.core.duration import MINUTE
from roony.core.hashing import derived_id
from roony.store.book import Book
from roony.store.outbox import new_promise
from roony.store.rows import OutboxPromise

RETRIEVE_AUTHORIZATION = "retrieve_authorization"
# What is missing is most often on its way: asked for only when it did not come by itself, in microseconds.
RETRIEVAL_DELAY = MINUTE


def retrieval_id(authorization_id: str, *why: object) -> str:
    """The promise's id, derived from why it is made, so that the same question is asked once."""
    return derived_id("out", "retrieve", authorization_id, *why)


def promise_retrieval(
    book: Book, known: Authorization, why: tuple[object, ...], now: int, *, unless_captured: bool = False
) -> None:
    """Promises to retrieve an authorization, once for each `why`; the caller names the `OutboxPromise` beforehand.

    `why` is its rank with the question, or for a look at regular times the time. `unless_captured`: not if its capture
    is known by then.
    """
    id = retrieval_id(known.id, *why)
    if book.get(OutboxPromise, known.organization_id, id) is not None:
        return
    params = {"connection_id": known.connection_id, "unless_captured": unless_captured}
    promise = new_promise(known.organization_id, id, RETRIEVE_AUTHORIZATION, known.id, params, now)
    book.promise(promise._replace(due_at=now + RETRIEVAL_DELAY))
