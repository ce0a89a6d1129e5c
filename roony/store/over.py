"""What is over: purchases of which nothing more comes, and events that had their say; for what is moved and removed."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Table, and_

from roony.store.tables import inbox, purchases

# Nothing is on its way any more. Of a mandate that goes on it always is, between its payments too.
FINAL = ("declined", "settled", "canceled", "expired", "failed")
HANDLED = ("applied", "ignored")


def is_over(before: ColumnElement[int]) -> ColumnElement[bool]:
    """A purchase that is over and of which nothing was heard since."""
    return and_(purchases.c.status.in_(FINAL), purchases.c.held == 0, purchases.c.updated_at < before)


def is_handled(before: ColumnElement[int], table: Table = inbox) -> ColumnElement[bool]:
    """An event, in the inbox or the archive, that came and was handled by then."""
    return and_(table.c.status.in_(HANDLED), table.c.received_at < before, table.c.finished_at < before)
