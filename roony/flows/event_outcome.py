"""How the handling of a kept Stripe event ends, or goes on later; written in the commit of its effects."""

from __future__ import annotations

from roony.store.book import Book
from roony.store.rows import EventOutcome, InboxEvent


def finished(
    book: Book, event: InboxEvent | None, organization_id: str, status: str, reason: str | None, now: int
) -> None:
    """The handling of an event ended; nothing to do where what was booked came by no event."""
    if event is not None:
        book.finish_event(EventOutcome(status, reason, organization_id, 0, now, now, event.id, event.generation))


def later(book: Book, event: InboxEvent | None, organization_id: str, reason: str, delay: int, now: int) -> None:
    """Looked at again after `delay` microseconds; not a failure."""
    if event is not None:
        outcome = EventOutcome("received", reason, organization_id, 0, now + delay, None, event.id, event.generation)
        book.finish_event(outcome)
