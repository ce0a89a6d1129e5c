"""A connection is restricted, and active again: no new money from that commit on, nothing canceled, everyone told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from roony.core.audit import ROONY
from roony.core.connection import NEXT, STANDING, Connection, restrict, restrictions_of
from roony.core.errors import Refusal, not_found
from roony.flows.alert import alert_row, close_alert, raise_alert
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs

ALERT = "connection_restricted"


def restriction_rows(organization_id: str, connection_id: str) -> tuple[tuple[Any, ...], ...]:
    """What a command names that may restrict a connection or lift what restricts it."""
    return ((Connection, organization_id, connection_id), alert_row(organization_id, ALERT, connection_id))


def connected_again(connection: Connection, asked_for: Connection | None) -> bool:
    """True when an answer is about the time before: a call may take long, and the owner connects meanwhile."""
    return asked_for is not None and connection.activated_at != asked_for.activated_at


def follow_restrictions(book: Book, before: Connection, after: Connection, actor: str, now: int) -> Connection:
    """Writes a connection whose restrictions changed: the row, its audit record, and the alert that tells everyone.

    Inside a command that named `restriction_rows`. Nothing is written where nothing changed.
    """
    if after == before:
        return before
    if (after.restrictions, after.status) == (before.restrictions, before.status):
        book.put(after)
        return after
    after = after._replace(updated_at=now)
    book.put(after)
    org, reasons = after.organization_id, restrictions_of(after)
    if after.status not in STANDING:
        return after
    body = {"reasons": {item.code: item.message for item in reasons}, "was": before.status}
    action = "connection.restricted" if reasons else "connection.restored"
    book.record(org, actor, action, after.id, body, now)
    if reasons:
        words = " ".join(f"{item.message} {NEXT.get(item.code, '')}".strip() for item in reasons)
        message = f"Nothing new can be spent on {after.stripe_account or after.id}. {words}"
        raise_alert(book, org, ALERT, after.id, message, now)
    else:
        close_alert(book, org, ALERT, after.id, now)
    return after


@dataclass(frozen=True, slots=True)
class RestrictConnection(Command[Connection | Refusal]):
    """One reason why no new money may be spent on a connection: a code of `core.connection.NEXT`, and words.

    `asked_for` is the connection as it was when Stripe was asked: one that was connected again since stays as it is.
    """

    organization_id: str
    connection_id: str
    code: str
    message: str
    actor: str = ROONY
    asked_for: Connection | None = None

    def needs(self, now: int) -> Needs:
        """The connection and its alert."""
        return Needs(rows=restriction_rows(self.organization_id, self.connection_id))

    def apply(self, book: Book, now: int) -> Connection | Refusal:
        """Restricts it; one that is over, or never began, stays as it is."""
        connection = book.get(Connection, self.organization_id, self.connection_id)
        if connection is None:
            return not_found("connection", self.connection_id)
        if connection.status not in STANDING or connected_again(connection, self.asked_for):
            return connection
        after = restrict(connection, self.code, self.message, now)
        return follow_restrictions(book, connection, after, self.actor, now)
