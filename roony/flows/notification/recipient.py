"""Recipients of messages: people in a chat, or with a mailbox, that an owner named; the one place of who hears what."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from sqlalchemy import func, select

from roony.core.errors import Refusal, not_found
from roony.core.notification import MessageRecipient, NoticeCursor
from roony.flows.context import FlowContext
from roony.flows.notification.receiver import (
    begin_cursor,
    put_changed,
    receiver_needs,
    receiver_there,
    record_receiver,
    types_text,
)
from roony.outbound.messenger import masked
from roony.store import tables
from roony.store.authority import Authority
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs
from roony.store.vault import row_name

MAX_RECIPIENTS = 20


def sealed_row(organization_id: str, recipient_id: str) -> bytes:
    """The vault's row name of a recipient's address."""
    return row_name("message_recipients", organization_id, recipient_id, "sealed")


@dataclass(frozen=True, slots=True)
class CreateRecipient(Command[MessageRecipient | Refusal]):
    """Somebody is named; they hear of what happens from now on. `types` empty: of everything people hear of."""

    organization_id: str
    recipient_id: str
    name: str
    masked: str
    types: tuple[str, ...]
    sealed: str = field(repr=False)
    actor: str

    def needs(self, now: int) -> Needs:
        """The cursor."""
        return Needs(rows=((NoticeCursor, self.organization_id),))

    def apply(self, book: Book, now: int) -> MessageRecipient | Refusal:
        """Adds them."""
        since = begin_cursor(book, self.organization_id)
        row = MessageRecipient(
            self.organization_id, self.recipient_id, self.name, self.masked, types_text(self.types), "active", since,
            self.sealed, now, now,
        )  # fmt: skip
        book.put(row)
        record_receiver(book, row, self.actor, "created", now)
        return row


@dataclass(frozen=True, slots=True)
class ChangeRecipient(Command[MessageRecipient | Refusal]):
    """What is not None is changed, the address by `sealed` and `masked` together; removed is for good."""

    organization_id: str
    recipient_id: str
    actor: str
    name: str | None = None
    types: tuple[str, ...] | None = None
    status: str | None = None
    sealed: str | None = field(default=None, repr=False)
    masked: str | None = None

    def needs(self, now: int) -> Needs:
        """The recipient and its alert."""
        return receiver_needs(self.organization_id, self.recipient_id)

    def apply(self, book: Book, now: int) -> MessageRecipient | Refusal:
        """Changes it, with before and after in the record; nothing where nothing differs."""
        before = receiver_there(book, self.organization_id, self.recipient_id)
        if not isinstance(before, MessageRecipient):
            return not_found("message recipient", self.recipient_id)
        row = before._replace(
            name=self.name or before.name,
            types=before.types if self.types is None else types_text(self.types),
            status=self.status or before.status,
            sealed=self.sealed or before.sealed,
            masked=self.masked or before.masked,
        )
        return put_changed(book, before, row, self.actor, now)


async def create_recipient(
    context: FlowContext,
    organization_id: str,
    name: str,
    url: str,
    types: tuple[str, ...],
    actor: str,
    by: Authority | None = None,
) -> MessageRecipient | Refusal:
    """The recipient, whose address is kept sealed and never shown again."""
    wrong = await _wrong_url(context, url)
    if wrong is not None:
        return wrong
    table = tables.message_recipients
    there = select(func.count()).where(table.c.organization_id == organization_id, table.c.status != "removed")
    # Two at once may both pass: the number only bounds the work for each notice.
    if (await asyncio.to_thread(context.database.read, there))[0][0] >= MAX_RECIPIENTS:
        return Refusal("too_many_recipients", f"There are {MAX_RECIPIENTS} recipients already. Remove one first.", 409)
    id = context.new_id("msg")
    sealed = context.vault.seal(url, sealed_row(organization_id, id))
    command = CreateRecipient(organization_id, id, name, masked(url), types, sealed, actor)
    return await context.till.submit(command, by=by)


async def change_recipient(
    context: FlowContext, organization_id: str, recipient_id: str, actor: str, *, name: str | None = None,
    url: str | None = None, types: tuple[str, ...] | None = None, status: str | None = None,
    by: Authority | None = None,
) -> MessageRecipient | Refusal:  # fmt: skip
    """Changes what is not None."""
    sealed = shown = None
    if url is not None:
        wrong = await _wrong_url(context, url)
        if wrong is not None:
            return wrong
        sealed, shown = context.vault.seal(url, sealed_row(organization_id, recipient_id)), masked(url)
    command = ChangeRecipient(organization_id, recipient_id, actor, name, types, status, sealed, shown)
    return await context.till.submit(command, by=by)


async def _wrong_url(context: FlowContext, url: str) -> Refusal | None:
    """Why nothing is ever sent to this address, as far as it shows without sending."""
    blocked = await context.messenger.why_not(url)
    return None if blocked is None else Refusal(f"url_{blocked.code}", str(blocked), 422, field="url")
