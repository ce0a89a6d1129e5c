"""Cards that end by themselves: after the n-th payment, and by their printed date (facts 1.5)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from roony.simulator.events import emit
from roony.simulator.records import Record
from roony.simulator.refusals import invalid
from roony.simulator.views import card_view, frozen, previous_attributes
from roony.simulator.world import World

FRAUD_WARNINGS = ("card_testing_exposure", "fraud_dispute_filed", "third_party_reported", "user_indicated_fraud")
SMALL_PAYMENT = 100  # minor units: authorizations up to 1.00 count once captured, larger ones when approved


def count_payment(world: World, card: Record) -> None:
    """Count one payment; at the agreed number Stripe cancels the card itself."""
    controls = card["body"]["lifecycle_controls"]
    card["payments"] += 1
    world.cards.touch(card)
    if controls is not None and card["payments"] >= controls["cancel_after"]["payment_count"]:
        change_status(world, card, "canceled")


def count_authorization(world: World, authorization: Record, *, captured: bool) -> None:
    """Count an approved authorization once: above 1.00 at approval, else at capture."""
    if authorization["payment_counted"]:
        return
    if captured or authorization["body"]["amount"] > SMALL_PAYMENT:
        authorization["payment_counted"] = True
        count_payment(world, world.cards[authorization["card"]])


def change_status(world: World, card: Record, status: str) -> None:
    """Set a card's status and tell it by `issuing_card.updated`."""
    if card["body"]["status"] == status:
        return
    before = frozen(card_view(world, card))
    card["body"]["status"] = status
    world.cards.touch(card)
    after = card_view(world, card)
    emit(world, card["account"], "issuing_card.updated", after, previous_attributes(before, after))


def mark_as_fraud(world: World, card: Record, kind: Any = "user_indicated_fraud") -> dict[str, Any] | None:
    """Warn of fraud with a card, or take the warning back with None; told by `issuing_card.updated` (facts 1.3)."""
    if kind is not None and kind not in FRAUD_WARNINGS:
        raise invalid(f"Invalid fraud_warning: must be one of {', '.join(FRAUD_WARNINGS)}", "fraud_warning")
    before = frozen(card_view(world, card))
    warning = None if kind is None else {"started_at": world.clock.now(), "type": kind}
    card["body"]["latest_fraud_warning"] = warning
    world.cards.touch(card)
    after = card_view(world, card)
    if after != before:
        emit(world, card["account"], "issuing_card.updated", after, previous_attributes(before, after))
    return warning


def past_its_date(world: World, card: Record) -> bool:
    """Whether the printed month is over."""
    now = datetime.fromtimestamp(world.clock.now(), UTC)
    return (now.year, now.month) > (card["body"]["exp_year"], card["body"]["exp_month"])
