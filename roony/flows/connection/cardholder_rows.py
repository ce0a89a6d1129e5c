"""What is recorded of a cardholder: wanted, made, refused, and what Stripe says it still needs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from roony.core.agent import Organization
from roony.core.audit import ROONY
from roony.core.cardholder import (
    DROPPED,
    NOTHING_DUE,
    REFUSED,
    UNMADE,
    WANTED,
    Cardholder,
    CardholderChoice,
    Stated,
    cardholder_params,
    troubles,
)
from roony.core.connection import STANDING, Connection, lift, restrict
from roony.core.duration import MINUTE
from roony.core.errors import Refusal, not_found
from roony.flows.alert import alert_row, close_alert, raise_alert
from roony.flows.card import dead, done
from roony.flows.connection.restriction import follow_restrictions, restriction_rows
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs
from roony.store.outbox import new_promise
from roony.store.rows import OutboxPromise

MAKE = "make_cardholder"
# Kinds of alerts: what Stripe wants of a cardholder that is there, and one of a project or agent that it did not take.
REQUIREMENTS = "cardholder_requirements"
NOT_TAKEN = "cardholder_refused"
# A create this old is over at Stripe: where nothing came of it, the next key may be used. In microseconds.
OVER_AFTER = MINUTE


def given_for(book: Book, organization_id: str, scope_id: str) -> tuple[str, Mapping[str, Any] | None]:
    """Kind of a scope, and what its owner wants its cardholder to be. The command named the scope's choice."""
    if scope_id == organization_id:
        settings = json.loads(book.need(Organization, organization_id).settings)
        return "organization", settings.get("cardholder")
    choice = book.get(CardholderChoice, organization_id, scope_id)
    if choice is None or choice.cardholder is None:
        return "agent", None
    return choice.scope, json.loads(choice.cardholder)


def default_params(
    organization: Organization, connection_id: str, livemode: bool, currency: str
) -> dict[str, Any] | Refusal:
    """Stripe's parameters for the organization's own cardholder on a connection for cards of this currency."""
    given = json.loads(organization.settings).get("cardholder")
    if livemode and currency == "eur" and not (given or {}).get("phone_number"):
        return Refusal(
            "phone_number_missing", "Cards in EUR need the cardholder's phone number: set it in the settings first.",
            422, "cardholder.phone_number",
        )  # fmt: skip
    return cardholder_params(organization, connection_id, livemode, given)


def want(book: Book, row: Cardholder, params: Mapping[str, Any], promise_id: str | None, now: int) -> Cardholder:
    """Fixes what a cardholder is made with, under the next key; `promise_id` promises to make it without being asked.

    `row` was not made: it is new, with attempt 0, or Stripe refused it, or its key is spent with nothing made.
    """
    row = row._replace(
        params=json.dumps(params), attempt=row.attempt + 1, status=WANTED, reason=None, requirements=NOTHING_DUE,
        updated_at=now,
    )  # fmt: skip
    book.put(row)
    if promise_id is not None:
        book.promise(new_promise(row.organization_id, promise_id, MAKE, row.subject, {}, now, key=row.key))
    return row


def new_cardholder(organization_id: str, connection_id: str, scope: str, scope_id: str, now: int) -> Cardholder:
    """A cardholder nobody has asked Stripe for, see `want`."""
    return Cardholder(organization_id, connection_id, scope_id, scope, "{}", 0, None, DROPPED, NOTHING_DUE, 0, now, now)


@dataclass(frozen=True, slots=True)
class WantCardholder(Command[Cardholder | Refusal]):
    """The first card of a scope on a connection: what its cardholder will be made with is fixed before Stripe is asked.

    Answers the row as it is, also one that was there. `spent` is the attempt under whose key Stripe only brings back an
    error, and nothing was made: the next one is used, once that is certain.
    """

    organization_id: str
    connection_id: str
    scope_id: str
    spent: int | None = None

    def needs(self, now: int) -> Needs:
        """The row, the scope's choice and the connection."""
        org = self.organization_id
        return Needs(
            rows=(
                (Cardholder, org, self.connection_id, self.scope_id),
                (CardholderChoice, org, self.scope_id),
                (Connection, org, self.connection_id),
            )
        )

    def apply(self, book: Book, now: int) -> Cardholder | Refusal:
        """Refuses a choice that was taken back since the card was promised: its agent asks again."""
        org, scope_id = self.organization_id, self.scope_id
        row = book.get(Cardholder, org, self.connection_id, scope_id)
        if row is not None:
            over = row.attempt == self.spent and now - row.updated_at >= OVER_AFTER
            if row.status != WANTED or row.stripe_cardholder_id is not None or not over:
                return row
            return self._wanted(book, want(book, row, json.loads(row.params), None, now), now)
        connection = book.need(Connection, org, self.connection_id)
        scope, given = given_for(book, org, scope_id)
        if given is None and scope_id != org:
            return Refusal("cardholder_removed", "The cardholder chosen for this card was taken back. Ask again.", 409)
        params = cardholder_params(
            book.need(Organization, org), connection.id, bool(connection.livemode), given, scope_id
        )
        if isinstance(params, Refusal):
            return params
        row = want(book, new_cardholder(org, connection.id, scope, scope_id, now), params, None, now)
        return self._wanted(book, row, now)

    def _wanted(self, book: Book, row: Cardholder, now: int) -> Cardholder:
        body = {"connection": row.connection_id, "scope": row.scope, "attempt": row.attempt}
        book.record(row.organization_id, ROONY, "cardholder.wanted", row.scope_id, body, now)
        return row


@dataclass(frozen=True, slots=True)
class RecordCardholder(Command[Cardholder | Refusal]):
    """The cardholder exists at Stripe. The first one recorded counts."""

    organization_id: str
    connection_id: str
    scope_id: str
    said: Stated
    promise: OutboxPromise | None

    def needs(self, now: int) -> Needs:
        """The row, the connection, and the alerts about both."""
        return cardholder_needs(self.organization_id, self.connection_id, self.scope_id, self.said.stripe_cardholder_id)

    def apply(self, book: Book, now: int) -> Cardholder | Refusal:
        """Records it and ends the promise; a connection that was restricted for want of it is no longer."""
        org = self.organization_id
        connection = book.get(Connection, org, self.connection_id)
        row = book.get(Cardholder, org, self.connection_id, self.scope_id)
        if self.promise is not None:
            book.finish_promise(done(self.promise, now))
        if connection is None or row is None:
            return not_found("connection", self.connection_id)
        if row.stripe_cardholder_id is not None:
            return row
        row = row._replace(stripe_cardholder_id=self.said.stripe_cardholder_id, reason=None, updated_at=now)
        body = {"stripe_cardholder": row.stripe_cardholder_id, "scope": row.scope, "scope_id": row.scope_id}
        book.record(org, ROONY, "connection.cardholder_made", connection.id, body, now)
        close_alert(book, org, NOT_TAKEN, row.subject, now)
        row = note_stated(book, row, self.said, now)
        if row.scope == "organization":
            follow_restrictions(book, connection, lift(connection, ("cardholder_refused",)), ROONY, now)
        return row


@dataclass(frozen=True, slots=True)
class DropCardholder(Command[Cardholder | Refusal]):
    """No cardholder will be made under this promise: Stripe refused `attempt` for good, or it is no longer wanted."""

    organization_id: str
    connection_id: str
    scope_id: str
    promise: OutboxPromise | None
    code: str
    refused: bool
    attempt: int | None

    def needs(self, now: int) -> Needs:
        """The row, the connection, and the alerts about both."""
        return cardholder_needs(self.organization_id, self.connection_id, self.scope_id, None)

    def apply(self, book: Book, now: int) -> Cardholder | Refusal:
        """Ends the promise. Without the organization's own no card can be made: its refusal restricts the connection.

        One of a project or an agent stops cards of that scope alone, and everyone is told.
        """
        org = self.organization_id
        connection = book.get(Connection, org, self.connection_id)
        row = book.get(Cardholder, org, self.connection_id, self.scope_id)
        if self.promise is not None:
            book.finish_promise(dead(self.promise, self.code, now))
        if connection is None or row is None:
            return not_found("connection", self.connection_id)
        if row.stripe_cardholder_id is not None or row.status != WANTED:
            return row
        if not self.refused:
            if connection.status not in STANDING:
                # Its promise is over: the next activation makes a new one.
                row = row._replace(status=DROPPED, updated_at=now)
                book.put(row)
            return row
        if self.attempt != row.attempt:
            return row
        row = row._replace(status=REFUSED, reason=self.code, updated_at=now)
        book.put(row)
        book.record(
            org, ROONY, "cardholder.refused", row.scope_id, {"connection": connection.id, "code": self.code}, now
        )
        if row.scope != "organization":
            told = (
                f"Stripe refused the cardholder of {row.scope} {row.scope_id}: {self.code}. No card can be made for it."
                f" Set it anew: roony cardholder set {row.scope_id}"
            )
            raise_alert(book, org, NOT_TAKEN, row.subject, told, now)
        elif connection.status in STANDING:
            after = restrict(connection, "cardholder_refused", f"Stripe refused the cardholder: {self.code}.", now)
            follow_restrictions(book, connection, after, ROONY, now)
        return row


def cardholder_needs(org: str, connection_id: str, scope_id: str, stripe_cardholder_id: str | None) -> Needs:
    """A cardholder with its connection, and the alerts about them."""
    subject = connection_id if scope_id == org else f"{connection_id}:{scope_id}"
    rows = [(Cardholder, org, connection_id, scope_id), alert_row(org, NOT_TAKEN, subject)]
    if stripe_cardholder_id is not None:
        rows.append(alert_row(org, REQUIREMENTS, stripe_cardholder_id))
    return Needs(rows=(*rows, *restriction_rows(org, connection_id)))


def note_stated(book: Book, row: Cardholder, said: Stated, now: int) -> Cardholder:
    """Records what Stripe said, and tells everyone while something keeps its cards from paying.

    The caller has seen that it is no older than what is kept, and named the alert.
    """
    org, id = row.organization_id, said.stripe_cardholder_id
    before = row
    row = row._replace(status=said.status, requirements=said.requirements(), stated_at=max(row.stated_at, said.at))
    if row != before or before.status in UNMADE:
        row = row._replace(updated_at=now)
    book.put(row)
    if (row.status, row.requirements) != (before.status, before.requirements):
        body = {"status": row.status, "past_due": list(said.past_due), "disabled_reason": said.disabled_reason}
        book.record(org, ROONY, "cardholder.stated", id, body, now)
    wanted = troubles(row)
    if wanted:
        whose = "the organization" if row.scope == "organization" else f"{row.scope} {row.scope_id}"
        told = f"Cardholder {id} of {whose} is in trouble at Stripe. {' '.join(wanted)}"
        raise_alert(book, org, REQUIREMENTS, id, told, now)
    else:
        close_alert(book, org, REQUIREMENTS, id, now)
    return row
