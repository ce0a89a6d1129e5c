"""Webhook endpoints: made, changed and removed by the owner, their secrets rotated; and what fails for good."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from roony.core.agent import Organization
from roony.core.errors import Refusal, not_found
from roony.core.notification import (
    TEST_TYPE,
    NoticeCursor,
    NoticeDelivery,
    WebhookEndpoint,
    described_endpoint,
    ended,
    masked_url,
    trial_payload,
)
from roony.flows.alert import alert_row, close_alert, raise_alert
from roony.flows.movement import ROONY
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs

MAX_ENDPOINTS = 20
SECOND = 1_000_000
# How long an old secret may sign beside the new one, in seconds.
DEFAULT_OVERLAP, MAX_OVERLAP = 86_400, 7 * 86_400
ALERT = "webhook_failing"
GONE = "The receiver answered 410 Gone."


def begin_cursor(book: Book, organization_id: str) -> int:
    """Where a new receiver begins: at the end of the chain. The first one of an organization makes the cursor.

    The command named the cursor in `needs`.
    """
    head = book.need(Organization, organization_id).audit_sequence
    if book.get(NoticeCursor, organization_id) is None:
        book.put(NoticeCursor(organization_id, head))
    return head


def secret_row(endpoint_id: str, column: str, organization_id: str) -> tuple[str, str, str, str]:
    """The parts of the vault's row name of an endpoint's secret."""
    return ("webhook_endpoints", organization_id, endpoint_id, column)


@dataclass(frozen=True, slots=True)
class CreateEndpoint(Command[WebhookEndpoint | Refusal]):
    """A receiver is named; it hears of what happens from now on. `types` empty: of everything."""

    organization_id: str
    endpoint_id: str
    url: str
    description: str
    types: tuple[str, ...]
    sealed: str = field(repr=False)
    actor: str

    def needs(self, now: int) -> Needs:
        """The cursor."""
        return Needs(rows=((NoticeCursor, self.organization_id),))

    def apply(self, book: Book, now: int) -> WebhookEndpoint | Refusal:
        """Adds it."""
        since = begin_cursor(book, self.organization_id)
        types = json.dumps(sorted(set(self.types)))
        row = WebhookEndpoint(
            self.organization_id, self.endpoint_id, self.url, self.description, types, "active", None, since,
            self.sealed, "", 0, now, now,
        )  # fmt: skip
        book.put(row)
        _record(book, row, self.actor, "created", now, **described_endpoint(row))
        return row


@dataclass(frozen=True, slots=True)
class ChangeEndpoint(Command[WebhookEndpoint | Refusal]):
    """What is not None is changed. Enabled again, it hears of what happens from then on; removed is for good."""

    organization_id: str
    endpoint_id: str
    actor: str
    url: str | None = None
    description: str | None = None
    types: tuple[str, ...] | None = None
    status: str | None = None

    def needs(self, now: int) -> Needs:
        """The endpoint and its alert."""
        return _needs(self.organization_id, self.endpoint_id)

    def apply(self, book: Book, now: int) -> WebhookEndpoint | Refusal:
        """Changes it, with before and after in the record; nothing where nothing differs."""
        before = _endpoint(book, self.organization_id, self.endpoint_id)
        if before is None:
            return not_found("webhook endpoint", self.endpoint_id)
        row = before._replace(
            url=self.url or before.url,
            description=before.description if self.description is None else self.description,
            types=before.types if self.types is None else json.dumps(sorted(set(self.types))),
            status=self.status or before.status,
        )
        if row.status != before.status:
            since = book.need(Organization, self.organization_id).audit_sequence
            row = row._replace(reason=None, since=since if row.status == "active" else row.since)
        if row == before:
            return before
        if row.status == "removed":
            row = row._replace(sealed="", sealed_before="", before_until=0)
        row = row._replace(updated_at=now)
        book.put(row)
        if row.status != before.status:
            close_alert(book, self.organization_id, ALERT, self.endpoint_id, now)
        _record(book, row, self.actor, "changed", now, before=described_endpoint(before), after=described_endpoint(row))
        return row


@dataclass(frozen=True, slots=True)
class RotateEndpointSecret(Command[WebhookEndpoint | Refusal]):
    """Another secret signs from now on; the one before signs too for `overlap` seconds.

    `sealed_before` is that one, sealed anew for its other column; `seen` is how it was found, so that two rotations at
    once do not lose one.
    """

    organization_id: str
    endpoint_id: str
    sealed: str = field(repr=False)
    sealed_before: str = field(repr=False)
    seen: str = field(repr=False)
    overlap: int
    actor: str

    def needs(self, now: int) -> Needs:
        """The endpoint and its alert."""
        return _needs(self.organization_id, self.endpoint_id)

    def apply(self, book: Book, now: int) -> WebhookEndpoint | Refusal:
        """Puts both in place."""
        before = _endpoint(book, self.organization_id, self.endpoint_id)
        if before is None:
            return not_found("webhook endpoint", self.endpoint_id)
        if before.sealed != self.seen:
            return Refusal("changed_meanwhile", "The secret was just rotated by somebody else. Look again.", 409)
        until = now + self.overlap * SECOND if self.overlap else 0
        old = self.sealed_before if self.overlap else ""
        row = before._replace(sealed=self.sealed, sealed_before=old, before_until=until, updated_at=now)
        book.put(row)
        _record(book, row, self.actor, "secret_rotated", now, overlap_seconds=self.overlap)
        return row


@dataclass(frozen=True, slots=True)
class SendTest(Command[NoticeDelivery | Refusal]):
    """The owner tries whether an endpoint takes a webhook."""

    organization_id: str
    endpoint_id: str
    delivery_id: str
    actor: str

    def needs(self, now: int) -> Needs:
        """The endpoint and its alert."""
        return _needs(self.organization_id, self.endpoint_id)

    def apply(self, book: Book, now: int) -> NoticeDelivery | Refusal:
        """Queues one that tells of nothing."""
        row = _endpoint(book, self.organization_id, self.endpoint_id)
        if row is None:
            return not_found("webhook endpoint", self.endpoint_id)
        if row.status != "active":
            return Refusal("endpoint_disabled", "The endpoint is disabled. Enable it first.", 409, id=row.id)
        payload = trial_payload(self.organization_id, row.id, now)
        delivery = NoticeDelivery(
            self.organization_id, self.delivery_id, row.id, 0, 0, TEST_TYPE, payload, "pending", 0, 0, 0, 0, None, None,
            now, now, None,
        )  # fmt: skip
        book.put(delivery)
        _record(book, row, self.actor, "tested", now, delivery=delivery.id)
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
        body = {"delivery": row.id}
        book.record(self.organization_id, self.actor, "webhook_endpoint.replayed", row.target_id, body, now)
        return row


@dataclass(frozen=True, slots=True)
class AskReplay(Command[int | Refusal]):
    """The owner wants everything sent again that an endpoint was told since a time; answers when it was asked."""

    organization_id: str
    endpoint_id: str
    since: int
    actor: str

    def needs(self, now: int) -> Needs:
        """The endpoint and its alert."""
        return _needs(self.organization_id, self.endpoint_id)

    def apply(self, book: Book, now: int) -> int | Refusal:
        """Only records it: the deliveries are begun again after it, page by page."""
        row = _endpoint(book, self.organization_id, self.endpoint_id)
        if row is None:
            return not_found("webhook endpoint", self.endpoint_id)
        if row.status != "active":
            return Refusal("endpoint_disabled", "The endpoint is disabled. Enable it first.", 409, id=row.id)
        _record(book, row, self.actor, "replayed", now, since=self.since)
        return now


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
        """The delivery, its endpoint and the endpoint's alert."""
        org, delivery = self.organization_id, self.delivery
        endpoint = (WebhookEndpoint, org, delivery.target_id)
        return Needs(rows=((NoticeDelivery, org, delivery.id), endpoint, alert_row(org, ALERT, delivery.target_id)))

    def apply(self, book: Book, now: int) -> NoticeDelivery | None:
        """Ends it; None where another process has it now. `gone` disables the endpoint as well."""
        org = self.organization_id
        row = book.get(NoticeDelivery, org, self.delivery.id)
        if row is None or (row.generation, row.status) != (self.delivery.generation, "pending"):
            return None
        row = ended(row, "dead", self.answer, self.error, now, self.sent)
        book.put(row)
        endpoint = _endpoint(book, org, row.target_id)
        if endpoint is None:
            return row
        if self.gone and endpoint.status == "active":
            book.put(endpoint._replace(status="disabled", reason=GONE, updated_at=now))
            _record(book, endpoint, ROONY, "disabled", now, reason=GONE)
        raise_alert(book, org, ALERT, endpoint.id, self._words(endpoint), now)
        return row

    def _words(self, endpoint: WebhookEndpoint) -> str:
        # An alert is told to everybody who listens.
        host = masked_url(endpoint.url)
        if self.gone:
            return (
                f"{host} answered 410 Gone: the endpoint is disabled. Change its address, then `roony webhook"
                f" enable {endpoint.id}`."
            )
        return (
            f"{host} has not taken a webhook for three days. See `roony webhook deliveries {endpoint.id}"
            f" --status dead`; when it answers again: `roony webhook replay {endpoint.id} --since TIME`."
        )


def _needs(organization_id: str, endpoint_id: str) -> Needs:
    endpoint = (WebhookEndpoint, organization_id, endpoint_id)
    return Needs(rows=(endpoint, alert_row(organization_id, ALERT, endpoint_id)))


def _endpoint(book: Book, organization_id: str, endpoint_id: str) -> WebhookEndpoint | None:
    row = book.get(WebhookEndpoint, organization_id, endpoint_id)
    return row if row is not None and row.status != "removed" else None


def _record(book: Book, row: WebhookEndpoint, actor: str, verb: str, now: int, **body: Any) -> None:
    book.record(row.organization_id, actor, f"webhook_endpoint.{verb}", row.id, body, now)
