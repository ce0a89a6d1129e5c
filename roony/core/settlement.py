"""What Stripe says afterwards: statements merged by rank, captures and refunds booked once, differences named."""

from __future__ import annotations

from typing import NamedTuple


class StripeTransaction(NamedTuple):
    """One capture or refund as Stripe booked it, kept once by its id. `amount` is never negative; `type` says which way."""

    organization_id: str
    id: str
    connection_id: str
    purchase_id: str | None
    authorization_id: str | None
    stripe_card_id: str
    type: str
    amount: int
    currency: str
    merchant_amount: int
    merchant_currency: str
    merchant: str
    network_transaction_id: str | None
    created_at: int
    booked_at: int


class Discrepancy(NamedTuple):
    """Something that does not fit what was approved; open until a person resolves it with a note.

    `id` is derived from what it is about, so that the same finding is written once.
    """

    organization_id: str
    id: str
    kind: str
    status: str
    purchase_id: str | None
    card_id: str | None
    subject: str
    expected: str
    found: str
    note: str | None
    resolved_by: str | None
    created_at: int
    resolved_at: int | None
