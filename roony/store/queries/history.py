"""What has happened: the audit chain in order."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, select

from roony.core.agent import Organization
from roony.core.audit import AuditRecord, Broken, verify
from roony.store.database import Database
from roony.store.queries.paging import Page, Slice, cut, keyset
from roony.store.tables import audit_records, organizations

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
