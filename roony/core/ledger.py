"""Holds and entries: what is set aside for a purchase as a function of what is known, and the steps between."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from roony.core.authorization import FINAL_STATUSES, Authorization
from roony.core.purchase import Purchase, is_open, may_still_authorize


class Hold(NamedTuple):
    """Budget set aside for one purchase, never edited (section 4). `periods` is JSON `[[budget id, start], …]`."""

    organization_id: str
    id: str
    purchase_id: str
    amount: int
    currency: str
    periods: str
    created_at: int


class Entry(NamedTuple):
    """One movement of a hold: it counts in every period the hold was placed in. Appended, never edited."""

    organization_id: str
    purchase_id: str
    sequence: int
    hold_id: str
    kind: str
    held: int
    spent: int
    at: int


class Position(NamedTuple):
    """What a purchase holds and has spent, in minor units."""

    held: int
    spent: int


def committed(purchase: Purchase, authorizations: Iterable[Authorization]) -> int:
    """What approved authorizations may still take or have taken, plus captures that had none (section 4)."""
    return purchase.loose_captured + sum(committed_on(a) for a in authorizations)


def committed_on(authorization: Authorization) -> int:
    """One authorization's part: its amount while money is on its way, else what was captured on it."""
    if not authorization.approved:
        return authorization.captured
    if authorization.status not in FINAL_STATUSES:
        return max(authorization.amount, authorization.captured)
    if authorization.status == "closed" and authorization.captured == 0:
        return authorization.amount
    return authorization.captured


def position(purchase: Purchase, card_status: str | None, authorizations: Iterable[Authorization]) -> Position:
    """Held and spent of a purchase as a function of all that is known about it, whatever the order it became known."""
    known = list(authorizations)
    # Both are totals of what Stripe reported, so a refund that is known before its capture counts all the same.
    spent = max(0, purchase.captured - purchase.refunded)
    waiting = may_still_authorize(purchase, card_status) or any(is_open(a) for a in known)
    if not waiting:
        return Position(0, spent)
    return Position(max(0, max(purchase.hold_amount, committed(purchase, known)) - purchase.captured), spent)
