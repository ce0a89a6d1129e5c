"""All of one purchase with the audit records that tell it, and the proof of each: what its evidence is made of."""

from __future__ import annotations

from typing import Any, NamedTuple

from roony.core.audit import AuditRecord
from roony.core.evidence import MOST_RECORDS, tells_of_others
from roony.store.checkpoints import Proof, proofs, records_about
from roony.store.database import Database
from roony.store.queries.purchase_parts import PurchaseParts, parts_of
from roony.store.queries.purchases import find_purchase

# How often one that changes is read again.
TRIES = 3


class Evidence(NamedTuple):
    """One purchase. `told` are its records, the oldest first, `withheld` those that tell of others too.

    `proofs` are by the number of the record. `complete` is False where there is more than is here.
    """

    parts: PurchaseParts
    told: list[AuditRecord]
    withheld: list[AuditRecord]
    proofs: dict[int, Proof]
    complete: bool


def evidence_of(database: Database, organization_id: str, purchase_id: str) -> Evidence | None:
    """All of one purchase, or None where the organization has no such purchase.

    What changes while it is read is read again, so that what is said of it and its records are of one moment.
    """
    for _ in range(TRIES):
        found = _read(database, organization_id, purchase_id)
        after = find_purchase(database, organization_id, purchase_id)
        if found is None or after is None or after.purchase == found.parts.view.purchase:
            return found
    return found


def _read(database: Database, organization_id: str, purchase_id: str) -> Evidence | None:
    parts = parts_of(database, organization_id, purchase_id)
    if parts is None:
        return None
    rows: list[Any] = [
        *parts.approvals, *parts.cards, *parts.transactions, *parts.discrepancies, *parts.receipts, *parts.disputes,
        *(one.authorization for one in parts.authorizations),
    ]  # fmt: skip
    records = records_about(database, organization_id, [purchase_id, *(row.id for row in rows)], MOST_RECORDS + 1)
    complete = not parts.cut and len(records) <= MOST_RECORDS
    records = records[:MOST_RECORDS]
    others = [record for record in records if tells_of_others(record, purchase_id)]
    told = [record for record in records if record not in others]
    proven = proofs(database, organization_id, [record.sequence for record in records])
    return Evidence(parts, told, others, proven, complete)
