"""What retention takes away: payloads of Stripe's events, and contents of receipts, with a record of how much it was.

The rows stay, with id, type, hash and times: an event that comes again is known, and a receipt is still the one that
the audit chain tells of. Only what still fits when it is written goes, and only that is counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Table, Update, and_, bindparam, delete, exists, select, update

from roony.core.audit import INSTALLATION, ROONY, AuditDraft
from roony.store.over import is_handled, is_over
from roony.store.tables import inbox, inbox_archive, purchases, receipt_contents, receipts
from roony.store.writer import Writer

# Of one write, since money waits behind it: events, and receipts with their bytes.
EVENTS_AT_ONCE = 50
RECEIPTS_AT_ONCE = 25


class OldEvent(NamedTuple):
    """An event whose payload may go, and what its SHA-256 is."""

    id: str
    sha256: str


class Removal(NamedTuple):
    """What is to go of one organization, or of nobody's accounts: only what was over before `before`, microseconds."""

    organization_id: str
    before: int
    events: tuple[OldEvent, ...] = ()
    receipts: tuple[str, ...] = ()


def _empty(table: Table, mine: ColumnElement[bool]) -> Update:
    old = and_(mine, is_handled(bindparam("before"), table), table.c.payload_removed_at.is_(None))
    return (
        update(table)
        .where(table.c.id == bindparam("event_id"), old)
        .values(payload=b"", payload_sha256=bindparam("digest"), payload_removed_at=bindparam("at"))
    )


# In both tables: an event may be archived between the look and the write.
_OF_ONE = {table.name: _empty(table, table.c.organization_id == bindparam("org")) for table in (inbox, inbox_archive)}
_OF_NOBODY = {table.name: _empty(table, table.c.organization_id.is_(None)) for table in (inbox, inbox_archive)}

_OVER = (
    exists()
    .where(
        purchases.c.organization_id == bindparam("org"),
        purchases.c.id == receipts.c.purchase_id,
        is_over(bindparam("before")),
    )
    .correlate(receipts)
)
_THESE = and_(receipts.c.organization_id == bindparam("org"), receipts.c.id.in_(bindparam("ids", expanding=True)))
_OLD_RECEIPTS = select(receipts.c.id).where(_THESE, receipts.c.content_removed_at.is_(None), _OVER)
_MARK_RECEIPTS = update(receipts).where(_THESE).values(content_removed_at=bindparam("at"))
_DELETE_CONTENTS = delete(receipt_contents).where(
    receipt_contents.c.organization_id == bindparam("org"),
    receipt_contents.c.id.in_(bindparam("ids", expanding=True)),
)


def remove(writer: Writer, removals: Iterable[Removal], clocks: dict[str, int]) -> Iterable[AuditDraft]:
    """Removes it in the commit of a batch that has the organizations' locks; a record for each that lost something."""
    for removal in removals:
        at = clocks[removal.organization_id]
        body: dict[str, Any] = {"before": removal.before}
        events = _empty_events(writer, removal, at)
        gone = _remove_receipts(writer, removal, at) if removal.receipts else []
        if events:
            body["events"] = events
        if gone:
            body["receipts"] = gone
        if events or gone:
            org = removal.organization_id
            yield AuditDraft(org, ROONY, "retention.removed", org, body, at)


def _empty_events(writer: Writer, removal: Removal, at: int) -> int:
    org = removal.organization_id
    # What came of accounts that nobody has connected is on the installation's own chain.
    number = 0
    for event in removal.events:
        about = {"event_id": event.id, "digest": event.sha256, "before": removal.before, "at": at}
        for table in ("inbox", "inbox_archive"):
            if org == INSTALLATION:
                number += writer.execute(_OF_NOBODY[table], **about).rowcount
            else:
                number += writer.execute(_OF_ONE[table], **about, org=org).rowcount
    return number


def _remove_receipts(writer: Writer, removal: Removal, at: int) -> Sequence[str]:
    org = removal.organization_id
    found = writer.execute(_OLD_RECEIPTS, org=org, ids=list(removal.receipts), before=removal.before).fetchall()
    ids = sorted(row[0] for row in found)
    if ids:
        writer.execute(_MARK_RECEIPTS, org=org, ids=ids, at=at)
        writer.execute(_DELETE_CONTENTS, org=org, ids=ids)
    return ids
