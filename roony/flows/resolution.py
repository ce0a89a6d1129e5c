"""What a person settles by hand: a discrepancy with a note, Stripe events that are to be handled again."""

from __future__ import annotations

from dataclasses import dataclass

from roony.core.errors import Refusal, not_found
from roony.core.merchant import Merchant
from roony.core.purchase import Purchase
from roony.core.settlement import Discrepancy
from roony.flows.discrepancy import record_end
from roony.flows.merchant import learn_alias
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs
from roony.store.rows import EventOutcome, InboxEvent


@dataclass(frozen=True, slots=True)
class ResolveDiscrepancy(Command[Discrepancy | Refusal]):
    """A person has looked at what did not fit and says how it ended.

    With `learn_alias` they also confirm that the name Stripe told of is the approved merchant's: from this commit on it
    is one of its names, at every answer and every comparison.
    """

    organization_id: str
    discrepancy_id: str
    actor: str
    note: str
    learn_alias: bool = False

    def needs(self, now: int) -> Needs:
        """The discrepancy, and through it its purchase with what is known of the merchant."""
        return Needs(rows=((Discrepancy, self.organization_id, self.discrepancy_id),))

    def apply(self, book: Book, now: int) -> Discrepancy | Refusal:
        """Once: who was first has their note kept."""
        row = book.get(Discrepancy, self.organization_id, self.discrepancy_id)
        if row is None:
            return not_found("discrepancy", self.discrepancy_id)
        if row.status == "resolved":
            return Refusal("already_resolved", "Somebody has resolved this discrepancy before.", 409, id=row.id)
        refusal = self._learn(book, row, now) if self.learn_alias else None
        if refusal is not None:
            return refusal
        row = row._replace(status="resolved", note=self.note, resolved_by=self.actor, resolved_at=now)
        book.put(row)
        record_end(book, row, "resolved", self.actor, self.note, now)
        return row

    def _learn(self, book: Book, row: Discrepancy, now: int) -> Refusal | None:
        """The last of the refusals, and the first of the writes."""
        if row.kind != "merchant_mismatch" or row.purchase_id is None:
            return Refusal(
                "not_a_merchant_mismatch", "A name is learned from a merchant_mismatch only.", 422, "learn_alias"
            )
        merchant_key = book.need(Purchase, self.organization_id, row.purchase_id).merchant_key
        found = Merchant.from_json(row.found)
        return learn_alias(book, self.organization_id, merchant_key, found, self.actor, row.id, now)


@dataclass(frozen=True, slots=True)
class ReplayEvents(Command[list[InboxEvent] | Refusal]):
    """Stripe events that failed are handled again, with their failures counted from zero. Answers those taken up."""

    organization_id: str
    event_ids: tuple[str, ...]
    actor: str

    def needs(self, now: int) -> Needs:
        """The events. The caller has checked that they belong to this organization's accounts."""
        return Needs(rows=tuple((InboxEvent, id) for id in self.event_ids))

    def apply(self, book: Book, now: int) -> list[InboxEvent] | Refusal:
        """Only what failed: an event that was applied or ignored meanwhile has had its say."""
        found = [book.get(InboxEvent, id) for id in self.event_ids]
        return [
            _replay(book, self.organization_id, self.actor, event, now)
            for event in found
            if event is not None and _is_failed(event, self.organization_id)
        ]


@dataclass(frozen=True, slots=True)
class ReplayEvent(Command[InboxEvent | Refusal]):
    """One Stripe event that failed is handled again."""

    organization_id: str
    event_id: str
    actor: str

    def needs(self, now: int) -> Needs:
        """The event. The caller has checked that it belongs to this organization's account."""
        return Needs(rows=((InboxEvent, self.event_id),))

    def apply(self, book: Book, now: int) -> InboxEvent | Refusal:
        """As for many, but says why it is not done."""
        event = book.get(InboxEvent, self.event_id)
        if event is None:
            # The caller has seen it: then it is archived, as only those are that have had their say.
            return Refusal("not_failed", "The event is archived; only failed ones can be replayed.", 409)
        if event.organization_id not in (None, self.organization_id):
            return not_found("event", self.event_id)
        if not _is_failed(event, self.organization_id):
            return Refusal(
                "not_failed", f"The event is {event.status}; only failed ones can be replayed.", 409, id=event.id
            )
        return _replay(book, self.organization_id, self.actor, event, now)


def _is_failed(event: InboxEvent, organization_id: str) -> bool:
    return event.status in ("failed", "dead") and event.organization_id in (None, organization_id)


def _replay(book: Book, organization_id: str, actor: str, event: InboxEvent, now: int) -> InboxEvent:
    book.finish_event(
        EventOutcome(
            "received", "replayed", event.organization_id, -event.failures, now, None, event.id, event.generation
        )
    )
    book.record(
        organization_id,
        actor,
        "event.replayed",
        event.id,
        {"type": event.type, "failures": event.failures, "reason": event.reason},
        now,
    )
    return event._replace(status="received", reason="replayed", failures=0, due_at=now, finished_at=None)
