"""An approval: a person's yes or no to one purchase, the snapshot that person saw, and when it is too late."""

from __future__ import annotations

from typing import NamedTuple


class Approval(NamedTuple):
    """`snapshot` is JSON of what the approver is shown; times in microseconds UTC.

    `kind` says what a yes does, one of KINDS; `amount` is the price it is about where that is not the purchase's own,
    in minor units.
    """

    organization_id: str
    id: str
    purchase_id: str
    status: str
    snapshot: str
    expires_at: int
    decided_by: str | None
    decided_at: int | None
    note: str
    created_at: int
    kind: str = "purchase"
    amount: int | None = None


KINDS = ("purchase", "raise", "renewal")
STATUSES = ("pending", "approved", "denied", "expired")
# 30 minutes: long enough for a person to see a message, short enough that a price still holds.
DEFAULT_LIFETIME = 30 * 60 * 1_000_000
# A merchant whose renewal was declined tries again for some days.
RENEWAL_LIFETIME = 3 * 24 * 3600 * 1_000_000


def current_status(approval: Approval, now: int) -> str:
    """The status at `now`: past `expires_at` a pending approval is expired, whether or not the worker came by."""
    if approval.status == "pending" and now >= approval.expires_at:
        return "expired"
    return approval.status
