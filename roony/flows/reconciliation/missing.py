"""What one side has and the other has not: flagged once, counted by every run, closed when a later one finds it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from roony.core.audit import ROONY
from roony.core.authorization import Authorization
from roony.core.card import Card
from roony.core.purchase import Purchase
from roony.core.reconciliation import named
from roony.core.settlement import Discrepancy, StripeTransaction
from roony.flows.discrepancy import discrepancy_id, explain, flag
from roony.flows.reconciliation.work import Work
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs
from roony.store.queries.reconciliations import find_rows, missing_findings

# What a finding can be about, by its row here.
_About = Authorization | StripeTransaction | Card
# What is written on a finding that Roony closes by itself.
FOUND_HERE = "A later reconciliation found it in the books."
FOUND_AT_STRIPE = "A later reconciliation found it at Stripe."


@dataclass(frozen=True, slots=True)
class FlagMissing(Command[None]):
    """Something is `missing_here` or `missing_at_stripe`; `row` is what is here, where there is something."""

    organization_id: str
    kind: str
    subject: str
    expected: str
    found: str
    row: _About | None = None

    def needs(self, now: int) -> Needs:
        """The finding, and the purchase it is about."""
        org = self.organization_id
        finding = (Discrepancy, org, discrepancy_id(self.kind, self.subject))
        purchase_id = self.row.purchase_id if self.row is not None else None
        about = ((Purchase, org, purchase_id),) if purchase_id is not None else ()
        return Needs(rows=(finding, *about), holds=False)

    def apply(self, book: Book, now: int) -> None:
        """Opens the finding, unless it was opened before."""
        org = self.organization_id
        purchase_id = self.row.purchase_id if self.row is not None else None
        purchase = book.get(Purchase, org, purchase_id) if purchase_id is not None else None
        flag(book, org, self.kind, self.subject, purchase, self.expected, self.found, now)


@dataclass(frozen=True, slots=True)
class CloseFound(Command[None]):
    """What was missing has been found: the finding is closed by Roony, unless a person was first."""

    organization_id: str
    kind: str
    subject: str
    note: str

    def needs(self, now: int) -> Needs:
        """The finding."""
        finding = (Discrepancy, self.organization_id, discrepancy_id(self.kind, self.subject))
        return Needs(rows=(finding,), holds=False)

    def apply(self, book: Book, now: int) -> None:
        """Closes it with a note that says what explained it."""
        explain(book, self.organization_id, self.kind, self.subject, self.note, now)


async def flag_missing(work: Work, commands: Sequence[FlagMissing]) -> None:
    """Flags what is missing and counts it as differences of this run."""
    for answer in await work.apply(commands):
        if isinstance(answer, BaseException):
            raise answer
    for kind in sorted({command.kind for command in commands}):
        await still_missing(work, kind, [command.subject for command in commands if command.kind == kind])


async def still_missing(work: Work, kind: str, subjects: Sequence[str]) -> None:
    """Counts differences; one that a person has resolved with a note is none any more."""
    found = await told_findings(work, kind, subjects)
    missing = [subject for subject in subjects if subject not in found or found[subject].status == "open"]
    work.count(differences=named(work.detail, kind, missing))
    named(work.detail, "resolved", sorted(set(subjects) - set(missing)))


async def told_findings(work: Work, kind: str, subjects: Iterable[str]) -> dict[str, Discrepancy]:
    """The findings of a kind about these subjects that a person was told of: open, or resolved by somebody."""
    ids = {discrepancy_id(kind, subject): subject for subject in subjects}
    rows = await work.look(find_rows, Discrepancy, work.organization_id, list(ids))
    return {ids[id]: row for id, row in rows.items() if row.status == "open" or row.resolved_by != ROONY}


async def close_found(work: Work, *, here: Iterable[str] = (), at_stripe: Iterable[str] = ()) -> None:
    """Closes the open findings about objects that were seen on the side where they were missing."""
    seen = {"missing_here": frozenset(here), "missing_at_stripe": frozenset(at_stripe)}
    notes = {"missing_here": FOUND_HERE, "missing_at_stripe": FOUND_AT_STRIPE}
    if not any(seen.values()):
        return
    findings = await work.look(missing_findings, work.organization_id)
    explained = [finding for finding in findings if finding.subject in seen[finding.kind]]
    await work.apply([CloseFound(work.organization_id, row.kind, row.subject, notes[row.kind]) for row in explained])
