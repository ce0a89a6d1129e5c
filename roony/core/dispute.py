"""An Issuing dispute as Stripe tells it: merged by rank in any order, shown, and never counted in a budget."""

from __future__ import annotations

from typing import NamedTuple


class Dispute(NamedTuple):
    """One dispute of a capture. Amounts in minor units of `currency`, times in microseconds UTC.

    `movements` is how many balance transactions Stripe listed, `funds` the last word on the money: `none`,
    `reinstated` or `rescinded`, as of `funds_at`. `statement_at` is the time of the statement that counts.
    """

    organization_id: str
    id: str
    connection_id: str
    stripe_transaction_id: str
    status: str
    reason: str
    amount: int
    currency: str
    movements: int
    funds: str
    funds_at: int
    statement_at: int
    created_at: int
    updated_at: int
