"""What does not fit is flagged: a discrepancy written once, open until a person resolves it."""

from __future__ import annotations

import hashlib

from roony.core.purchase import Purchase
from roony.core.settlement import Discrepancy
from roony.flows.movement import ROONY
from roony.store.book import Book


def discrepancy_id(kind: str, subject: str) -> str:
    """The id of a finding, derived from what it is about, so that finding it again writes nothing new."""
    return "dis_" + hashlib.sha256(f"{kind}|{subject}".encode()).hexdigest()[:24]


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
) -> None:
    """Opens a discrepancy about `subject` (a Stripe id) unless this batch or an earlier one has; see `Needs`.

    The caller names `(Discrepancy, organization, discrepancy_id(kind, subject))` beforehand, or knows that the
    subject is new: a row that was not loaded is taken to be absent and written under its derived id.
    """
    id = discrepancy_id(kind, subject)
    key = (organization_id, id)
    if book.known(Discrepancy, key) and book.get(Discrepancy, *key) is not None:
        return
    card = card_id or (purchase.card_id if purchase else None)
    book.put(
        Discrepancy(
            organization_id,
            id,
            kind,
            "open",
            purchase.id if purchase else None,
            card,
            subject,
            expected,
            found,
            None,
            None,
            now,
            None,
        )
    )
    book.record(
        organization_id,
        ROONY,
        "discrepancy.opened",
        id,
        {
            "kind": kind,
            "subject": subject,
            "purchase": purchase.id if purchase else None,
            "expected": expected,
            "found": found,
        },
        now,
    )
