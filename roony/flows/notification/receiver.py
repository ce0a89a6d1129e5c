"""Receivers: endpoints of systems and recipients of messages, what is the same for both, and what fails for good.

The id says which of the two it is.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from roony.core.agent import Organization
from roony.core.audit import ROONY
from roony.core.errors import Refusal, not_found
from roony.core.message import TRIAL
from roony.core.notification import (
    MESSAGE_TEST_TYPE,
    TEST_TYPE,
    MessageRecipient,
    NoticeCursor,
    NoticeDelivery,
    Receiver,
    WebhookEndpoint,
    described_endpoint,
    described_recipient,
    ended,
    masked_url,
    message_payload,
    trial_payload,
)
from roony.flows.alert import alert_row, close_alert, raise_alert
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs

GONE = "The receiver answered 410 Gone."
One = TypeVar("One", WebhookEndpoint, MessageRecipient)


class _Kind(NamedTuple):
    """What a receiver of one kind is called: in the code, for people, and its alert."""

    row: type[WebhookEndpoint | MessageRecipient]
    noun: str
    words: str
    alert: str


_ENDPOINT = _Kind(WebhookEndpoint, "webhook_endpoint", "webhook endpoint", "webhook_failing")
_RECIPIENT = _Kind(MessageRecipient, "message_recipient", "message recipient", "message_failing")


def _kind_of(receiver_id: str) -> _Kind:
    return _RECIPIENT if receiver_id.startswith("msg_") else _ENDPOINT


def receiver_type(receiver_id: str) -> type[WebhookEndpoint | MessageRecipient]:
    """The row a receiver's id names."""
    return _kind_of(receiver_id).row


def begin_cursor(book: Book, organization_id: str) -> int:
    """Where a new receiver begins: at the end of the chain. The first one of an organization makes the cursor.

    The command named the cursor in `needs`.
    """
    head = book.need(Organization, organization_id).audit_sequence
    if book.get(NoticeCursor, organization_id) is None:
        book.put(NoticeCursor(organization_id, head))
    return head


def types_text(types: tuple[str, ...]) -> str:
    """The types a receiver chose, as they are kept."""
    return json.dumps(sorted(set(types)))


def failing_alert(receiver_id: str) -> str:
    """The kind of the alert that says that a receiver takes nothing."""
    return _kind_of(receiver_id).alert


def receiver_needs(organization_id: str, receiver_id: str) -> Needs:
    """A receiver and its alert."""
    kind = _kind_of(receiver_id)
    return Needs(rows=((kind.row, organization_id, receiver_id), alert_row(organization_id, kind.alert, receiver_id)))


def receiver_there(book: Book, organization_id: str, receiver_id: str) -> Receiver | None:
    """A receiver that was not removed."""
    row: Receiver | None = book.get(receiver_type(receiver_id), organization_id, receiver_id)
    return row if row is not None and row.status != "removed" else None


def put_changed(book: Book, before: One, row: One, actor: str, now: int) -> One:
    """Writes a changed receiver and what is to be said of it; nothing where nothing differs.

    Enabled again, it hears of what happens from then on; removed, nothing secret of it stays.
    """
    if row == before:
        return before
    if row.status != before.status:
        if row.status == "active":
            row = row._replace(since=book.need(Organization, row.organization_id).audit_sequence)
        if row.status == "removed":
            row = row._replace(sealed="")
        close_alert(book, row.organization_id, _kind_of(row.id).alert, row.id, now)
    row = row._replace(updated_at=now)
    book.put(row)
    record_receiver(book, row, actor, "changed", now, before=_shown(before), after=_shown(row))
    return row


def record_receiver(book: Book, row: Receiver, actor: str, verb: str, now: int, **body: Any) -> None:
    """A record about a receiver; of one just made, what it is."""
    said = body if body or verb != "created" else _shown(row)
    book.record(row.organization_id, actor, f"{_kind_of(row.id).noun}.{verb}", row.id, said, now)


def _shown(row: Receiver) -> dict[str, Any]:
    return described_recipient(row) if isinstance(row, MessageRecipient) else described_endpoint(row)


def disabled(row: Receiver) -> Refusal:
    """Why nothing is sent to it now."""
    what = "recipient" if isinstance(row, MessageRecipient) else "endpoint"
    return Refusal(f"{what}_disabled", f"The {what} is disabled. Enable it first.", 409, id=row.id)


@dataclass(frozen=True, slots=True)
class SendTest(Command[NoticeDelivery | Refusal]):
    """The owner tries whether a receiver takes what is sent to it."""

    organization_id: str
    receiver_id: str
    delivery_id: str
    actor: str

    def needs(self, now: int) -> Needs:
        """The receiver and its alert."""
        return receiver_needs(self.organization_id, self.receiver_id)

    def apply(self, book: Book, now: int) -> NoticeDelivery | Refusal:
        """Queues one that tells of nothing."""
        row = receiver_there(book, self.organization_id, self.receiver_id)
        if row is None:
            return not_found(_kind_of(self.receiver_id).words, self.receiver_id)
        if row.status != "active":
            return disabled(row)
        kind, payload = TEST_TYPE, trial_payload(self.organization_id, row.id, now)
        if isinstance(row, MessageRecipient):
            kind, payload = MESSAGE_TEST_TYPE, message_payload(MESSAGE_TEST_TYPE, now, TRIAL)
        delivery = NoticeDelivery(
            self.organization_id, self.delivery_id, row.id, 0, 0, kind, payload, "pending", 0, 0, 0, 0, None, None,
            now, now, None,
        )  # fmt: skip
        book.put(delivery)
        record_receiver(book, row, self.actor, "tested", now, delivery=delivery.id)
        return delivery


@dataclass(frozen=True, slots=True)
class ReplayDelivery(Command[NoticeDelivery | Refusal]):
    """A delivery is sent once more, with all its tries before it, under the same id."""

    organization_id: str
    delivery_id: str
    actor: str

    def needs(self, now: int) -> Needs:
        """The delivery."""
        return Needs(rows=((NoticeDelivery, self.organization_id, self.delivery_id),))

    def apply(self, book: Book, now: int) -> NoticeDelivery | Refusal:
        """Makes it due; one that is waiting already stays as it is."""
        row = book.get(NoticeDelivery, self.organization_id, self.delivery_id)
        if row is None:
            return not_found("delivery", self.delivery_id)
        if row.status == "pending":
            return row
        row = row._replace(status="pending", tries=0, due_at=0, queued_at=now, finished_at=None)
        book.put(row)
        action = f"{_kind_of(row.target_id).noun}.replayed"
        book.record(self.organization_id, self.actor, action, row.target_id, {"delivery": row.id}, now)
        return row


@dataclass(frozen=True, slots=True)
class EndFailing(Command[None]):
    """A receiver takes what is sent to it again: its alert is over. What is dead by then stays so until replayed."""

    organization_id: str
    receiver_id: str

    def needs(self, now: int) -> Needs:
        """The receiver and its alert."""
        return receiver_needs(self.organization_id, self.receiver_id)

    def apply(self, book: Book, now: int) -> None:
        """Nothing where none is open."""
        close_alert(book, self.organization_id, failing_alert(self.receiver_id), self.receiver_id, now)


@dataclass(frozen=True, slots=True)
class GiveUpDelivery(Command[NoticeDelivery | None]):
    """A delivery was refused for three days, or its receiver is gone for good: dead, and somebody has to know.

    Not `sent`: it only waited behind others that its receiver did not answer.
    """

    organization_id: str
    delivery: NoticeDelivery
    answer: int | None
    error: str
    gone: bool = False
    sent: bool = True

    def needs(self, now: int) -> Needs:
        """The delivery, its receiver and the receiver's alert."""
        about = receiver_needs(self.organization_id, self.delivery.target_id)
        return about._replace(rows=((NoticeDelivery, self.organization_id, self.delivery.id), *about.rows))

    def apply(self, book: Book, now: int) -> NoticeDelivery | None:
        """Ends it; None where another process has it now. `gone` disables an endpoint as well."""
        org = self.organization_id
        row = book.get(NoticeDelivery, org, self.delivery.id)
        if row is None or (row.generation, row.status) != (self.delivery.generation, "pending"):
            return None
        row = ended(row, "dead", self.answer, self.error, now, self.sent)
        book.put(row)
        receiver = receiver_there(book, org, row.target_id)
        if receiver is None:
            return row
        if self.gone and isinstance(receiver, WebhookEndpoint) and receiver.status == "active":
            book.put(receiver._replace(status="disabled", reason=GONE, updated_at=now))
            record_receiver(book, receiver, ROONY, "disabled", now, reason=GONE)
        raise_alert(book, org, _kind_of(receiver.id).alert, receiver.id, self._words(receiver), now)
        return row

    def _words(self, receiver: Receiver) -> str:
        if isinstance(receiver, MessageRecipient):
            return (
                f"{receiver.name} ({receiver.masked}) could not be told anything for three days. See `roony message"
                f" deliveries {receiver.id}`; with another address: `roony message change {receiver.id} --address`."
            )
        # An alert is told to everybody who listens.
        host = masked_url(receiver.url)
        if self.gone:
            return (
                f"{host} answered 410 Gone: the endpoint is disabled. Change its address, then `roony webhook"
                f" enable {receiver.id}`."
            )
        return (
            f"{host} has not taken a webhook for three days. See `roony webhook deliveries {receiver.id}"
            f" --status dead`; when it answers again: `roony webhook replay {receiver.id} --since TIME`."
        )
