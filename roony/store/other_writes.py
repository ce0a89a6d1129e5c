"""The writes of a batch that are no commands: sessions, claims, events to keep; each in a savepoint of its own."""

from __future__ import annotations

import time
from collections.abc import Iterable

import structlog

from roony.store.command import BUSY, Ticket, TillClosed
from roony.store.writer import ConnectionLost, Writer

log = structlog.get_logger("roony.till")

# What they may take of one batch, whose organizations are locked meanwhile; what does not fit waits for the next one.
MAX_WRITES_SECONDS = 0.020
# One of them should take a quarter of that, and write at most this many rows: longer work is cut into pieces.
MAX_ROWS = 200


def do_other_writes(writer: Writer, tickets: list[Ticket]) -> list[Ticket]:
    """Does as many as fit into their time, at least one; returns those that were done. Raises ConnectionLost."""
    until = time.monotonic() + MAX_WRITES_SECONDS
    for place, ticket in enumerate(tickets):
        began = time.monotonic()
        if place and began > until:
            return tickets[:place]
        _do(writer, ticket)
        seconds = time.monotonic() - began
        if seconds > MAX_WRITES_SECONDS:
            log.warning("till.long_write", write=ticket.name, milliseconds=int(seconds * 1000))
    return tickets


def by_organization(rows: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Ids by their organization, of rows (organization, id): a statement that locks or deletes is of one at a time.

    On a database spread over machines no other is possible (docs/scaling.md).
    """
    found: dict[str, list[str]] = {}
    for organization_id, id in rows:
        found.setdefault(organization_id, []).append(id)
    return found


def _do(writer: Writer, ticket: Ticket) -> None:
    writer.run("SAVEPOINT work")
    try:
        ticket.answer = ticket.work(writer) if ticket.work is not None else None
        writer.run("RELEASE SAVEPOINT work")
    except ConnectionLost:
        raise
    except Exception as error:
        writer.run("ROLLBACK TO SAVEPOINT work")
        writer.run("RELEASE SAVEPOINT work")
        ticket.answer = error
        if writer.is_taken(error):
            # Nobody is to blame.
            log.warning("till.write_not_waited_for", write=ticket.name, error=type(error).__name__)
            ticket.answer = TillClosed(BUSY.message)
