"""Checkpoints and the keys that sign them: which chains are due, the next one written once, and proofs of records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Insert, and_, bindparam, func, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from roony.core.audit import INSTALLATION, AuditRecord
from roony.core.checkpoint import Checkpoint
from roony.core.merkle import path_of
from roony.store.database import Database
from roony.store.queries.paging import Page, Slice, cut, keyset
from roony.store.rows import SigningKey
from roony.store.tables import audit_checkpoints, audit_records, organizations, signing_keys
from roony.store.writer import Writer

# Chains that one look finds.
AT_ONCE = 4

_KEEP: dict[str, Insert] = {
    "sqlite": sqlite.insert(audit_checkpoints).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(audit_checkpoints).on_conflict_do_nothing(),
}
_NEWEST = (
    select(audit_checkpoints)
    .where(audit_checkpoints.c.organization_id == bindparam("organization"))
    .order_by(audit_checkpoints.c.number.desc())
    .limit(1)
)
_LAST_NUMBER = (
    select(func.max(audit_checkpoints.c.number))
    .where(audit_checkpoints.c.organization_id == organizations.c.id)
    .correlate(organizations)
    .scalar_subquery()
)
_SIGNED = func.coalesce(audit_checkpoints.c.sequence, 0)
_DUE = (
    select(organizations.c.id)
    .outerjoin(
        audit_checkpoints,
        and_(audit_checkpoints.c.organization_id == organizations.c.id, audit_checkpoints.c.number == _LAST_NUMBER),
    )
    .where(
        organizations.c.id > bindparam("after"),
        organizations.c.audit_sequence > _SIGNED,
        or_(
            organizations.c.audit_sequence >= _SIGNED + bindparam("records", type_=BigInteger),
            func.coalesce(audit_checkpoints.c.at, 0) <= bindparam("before"),
        ),
    )
    .order_by(organizations.c.id)
    .limit(AT_ONCE)
)


class Proof(NamedTuple):
    """That a record is among those of a checkpoint: the nodes beside its way to the root (core/merkle.py)."""

    checkpoint: Checkpoint
    path: list[str]


def due(database: Database, after: str, records: int, before: int) -> list[str]:
    """The next AT_ONCE organizations behind the id `after` of whose chain something is not signed, and is to be.

    That is: so many `records`, or the last checkpoint is from `before` or earlier, microseconds UTC; or none is there.
    """
    given = {"after": after, "records": records, "before": before}
    return [str(row[0]) for row in database.read(_DUE, given)]


def newest(database: Database, organization_id: str) -> Checkpoint | None:
    """The last checkpoint of a chain."""
    rows = database.read(_NEWEST, {"organization": organization_id})
    return Checkpoint(*rows[0]) if rows else None


def keep(checkpoint: Checkpoint) -> Callable[[Writer], bool]:
    """A write that keeps the next checkpoint of a chain; False where somebody else wrote that one before."""

    def keep_first(writer: Writer) -> bool:
        return bool(writer.execute(_KEEP[writer.backend], **checkpoint._asdict()).rowcount == 1)

    return keep_first


def checkpoint_page(database: Database, organization_id: str, wanted: Slice) -> Page[Checkpoint]:
    """Checkpoints of one organization, newest first."""
    of_organization = select(audit_checkpoints).where(audit_checkpoints.c.organization_id == organization_id)
    statement = keyset(of_organization, wanted, audit_checkpoints.c.number)
    rows = [Checkpoint(*values) for values in database.read(statement)]
    return cut(rows, wanted, lambda row: (row.number,))


def checkpoints_after(database: Database, organization_id: str, sequence: int, limit: int) -> list[Checkpoint]:
    """The next checkpoints that are over records behind this number, in order."""
    table = audit_checkpoints.c
    statement = select(audit_checkpoints).where(table.organization_id == organization_id, table.sequence > sequence)
    return [Checkpoint(*values) for values in database.read(statement.order_by(table.sequence).limit(limit))]


def records_about(database: Database, organization_id: str, subjects: Sequence[str], limit: int) -> list[AuditRecord]:
    """The first records of a chain that are about one of these, in order."""
    table = audit_records.c
    statement = select(audit_records).where(table.organization_id == organization_id, table.subject.in_(subjects))
    return [AuditRecord(*values) for values in database.read(statement.order_by(table.sequence).limit(limit))]


def proofs(database: Database, organization_id: str, sequences: Sequence[int]) -> dict[int, Proof]:
    """By number, the proof of each of these records; one that no checkpoint is over yet is left out."""
    found: dict[int, Proof] = {}
    for sequence in sorted(sequences):
        if sequence in found:
            continue
        after = checkpoints_after(database, organization_id, sequence - 1, 1)
        if not after:
            break
        [checkpoint] = after
        hashes = _hashes(database, checkpoint)
        inside = [one for one in sequences if checkpoint.first_sequence <= one <= checkpoint.sequence]
        found |= {one: Proof(checkpoint, path_of(hashes, one - checkpoint.first_sequence)) for one in inside}
    return found


def _hashes(database: Database, checkpoint: Checkpoint) -> list[str]:
    table = audit_records.c
    statement = select(table.hash).where(
        table.organization_id == checkpoint.organization_id,
        table.sequence >= checkpoint.first_sequence,
        table.sequence <= checkpoint.sequence,
    )
    return [str(row[0]) for row in database.read(statement.order_by(table.sequence))]


def signing_keys_of(database: Database) -> list[SigningKey]:
    """The installation's keys, the newest first: that one signs."""
    statement: Any = select(signing_keys).where(signing_keys.c.organization_id == INSTALLATION)
    return [SigningKey(*values) for values in database.read(statement.order_by(signing_keys.c.id.desc()))]
