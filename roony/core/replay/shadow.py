"""What one recorded purchase would have held and spent, beside what it really did."""

from __future__ import annotations

from dataclasses import dataclass, field

from roony.core.control import Controls, hold_amount
from roony.core.replay.past import PastEntry, PastHold, PastPurchase

_NOTHING = (0, 0)


@dataclass(slots=True)
class Shadow:
    """One purchase under the changed rules.

    `gone`: it would have been declined, so it neither holds nor spends. `added`: it would have been approved and was
    not, so it counts with its asked amount. `tolerances` are the rules its hold was and would have been made by.
    `capped_at`: a raise then would have been declined, so holds placed from then on count up to `cap`.
    """

    past: PastPurchase
    verdict: str | None = None
    gone: bool = False
    added: bool = False
    tolerances: tuple[Controls, Controls] | None = None
    capped_at: int | None = None
    cap: int = 0
    # What each hold is and would be, as (held, spent).
    actual: dict[str, tuple[int, int]] = field(default_factory=dict)
    counted: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def counts(self) -> bool:
        """Whether it would hold or have spent: only such a purchase can be repeated."""
        return self.added or any(held > 0 or spent > 0 for held, spent in self.counted.values())

    @property
    def held(self) -> int:
        """All that it would hold, in minor units."""
        return sum(held for held, _ in self.counted.values())

    def enter(self, entry: PastEntry) -> tuple[PastHold, tuple[int, int]]:
        """Takes up one entry; its hold, and how held and spent of it would have changed."""
        hold, id = self.past.holds[entry.hold_id], entry.hold_id
        held, spent = self.actual.get(id, _NOTHING)
        held, spent = self.actual[id] = held + entry.held, spent + entry.spent
        before = self.counted.get(id, _NOTHING)
        after = self.counted[id] = self._would_be(hold, held, spent)
        return hold, (after[0] - before[0], after[1] - before[1])

    def _would_be(self, hold: PastHold, held: int, spent: int) -> tuple[int, int]:
        if self.gone:
            return _NOTHING
        if held > 0 and self.tolerances is not None:
            amount = self.past.price_at(hold.placed_at)
            was, would_be = (hold_amount(amount, controls) for controls in self.tolerances)
            held = max(0, held + would_be - was)
        if self.capped_at is not None and hold.placed_at >= self.capped_at:
            spent = min(spent, self.cap)
            held = min(held, self.cap - spent)
        return held, spent
