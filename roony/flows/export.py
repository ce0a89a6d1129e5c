"""Taking everything away is on record: an export is begun by a command, and then read page by page."""

from __future__ import annotations

from dataclasses import dataclass

from roony.core.agent import Organization
from roony.core.errors import Refusal
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs


@dataclass(frozen=True, slots=True)
class BeginExport(Command[Organization | Refusal]):
    """Somebody takes away all that the organization has here; returns the organization's row as it was before."""

    organization_id: str
    actor: str

    def needs(self, now: int) -> Needs:
        """Nothing but the organization."""
        return Needs()

    def apply(self, book: Book, now: int) -> Organization:
        """The record alone."""
        organization = book.need(Organization, self.organization_id)
        book.record(organization.id, self.actor, "organization.exported", organization.id, {}, now)
        return organization
