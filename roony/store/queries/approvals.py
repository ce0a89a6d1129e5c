"""Reads of approvals: what waits, soonest to end first; what was decided; who decided, by name."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import ColumnElement, and_, literal_column, or_, select

from roony.core.approval import Approval
from roony.store.database import Database
from roony.store.queries.paging import Page, Slice, cut, equal, keyset, newest_first
from roony.store.tables import access_keys, approvals, users


def in_status(status: str | None, now: int) -> list[ColumnElement[bool]]:
    """Conditions for one of STATUSES, or `waiting`: pending and partly approved; none for None.

    One that waits past its time counts as expired, whether or not the worker came by. `now` in microseconds UTC.
    """
    # A sum is in no index: found by the index of ends, all that wait would be sorted again, newest first.
    column, late = approvals.c.status, approvals.c.expires_at + 0 <= now
    waits, second = [column == "pending", ~late], approvals.c.first_approved_by.is_not(None)
    parts = {
        "waiting": waits, "pending": [*waits, ~second], "partly_approved": [*waits, second],
        "expired": [or_(column == "expired", and_(column == "pending", late))],
    }  # fmt: skip
    return [] if status is None else parts.get(status, [column == status])


def waiting_approvals(database: Database, organization_id: str, wanted: Slice, now: int) -> Page[Approval]:
    """What a person can still decide, soonest to end first."""
    # In the words of the index of those that wait.
    pending = approvals.c.status == literal_column("'pending'")
    statement = select(approvals).where(
        approvals.c.organization_id == organization_id, pending, approvals.c.expires_at > now
    )
    rows = database.read(keyset(statement, wanted, approvals.c.expires_at, approvals.c.id, descending=False))
    return cut([Approval(*row) for row in rows], wanted, lambda row: (row.expires_at, row.id))


def past_approvals(database: Database, organization_id: str, wanted: Slice, status: str | None) -> Page[Approval]:
    """Those kept as approved, denied or expired, or all there are, newest first.

    One whose time is over is kept as expired once the worker came by: so an index answers this, however many there are.
    """
    return newest_first(database, Approval, organization_id, wanted, *equal(Approval, {"status": status}))


def names_of(database: Database, organization_id: str, ids: Iterable[str | None]) -> dict[str, str]:
    """What people call those who decided, by their ids: users, and keys that belong to none."""
    wanted = sorted({id for id in ids if id is not None})
    if not wanted:
        return {}
    names: dict[str, str] = {}
    for table, form in ((users, "{}"), (access_keys, "the key “{}”")):
        statement = select(table.c.id, table.c.name).where(
            table.c.organization_id == organization_id, table.c.id.in_(wanted)
        )
        names |= {row.id: form.format(row.name) for row in database.read(statement)}
    return names
