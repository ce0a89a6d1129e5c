"""Audit chains of a made-up organization with signed checkpoints, as an export has them, made without a database."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from roony.core.audit import GENESIS, AuditDraft, AuditRecord, chain_record
from roony.core.checkpoint import Checkpoint, next_checkpoint
from roony.store.signing import new_pair, sign

Line = dict[str, Any]
PRIVATE_KEY, PUBLIC_KEY = new_pair()


def records_of(count: int, organization_id: str = "org_1", start: int = 100) -> list[AuditRecord]:
    """A true chain: one asks for more and more."""
    records: list[AuditRecord] = []
    for number in range(1, count + 1):
        body = {"amount": start * number, "merchant": "Café"}
        draft = AuditDraft(organization_id, "agt_1", "purchase.asked", f"pur_{number}", body, number * 1_000_000)
        records.append(chain_record(draft, number, records[-1].hash if records else GENESIS))
    return records


def signed(
    records: Sequence[AuditRecord], ends: Sequence[int], private_key: str = PRIVATE_KEY, public_key: str = PUBLIC_KEY
) -> list[Checkpoint]:
    """Checkpoints that end at these numbers."""
    found: list[Checkpoint] = []
    for end in ends:
        last = found[-1] if found else None
        some = records[last.sequence if last else 0 : end]
        made = next_checkpoint(last, some, some[-1].at + 1, public_key, lambda text: sign(private_key, text))
        found.append(made)
    return found


def lines_of(records: Sequence[AuditRecord], checkpoints: Sequence[Checkpoint] = ()) -> list[Line]:
    """The lines of an export: records, each checkpoint behind its last one, and the head."""
    behind = {checkpoint.sequence: checkpoint for checkpoint in checkpoints}
    lines: list[Line] = []
    for record in records:
        lines.append(record._asdict())
        if record.sequence in behind:
            lines.append({"checkpoint": behind[record.sequence]._asdict()})
    head = {"sequence": records[-1].sequence, "hash": records[-1].hash} if records else {"sequence": 0, "hash": GENESIS}
    return [*lines, {"head": head}]


def text_of(lines: Sequence[Line]) -> list[str]:
    """The same as text."""
    return [json.dumps(line) for line in lines]
