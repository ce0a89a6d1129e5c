"""Everything about one purchase, for its page: what belongs to it, its audit records, and the names in both."""

from __future__ import annotations

from typing import NamedTuple

from roony.core.audit import AuditRecord
from roony.core.evidence import MOST_PARTS
from roony.store.database import Database
from roony.store.queries.history import audit_page
from roony.store.queries.names import names_of
from roony.store.queries.paging import Slice
from roony.store.queries.purchase_parts import PurchaseParts, parts_of
from roony.store.tables import audit_records


class Everything(NamedTuple):
    """One purchase with its records, newest first; `names` by id of people, agent and project.

    `cut` is True where one of the lists has more than is here.
    """

    parts: PurchaseParts
    records: list[AuditRecord]
    names: dict[str, str]
    cut: bool


def everything_about(database: Database, organization_id: str, purchase_id: str) -> Everything | None:
    """All of one purchase, or None where the organization has no such purchase."""
    parts = parts_of(database, organization_id, purchase_id)
    if parts is None:
        return None
    records = audit_page(database, organization_id, Slice(MOST_PARTS), audit_records.c.subject == purchase_id)
    people = [person for row in parts.approvals for person in (row.decided_by, row.first_approved_by)]
    people += [row.resolved_by for row in parts.discrepancies] + [row.actor for row in records.rows]
    purchase = parts.view.purchase
    names = names_of(database, organization_id, [purchase.agent_id, purchase.project_id, *people])
    return Everything(parts, records.rows, names, parts.cut or records.next_cursor is not None)
