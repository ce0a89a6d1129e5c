"""Stripe events, each kept once, with their handling state; claims with a lease and a fencing generation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain

from sqlalchemy import bindparam, select, text, update

from roony.core.duration import SECOND
from roony.store.rows import InboxEvent
from roony.store.statements import write_new, write_row
from roony.store.tables import EVENT_TO_HANDLE, inbox, inbox_archive
from roony.store.writer import Writer, portions

# A claimed row is ours for this long, in microseconds.
LEASE = 30 * SECOND
# Failures after which a row is dead: visible, and handled again only when a person says so.
MAX_FAILURES = 12
CLAIM_LIMIT = 192

# One statement however many rows, since money waits behind it; a row another process holds is left to it.
_DUE = (
    select(inbox.c.id)
    .where(
        text(EVENT_TO_HANDLE),
        inbox.c.due_at <= bindparam("now"),
        inbox.c.lease_until <= bindparam("now"),
    )
    .order_by(inbox.c.due_at)
    .limit(CLAIM_LIMIT)
    .with_for_update(skip_locked=True)
    .cte("due")
)
_CLAIM = (
    update(inbox)
    .where(inbox.c.id == _DUE.c.id)
    .values(lease_until=bindparam("until"), generation=inbox.c.generation + 1)
    .returning(*inbox.c)
)
# P3 once more: the door looks for an id in the inbox only, so one that was archived meanwhile is kept again. It ends
# here, unseen by any flow.
ARCHIVED = "handled before and archived"
_END_ARCHIVED = (
    update(inbox)
    .where(inbox.c.id.in_(bindparam("ids", expanding=True)), inbox.c.id == inbox_archive.c.id)
    .values(
        status="ignored",
        reason=ARCHIVED,
        organization_id=inbox_archive.c.organization_id,
        finished_at=bindparam("now"),
        lease_until=0,
    )
    .returning(inbox.c.id)
)

_FAIL = (
    update(inbox)
    .where(inbox.c.id == bindparam("event_id"), inbox.c.generation == bindparam("seen"))
    .values(
        status=bindparam("status"),
        reason=bindparam("why"),
        failures=bindparam("count"),
        due_at=bindparam("due"),
        lease_until=0,
    )
)
_IGNORE = (
    update(inbox)
    .where(inbox.c.id == bindparam("event_id"), inbox.c.generation == bindparam("seen"))
    .values(status="ignored", reason=bindparam("why"), finished_at=bindparam("at"), lease_until=0)
)


def keep(event: InboxEvent) -> Callable[[Writer], bool]:
    """A write that keeps the event if its id is new; True when it was."""

    def work(writer: Writer) -> bool:
        cursor = writer.run(write_row(inbox, writer.backend), event)
        return bool(cursor.rowcount == 1)

    return work


def keep_all(events: Sequence[InboxEvent]) -> Callable[[Writer], set[str]]:
    """A write that keeps those of the events whose ids are new, in few statements; returns these ids."""

    def keep_new(writer: Writer) -> set[str]:
        new: set[str] = set()
        for some in portions(events):
            found = writer.run(write_new(inbox, writer.backend, len(some)), list(chain.from_iterable(some)))
            new |= {row[0] for row in found}
        return new

    return keep_new


def claim(now: int) -> Callable[[Writer], list[InboxEvent]]:
    """A write that takes up to `CLAIM_LIMIT` rows that are due, under a fresh lease each; `now` in microseconds.

    Those that were handled before and archived are ended instead.
    """

    def work(writer: Writer) -> list[InboxEvent]:
        rows = [InboxEvent(*row) for row in writer.execute(_CLAIM, now=now, until=now + LEASE).fetchall()]
        ids = [event.id for event in rows]
        ended = {row[0] for row in writer.execute(_END_ARCHIVED, ids=ids, now=now).fetchall()} if ids else ()
        return sorted((event for event in rows if event.id not in ended), key=lambda event: event.due_at)

    return work


def fail(event: InboxEvent, reason: str, due_at: int) -> Callable[[Writer], None]:
    """A write that counts a failure of a claimed row: due again at `due_at`, or dead after `MAX_FAILURES`."""
    failures = event.failures + 1
    status = "dead" if failures >= MAX_FAILURES else "failed"

    def work(writer: Writer) -> None:
        about = {"event_id": event.id, "seen": event.generation}
        writer.execute(_FAIL, **about, status=status, why=reason, count=failures, due=due_at)

    return work


def new_event(
    id: str, account: str | None, livemode: bool, kind: str, object_id: str | None, created: int, payload: bytes,
    now: int, ignored: str | None = None,
) -> InboxEvent:  # fmt: skip
    """A row for an event that has just arrived; `created` is Stripe's time in seconds, `now` ours in microseconds.

    `ignored`: why nobody has to handle it.
    """
    status, finished_at = ("received", None) if ignored is None else ("ignored", now)
    return InboxEvent(
        id, account, int(livemode), kind, None, object_id, status, ignored, 0, now, 0, 0, created, now, finished_at,
        payload,
    )  # fmt: skip


def ignore(event: InboxEvent, reason: str, now: int) -> Callable[[Writer], None]:
    """A write that ends the handling of a claimed row that belongs to nobody here; `now` in microseconds."""

    def work(writer: Writer) -> None:
        writer.execute(_IGNORE, event_id=event.id, seen=event.generation, why=reason, at=now)

    return work


def answered_event(
    id: str, account: str | None, livemode: bool, kind: str, organization_id: str, object_id: str, created: int,
    payload: bytes, now: int,
) -> InboxEvent:  # fmt: skip
    """A row for a real-time request, written with its answer; `created` in seconds, `now` in microseconds."""
    return InboxEvent(
        id, account, int(livemode), kind, organization_id, object_id, "applied", None, 0, now, 0, 0, created, now, now,
        payload,
    )  # fmt: skip
