"""Webhook endpoints: made, changed and removed by the owner, and their secrets rotated."""

from __future__ import annotations

from dataclasses import dataclass, field

from roony.core.duration import SECOND
from roony.core.errors import Refusal, not_found
from roony.core.notification import NoticeCursor, WebhookEndpoint
from roony.flows.notification.receiver import (
    begin_cursor,
    disabled,
    put_changed,
    receiver_needs,
    receiver_there,
    record_receiver,
    types_text,
)
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs

MAX_ENDPOINTS = 20
# How long an old secret may sign beside the new one, in seconds.
DEFAULT_OVERLAP, MAX_OVERLAP = 86_400, 7 * 86_400


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
        row = WebhookEndpoint(
            self.organization_id, self.endpoint_id, self.url, self.description, types_text(self.types), "active", None,
            since, self.sealed, "", 0, now, now,
        )  # fmt: skip
        book.put(row)
        record_receiver(book, row, self.actor, "created", now)
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
        return receiver_needs(self.organization_id, self.endpoint_id)

    def apply(self, book: Book, now: int) -> WebhookEndpoint | Refusal:
        """Changes it, with before and after in the record; nothing where nothing differs."""
        before = receiver_there(book, self.organization_id, self.endpoint_id)
        if not isinstance(before, WebhookEndpoint):
            return not_found("webhook endpoint", self.endpoint_id)
        row = before._replace(
            url=self.url or before.url,
            description=before.description if self.description is None else self.description,
            types=before.types if self.types is None else types_text(self.types),
            status=self.status or before.status,
        )
        if row.status != before.status:
            row = row._replace(reason=None)
        if row.status == "removed":
            row = row._replace(sealed_before="", before_until=0)
        return put_changed(book, before, row, self.actor, now)


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
        return receiver_needs(self.organization_id, self.endpoint_id)

    def apply(self, book: Book, now: int) -> WebhookEndpoint | Refusal:
        """Puts both in place."""
        before = receiver_there(book, self.organization_id, self.endpoint_id)
        if not isinstance(before, WebhookEndpoint):
            return not_found("webhook endpoint", self.endpoint_id)
        if before.sealed != self.seen:
            return Refusal("changed_meanwhile", "The secret was just rotated by somebody else. Look again.", 409)
        until = now + self.overlap * SECOND if self.overlap else 0
        old = self.sealed_before if self.overlap else ""
        row = before._replace(sealed=self.sealed, sealed_before=old, before_until=until, updated_at=now)
        book.put(row)
        record_receiver(book, row, self.actor, "secret_rotated", now, overlap_seconds=self.overlap)
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
        return receiver_needs(self.organization_id, self.endpoint_id)

    def apply(self, book: Book, now: int) -> int | Refusal:
        """Only records it: the deliveries are begun again after it, page by page."""
        row = receiver_there(book, self.organization_id, self.endpoint_id)
        if not isinstance(row, WebhookEndpoint):
            return not_found("webhook endpoint", self.endpoint_id)
        if row.status != "active":
            return disabled(row)
        record_receiver(book, row, self.actor, "replayed", now, since=self.since)
        return now
