"""A reason forced on a card's next request, where no cause can be played: the control `cards/{card}` (facts 2.4)."""

from __future__ import annotations

from typing import Any

from roony.simulator.own_checks import FORCED_REASONS
from roony.simulator.records import Record
from roony.simulator.refusals import invalid
from roony.simulator.world import World

_FIELDS = {"next_reason", "next_approved"}


def force(world: World, card: Record, wish: dict[str, Any]) -> dict[str, Any]:
    """Have the next authorization or increment of a card end with `next_reason`, once; null takes it back.

    Only `network_fallback` may approve (`next_approved`, true unless told otherwise); all others decline. The
    webhook is not asked either way.
    """
    if wish.keys() - _FIELDS:
        raise invalid(f"Unknown field: {min(wish.keys() - _FIELDS)[:60]}")
    reason, fallback = wish.get("next_reason"), wish.get("next_reason") == "network_fallback"
    approved = wish.get("next_approved", fallback)
    if reason is not None and reason not in FORCED_REASONS:
        raise invalid(f"Invalid next_reason: must be one of {', '.join(FORCED_REASONS)}", "next_reason")
    if not isinstance(approved, bool) or (approved and not fallback):
        raise invalid("`next_approved` is true or false, and true with network_fallback only.", "next_approved")
    card.pop("forced", None)
    if reason is not None:
        card["forced"] = {"reason": reason, "approved": approved}
    world.cards.touch(card)
    return {"id": card["id"], "next_reason": reason, "next_approved": approved}
