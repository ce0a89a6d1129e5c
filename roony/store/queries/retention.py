"""What retention finds that is old enough to go, and which of it somebody may still need."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, bindparam, literal, or_, select, text

from roony.store.database import Database
from roony.store.over import is_handled, is_over
from roony.store.tables import (
    WITH_CONTENT,
    WITH_PAYLOAD,
    authorizations,
    cards,
    connections,
    discrepancies,
    disputes,
    inbox,
    inbox_archive,
    purchases,
    receipts,
    stripe_transactions,
)

# Rows that one look reads.
PAGE = 100
# A dispute that came to an end.
_ENDED = ("won", "lost", "expired")

# When it was received or handed in, in microseconds UTC, and its id.
Place = tuple[int, str]
BEGINNING: Place = (0, "")
# Where events are looked for: one after the other.
TABLES = (inbox, inbox_archive)


class EventThere(NamedTuple):
    """An event that is old enough and has its payload, of which the SHA-256 is told. `organization_id` may be None."""

    received_at: int
    id: str
    organization_id: str | None
    object_id: str | None
    reason: str | None
    sha256: str


class ReceiptThere(NamedTuple):
    """A receipt that is old enough and has its content; `over` says that nothing more comes of its purchase."""

    created_at: int
    id: str
    organization_id: str
    purchase_id: str
    size: int
    over: bool


def _behind(at: ColumnElement[int], id: ColumnElement[str]) -> ColumnElement[bool]:
    return and_(at >= bindparam("at"), or_(at > bindparam("at"), id > bindparam("id")))


OLD_EVENTS = {
    table.name: select(
        table.c.received_at, table.c.id, table.c.organization_id, table.c.object_id, table.c.reason, table.c.payload
    )
    .where(text(WITH_PAYLOAD), is_handled(bindparam("before"), table), _behind(table.c.received_at, table.c.id))
    .order_by(table.c.received_at, table.c.id)
    .limit(PAGE)
    for table in TABLES
}
# Some receipts, not some of purchases that are over: a look takes as long however few of them are.
_SOME_RECEIPTS = (
    select(receipts.c.created_at, receipts.c.id, receipts.c.organization_id, receipts.c.purchase_id, receipts.c.size)
    .where(
        text(WITH_CONTENT), receipts.c.created_at < bindparam("before"), _behind(receipts.c.created_at, receipts.c.id)
    )
    .order_by(receipts.c.created_at, receipts.c.id)
    .limit(PAGE)
    .subquery()
)
OLD_RECEIPTS = (
    select(_SOME_RECEIPTS, is_over(bindparam("before")).label("over"))
    .select_from(
        _SOME_RECEIPTS.join(
            purchases,
            and_(
                purchases.c.organization_id == _SOME_RECEIPTS.c.organization_id,
                purchases.c.id == _SOME_RECEIPTS.c.purchase_id,
            ),
        )
    )
    .order_by(_SOME_RECEIPTS.c.created_at, _SOME_RECEIPTS.c.id)
)


def events_there(database: Database, table: str, before: int, after: Place) -> list[EventThere]:
    """The next events of a table behind `after` that came and were handled before `before`. Blocks: a cold read."""
    rows = database.read(OLD_EVENTS[table], {"before": before, "at": after[0], "id": after[1]})
    return [EventThere._make([*row, hashlib.sha256(payload).hexdigest()]) for *row, payload in rows]


def receipts_there(database: Database, before: int, after: Place) -> list[ReceiptThere]:
    """The next receipts behind `after` that were handed in before `before`. Blocks: a cold read."""
    rows = database.read(OLD_RECEIPTS, {"before": before, "at": after[0], "id": after[1]})
    return [ReceiptThere._make([*row, bool(over)]) for *row, over in rows]


def needed_objects(database: Database, organization_id: str, object_ids: Sequence[str], before: int) -> set[str]:
    """Those of Stripe's objects that are of a purchase that is not over, or that something open is about. Blocks."""
    org, of = organization_id, _about(database, organization_id, object_ids)
    waiting = purchases_needed(database, org, {purchase for purchase, _ in of.values() if purchase is not None}, before)
    subjects = {*object_ids, *(card for _, card in of.values())}
    open_ones = _open_subjects(database, org, subjects)
    disputed = _disputed(database, org, object_ids)
    return {
        id for id in object_ids
        if id in open_ones or id in disputed or (id in of and (of[id][0] in waiting or of[id][1] in open_ones))
    }  # fmt: skip


def _about(database: Database, organization_id: str, object_ids: Sequence[str]) -> dict[str, tuple[str | None, str]]:
    """By Stripe's id: the purchase and Stripe's card of an authorization, a capture or refund, or a card."""
    found: dict[str, tuple[str | None, str]] = {}
    for table in (authorizations, stripe_transactions):
        of = table.c
        mine = and_(of.organization_id == organization_id, of.id.in_(object_ids))
        found |= {
            r[0]: (r[1], r[2]) for r in database.read(select(of.id, of.purchase_id, of.stripe_card_id).where(mine))
        }
    accounts = select(connections.c.id).where(connections.c.organization_id == organization_id)
    cards_found = select(cards.c.stripe_card_id, cards.c.purchase_id).where(
        cards.c.organization_id == organization_id,
        cards.c.connection_id.in_(accounts),
        cards.c.stripe_card_id.in_(object_ids),
    )
    return found | {row[0]: (row[1], row[0]) for row in database.read(cards_found)}


def purchases_needed(database: Database, organization_id: str, purchase_ids: set[str], before: int) -> set[str]:
    """Those of the purchases that are not over since `before`, or that an open discrepancy is about. Blocks."""
    if not purchase_ids:
        return set()
    ids, of = sorted(purchase_ids), purchases.c
    mine = and_(of.organization_id == organization_id, of.id.in_(ids))
    over = {row[0] for row in database.read(select(of.id).where(mine, is_over(literal(before))))}
    found = discrepancies.c
    waiting = select(found.purchase_id).where(
        found.organization_id == organization_id, found.status == "open", found.purchase_id.in_(ids)
    )
    return (purchase_ids - over) | {row[0] for row in database.read(waiting)}


def _open_subjects(database: Database, organization_id: str, subjects: set[str]) -> set[str]:
    """Of these, what an open discrepancy is about."""
    found = discrepancies.c
    waiting = select(found.subject).where(
        found.organization_id == organization_id, found.status == "open", found.subject.in_(sorted(subjects))
    )
    return {row[0] for row in database.read(waiting)}


def _disputed(database: Database, organization_id: str, object_ids: Sequence[str]) -> set[str]:
    """Disputes that go on, and the captures that they are about."""
    of = disputes.c
    going_on = and_(of.organization_id == organization_id, of.status.not_in(_ENDED))
    reads = (
        select(of.id).where(going_on, of.id.in_(object_ids)),
        select(of.stripe_transaction_id).where(going_on, of.stripe_transaction_id.in_(object_ids)),
    )
    return {row[0] for statement in reads for row in database.read(statement)}


def is_finding_open(database: Database, organization_id: str, kind: str) -> bool:
    """Whether a discrepancy of this kind is open. Blocks."""
    found = discrepancies.c
    one = select(found.id).where(found.organization_id == organization_id, found.status == "open", found.kind == kind)
    return bool(database.read(one.limit(1)))
