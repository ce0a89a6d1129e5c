"""What does not fit is flagged: written once, open until a person resolves it or a later fact explains it."""

from __future__ import annotations

from roony.core.audit import ROONY
from roony.core.finding import Explained, Findings, discrepancy_id
from roony.core.purchase import Purchase
from roony.core.settlement import Discrepancy
from roony.store.book import Book

__all__ = ["discrepancy_id", "explain", "flag", "record_end", "settle_findings"]


def flag(
    book: Book,
    organization_id: str,
    kind: str,
    subject: str,
    purchase: Purchase | None,
    expected: str,
    found: str,
    now: int,
    card_id: str | None = None,
    after: int | None = None,
) -> None:
    """Opens a discrepancy about `subject` (a Stripe id), or again one that Roony had closed; see `Needs`.

    One that is open, or that a person resolved, stays as it is, but for one that they resolved before `after`: then the
    same was done anew, which nobody has seen. The caller names
    `(Discrepancy, organization, discrepancy_id(kind, subject))` beforehand, or knows that the subject is new: a row
    that was not loaded is taken to be absent and written under its derived id.
    """
    id = discrepancy_id(kind, subject)
    before = _before(book, organization_id, id)
    if before is not None and (before.status == "open" or (before.resolved_by != ROONY and not _anew(before, after))):
        return
    purchase_id = purchase.id if purchase else None
    book.put(
        Discrepancy(
            organization_id=organization_id,
            id=id,
            kind=kind,
            status="open",
            purchase_id=purchase_id,
            card_id=card_id or (purchase.card_id if purchase else None),
            subject=subject,
            expected=expected,
            found=found,
            note=None,
            resolved_by=None,
            created_at=before.created_at if before is not None else now,
            resolved_at=None,
        )
    )
    whose = {"purchase": purchase_id, "agent": purchase.agent_id if purchase else None}
    body = {"kind": kind, "subject": subject, **whose, "expected": expected, "found": found}
    book.record(organization_id, ROONY, "discrepancy.opened", id, body, now)


def explain(book: Book, organization_id: str, kind: str, subject: str, note: str, now: int) -> None:
    """Closes an open finding that a later fact explains; `note` says what did. One a person closed stays theirs."""
    row = _before(book, organization_id, discrepancy_id(kind, subject))
    if row is None or row.status != "open":
        return
    book.put(row._replace(status="resolved", note=note, resolved_by=ROONY, resolved_at=now))
    record_end(book, row, "explained", ROONY, note, now)


def record_end(book: Book, row: Discrepancy, how: str, actor: str, note: str, now: int) -> None:
    """Writes down that a finding was closed: `resolved` by a person, or `explained` by a later fact."""
    key = (row.organization_id, row.purchase_id)
    purchase = book.get(Purchase, *key) if book.known(Purchase, key) else None
    body = {
        "kind": row.kind, "subject": row.subject, "note": note, "purchase": row.purchase_id,
        "agent": purchase.agent_id if purchase else None,
    }  # fmt: skip
    book.record(row.organization_id, actor, f"discrepancy.{how}", row.id, body, now)


def settle_findings(book: Book, purchase: Purchase, findings: Findings, now: int) -> None:
    """Opens and closes what was looked at, so that the findings are a function of what is known."""
    for (kind, subject), result in findings.items():
        if isinstance(result, Explained):
            explain(book, purchase.organization_id, kind, subject, result.note, now)
        else:
            flag(book, purchase.organization_id, kind, subject, purchase, result.expected, result.found, now)


def _anew(before: Discrepancy, at: int | None) -> bool:
    return at is not None and before.resolved_at is not None and before.resolved_at < at


def _before(book: Book, organization_id: str, id: str) -> Discrepancy | None:
    key = (organization_id, id)
    return book.get(Discrepancy, *key) if book.known(Discrepancy, key) else None
