"""An Issuing dispute as Stripe tells it: merged by rank in any order, shown, and never counted in a budget."""

from __future__ import annotations

from typing import Any, NamedTuple

from roony.core.duration import SECOND

# Facts 3.4; a status unknown here is between filing and the outcome.
_RANKS = {"unsubmitted": 0, "submitted": 1, "won": 2, "lost": 2, "expired": 2}
_FUNDS = {"issuing_dispute.funds_reinstated": "reinstated", "issuing_dispute.funds_rescinded": "rescinded"}
_FUNDS_ORDER = ("none", "reinstated", "rescinded")


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


def read_dispute(
    item: dict[str, Any], event_type: str, created: int, organization_id: str, connection_id: str, now: int
) -> Dispute:
    """Reads an `issuing.dispute` told at `created` (seconds). Raises KeyError or TypeError for one that is none."""
    transaction = item["transaction"]
    funds = _FUNDS.get(event_type, "none")
    return Dispute(
        organization_id=organization_id,
        id=item["id"],
        connection_id=connection_id,
        stripe_transaction_id=transaction["id"] if isinstance(transaction, dict) else transaction,
        status=item["status"],
        reason=(item.get("evidence") or {}).get("reason") or "",
        amount=item["amount"],
        currency=item["currency"],
        movements=len(item.get("balance_transactions") or ()),
        funds=funds,
        funds_at=created * SECOND if funds != "none" else 0,
        statement_at=created * SECOND,
        created_at=item["created"] * SECOND,
        updated_at=now,
    )


def merge_dispute(known: Dispute | None, said: Dispute) -> Dispute:
    """What is known after a statement: of two the one that says more, and of the money the last word."""
    if known is None:
        return said
    last = max(known, said, key=lambda item: (item.funds_at, _FUNDS_ORDER.index(item.funds)))
    newer = said if _rank(said) > _rank(known) else known
    merged = newer._replace(funds=last.funds, funds_at=last.funds_at, updated_at=known.updated_at)
    return merged if merged == known else merged._replace(updated_at=said.updated_at)


def _rank(item: Dispute) -> tuple[Any, ...]:
    """Two that say as much in the same second are told apart by what they say, so that any order ends alike."""
    said = (_RANKS.get(item.status, 1), item.movements, item.statement_at)
    return *said, item.status, item.reason, item.amount
