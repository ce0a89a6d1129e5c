"""The Stripe events of an organization's accounts, archived ones with them."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    FromClause,
    Select,
    Table,
    TextClause,
    and_,
    exists,
    func,
    or_,
    select,
    text,
    union_all,
)

from roony.store.database import Database
from roony.store.inbox import ARCHIVED
from roony.store.queries.paging import Page, Slice, cut, keyset
from roony.store.rows import InboxEvent
from roony.store.tables import UNFINISHED_EVENT, connections, inbox, inbox_archive

# Whoever wants to know more exactly than "many" looks into the database.
MAX_COUNTED = 10_000
_BOTH = (inbox, inbox_archive)


def event_page(
    database: Database,
    organization_id: str,
    wanted: Slice,
    status: str | None = None,
    kind: str | None = None,
    object_id: str | None = None,
) -> Page[InboxEvent]:
    """Stripe events of an organization, newest first; with what is given, only those of which it is true."""
    # Read in parts, each in the order of an index: together they would be sorted anew for each page.
    parts = [
        keyset(select(table).where(mine, *like), wanted, table.c.received_at, table.c.id).subquery()
        for table in _BOTH
        for like in [[*_like(table, status, kind, object_id), _counts(table)]]
        for mine in of_organization(table, organization_id)
    ]
    all_parts = union_all(*(select(part) for part in parts)).subquery()
    statement = keyset(select(all_parts), wanted, all_parts.c.received_at, all_parts.c.id)
    rows = [InboxEvent(*values) for values in database.read(statement)]
    return cut(rows, wanted, lambda row: (row.received_at, row.id))


def find_event(database: Database, organization_id: str, event_id: str) -> InboxEvent | None:
    """One event, if it is of this organization."""
    for table in _BOTH:
        mine = or_(*of_organization(table, organization_id))
        statement: Select[tuple[object, ...]] = select(table).where(mine, table.c.id == event_id)
        rows = database.read(statement.where(_counts(table)))
        if rows:
            return InboxEvent(*rows[0])
    return None


def ownerless_events(database: Database) -> int:
    """Events of accounts that nobody here has connected, counted up to MAX_COUNTED: no list shows them to anybody."""
    some = (
        select(inbox.c.id)
        .where(inbox.c.organization_id.is_(None), inbox.c.status == "ignored")
        .limit(MAX_COUNTED)
        .subquery()
    )
    return int(database.read(select(func.count()).select_from(some))[0][0])


def _counts(table: Table) -> ColumnElement[bool]:
    """Of an event that came again after it was archived, the first row is the one to show."""
    return or_(table.c.reason.is_(None), table.c.reason != ARCHIVED)


def _like(
    table: Table, status: str | None, kind: str | None, object_id: str | None
) -> Iterator[ColumnElement[bool] | TextClause]:
    """Conditions for what is given. Most events are applied; those that are not have an index of their own."""
    if kind is not None:
        yield table.c.type == kind
    if object_id is not None:
        yield table.c.object_id == object_id
    if status is not None:
        yield table.c.status == status
    if status not in (None, "applied"):
        yield text(UNFINISHED_EVENT)


def of_organization(table: FromClause, organization_id: str | BindParameter[str]) -> Iterator[ColumnElement[bool]]:
    """Events that were given to the organization; and those that wait and came from one of its Stripe accounts."""
    yield table.c.organization_id == organization_id
    account = exists().where(
        connections.c.organization_id == organization_id,
        connections.c.status != "revoked",
        connections.c.livemode == table.c.livemode,
        or_(
            connections.c.stripe_account == table.c.account,
            and_(table.c.account.is_(None), connections.c.kind == "direct"),
        ),
    )
    yield and_(table.c.organization_id.is_(None), account)
