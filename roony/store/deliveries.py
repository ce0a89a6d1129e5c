"""Notices on their way out: handed out from the audit chain with its cursor, claimed with a lease, and settled."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from sqlalchemy import (
    Text,
    bindparam,
    case,
    delete,
    exists,
    func,
    literal_column,
    or_,
    select,
    tuple_,
    union_all,
    update,
)

from roony.core.audit import AuditRecord
from roony.core.duration import SECOND
from roony.core.notification import NoticeDelivery
from roony.store.database import Database
from roony.store.other_writes import by_organization
from roony.store.tables import (
    audit_records,
    message_recipients,
    notice_cursors,
    notice_deliveries,
    organizations,
    webhook_endpoints,
)
from roony.store.writer import Writer

# A claimed delivery is ours for this long, in microseconds: longer than one receiver's turn.
LEASE = 90 * SECOND
# What one claim takes: first tries in the order of the chain, and beside them those that are tried again, so that a
# flood of new notices does not keep a late one waiting.
FIRST_TRIES = 24
RETRIES = 8
# Receivers with something to send, at one look.
TARGET_LIMIT = 200
# Organizations whose chain has grown, at one look.
BEHIND_LIMIT = 20
# Rows of one write that begins deliveries again.
REPLAY_ROWS = 100
# Rows of one write that cancels what waits for an endpoint that is told nothing any more.
CANCEL_ROWS = 200
# Rows of one write that forgets what ended long ago.
FORGET_ROWS = 200

_BEHIND = (
    select(notice_cursors.c.organization_id, notice_cursors.c.sequence, organizations.c.audit_sequence)
    .join(organizations, organizations.c.id == notice_cursors.c.organization_id)
    .where(organizations.c.audit_sequence > notice_cursors.c.sequence)
    # By chance, so that those that stay behind do not keep the others out.
    .order_by(func.random())
    .limit(BEHIND_LIMIT)
)
# A cursor that another process is moving is left to it: whoever waited for it would come too late anyway.
_CURSOR = (
    select(notice_cursors.c.organization_id)
    .where(notice_cursors.c.organization_id == bindparam("org"), notice_cursors.c.sequence == bindparam("seen"))
    .with_for_update(skip_locked=True)
    .cte("cursor")
)
_MOVE = (
    update(notice_cursors)
    .where(notice_cursors.c.organization_id == _CURSOR.c.organization_id)
    .values(sequence=bindparam("reached"))
    .returning(notice_cursors.c.sequence)
)
# The status is written out, as in the index `notice_deliveries_due`: with it a look at one receiver touches the rows
# it takes and no others, however many millions wait for it or for others.
_IS_FREE = (
    notice_deliveries.c.status == literal_column("'pending'"),
    notice_deliveries.c.lease_until <= bindparam("now"),
)
# Systems and people alike.
_RECEIVERS = union_all(
    *(select(one.c.organization_id, one.c.id, one.c.status) for one in (webhook_endpoints, message_recipients))
).subquery("receivers")
_IS_TOLD_NOTHING = _RECEIVERS.c.status != "active"
# By chance, so that everyone gets a turn. What waits for a receiver that is disabled or removed is ended, due or not.
_TARGETS = (
    select(_RECEIVERS.c.organization_id, _RECEIVERS.c.id, _RECEIVERS.c.status)
    .where(
        _RECEIVERS.c.id.not_in(bindparam("busy", expanding=True)),
        exists().where(
            notice_deliveries.c.organization_id == _RECEIVERS.c.organization_id,
            notice_deliveries.c.target_id == _RECEIVERS.c.id,
            *_IS_FREE,
            or_(notice_deliveries.c.due_at <= bindparam("now"), _IS_TOLD_NOTHING),
        ),
    )
    .order_by(func.random())
    .limit(TARGET_LIMIT)
)
_OF_TARGET = (
    notice_deliveries.c.organization_id == bindparam("org"),
    notice_deliveries.c.target_id == bindparam("target"),
)
_DUE = select(notice_deliveries.c.id).where(*_OF_TARGET, *_IS_FREE)
_FIRST = (
    _DUE.where(notice_deliveries.c.due_at == 0)
    .order_by(notice_deliveries.c.sequence, notice_deliveries.c.place)
    .limit(FIRST_TRIES)
    .with_for_update(skip_locked=True)
    .cte("first_tries")
)
_AGAIN_DUE = (
    _DUE.where(notice_deliveries.c.due_at > 0, notice_deliveries.c.due_at <= bindparam("now"))
    .order_by(notice_deliveries.c.due_at, notice_deliveries.c.sequence, notice_deliveries.c.place)
    .limit(RETRIES)
    .with_for_update(skip_locked=True)
    .cte("retries")
)
# One statement however many rows, since money waits behind it; a row another process holds is left to it.
_CLAIM = (
    update(notice_deliveries)
    .where(
        notice_deliveries.c.organization_id == bindparam("org"),
        notice_deliveries.c.id.in_(union_all(select(_FIRST.c.id), select(_AGAIN_DUE.c.id))),
    )
    .values(lease_until=bindparam("until"), generation=notice_deliveries.c.generation + 1)
    .returning(*notice_deliveries.c)
)
# A later claim has a later lease: by it the rows of one claim are known, as by the generation of each.
_LEAVE = (
    update(notice_deliveries)
    .where(
        *_OF_TARGET,
        notice_deliveries.c.id.in_(bindparam("ids", expanding=True)),
        notice_deliveries.c.status == "pending",
        notice_deliveries.c.lease_until == bindparam("until"),
    )
    .values(
        lease_until=0,
        due_at=case(
            (notice_deliveries.c.due_at < bindparam("due"), bindparam("due")), else_=notice_deliveries.c.due_at
        ),
        last_error=func.coalesce(bindparam("why", type_=Text()), notice_deliveries.c.last_error),
    )
)
_WAITING = (
    select(notice_deliveries.c.id)
    .where(*_OF_TARGET, *_IS_FREE)
    .limit(CANCEL_ROWS)
    .with_for_update(skip_locked=True)
    .cte("waiting")
)
_CANCEL = (
    update(notice_deliveries)
    .where(
        notice_deliveries.c.organization_id == bindparam("org"),
        notice_deliveries.c.id.in_(select(_WAITING.c.id)),
        exists().where(
            _RECEIVERS.c.organization_id == bindparam("org"),
            _RECEIVERS.c.id == bindparam("target"),
            _IS_TOLD_NOTHING,
        ),
    )
    .values(status="canceled", lease_until=0, last_error="the receiver is disabled", finished_at=bindparam("now"))
    .returning(notice_deliveries.c.id)
)
_SETTLE = (
    update(notice_deliveries)
    .where(
        notice_deliveries.c.organization_id == bindparam("org"),
        notice_deliveries.c.id == bindparam("delivery"),
        notice_deliveries.c.generation == bindparam("seen"),
        notice_deliveries.c.status == "pending",
    )
    .values({
        name: bindparam(f"new_{name}")
        for name in ("status", "tries", "due_at", "lease_until", "answer", "last_error", "finished_at")
    })
)  # fmt: skip
_SINCE = (
    select(notice_deliveries.c.id)
    .where(
        *_OF_TARGET,
        notice_deliveries.c.created_at >= bindparam("since"),
        notice_deliveries.c.queued_at < bindparam("asked"),
        notice_deliveries.c.status != "pending",
    )
    .order_by(notice_deliveries.c.created_at)
    .limit(REPLAY_ROWS)
)
_AGAIN = (
    update(notice_deliveries)
    .where(notice_deliveries.c.organization_id == bindparam("org"), notice_deliveries.c.id.in_(_SINCE))
    .values(status="pending", tries=0, due_at=0, queued_at=bindparam("asked"), finished_at=None)
    .returning(notice_deliveries.c.created_at)
)
# What another process holds is left out.
_OLD = (
    select(notice_deliveries.c.organization_id, notice_deliveries.c.id)
    .where(notice_deliveries.c.status == bindparam("status"), notice_deliveries.c.finished_at < bindparam("before"))
    .order_by(notice_deliveries.c.finished_at)
    .limit(FORGET_ROWS)
)
_NO_LONGER_NEEDED = _OLD.with_for_update(skip_locked=True).cte("no_longer_needed")
_FORGET = (
    delete(notice_deliveries)
    .where(tuple_(notice_deliveries.c.organization_id, notice_deliveries.c.id).in_(select(_NO_LONGER_NEEDED)))
    .returning(notice_deliveries.c.id)
)
# On a database spread over machines: looked for without a lock, then deleted by organization.
_STILL_OLD = (
    select(notice_deliveries.c.id)
    .where(
        notice_deliveries.c.organization_id == bindparam("org"),
        notice_deliveries.c.id.in_(bindparam("ids", expanding=True)),
        notice_deliveries.c.status == bindparam("status"),
        notice_deliveries.c.finished_at < bindparam("before"),
    )
    .with_for_update(skip_locked=True)
    .cte("still_old")
)
_FORGET_OF = (
    delete(notice_deliveries)
    .where(
        notice_deliveries.c.organization_id == bindparam("org"),
        notice_deliveries.c.id.in_(select(_STILL_OLD.c.id)),
    )
    .returning(notice_deliveries.c.id)
)


class Target(NamedTuple):
    """A receiver for which something waits; one whose `status` is not active is told nothing any more."""

    organization_id: str
    id: str
    status: str


def behind(database: Database) -> Sequence[tuple[str, int, int]]:
    """Organizations with something to hand out: id, how far it is, and where the chain ends. Blocks."""
    return [(str(row[0]), int(row[1]), int(row[2])) for row in database.read(_BEHIND)]


def records_after(database: Database, organization_id: str, sequence: int, limit: int) -> list[AuditRecord]:
    """The next records of a chain in order. Blocks."""
    rows = database.read(
        select(audit_records)
        .where(audit_records.c.organization_id == organization_id, audit_records.c.sequence > sequence)
        .order_by(audit_records.c.sequence)
        .limit(limit)
    )
    return [AuditRecord(*row) for row in rows]


def hand_out(organization_id: str, seen: int, reached: int, rows: Sequence[NoticeDelivery]) -> Callable[[Writer], bool]:
    """A write that moves the cursor and adds the deliveries; False, and nothing, where another process was first."""

    def move_and_add(writer: Writer) -> bool:
        if not writer.execute(_MOVE, org=organization_id, seen=seen, reached=reached).fetchall():
            return False
        writer.write_rows(notice_deliveries, rows)
        return True

    return move_and_add


def due_targets(database: Database, now: int, busy: Collection[str]) -> list[Target]:
    """Receivers with a delivery to claim or to cancel; none of the `busy` ones. Blocks."""
    return [Target(*row) for row in database.read(_TARGETS, {"now": now, "busy": list(busy)})]


def claim(now: int, organization_id: str, target_id: str) -> Callable[[Writer], list[NoticeDelivery]]:
    """A write that takes deliveries of one receiver that are due, at most `FIRST_TRIES` and `RETRIES`.

    First tries stay in the order of the chain; between them and the others, what has waited longer comes first.
    """

    def work(writer: Writer) -> list[NoticeDelivery]:
        about = {"org": organization_id, "target": target_id, "now": now, "until": now + LEASE}
        rows = [NoticeDelivery(*row) for row in writer.execute(_CLAIM, **about).fetchall()]
        first = sorted((row for row in rows if not row.due_at), key=lambda row: (row.sequence, row.place))
        again = sorted((row for row in rows if row.due_at), key=lambda row: (row.due_at, row.sequence, row.place))
        return list(heapq.merge(first, again, key=lambda row: row.due_at or row.queued_at))

    return work


def leave(rows: Sequence[NoticeDelivery], due_at: int = 0, why: str | None = None) -> Callable[[Writer], int]:
    """A write that gives back some deliveries of one claim untried, due not before `due_at`; returns how many."""

    def give_back(writer: Writer) -> int:
        first = rows[0]
        about = {"org": first.organization_id, "target": first.target_id, "until": first.lease_until}
        ids = [row.id for row in rows]
        return int(writer.execute(_LEAVE, **about, ids=ids, due=due_at, why=why).rowcount)

    return give_back


def cancel(now: int, organization_id: str, target_id: str) -> Callable[[Writer], int]:
    """A write that ends up to `CANCEL_ROWS` of what waits for an endpoint that is told nothing; returns how many."""

    def end_waiting(writer: Writer) -> int:
        return len(writer.execute(_CANCEL, org=organization_id, target=target_id, now=now).fetchall())

    return end_waiting


def forget(status: str, before: int) -> Callable[[Writer], int]:
    """A write that deletes up to `FORGET_ROWS` deliveries that ended so, and before that; returns how many."""

    def delete_old(writer: Writer) -> int:
        about = {"status": status, "before": before}
        if not writer.spread:
            return len(writer.execute(_FORGET, **about).fetchall())
        old = by_organization(writer.execute(_OLD, **about).fetchall())
        return sum(len(writer.execute(_FORGET_OF, org=org, ids=ids, **about).fetchall()) for org, ids in old.items())

    return delete_old


def settle(rows: Sequence[NoticeDelivery]) -> Callable[[Writer], int]:
    """A write of how claimed deliveries ended, or when they are due again; returns how many were still ours."""

    def work(writer: Writer) -> int:
        done = 0
        for row in rows:
            new = {f"new_{name}": getattr(row, name) for name in _SETTLED}
            cursor = writer.execute(_SETTLE, org=row.organization_id, delivery=row.id, seen=row.generation, **new)
            done += cursor.rowcount
        return done

    return work


_SETTLED = ("status", "tries", "due_at", "lease_until", "answer", "last_error", "finished_at")


def replay_since(organization_id: str, target_id: str, since: int, asked: int) -> Callable[[Writer], list[int]]:
    """A write that begins up to `REPLAY_ROWS` ended deliveries again; returns when each was made.

    Deliveries are begun again in that order: what follows goes on at the latest of these times.
    """

    def begin_again(writer: Writer) -> list[int]:
        rows = writer.execute(_AGAIN, org=organization_id, target=target_id, since=since, asked=asked).fetchall()
        return sorted(int(row[0]) for row in rows)

    return begin_again
