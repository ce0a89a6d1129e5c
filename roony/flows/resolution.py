"""What a person settles by hand: a discrepancy with a note, a Stripe event that is to be handled again."""

from __future__ import annotations

from dataclasses import dataclass

from roony.core.errors import Refusal, not_found
from roony.core.settlement import Discrepancy
from roony.store.book import Book, EventOutcome
from roony.store.command import Command
from roony.store.facts import Needs
from roony.store.tables import InboxEvent


@dataclass(frozen=True, slots=True)
class ResolveDiscrepancy(Command[Discrepancy | Refusal]):
    """A person has looked at what did not fit and says how it ended."""

    organization_id: str
    discrepancy_id: str
    actor: str
    note: str

    def needs(self, now: int) -> Needs:
        """The discrepancy."""
        return Needs(rows=((Discrepancy, self.organization_id, self.discrepancy_id),))

    def apply(self, book: Book, now: int) -> Discrepancy | Refusal:
        """Once: who was first has their note kept."""
        row = book.get(Discrepancy, self.organization_id, self.discrepancy_id)
        if row is None:
            return not_found("discrepancy", self.discrepancy_id)
        if row.status == "resolved":
            return Refusal("already_resolved", "Somebody has resolved this discrepancy before.", 409, id=row.id)
        row = row._replace(status="resolved", note=self.note, resolved_by=self.actor, resolved_at=now)
        book.put(row)
        book.record(
            self.organization_id,
            self.actor,
            "discrepancy.resolved",
            row.id,
            {"kind": row.kind, "subject": row.subject, "note": self.note},
            now,
        )
        return row


@dataclass(frozen=True, slots=True)
class ReplayEvent(Command[InboxEvent | Refusal]):
    """A Stripe event that failed is handled again, with its failures counted from zero."""

    organization_id: str
    event_id: str
    actor: str

    def needs(self, now: int) -> Needs:
        """The event. The caller has checked that it belongs to this organization's account."""
        return Needs(rows=((InboxEvent, self.event_id),))

    def apply(self, book: Book, now: int) -> InboxEvent | Refusal:
        """Only what failed: an event that was applied or ignored has had its say."""
        event = book.get(InboxEvent, self.event_id)
        if event is None or event.organization_id not in (None, self.organization_id):
            return not_found("event", self.event_id)
        if event.status not in ("failed", "dead"):
            return Refusal(
                "not_failed", f"The event is {event.status}; only failed ones can be replayed.", 409, id=event.id
            )
        book.finish_event(
            EventOutcome(
                "received", "replayed", event.organization_id, -event.failures, now, None, event.id, event.generation
            )
        )
        book.record(
            self.organization_id,
            self.actor,
            "event.replayed",
            event.id,
            {"type": event.type, "failures": event.failures, "reason": event.reason},
            now,
        )
        return event._replace(status="received", reason="replayed", failures=0, due_at=now, finished_at=None)
