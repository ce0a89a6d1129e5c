"""The audit chain: canonical JSON, hash-linked records, and a verification that needs no database."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NamedTuple, get_type_hints

from roony.core.hashing import text_hash

# The hash before the first record of every chain.
GENESIS = "0" * 64
# Who acts when no person and no agent does.
ROONY = "roony"
STRIPE = "stripe"
# The chain of the installation itself: records that belong to no organization.
INSTALLATION = "installation"


class AuditRecord(NamedTuple):
    """One change: who did what to which subject. `body` is canonical JSON; `at` is microseconds UTC."""

    organization_id: str
    sequence: int
    id: str
    at: int
    actor: str
    action: str
    subject: str
    body: str
    previous_hash: str
    hash: str


class AuditDraft(NamedTuple):
    """A record before it has its number: made while commands are applied, chained when the batch is written."""

    organization_id: str
    actor: str
    action: str
    subject: str
    body: dict[str, Any]
    at: int


class Broken(NamedTuple):
    """Where a chain stops being true: the sequence of the first bad record and what is wrong with it."""

    sequence: int
    problem: str


_FIELDS = get_type_hints(AuditRecord)
# A body holds no circle: looking for one at every step takes half of the time.
_encode = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, check_circular=False
).encode


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces, so that equal content has equal bytes. Raises ValueError for NaN."""
    return _encode(value)


def link(
    previous_hash: str, organization_id: str, sequence: int, at: int, actor: str, action: str, subject: str, body: str
) -> str:
    """The hash of one record over its predecessor's hash and all of its own fields, lower-case hex SHA-256.

    Raises ValueError for a field with a line break: it could pass for the end of the field.
    """
    text = "\n".join((previous_hash, organization_id, str(sequence), str(at), actor, action, subject, body))
    if text.count("\n") != 7:
        raise ValueError("a field of an audit record must be one line")
    return text_hash(text)


def chain_record(draft: AuditDraft, sequence: int, previous_hash: str) -> AuditRecord:
    """Numbers and hashes one draft. The id is derived from the hash, so the same chain always has the same ids."""
    body = canonical(draft.body)
    digest = link(
        previous_hash, draft.organization_id, sequence, draft.at, draft.actor, draft.action, draft.subject, body
    )
    return AuditRecord(
        draft.organization_id,
        sequence,
        f"aud_{digest[:24]}",
        draft.at,
        draft.actor,
        draft.action,
        draft.subject,
        body,
        previous_hash,
        digest,
    )


def verify(
    records: Iterable[AuditRecord], expected_head: tuple[int, str] | None = None, after: tuple[int, str] = (0, GENESIS)
) -> Broken | None:
    """Checks one organization's records in order; returns the first break, or None.

    `after` is (sequence, hash) of the record before the first of them, which was checked before.

    `expected_head` is (sequence, hash) of the last record as known from elsewhere; without it a cut-off tail cannot
    be seen, since what remains is still a true chain.
    """
    (sequence, previous), organization_id = after, None
    for record in records:
        organization_id = organization_id or record.organization_id
        problem = record_problem(record, sequence, previous, organization_id)
        if problem:
            return Broken(record.sequence, problem)
        sequence, previous = record.sequence, record.hash
    if expected_head is not None and expected_head != (sequence, previous):
        return Broken(sequence + 1, f"the chain should end at record {expected_head[0]}, it ends at {sequence}")
    return None


def record_problem(record: AuditRecord, sequence: int, previous: str, organization_id: str) -> str | None:
    """Why a record does not follow the one with this number and hash, or is not what was written; None if it is."""
    if record.organization_id != organization_id:
        return f"belongs to {record.organization_id}, not to {organization_id}"
    if record.sequence != sequence + 1:
        return f"follows record {sequence}: records are missing or out of order"
    if record.previous_hash != previous:
        return "does not name the hash of the record before it"
    return content_problem(record)


def content_problem(record: AuditRecord) -> str | None:
    """Why a record, looked at alone, is not what was written; None if its hash fits its content."""
    try:
        digest = link(
            record.previous_hash,
            record.organization_id,
            record.sequence,
            record.at,
            record.actor,
            record.action,
            record.subject,
            record.body,
        )
    except ValueError:
        return "was changed: one of its fields holds a line break"
    if digest != record.hash:
        return "was changed: its hash does not fit its content"
    if record.id != f"aud_{digest[:24]}":
        return "has an id that does not fit its hash"
    return None


def read_record(value: Any) -> AuditRecord | None:
    """A record out of JSON; None where fields are missing, added or of another type."""
    # `type(...) is` and not isinstance: true is no sequence number.
    if not isinstance(value, dict) or set(value) != set(_FIELDS):
        return None
    if any(type(value[name]) is not kind for name, kind in _FIELDS.items()):
        return None
    return AuditRecord(**value)
