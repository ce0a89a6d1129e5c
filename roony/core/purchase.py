"""A purchase: its row, the state derived from facts, and the fingerprint by which a repeated wish is recognised."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from roony.core.agent import Chain
from roony.core.authorization import FINAL_STATUSES, Authorization
from roony.core.hashing import text_hash

# The kinds of purchases: paid once, or again in every interval (a mandate).
ONE_TIME, RECURRING = "one_time", "recurring"


class Recurring(NamedTuple):
    """How a purchase is paid again: once in every interval, `payments` times in all."""

    interval: str
    payments: int


class Purchase(NamedTuple):
    """One wish to buy and what became of it. Amounts in minor units of `currency`, times in microseconds UTC.

    `merchant`, `metadata`, `decision` and `failure` are JSON text. `ended_at` is when the right to a new authorization
    ended and `ended_reason` why. `held` and `spent` are what its entries sum to; `captured` and `refunded` what Stripe
    reported, `loose_captured` the part of it without an authorization. Of a mandate (`kind` recurring) `amount` and
    `hold_amount` are those of each payment, `payments` how often it may be paid, once in every `interval`;
    `payments_made` and `next_payment_from` follow from its authorizations.
    """

    organization_id: str
    id: str
    agent_id: str
    project_id: str
    task_id: str | None
    connection_id: str
    status: str
    amount: int
    currency: str
    hold_id: str | None
    hold_amount: int
    held: int
    spent: int
    captured: int
    loose_captured: int
    refunded: int
    entry_count: int
    card_id: str | None
    approval_id: str | None
    merchant_key: str
    merchant_lock: str
    merchant: str
    description: str
    metadata: str
    decision: str
    failure: str | None
    fingerprint: str
    ended_at: int | None
    ended_reason: str | None
    created_at: int
    updated_at: int
    kind: str = ONE_TIME
    interval: str | None = None
    payments: int = 1
    payments_made: int = 0
    next_payment_from: int | None = None

    @property
    def chain(self) -> Chain:
        """What it belongs to."""
        return Chain(self.organization_id, self.project_id, self.agent_id, self.task_id)

    @property
    def recurring(self) -> Recurring | None:
        """How it is paid again; None for one that is paid once."""
        return None if self.interval is None else Recurring(self.interval, self.payments)


class KeptKey(NamedTuple):
    """An Idempotency-Key an agent has used, the purchase it made and the fingerprint of the body it came with."""

    organization_id: str
    agent_id: str
    key: str
    purchase_id: str
    body_hash: str
    created_at: int


class RecentPurchase(NamedTuple):
    """The purchases with one fingerprint: what the duplicate guard compares with.

    `purchase_id` is the newest, `others` (JSON `[[id, when], …]`) are those before it that counted when it came, newest
    first.
    """

    organization_id: str
    agent_id: str
    fingerprint: str
    purchase_id: str
    created_at: int
    others: str | None = None

    @property
    def all(self) -> list[tuple[str, int]]:
        """All of them with the time of each, newest first."""
        before = json.loads(self.others) if self.others is not None else ()
        return [(self.purchase_id, self.created_at), *((id, at) for id, at in before)]


class Velocity(NamedTuple):
    """How many purchases an agent asked for in one hour, and their sum; `hour` is whole hours since 1970 UTC."""

    organization_id: str
    agent_id: str
    hour: int
    purchases: int
    amount: int


STATUSES = [
    "declined",
    "awaiting_approval",
    "issuing",
    "ready",
    "authorized",
    "settled",
    "canceled",
    "expired",
    "failed",
]
# It has or will have a card that can pay, or it was paid: something is bought at its merchant.
BOUGHT = frozenset({"issuing", "ready", "authorized", "settled"})


@lru_cache(maxsize=1_024)
def fingerprint(task_id: str | None, merchant_key: str, amount: int, currency: str, kind: str = ONE_TIME) -> str:
    """What makes two wishes of one agent the same wish (section 6): task, merchant, amount, currency and kind."""
    parts = (task_id or "", merchant_key, str(amount), currency)
    return text_hash("\x1f".join(parts if kind == ONE_TIME else (*parts, kind)))


def may_still_authorize(purchase: Purchase, card_status: str | None) -> bool:
    """True while a new authorization can still be granted: nothing ended it, and its card is to come or unused.

    A card that is being made may already be live at Stripe: until it is recorded, its hold stays whatever else happens.
    """
    if card_status == "creating":
        return True
    if purchase.ended_at is not None or purchase.status == "declined":
        return False
    return card_status is None or card_status in ("active", "frozen")


def derive_status(purchase: Purchase, card_status: str | None, authorizations: Iterable[Authorization]) -> str:
    """The state of a purchase as a function of what is known (section 5). `declined` and the waits stay as they are.

    A mandate is `ready` again between its payments and `settled` once it is over.
    """
    if purchase.status == "declined":
        return "declined"
    approved = [a for a in authorizations if a.approved and not (a.is_check and a.captured == 0)]
    if any(is_open(a) for a in approved):
        return "authorized"
    over = purchase.kind != RECURRING or purchase.ended_at is not None or card_status == "used"
    if purchase.captured > 0 and over:
        return "settled"
    if purchase.ended_at is not None:
        return _ended_status(purchase.ended_reason)
    if approved and purchase.kind != RECURRING and card_status in ("used", "canceled", "expired"):
        return "canceled"
    if purchase.status == "awaiting_approval" or (purchase.card_id is None and card_status is None):
        return purchase.status
    return "issuing" if card_status in (None, "creating") else "ready"


def is_open(authorization: Authorization) -> bool:
    """Approved and pending, or closed with its capture not known yet: money that is still on its way.

    A check of nothing that was closed has no capture to wait for.
    """
    if not authorization.approved:
        return False
    if authorization.status == "closed":
        return authorization.captured == 0 and authorization.amount > 0
    return authorization.status not in FINAL_STATUSES


def _ended_status(reason: str | None) -> str:
    if reason in ("expired", "failed", "declined"):
        return reason
    return "canceled"
