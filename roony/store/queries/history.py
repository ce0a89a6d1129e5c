"""What has happened: the audit chain in order, and the Stripe events of an organization's accounts."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Select, TextClause, and_, exists, func, or_, select, text, union_all

from roony.core.agent import Organization
from roony.core.audit import AuditRecord, Broken, verify
from roony.store.database import Database
from roony.store.queries.paging import Page, Slice, cut, keyset
from roony.store.tables import UNFINISHED_EVENT, InboxEvent, audit_records, connections, inbox, organizations

# Whoever wants to know more exactly than "many" looks into the database.
MAX_COUNTED = 10_000
# Ids in one statement.
IDS_AT_ONCE = 500


def audit_page(
    database: Database, organization_id: str, wanted: Slice, *where: ColumnElement[bool]
) -> Page[AuditRecord]:
    """Records of one organization's chain, newest first."""
    statement = keyset(
        select(audit_records).where(audit_records.c.organization_id == organization_id, *where),
        wanted,
        audit_records.c.sequence,
    )
    rows = [AuditRecord(*values) for values in database.read(statement)]
    return cut(rows, wanted, lambda row: (row.sequence,))


def audit_from(database: Database, organization_id: str, after: int, limit: int) -> list[AuditRecord]:
    """The next records of a chain behind number `after`, in order: what an export and a verification read."""
    statement = (
        select(audit_records)
        .where(audit_records.c.organization_id == organization_id, audit_records.c.sequence > after)
        .order_by(audit_records.c.sequence)
        .limit(limit)
    )
    return [AuditRecord(*values) for values in database.read(statement)]


def audit_between(
    database: Database, organization: Organization, since: int | None, until: int | None
) -> list[ColumnElement[bool]]:
    """Conditions for records of a time, microseconds UTC: from `since` on, and before `until`.

    Times never fall along a chain, so that both ends are found by halving; no index is needed.
    """
    sequence = audit_records.c.sequence
    where = [] if since is None else [sequence >= _first_from(database, organization, since)]
    return where if until is None else [*where, sequence < _first_from(database, organization, until)]


def _first_from(database: Database, organization: Organization, at: int) -> int:
    low, high = 1, organization.audit_sequence + 1
    while low < high:
        middle = (low + high) // 2
        found = audit_from(database, organization.id, middle - 1, 1)
        low, high = (middle + 1, high) if found and found[0].at < at else (low, middle)
    return low


def check_chain(
    database: Database, organization: Organization, after: tuple[int, str], limit: int
) -> tuple[Broken | None, tuple[int, str]]:
    """Verifies the next `limit` records behind `after`, (sequence, hash), up to the head in the organization's row.

    Returns the first break, and how far the chain was looked at.
    """
    head = (organization.audit_sequence, organization.audit_hash)
    end = min(after[0] + limit, head[0])
    records = audit_from(database, organization.id, after[0], end - after[0]) if end > after[0] else []
    broken = verify(records, head if end >= head[0] else None, after)
    return broken, (records[-1].sequence, records[-1].hash) if records else after


def audit_heads(database: Database, organization_ids: Sequence[str]) -> dict[str, int]:
    """The number of the last record of each of these chains; an unknown organization is left out."""
    columns = (organizations.c.id, organizations.c.audit_sequence)
    heads: dict[str, int] = {}
    for start in range(0, len(organization_ids), IDS_AT_ONCE):
        some = organization_ids[start : start + IDS_AT_ONCE]
        heads |= {
            str(id): int(head) for id, head in database.read(select(*columns).where(organizations.c.id.in_(some)))
        }
    return heads


def event_page(
    database: Database, organization_id: str, wanted: Slice, *where: ColumnElement[bool] | TextClause
) -> Page[InboxEvent]:
    """Stripe events of an organization, newest first."""
    # Read in two parts, each in the order of an index: together they would be sorted anew for each page.
    parts = [
        keyset(select(inbox).where(mine, *where), wanted, inbox.c.received_at, inbox.c.id).subquery()
        for mine in (inbox.c.organization_id == organization_id, _waits_for(organization_id))
    ]
    both = union_all(*(select(part) for part in parts)).subquery()
    statement = select(both).order_by(both.c.received_at.desc(), both.c.id.desc()).limit(wanted.limit + 1)
    rows = [InboxEvent(*values) for values in database.read(statement)]
    return cut(rows, wanted, lambda row: (row.received_at, row.id))


def with_status(status: str | None) -> list[ColumnElement[bool] | TextClause]:
    """Conditions for events of this status, any if None; most are applied, the others have an index of their own."""
    if status is None:
        return []
    mine = inbox.c.status == status
    return [mine] if status == "applied" else [mine, text(UNFINISHED_EVENT)]


def find_event(database: Database, organization_id: str, event_id: str) -> InboxEvent | None:
    """One event, if it is of this organization."""
    statement: Select[tuple[object, ...]] = select(inbox).where(_is_of(organization_id), inbox.c.id == event_id)
    rows = database.read(statement)
    return InboxEvent(*rows[0]) if rows else None


def ownerless_events(database: Database) -> int:
    """Events of accounts that nobody here has connected, counted up to MAX_COUNTED: no list shows them to anybody."""
    some = (
        select(inbox.c.id)
        .where(inbox.c.organization_id.is_(None), inbox.c.status == "ignored")
        .limit(MAX_COUNTED)
        .subquery()
    )
    return int(database.read(select(func.count()).select_from(some))[0][0])


def _is_of(organization_id: str) -> ColumnElement[bool]:
    """An event that was given to the organization, or that waits and came from one of its Stripe accounts."""
    return or_(inbox.c.organization_id == organization_id, _waits_for(organization_id))


def _waits_for(organization_id: str) -> ColumnElement[bool]:
    account = exists().where(
        connections.c.organization_id == organization_id,
        connections.c.status != "revoked",
        connections.c.livemode == inbox.c.livemode,
        or_(
            connections.c.stripe_account == inbox.c.account,
            and_(inbox.c.account.is_(None), connections.c.kind == "direct"),
        ),
    )
    return and_(inbox.c.organization_id.is_(None), account)
