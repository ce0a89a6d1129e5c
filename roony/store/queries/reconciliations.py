"""What a reconciliation reads here: how its connection stands, and which of the objects Stripe lists are known."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select, TextClause, and_, case, func, select, text

from roony.core.authorization import Authorization
from roony.core.card import OVER_STATUSES, Card
from roony.core.connection import STANDING, Connection
from roony.core.reconciliation import (
    ALLOWANCE_PERIOD,
    HEARD_EVENTS,
    SEEN_LISTS,
    Reconciliation,
    Standing,
)
from roony.core.settlement import Discrepancy, StripeTransaction
from roony.store.database import Database
from roony.store.tables import (
    OPEN_AUTHORIZATION,
    TABLE_OF,
    authorizations,
    cardholders,
    cards,
    connections,
    discrepancies,
    inbox,
    reconciliations,
    stripe_transactions,
)

Row = TypeVar("Row", bound=tuple[Any, ...])

MAX_CONNECTIONS = 10_000
# Open findings looked at in one go; a run that comes later sees the others.
MAX_FINDINGS = 500
MISSING = ("missing_here", "missing_at_stripe")


def watched_connections(database: Database) -> list[Connection]:
    """The connections that are reconciled, at most `MAX_CONNECTIONS`."""
    statement = select(connections).where(connections.c.status.in_(STANDING), connections.c.stripe_account.is_not(None))
    return [Connection(*row) for row in database.read(statement.limit(MAX_CONNECTIONS))]


def heard_until(database: Database) -> dict[tuple[str, str], int]:
    """For each (organization, connection) with a finished run: up to when its events are known to be here."""
    run = reconciliations.c
    statement = (
        select(run.organization_id, run.connection_id, func.max(run.until))
        .where(run.status == "finished", run.kind.in_(HEARD_EVENTS))
        .group_by(run.organization_id, run.connection_id)
    )
    return {
        (organization_id, connection_id): until for organization_id, connection_id, until in database.read(statement)
    }


def standing_of(database: Database, connection: Connection, now: int) -> Standing:
    """How far the runs of a connection have come; `now` in microseconds."""
    run, recent = reconciliations.c, now - ALLOWANCE_PERIOD
    finished = run.status == "finished"
    statement = select(
        func.max(case((run.kind.in_(HEARD_EVENTS), run.created_at))),
        func.max(case((run.kind.in_(SEEN_LISTS), run.created_at))),
        func.max(case((and_(finished, run.kind.in_(HEARD_EVENTS)), run.until))),
        func.max(case((and_(finished, run.kind.in_(SEEN_LISTS)), run.until))),
        func.coalesce(func.sum(case((run.status == "running", 1), else_=0)), 0),
        func.coalesce(func.sum(case((run.created_at > recent, run.reads), else_=0)), 0),
    ).where(run.organization_id == connection.organization_id, run.connection_id == connection.id)
    spent = stripe_transactions.c
    counted = select(func.count()).where(
        spent.organization_id == connection.organization_id,
        spent.created_at > recent,
        spent.connection_id == connection.id,
    )
    last_events, last_lists, events_until, lists_until, running, reads = database.read(statement)[0]
    transactions = database.read(counted)[0][0]
    # PostgreSQL gives sums of whole numbers as decimals.
    return Standing(
        connection.created_at, last_events, last_lists, events_until, lists_until, int(running), int(reads),
        transactions,
    )  # fmt: skip


def running_runs(database: Database, connection: Connection) -> list[Reconciliation]:
    """The runs of a connection that have not ended."""
    run = reconciliations.c
    statement = select(reconciliations).where(
        run.organization_id == connection.organization_id, run.connection_id == connection.id, run.status == "running"
    )
    return [Reconciliation(*row) for row in database.read(statement)]


def find_rows(database: Database, row: type[Row], organization_id: str, ids: Collection[str]) -> dict[str, Row]:
    """Rows of an organization by their ids; absent ones are left out."""
    table = TABLE_OF[row]
    statement = select(table).where(table.c.organization_id == organization_id, table.c.id.in_(ids))
    found = [row(*values) for values in database.read(statement)]
    return {item.id: item for item in found}  # type: ignore[attr-defined]


def cards_at_stripe(database: Database, connection: Connection, stripe_ids: Collection[str]) -> dict[str, Card]:
    """The cards of a connection by the ids Stripe gave them; those that are not ours are left out."""
    statement = select(cards).where(*_of(cards, connection), cards.c.stripe_card_id.in_(stripe_ids))
    found = [Card(*values) for values in database.read(statement)]
    return {card.stripe_card_id or "": card for card in found}


def cardholders_at_stripe(database: Database, connection: Connection) -> list[str]:
    """The ids at Stripe of all cardholders of a connection, in their order."""
    holder = cardholders.c.stripe_cardholder_id
    statement = select(holder).where(*_of(cardholders, connection), holder.is_not(None))
    # Sorted here: databases have orders of their own.
    return sorted(row[0] for row in database.read(statement))


def transactions_between(
    database: Database, connection: Connection, since: int, until: int, limit: int
) -> list[StripeTransaction]:
    """Captures and refunds on cards of ours that Stripe made from `since` to `until`, microseconds, both included."""
    made = stripe_transactions.c
    statement = (
        _on_our_cards(select(stripe_transactions), connection)
        .where(made.created_at >= since, made.created_at <= until)
        .order_by(made.created_at, made.id)
        .limit(limit)
    )
    return [StripeTransaction(*values) for values in database.read(statement)]


def sums_between(database: Database, connection: Connection, since: int, until: int) -> dict[str, int]:
    """What is booked on cards of ours in that time, by `currency type`, in minor units."""
    made = stripe_transactions.c
    statement = (
        _on_our_cards(select(made.currency, made.type, func.sum(made.amount)), connection)
        .where(made.created_at >= since, made.created_at <= until)
        .group_by(made.currency, made.type)
    )
    return {f"{currency} {kind}": int(amount) for currency, kind, amount in database.read(statement)}


def _on_our_cards(statement: Select[Any], connection: Connection) -> Select[Any]:
    made = stripe_transactions.c
    ours = and_(
        cards.c.organization_id == made.organization_id,
        cards.c.connection_id == made.connection_id,
        cards.c.stripe_card_id == made.stripe_card_id,
    )
    return statement.select_from(stripe_transactions.join(cards, ours)).where(*_of(stripe_transactions, connection))


def open_authorizations(
    database: Database, connection: Connection, before: int, after: str, limit: int
) -> list[Authorization]:
    """Authorizations that money may still come of and that Stripe has not told us of since `before`, behind `after`."""
    known = authorizations.c
    waits = text(f"({OPEN_AUTHORIZATION})")
    return _authorizations(database, connection, (waits, known.approved == 1, known.seen_at < before), after, limit)


def unlisted_authorizations(
    database: Database, connection: Connection, window: tuple[int, int], began: int, after: str, limit: int
) -> list[Authorization]:
    """Authorizations made here within `window` that the lists of a run begun at `began` did not show; microseconds."""
    known = authorizations.c
    within = (known.created_at >= window[0], known.created_at <= window[1], known.seen_at < began)
    return _authorizations(database, connection, within, after, limit)


def _authorizations(
    database: Database,
    connection: Connection,
    where: tuple[ColumnElement[bool] | TextClause, ...],
    after: str,
    limit: int,
) -> list[Authorization]:
    known = authorizations.c
    statement = (
        select(authorizations)
        .where(*_of(authorizations, connection), *where, known.card_id.is_not(None), known.id > after)
        .order_by(known.id)
        .limit(limit)
    )
    return [Authorization(*values) for values in database.read(statement)]


def open_cards(database: Database, connection: Connection, before: int, after: str, limit: int) -> list[Card]:
    """Cards that can be charged and that Stripe has not told us of since `before`, behind the id `after`."""
    known = cards.c
    statement = (
        select(cards)
        .where(*_of(cards, connection), known.status.in_(("active", "frozen")), known.stripe_card_id.is_not(None))
        .where(known.seen_at < before, known.updated_at < before, known.id > after)
        .order_by(known.id)
        .limit(limit)
    )
    return [Card(*values) for values in database.read(statement)]


def left_open_cards(database: Database, connection: Connection, before: int, limit: int) -> list[Card]:
    """Cards over here of which a person was told that Stripe may not have canceled them, not looked at since `before`.

    Those not looked at for the longest first, so that what Stripe does not know, or cannot cancel, blocks no other.
    """
    known, found = cards.c, discrepancies.c
    about = and_(found.organization_id == known.organization_id, found.subject == known.id)
    statement = (
        select(cards)
        .select_from(discrepancies.join(cards, about))
        .where(found.organization_id == connection.organization_id, found.status == "open")
        .where(found.kind == "card_left_open", *_of(cards, connection))
        .where(known.status.in_(OVER_STATUSES), known.stripe_card_id.is_not(None), known.seen_at < before)
        .order_by(known.seen_at, found.created_at, found.id)
        .limit(limit)
    )
    return [Card(*values) for values in database.read(statement)]


def missing_findings(database: Database, organization_id: str) -> list[Discrepancy]:
    """Open findings that something is missing on one side, oldest first, at most `MAX_FINDINGS`."""
    found = discrepancies.c
    statement = (
        select(discrepancies)
        .where(found.organization_id == organization_id, found.status == "open", found.kind.in_(MISSING))
        .order_by(found.created_at, found.id)
        .limit(MAX_FINDINGS)
    )
    return [Discrepancy(*values) for values in database.read(statement)]


def waiting_events(database: Database, account: str | None, livemode: int, since: int) -> int:
    """How many events of an account kept since then wait for their first handling, not for a card."""
    statement = select(func.count()).where(
        inbox.c.status == "received",
        inbox.c.failures == 0,
        inbox.c.reason.is_(None),
        inbox.c.livemode == livemode,
        inbox.c.account.is_(None) if account is None else inbox.c.account == account,
        inbox.c.received_at >= since,
    )
    return int(database.read(statement)[0][0])


def _of(table: Any, connection: Connection) -> tuple[ColumnElement[bool], ...]:
    return (
        table.c.organization_id == connection.organization_id,
        table.c.connection_id == connection.id,
    )
