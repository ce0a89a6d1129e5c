"""What the owner confirms of an account because no API shows it, and the reports of Stripe's that contradict it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from roony.core.audit import STRIPE
from roony.core.confirmation import (
    CONTRADICTED,
    REALTIME_URL,
    Confirmation,
    Evidence,
    confirmed,
    contradicted,
    is_contradicted,
    unconfirmed,
    withdrawn,
)
from roony.core.connection import STANDING, Connection, lift, restrict
from roony.core.errors import Refusal, not_found
from roony.flows.connection.restriction import follow_restrictions, restriction_rows
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs

YES = "yes"


def confirmation_rows(organization_id: str, connection_id: str) -> tuple[tuple[Any, ...], ...]:
    """What a command names that confirms or contradicts something of a connection."""
    rows = tuple((Confirmation, organization_id, connection_id, name) for name in CONTRADICTED)
    return (*restriction_rows(organization_id, connection_id), *rows)


def note_evidence(
    book: Book, organization_id: str, connection_id: str, evidence: Iterable[Evidence], shown_by: str, now: int
) -> None:
    """Restricts a connection whose set-up at Stripe is not as it must be, inside a command with `confirmation_rows`.

    Evidence from before the last confirmation, or from before the connection became active, says nothing. It is the
    same evidence however often and in whatever order it is told.
    """
    for item in evidence:
        connection = book.get(Connection, organization_id, connection_id)
        if connection is None or connection.status not in STANDING:
            return
        row = book.get(Confirmation, organization_id, connection_id, item.name)
        row = row or unconfirmed(organization_id, connection_id, item.name, now)
        since = connection.activated_at or connection.created_at
        after = contradicted(row, item, shown_by, since, now)
        if after == row:
            continue
        book.put(after)
        if is_contradicted(row):
            continue
        body = {"name": item.name, "reason": item.reason, "authorization": shown_by, "confirmed_by": row.confirmed_by}
        book.record(organization_id, STRIPE, "connection.contradicted", connection_id, body, now)
        restricted = restrict(connection, CONTRADICTED[item.name], _words(item, shown_by), now)
        follow_restrictions(book, connection, restricted, STRIPE, now)


def _words(evidence: Evidence, shown_by: str) -> str:
    if evidence.name == REALTIME_URL:
        return f"Stripe approved {shown_by} without asking Roony ({evidence.reason}): no real-time URL is set."
    return f"Stripe approved {shown_by} without an answer of Roony's ({evidence.reason}): the timeout action approves."


@dataclass(frozen=True, slots=True)
class ConfirmConnection(Command[Connection | Refusal]):
    """The owner has looked at the account's Issuing settings. `wishes` are (name, confirmed), False takes it back."""

    organization_id: str
    connection_id: str
    wishes: tuple[tuple[str, bool], ...]
    actor: str

    def needs(self, now: int) -> Needs:
        """The connection and what was confirmed of it."""
        return Needs(rows=confirmation_rows(self.organization_id, self.connection_id))

    def apply(self, book: Book, now: int) -> Connection | Refusal:
        """Writes who and when; what contradicted it is lifted."""
        org, id = self.organization_id, self.connection_id
        connection = book.get(Connection, org, id)
        if connection is None:
            return not_found("connection", id)
        if connection.status not in STANDING:
            return Refusal("connection_inactive", f"The connection is {connection.status}.", 409, id=id)
        for name, wish in self.wishes:
            row = book.get(Confirmation, org, id, name) or unconfirmed(org, id, name, now)
            book.put(confirmed(row, YES, self.actor, now) if wish else withdrawn(row, now))
        book.record(org, self.actor, "connection.confirmed", id, dict(self.wishes), now)
        after = lift(connection, [CONTRADICTED[name] for name, wish in self.wishes if wish])
        return follow_restrictions(book, connection, after, self.actor, now)
