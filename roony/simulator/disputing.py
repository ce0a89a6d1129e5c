"""What becomes of a dispute after it was filed: credits, its outcome, and the end of its time (facts 3.4).

A won dispute brings the amount back to the Issuing balance. Before the outcome Stripe may lend it (a provisional
credit), which a lost dispute takes away again.
"""

from __future__ import annotations

from roony.simulator import ledger
from roony.simulator.events import emit
from roony.simulator.records import Record
from roony.simulator.refusals import invalid
from roony.simulator.views import dispute_view, frozen, previous_attributes
from roony.simulator.world import World

# Stripe's guide to disputes: the window closes 110 days after the transaction was processed.
WINDOW_SECONDS = 110 * 24 * 3600
LOSS_REASONS = (
    "cardholder_authentication_issuer_liability",
    "eci5_token_transaction_with_tavv",
    "excess_disputes_in_timeframe",
    "has_not_met_the_minimum_dispute_amount_requirements",
    "invalid_duplicate_dispute",
    "invalid_incorrect_amount_dispute",
    "invalid_no_authorization",
    "invalid_use_of_disputes",
    "merchandise_delivered_or_shipped",
    "merchandise_or_service_as_described",
    "not_cancelled",
    "other",
    "refund_issued",
    "submitted_beyond_allowable_time_limit",
    "transaction_3ds_required",
    "transaction_approved_after_prior_fraud_dispute",
    "transaction_authorized",
    "transaction_electronically_read",
    "transaction_qualifies_for_visa_easy_payment_service",
    "transaction_unattended",
)
# From which status an outcome can come.
_OUTCOMES = {"won": "submitted", "lost": "submitted", "expired": "unsubmitted"}


def window_closed(world: World, transaction: Record) -> bool:
    """Whether a transaction has become too old to be disputed."""
    return bool(transaction["body"]["created"] + WINDOW_SECONDS <= world.clock.now())


def credit(world: World, record: Record) -> Record:
    """Lend the amount of a submitted dispute until its outcome is known; once only."""
    if record["body"]["status"] != "submitted":
        raise invalid(f"This dispute is {record['body']['status']}: only a submitted one can be credited.")
    if record["credited"]:
        raise invalid("This dispute has been credited already.")
    before = frozen(dispute_view(world, record))
    record["credited"] = True
    _move(world, record, record["body"]["amount"], "issuing_dispute_provisional_credit")
    world.disputes.touch(record)
    _tell(world, record, "funds_reinstated", before)
    return record


def close(world: World, record: Record, status: str, loss_reason: str | None = None) -> Record:
    """Give a dispute its outcome: won and lost come after submission, expired instead of it.

    Raises Refusal for any other status, for an outcome that cannot follow, and for a reason without a loss.
    """
    body = record["body"]
    needed = _OUTCOMES.get(status)
    if needed is None:
        raise invalid(f"`status` is one of {', '.join(_OUTCOMES)}.", "status")
    if body["status"] != needed:
        raise invalid(f"This dispute is {body['status']}: only one that is {needed} can become {status}.", "status")
    if loss_reason is not None and (status != "lost" or loss_reason not in LOSS_REASONS):
        raise invalid("`loss_reason` is one of Stripe's loss reasons, and goes with `lost` only.", "loss_reason")
    before = frozen(dispute_view(world, record))
    body["status"] = status
    if status == "lost":
        body["loss_reason"] = loss_reason or "other"
    world.disputes.touch(record)
    # A credit that was lent is kept after a win; without one the money comes now.
    if status == "won" and not record["credited"]:
        _move(world, record, body["amount"], "issuing_dispute")
        _tell(world, record, "funds_reinstated", before)
    elif status == "lost" and record["credited"]:
        _move(world, record, -body["amount"], "issuing_dispute_provisional_credit_reversal")
        _tell(world, record, "funds_rescinded", before)
    _tell(world, record, "closed", before)
    return record


def expire(world: World, record: Record) -> None:
    """Close an unsubmitted dispute whose transaction has become too old."""
    transaction = world.transactions[record["transaction"]]
    if record["body"]["status"] == "unsubmitted" and window_closed(world, transaction):
        close(world, record, "expired")


def expire_due(world: World) -> None:
    """Close every unsubmitted dispute whose window is over, by the simulated clock."""
    for record in world.disputes:
        expire(world, record)


def _move(world: World, record: Record, amount: int, kind: str) -> None:
    moved = ledger.move(world, record["account"], record["body"]["currency"], amount, kind, record["id"])
    record["moves"].append(moved["id"])


def _tell(world: World, record: Record, what: str, before: dict[str, object]) -> None:
    after = dispute_view(world, record)
    emit(world, record["account"], f"issuing_dispute.{what}", after, previous_attributes(before, after))
