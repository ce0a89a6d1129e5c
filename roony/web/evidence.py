"""The evidence of one purchase as JSON: what is said of it, its audit records and their proofs (docs/audit.md)."""

from __future__ import annotations

from typing import Any

from roony.core.agent import Organization
from roony.core.audit import AuditRecord
from roony.core.evidence import FORMAT, VERSION
from roony.store.checkpoints import Proof
from roony.store.queries.disputes import DisputeView
from roony.store.queries.evidence import Evidence
from roony.web import answers
from roony.web.receipts import shown as shown_receipt


def shown_evidence(organization: Organization, all_of: Evidence, now: int) -> dict[str, Any]:
    """The bundle; `now` in microseconds UTC. Card numbers are nowhere in it, since they are nowhere in Roony."""
    parts = all_of.parts
    purchase = parts.view.purchase
    checkpoints = {proof.checkpoint.number: proof.checkpoint for proof in all_of.proofs.values()}
    decided = [(purchase.id, purchase.decision), *((row.id, row.decision) for row in reversed(parts.approvals))]
    return {
        "format": FORMAT, "version": VERSION, "made_at": answers.time(now),
        "organization": {"id": organization.id, "name": organization.name},
        "purchase": answers.purchase(parts.view),
        "decisions": [{"of": id, "text": text} for id, text in decided if text is not None],
        "approvals": [answers.approval(row, now) for row in reversed(parts.approvals)],
        "cards": [answers.card(row) for row in reversed(parts.cards)],
        "authorizations": [
            answers.authorization(one.authorization, one.decisions) for one in reversed(parts.authorizations)
        ],
        "stripe_transactions": [answers.stripe_transaction(row) for row in reversed(parts.transactions)],
        "disputes": [answers.dispute(DisputeView(row, purchase.id)) for row in reversed(parts.disputes)],
        "discrepancies": [answers.discrepancy(row) for row in reversed(parts.discrepancies)],
        "receipts": [shown_receipt(row) for row in reversed(parts.receipts)],
        "complete": all_of.complete,
        "records": [{"record": row._asdict(), "proof": _proof(all_of.proofs, row)} for row in all_of.told],
        "withheld": [
            {"sequence": row.sequence, "hash": row.hash, "proof": _proof(all_of.proofs, row)}
            for row in all_of.withheld
        ],
        "checkpoints": [checkpoints[number]._asdict() for number in sorted(checkpoints)],
    }  # fmt: skip


def _proof(proofs: dict[int, Proof], record: AuditRecord) -> dict[str, Any] | None:
    proof = proofs.get(record.sequence)
    return {"checkpoint": proof.checkpoint.number, "path": proof.path} if proof is not None else None
