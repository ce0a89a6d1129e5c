"""Reads of approvals: what waits, soonest to end first; what was decided; a first yes only where it counts."""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, exists, literal_column, or_, select

from roony.core.approval import Approval, as_it_counts
from roony.core.role import ROLES, may
from roony.core.user import User
from roony.store.database import Database
from roony.store.queries.paging import Page, Slice, cut, equal, find, keyset, newest_first
from roony.store.tables import approvals, users


def in_status(status: str | None, now: int) -> list[ColumnElement[bool]]:
    """Conditions for one of STATUSES, or `waiting`: pending and partly approved; none for None.

    One that waits past its time counts as expired, whether or not the worker came by, and one whose first yes counts no
    more as pending. `now` in microseconds UTC.
    """
    # A sum is in no index: found by the index of ends, all that wait would be sorted again, newest first.
    column, late = approvals.c.status, approvals.c.expires_at + 0 <= now
    waits, second = [column == "pending", ~late], _first_yes_counts()
    parts = {
        "waiting": waits, "pending": [*waits, ~second], "partly_approved": [*waits, second],
        "expired": [or_(column == "expired", and_(column == "pending", late))],
    }  # fmt: skip
    return [] if status is None else parts.get(status, [column == status])


def _first_yes_counts() -> ColumnElement[bool]:
    """What `core.approval.as_it_counts` says, for a list that is filtered."""
    return exists().where(
        users.c.organization_id == approvals.c.organization_id,
        users.c.id == approvals.c.first_approved_by,
        users.c.disabled_at.is_(None),
        users.c.role.in_([role for role in ROLES if may(role, "approve")]),
        users.c.approves_since <= approvals.c.first_approved_at,
    )


def as_they_count(database: Database, organization_id: str, rows: list[Approval]) -> list[Approval]:
    """The approvals as they count now, by the users as they are."""
    people = {row.first_approved_by for row in rows if row.status == "pending" and row.first_approved_by is not None}
    if not people:
        return rows
    statement = select(users).where(users.c.organization_id == organization_id, users.c.id.in_(sorted(people)))
    found = [User(*values) for values in database.read(statement)]
    return [as_it_counts(row, found) for row in rows]


def find_approval(database: Database, organization_id: str, id: str) -> Approval | None:
    """One approval as it counts now, or None where the organization has no such approval."""
    row = find(database, Approval, organization_id, id)
    return as_they_count(database, organization_id, [row])[0] if row is not None else None


def approval_page(
    database: Database, organization_id: str, wanted: Slice, status: str | None, now: int
) -> Page[Approval]:
    """Approvals as they count at `now`, newest first: those of one status, or all."""
    page = newest_first(database, Approval, organization_id, wanted, *in_status(status, now))
    return page._replace(rows=as_they_count(database, organization_id, page.rows))


def waiting_approvals(database: Database, organization_id: str, wanted: Slice, now: int) -> Page[Approval]:
    """What a person can still decide, soonest to end first."""
    # In the words of the index of those that wait.
    pending = approvals.c.status == literal_column("'pending'")
    statement = select(approvals).where(
        approvals.c.organization_id == organization_id, pending, approvals.c.expires_at > now
    )
    rows = database.read(keyset(statement, wanted, approvals.c.expires_at, approvals.c.id, descending=False))
    counted = as_they_count(database, organization_id, [Approval(*row) for row in rows])
    return cut(counted, wanted, lambda row: (row.expires_at, row.id))


def past_approvals(database: Database, organization_id: str, wanted: Slice, status: str | None) -> Page[Approval]:
    """Those kept as approved, denied or expired, or all there are, newest first.

    One whose time is over is kept as expired once the worker came by: so an index answers this, however many there are.
    """
    page = newest_first(database, Approval, organization_id, wanted, *equal(Approval, {"status": status}))
    return page._replace(rows=as_they_count(database, organization_id, page.rows))
