"""A fraud warning about a card, as Stripe gives it: the control `cards/{card}`, told by `issuing_card.updated`."""

from __future__ import annotations

from typing import Any

from roony.simulator.events import emit
from roony.simulator.records import Record
from roony.simulator.refusals import invalid
from roony.simulator.views import card_view, frozen, previous_attributes
from roony.simulator.world import World

# Facts 1.3.
TYPES = ("card_testing_exposure", "fraud_dispute_filed", "third_party_reported", "user_indicated_fraud")


def warn(world: World, card: Record, kind: Any) -> dict[str, Any] | None:
    """Set the card's `latest_fraud_warning` to one of this type, begun now; null takes it back."""
    if kind is not None and kind not in TYPES:
        raise invalid(f"Invalid fraud_warning: must be one of {', '.join(TYPES)}", "fraud_warning")
    before = frozen(card_view(world, card))
    warning = None if kind is None else {"started_at": world.clock.now(), "type": kind}
    card["body"]["latest_fraud_warning"] = warning
    world.cards.touch(card)
    after = card_view(world, card)
    if after != before:
        emit(world, card["account"], "issuing_card.updated", after, previous_attributes(before, after))
    return warning
