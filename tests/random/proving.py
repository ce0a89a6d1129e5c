"""At the end of a random company the evidence of each of its purchases proves all that is said in it."""

from __future__ import annotations

from roony.core.purchase import Purchase
from tests.random.ground import DatabaseGround, Ground
from tests.random.watch import Counts
from tests.support.evidence import all_proven
from tests.support.offline import offline_context


def check_evidence_of_all(ground: Ground, counts: Counts) -> None:
    """P9: whatever happened, records and rows say the same."""
    if not isinstance(ground, DatabaseGround):
        return
    with offline_context(ground.books) as context:
        all_proven(context, ground.books)
    counts.words["purchases proven"] += len(ground.books.rows(Purchase))
