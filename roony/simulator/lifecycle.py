"""Cards that end by themselves: after the n-th payment, and by their printed date (facts 1.5)."""

from __future__ import annotations

from datetime import UTC, datetime

from roony.simulator.events import emit
from roony.simulator.records import Record
from roony.simulator.views import card_view, frozen, previous_attributes
from roony.simulator.world import World

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


def mark_as_fraud(world: World, card: Record) -> None:
    """Warn of a card whose holder called a payment fraud; told by `issuing_card.updated` (facts 1.3)."""
    before = frozen(card_view(world, card))
    card["body"]["latest_fraud_warning"] = {"started_at": world.clock.now(), "type": "user_indicated_fraud"}
    world.cards.touch(card)
    after = card_view(world, card)
    emit(world, card["account"], "issuing_card.updated", after, previous_attributes(before, after))


def past_its_date(world: World, card: Record) -> bool:
    """Whether the printed month is over."""
    now = datetime.fromtimestamp(world.clock.now(), UTC)
    return (now.year, now.month) > (card["body"]["exp_year"], card["body"]["exp_month"])
