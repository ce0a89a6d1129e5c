"""The owner says in whose name cards are made: for the organization, or for one project or agent alone.

What Stripe was told before is brought in line by a promise; a cardholder that Stripe refused is tried anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from roony.core.agent import Organization
from roony.core.audit import canonical
from roony.core.cardholder import (
    DROPPED,
    REFUSED,
    Cardholder,
    CardholderChoice,
    Wrong,
    changed_fields,
    changes,
    fields_of,
    filled,
    fixed_by,
    wrong_with,
)
from roony.core.errors import Refusal
from roony.core.hashing import derived_id
from roony.flows.connection.cardholder_rows import NOT_TAKEN, given_for, want
from roony.flows.scope import scope_needs, scope_row
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs
from roony.store.outbox import new_promise

SEE_TO = "see_to_cardholder"


class Chosen(NamedTuple):
    """A scope and the cardholder wanted for it, in Stripe's shape; None where it has none of its own any more."""

    scope: str
    scope_id: str
    cardholder: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class SetCardholder(Command[Chosen | Refusal]):
    """In whose name cards of a scope are made from now on; one that is at Stripe already is changed there."""

    organization_id: str
    scope: str
    scope_id: str
    cardholder: Mapping[str, Any]
    actor: str
    promise_id: str

    def needs(self, now: int) -> Needs:
        """The scope, its choice, and its cardholders on all connections."""
        return choice_needs(self.organization_id, self.scope, self.scope_id)

    def apply(self, book: Book, now: int) -> Chosen | Refusal:
        """1 the scope is there · 2 nothing Stripe would refuse · 3 keep it · 4 have Stripe told.

        Said once more it is told once more, where Stripe did not take it; else nothing happens.
        """
        org, scope_id = self.organization_id, self.scope_id
        found = scope_row(book, org, self.scope, scope_id)
        if isinstance(found, Refusal):
            return found
        organization = book.need(Organization, org)
        refusal = check_cardholder(book, organization, scope_id, self.cardholder, now)
        if refusal is not None:
            return refusal
        _, before = given_for(book, org, scope_id)
        if before == self.cardholder and not _is_untold(book, organization, scope_id, self.cardholder):
            return Chosen(self.scope, scope_id, self.cardholder)
        # From here it must succeed: only writes below.
        if self.scope == "organization":
            organization = organization._replace(settings=with_cardholder(organization.settings, self.cardholder))
            book.put(organization)
        else:
            kept = book.get(CardholderChoice, org, scope_id)
            created_at = kept.created_at if kept is not None else now
            book.put(CardholderChoice(org, scope_id, self.scope, canonical(self.cardholder), created_at, now))
        book.reconfigure(org)
        body = recorded_change(self.scope, before, self.cardholder)
        book.record(org, self.actor, "cardholder.set", scope_id, body, now)
        tell_stripe(book, organization, scope_id, self.cardholder, self.promise_id, now)
        return Chosen(self.scope, scope_id, self.cardholder)


@dataclass(frozen=True, slots=True)
class RemoveCardholder(Command[Chosen | Refusal]):
    """A project or an agent has no cardholder of its own any more: its next cards are made in the name above it.

    The one at Stripe stays, since cards in its name may be alive.
    """

    organization_id: str
    scope_id: str
    actor: str

    def needs(self, now: int) -> Needs:
        """The choice."""
        return Needs(rows=((CardholderChoice, self.organization_id, self.scope_id),))

    def apply(self, book: Book, now: int) -> Chosen | Refusal:
        """Takes the choice back."""
        org = self.organization_id
        if self.scope_id == org:
            return Refusal(
                "cardholder_needed", "The organization's own cardholder can be set anew, not removed.", 409, "scope_id"
            )
        choice = book.get(CardholderChoice, org, self.scope_id)
        if choice is None or choice.cardholder is None:
            return Refusal("not_found", f"No cardholder was chosen for {self.scope_id}.", 404, id=self.scope_id)
        book.put(choice._replace(cardholder=None, updated_at=now))
        body = recorded_change(choice.scope, json.loads(choice.cardholder), None)
        book.record(org, self.actor, "cardholder.removed", self.scope_id, body, now)
        return Chosen(choice.scope, choice.scope_id, None)


def choice_needs(organization_id: str, scope: str, scope_id: str) -> Needs:
    """A scope, its choice, and its cardholders on all connections."""
    needs = scope_needs(organization_id, scope, scope_id)
    rows = ((CardholderChoice, organization_id, scope_id),)
    return needs._replace(rows=(*needs.rows, *rows), groups=((Cardholder, organization_id, scope_id),))


def check_cardholder(
    book: Book, organization: Organization, scope_id: str, given: Mapping[str, Any], now: int
) -> Refusal | None:
    """What Stripe would not take, by its rules or since it has the cardholder already; see `choice_needs`."""
    wrong = wrong_with(given, organization.currency, now)
    if wrong is not None:
        return Refusal("invalid", wrong.message, 422, f"cardholder.{wrong.field}")
    for row in book.group(Cardholder, organization.id, scope_id):
        if row.status not in (REFUSED, DROPPED):
            sent = json.loads(row.params)
            fixed: Wrong | None = fixed_by(sent, filled(organization, given, {}), "name" in given)
            if fixed is not None:
                return Refusal("cardholder_fixed", fixed.message, 409, f"cardholder.{fixed.field}")
    return None


def tell_stripe(
    book: Book, organization: Organization, scope_id: str, given: Mapping[str, Any], promise_id: str, now: int
) -> None:
    """Has the cardholders of a scope changed at Stripe, and those that Stripe refused made anew; see `choice_needs`."""
    for row in book.group(Cardholder, organization.id, scope_id):
        id = derived_id("out", SEE_TO, promise_id, row.connection_id)
        if row.status == REFUSED:
            want(book, row, filled(organization, given, json.loads(row.params)["metadata"]), id, now)
        elif row.status != DROPPED:
            book.promise(new_promise(organization.id, id, SEE_TO, row.subject, {}, now))


def _is_untold(book: Book, organization: Organization, scope_id: str, given: Mapping[str, Any]) -> bool:
    """Whether some cardholder of the scope is not as its owner wants it at Stripe; see `choice_needs`."""
    wanted = filled(organization, given, {})
    return any(
        row.status == REFUSED or (row.status != DROPPED and changes(json.loads(row.params), wanted))
        for row in book.group(Cardholder, organization.id, scope_id)
    )


def with_cardholder(settings: str, cardholder: Mapping[str, Any]) -> str:
    """An organization's settings with this cardholder in place of any before, whole."""
    return canonical({**json.loads(settings), "cardholder": cardholder})


__all__ = ["NOT_TAKEN", "SEE_TO", "Chosen", "RemoveCardholder", "SetCardholder", "check_cardholder", "tell_stripe"]


def recorded_change(scope: str, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> dict[str, Any]:
    """What an audit record says of another cardholder: of which fields it is made, and which of them changed."""
    changed = changed_fields(before, after)
    return {"before": fields_of(before), "after": fields_of(after), "changed": changed, "scope": scope}
