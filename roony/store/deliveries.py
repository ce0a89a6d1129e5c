"""Notices on their way out: handed out from the audit chain with its cursor, claimed with a lease, and settled."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from sqlalchemy import bindparam, exists, func, literal_column, select, update

from roony.core.audit import AuditRecord
from roony.core.notification import NoticeDelivery
from roony.store.database import Database
from roony.store.tables import audit_records, notice_cursors, notice_deliveries, organizations, webhook_endpoints
from roony.store.writer import Writer

# A claimed delivery is ours for this long, in microseconds: longer than a claim of one receiver is worked on.
LEASE = 90_000_000
CLAIM_LIMIT = 32
# Receivers with something to send, at one look.
TARGET_LIMIT = 32
# Organizations whose chain has grown, at one look.
BEHIND_LIMIT = 20
# Rows of one write that begins deliveries again.
REPLAY_ROWS = 100

_BEHIND = (
    select(notice_cursors.c.organization_id, notice_cursors.c.sequence, organizations.c.audit_sequence)
    .join(organizations, organizations.c.id == notice_cursors.c.organization_id)
    .where(organizations.c.audit_sequence > notice_cursors.c.sequence)
    # By chance, so that those that stay behind do not keep the others out.
    .order_by(func.random())
    .limit(BEHIND_LIMIT)
)
_MOVE = (
    update(notice_cursors)
    .where(notice_cursors.c.organization_id == bindparam("org"), notice_cursors.c.sequence == bindparam("seen"))
    .values(sequence=bindparam("reached"))
)
# The status is written out, as in the index `notice_deliveries_due`: with it a look at one receiver touches the rows
# it takes and no others, however many millions wait for it or for others.
_IS_DUE = (
    notice_deliveries.c.status == literal_column("'pending'"),
    notice_deliveries.c.due_at <= bindparam("now"),
    notice_deliveries.c.lease_until <= bindparam("now"),
)
# Those that are disabled or removed too: what waits for them is ended. By chance, so that everyone gets a turn.
_TARGETS = (
    select(webhook_endpoints.c.organization_id, webhook_endpoints.c.id)
    .where(
        webhook_endpoints.c.id.not_in(bindparam("busy", expanding=True)),
        exists().where(
            notice_deliveries.c.organization_id == webhook_endpoints.c.organization_id,
            notice_deliveries.c.target_id == webhook_endpoints.c.id,
            *_IS_DUE,
        ),
    )
    .order_by(func.random())
    .limit(TARGET_LIMIT)
)
# One statement however many rows, since money waits behind it; a row another process holds is left to it.
_DUE = (
    select(notice_deliveries.c.organization_id, notice_deliveries.c.id)
    .where(
        notice_deliveries.c.organization_id == bindparam("org"),
        notice_deliveries.c.target_id == bindparam("target"),
        *_IS_DUE,
    )
    .order_by(notice_deliveries.c.due_at, notice_deliveries.c.sequence, notice_deliveries.c.place)
    .limit(CLAIM_LIMIT)
    .with_for_update(skip_locked=True)
    .cte("due")
)
_CLAIM = (
    update(notice_deliveries)
    .where(notice_deliveries.c.organization_id == _DUE.c.organization_id, notice_deliveries.c.id == _DUE.c.id)
    .values(lease_until=bindparam("until"), generation=notice_deliveries.c.generation + 1)
    .returning(*notice_deliveries.c)
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
        notice_deliveries.c.organization_id == bindparam("org"),
        notice_deliveries.c.target_id == bindparam("target"),
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
)


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
        if writer.execute(_MOVE, org=organization_id, seen=seen, reached=reached).rowcount != 1:
            return False
        writer.write_rows(notice_deliveries, rows)
        return True

    return move_and_add


def due_targets(database: Database, now: int, busy: Collection[str]) -> list[tuple[str, str]]:
    """Receivers with a delivery to claim, by organization and id; none of the `busy` ones. Blocks."""
    return [(str(org), str(id)) for org, id in database.read(_TARGETS, {"now": now, "busy": list(busy)})]


def claim(now: int, organization_id: str, target_id: str) -> Callable[[Writer], list[NoticeDelivery]]:
    """A write that takes up to `CLAIM_LIMIT` deliveries of one receiver that are due, in order."""

    def work(writer: Writer) -> list[NoticeDelivery]:
        about = {"org": organization_id, "target": target_id, "now": now, "until": now + LEASE}
        rows = writer.execute(_CLAIM, **about).fetchall()
        return sorted((NoticeDelivery(*row) for row in rows), key=lambda row: (row.due_at, row.sequence, row.place))

    return work


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


def replay_since(organization_id: str, target_id: str, since: int, asked: int) -> Callable[[Writer], int]:
    """A write that begins up to `REPLAY_ROWS` ended deliveries again; returns how many, 0 at the end."""

    def begin_again(writer: Writer) -> int:
        cursor = writer.execute(_AGAIN, org=organization_id, target=target_id, since=since, asked=asked)
        return int(cursor.rowcount)

    return begin_again
