"""An approval: people's yes or no to one purchase, the snapshot they saw, when two must agree, and when it is too late.

Above `second_approval_threshold` two different users must say yes to the same amount. A yes to another amount takes the
place of the one before it, and the one who said that has to agree again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from roony.core.decision import Decision
from roony.core.duration import DAY, MINUTE, SECOND, local_time
from roony.core.errors import Refusal
from roony.core.money import format_amount
from roony.core.user import User, may_approve


class Approval(NamedTuple):
    """`snapshot` is JSON of what the approver is shown; times in microseconds UTC.

    `kind` says what a yes does, one of KINDS; `amount` is the price it is about where that is not the purchase's own,
    in minor units. `approved_amount` is what was said yes to: by `first_approved_by` while a second person is waited
    for, and in the end by whoever decided. `decision` is what the rules said to the
    last yes, with its inputs (`inputs.py`); None before any, and for those said before it was kept.
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
    first_approved_by: str | None = None
    first_approved_at: int | None = None
    approved_amount: int | None = None
    decision: str | None = None


KINDS = ("purchase", "raise", "renewal")
# What is kept is `pending` until it is over; `partly_approved` and a late `expired` follow from the row and the time.
STATUSES = ("pending", "partly_approved", "approved", "denied", "expired")
WAITING = frozenset({"pending", "partly_approved"})
NOT_ALLOWED_NOW = "The rules no longer allow it."
# 30 minutes: long enough for a person to see a message, short enough that a price still holds.
DEFAULT_LIFETIME = 30 * MINUTE
# A merchant whose renewal was declined tries again for some days.
RENEWAL_LIFETIME = 3 * DAY


def approval_lifetime(kind: str, expiry_seconds: int | None) -> int:
    """How long people have, in microseconds; `expiry_seconds` is the owner's control, None where none is set."""
    if expiry_seconds is not None:
        return expiry_seconds * SECOND
    return RENEWAL_LIFETIME if kind == "renewal" else DEFAULT_LIFETIME


def current_status(approval: Approval, now: int) -> str:
    """The status at `now`: past `expires_at` one that waits is expired, whether or not the worker came by."""
    if approval.status != "pending":
        return approval.status
    if now >= approval.expires_at:
        return "expired"
    return "partly_approved" if approval.first_approved_by is not None else "pending"


def is_waiting(approval: Approval, now: int) -> bool:
    """True while a person can still decide."""
    return current_status(approval, now) in WAITING


def too_late(approval: Approval, now: int) -> Refusal | None:
    """Why nobody can decide any more: who did, when and what. None while it waits."""
    status = current_status(approval, now)
    if status in WAITING:
        return None
    by = f" by {approval.decided_by}" if approval.decided_by else ""
    at = local_time(approval.decided_at or approval.expires_at)
    note = f' ("{approval.note}")' if approval.note else ""
    message = f"This approval is already {status}{by}, since {at:%Y-%m-%d %H:%M:%S} UTC{note}; nothing was changed."
    return Refusal("approval_closed", message, 409, id=approval.id)


def as_it_counts(approval: Approval, users: Iterable[User]) -> Approval:
    """While it waits, without a first yes that counts no more: its user must be an approver, without a break since.

    `users` has at least the one who said it, if there still is one.
    """
    by, at = approval.first_approved_by, approval.first_approved_at
    if by is None or at is None or approval.status != "pending":
        return approval
    if any(user.id == by and may_approve(user) and user.approves_since <= at for user in users):
        return approval
    return approval._replace(first_approved_by=None, first_approved_at=None, approved_amount=None, decision=None)


def is_last_yes(
    approval: Approval, person: str | None, amount: int, currency: str, threshold: int | None
) -> bool | Refusal:
    """True if this yes to `amount` decides, False if another person must agree to it; or why it does not count.

    `person` is the user who says it, None for a key that belongs to none. `threshold` is the strictest
    `second_approval_threshold` of now. Amounts in minor units of `currency`.
    """
    if threshold is None or amount <= threshold:
        return True
    above = format_amount(threshold, currency)
    if person is None:
        message = (
            f"Above {above} two different people must agree, and this key belongs to nobody. Decide with a user's own"
            " key: `roony user new` makes a user, `roony user key new` a key."
        )
        return Refusal("user_key_needed", message, 403, id=approval.id)
    if approval.first_approved_by is None or approval.approved_amount != amount:
        return False
    if approval.first_approved_by == person:
        message = f"Above {above} two different people must agree, and you already said yes: another one must as well."
        return Refusal("second_person_needed", message, 409, id=approval.id)
    return True


def not_for_this_amount(approval: Approval, amount: int, asked: int, decision: Decision) -> Refusal | None:
    """Why a yes to another `amount` than was `asked` for changes nothing: the rules do not allow it.

    None for one to what was asked for: a purchase that fits no more is over. The person may still name an amount that
    fits. Minor units.
    """
    if amount == asked or decision.verdict != "declined":
        return None
    message = f"The rules do not allow this amount: {decision.reasons[0].message} The approval still waits."
    return Refusal("amount_not_allowed", message, 409, "amount", approval.id, decision.reasons)


def what_was_done(approval: Approval, now: int, others: Sequence[str]) -> str:
    """One sentence for whoever just decided; `others` are the people who could be the second one, by name."""
    status = current_status(approval, now)
    if status == "approved":
        return "Approved."
    if status == "denied":
        return "Denied." if approval.note != NOT_ALLOWED_NOW else f"Not approved: {NOT_ALLOWED_NOW}"
    whom = f": {', '.join(others)}" if others else ", and nobody else has the role of an approver yet"
    return f"Your yes is written down. Another person must agree to the same amount{whom}."


def what_was_shown(approval: Approval) -> dict[str, Any]:
    """What the approver is shown, as it was when a person was asked. What the agent wrote is under `untrusted`."""
    snapshot: dict[str, Any] = json.loads(approval.snapshot)
    if "untrusted" not in snapshot:
        # As releases before it was told apart wrote it.
        snapshot["untrusted"] = {"description": snapshot.pop("description", ""), "metadata": {}}
    return snapshot
