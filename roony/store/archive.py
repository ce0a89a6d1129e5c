"""Old entries and Stripe events moved into the archive tables: looked for page by page, moved in small pieces.

What is moved changes no sum and no page: who sums entries or shows events reads both tables. Money's way reads neither
archive, and an event that comes again is known by its id (`inbox.claim`). Events that were left out because nobody here
knew their card come back when it is known.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from sqlalchemy import (
    ColumnElement,
    Insert,
    Table,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    tuple_,
)

from roony.store.database import Database
from roony.store.other_writes import MAX_ROWS
from roony.store.over import is_handled, is_over
from roony.store.tables import cards, entries, entries_archive, inbox, inbox_archive, outbox, purchases
from roony.store.writer import Writer

# Keys that one read looks at, and rows that one write moves: each is written once and deleted once.
PAGE = 1_000
PIECE = MAX_ROWS // 2
# When it was received, in microseconds UTC, and its id.
EventKey = tuple[int, str]


class OldPurchase(NamedTuple):
    """A purchase that is over, and how many entries it has outside the archive."""

    id: str
    entries: int


def entry_page(
    database: Database, organization_id: str, before: int, after: str
) -> tuple[list[OldPurchase], str | None]:
    """Of the next purchases behind `after` that have entries here, those that are over.

    Also returns where the next page begins, None after the last one. Blocks.
    """
    mine = entries.c.organization_id == organization_id
    # Some purchases, not some that are over: a page takes as long however few of them are.
    some = (
        select(entries.c.purchase_id, func.count().label("number"))
        .where(mine, entries.c.purchase_id > after)
        .group_by(entries.c.purchase_id)
        .order_by(entries.c.purchase_id)
        .limit(PAGE)
        .subquery()
    )
    there = and_(purchases.c.organization_id == organization_id, purchases.c.id == some.c.purchase_id)
    statement = (
        select(some.c.purchase_id, some.c.number, is_over(literal(before)).label("over"))
        .select_from(some.join(purchases, there))
        .order_by(some.c.purchase_id)
    )
    rows = database.read(statement)
    old = [OldPurchase(row.purchase_id, row.number) for row in rows if row.over]
    return old, rows[-1].purchase_id if len(rows) == PAGE else None


def event_page(database: Database, organization_id: str | None, before: int, after: EventKey) -> list[EventKey]:
    """The next events behind `after` of an organization, or of nobody, that were handled: (received at, id). Blocks."""
    at, id = inbox.c.received_at, inbox.c.id
    statement = (
        select(at, id)
        .where(
            inbox.c.organization_id == organization_id,
            is_handled(literal(before)),
            at >= after[0],
            or_(at > after[0], id > after[1]),
        )
        .order_by(at, id)
        .limit(PAGE)
    )
    return [(row[0], row[1]) for row in database.read(statement)]


def oldest_card_to_be_known(database: Database, organization_id: str, replays: str) -> int | None:
    """When the oldest card was promised that may still bring back events it was unknown to; None without one. Blocks.

    One that is being made, and one for which a promise of kind `replays` waits.
    """
    waiting = and_(outbox.c.organization_id == organization_id, outbox.c.status == "promised", outbox.c.kind == replays)
    oldest = select(func.min(cards.c.created_at)).where(cards.c.organization_id == organization_id)
    # Two reads, each by an index.
    which = (cards.c.status == "creating", cards.c.id.in_(select(outbox.c.subject).where(waiting)))
    found = [database.read(oldest.where(these))[0][0] for these in which]
    return min((at for at in found if at is not None), default=None)


_OF = entries.c.organization_id == bindparam("org")
_PURCHASE = and_(purchases.c.organization_id == entries.c.organization_id, purchases.c.id == entries.c.purchase_id)
# Only rows that still fit are locked, and what another process holds is left to it.
_LOCK_ENTRIES = (
    select(entries.c.purchase_id, entries.c.sequence)
    .join(purchases, _PURCHASE)
    .where(_OF, entries.c.purchase_id.in_(bindparam("ids", expanding=True)), is_over(bindparam("before")))
    .order_by(entries.c.purchase_id, entries.c.sequence)
    .limit(PIECE)
    .with_for_update(of=entries, skip_locked=True)
)
_LOCK_EVENTS = (
    select(inbox.c.id)
    .where(inbox.c.id.in_(bindparam("ids", expanding=True)), is_handled(bindparam("before")))
    .with_for_update(skip_locked=True)
)
_THESE_ENTRIES = and_(_OF, tuple_(entries.c.purchase_id, entries.c.sequence).in_(bindparam("keys", expanding=True)))
_THESE_EVENTS = inbox.c.id.in_(bindparam("keys", expanding=True))


def _copy(table: Table, archive: Table, *where: ColumnElement[bool]) -> Insert:
    return insert(archive).from_select(list(table.c.keys()), select(table).where(*where))


_COPY_ENTRIES = _copy(entries, entries_archive, _THESE_ENTRIES)
# Of an event that came again, and was archived again, the first row counts.
_COPY_EVENTS = _copy(inbox, inbox_archive, _THESE_EVENTS, ~exists().where(inbox_archive.c.id == inbox.c.id))
_LEFT_OUT = and_(
    inbox_archive.c.id.in_(bindparam("keys", expanding=True)),
    inbox_archive.c.organization_id == bindparam("org"),
    inbox_archive.c.status == "applied",
    inbox_archive.c.reason == bindparam("why"),
    # Of one without its payload nothing could be booked.
    inbox_archive.c.payload_removed_at.is_(None),
)
# With `finished_at` now, so that it is not archived once more before it was handled again.
_AS_IT_WAS = [bindparam("now", type_=c.type) if c.name == "finished_at" else c for c in inbox_archive.c]
_BRING_BACK = insert(inbox).from_select(list(inbox.c.keys()), select(*_AS_IT_WAS).where(_LEFT_OUT))
# One that came again meanwhile lies in both, and was not handled there.
_DROP_AGAIN = delete(inbox).where(inbox.c.id.in_(select(inbox_archive.c.id).where(_LEFT_OUT)))
_DROP_ARCHIVED = delete(inbox_archive).where(_LEFT_OUT)
_DELETE_ENTRIES = delete(entries).where(_THESE_ENTRIES)
_DELETE_EVENTS = delete(inbox).where(_THESE_EVENTS)


def move_entries(organization_id: str, purchase_ids: Sequence[str], before: int) -> Callable[[Writer], int]:
    """A write that moves up to `PIECE` entries of these purchases, as far as they are still over; returns how many."""

    def move(writer: Writer) -> int:
        found = writer.execute(_LOCK_ENTRIES, org=organization_id, ids=list(purchase_ids), before=before).fetchall()
        keys = [tuple(row) for row in found]
        if keys:
            writer.execute(_COPY_ENTRIES, org=organization_id, keys=keys)
            writer.execute(_DELETE_ENTRIES, org=organization_id, keys=keys)
        return len(keys)

    return move


def move_events(event_ids: Sequence[str], before: int) -> Callable[[Writer], int]:
    """A write that moves these events, at most `PIECE`, as far as they are still handled; returns how many."""

    def move(writer: Writer) -> int:
        keys = [row[0] for row in writer.execute(_LOCK_EVENTS, ids=list(event_ids), before=before).fetchall()]
        if keys:
            writer.execute(_COPY_EVENTS, keys=keys)
            writer.execute(_DELETE_EVENTS, keys=keys)
        return len(keys)

    return move


def bring_back(organization_id: str, event_ids: Sequence[str], why: str, now: int) -> Callable[[Writer], int]:
    """A write that moves archived events, at most `PIECE`, into the inbox as they are; returns how many.

    Those of the organization that were applied with the reason `why`, for example that their card was unknown; `now` in
    microseconds.
    """
    about = {"org": organization_id, "keys": list(event_ids), "why": why}

    def move_back(writer: Writer) -> int:
        writer.execute(_DROP_AGAIN, **about)
        moved = int(writer.execute(_BRING_BACK, **about, now=now).rowcount)
        writer.execute(_DROP_ARCHIVED, **about)
        return moved

    return move_back
