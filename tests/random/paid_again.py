"""What the books must say of a mandate, worked out a second time (design section 4): the model of model.py, by payment.

Each payment holds and spends by itself, in the budget periods of its own time. Nothing of Roony is imported.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.random.model import Expected, Line, Moved, Wish, begin


@dataclass
class Place:
    """One payment as it must be: since when and for how much it is held, its interval, and what came on it.

    `id` is that of the authorization or capture it is for, empty for the one held at the ask.
    """

    at: int
    hold: int
    interval_start: int
    id: str = ""
    lines: list[Line] = field(default_factory=list)
    first: bool = False
    captured: int = 0
    loose: int = 0
    refunded: int = 0

    @property
    def waits(self) -> bool:
        """Held at the ask, and nothing has come on it but card checks."""
        return self.first and not self.captured and not any(line.uses_card for line in self.lines)

    def position(self, *, may_come: bool) -> tuple[int, int]:
        """Held and spent."""
        is_held = may_come or any(line.is_open for line in self.lines)
        committed = sum(line.committed for line in self.lines) + self.loose
        return max(0, max(self.hold, committed) - self.captured) if is_held else 0, self.captured - self.refunded


def places(wish: Wish, lines: Sequence[Line], moved: Sequence[Moved]) -> list[Place]:
    """The payments of a mandate with all that came on them, in the end.

    A yes of ours has the payment it was decided on. What Stripe made alone is a payment of its own time for which
    nothing was set aside. What was held at the ask is for the oldest of these and of every yes on it; another such yes
    has as much set aside in its own time.
    """
    numbers = {1, *wish.placed.values()}
    found = {
        each.sequence: Place(each.at, each.hold, each.interval_start, first=each.sequence == 1)
        for each in wish.due
        if each.sequence in numbers
    }
    ids = {line.id for line in lines}
    by_id = {line.id: line for line in lines}
    loose = {each.id: each for each in moved if each.kind == "capture" and each.authorization not in ids}
    alone = sorted(
        [(line.began, line.id) for line in lines if line.approved and line.id not in wish.placed]
        + [(each.at, each.id) for each in loose.values()]
    )
    first = next((each for each in alone if each[1] in loose or by_id[each[1]].uses_card), None)
    on_first = sorted(
        (line for line in lines if wish.placed.get(line.id) == 1 and line.uses_card), key=lambda line: line.began
    )
    if first is not None and on_first and on_first[0].began <= first[0]:
        first = None
    homes: dict[str, Place] = {}
    own: list[Place] = []

    def own_place(id: str, at: int, hold: int) -> None:
        homes[id] = Place(at, hold, begin(wish.interval or "", at), id)
        own.append(homes[id])

    for line in lines:
        if line.id in wish.placed:
            place = homes[line.id] = found[wish.placed[line.id]]
            place.id = "" if place.first else line.id
    for line in on_first[0 if first is not None else 1 :]:
        own_place(line.id, line.began, found[1].hold)
    if first is not None or on_first:
        at = first[0] if first is not None else on_first[0].began
        found[1].interval_start = begin(wish.interval or "", at)
    for at, id in alone:
        if (at, id) == first:
            homes[id] = found[1]
        else:
            own_place(id, at, 0)
    for line in lines:
        if line.id in homes:
            homes[line.id].lines.append(line)
    result = [*found.values(), *own]
    _share(result, homes, moved)
    return result


def _share(found: list[Place], homes: dict[str, Place], moved: Sequence[Moved]) -> None:
    """Captures, and refunds: these go where their capture went, what is left over to the newest."""
    moved = sorted(moved, key=lambda each: (each.at, each.id))
    seen: dict[str | None, list[Place]] = defaultdict(list)
    for each in moved:
        if each.kind == "capture":
            place = homes[each.authorization or each.id]
            place.captured += each.amount
            place.loose += 0 if each.authorization else each.amount
            seen[each.network_id].append(place)
    # Of two in one second the first is the older, the others go by what they are for.
    newest = sorted(found, key=lambda place: (place.at, place.id), reverse=True)
    taken = [place for place in newest if place.captured]
    for each in moved:
        if each.kind != "refund":
            continue
        same = seen[each.network_id] if each.network_id else []
        if each.authorization in homes:
            first = homes[each.authorization]
        elif same and all(place is same[0] for place in same):
            first = same[0]
        else:
            first = next(place for place in taken if place.at <= each.at)
        left = each.amount
        for place in (first, *newest):
            part = min(left, place.captured - place.refunded)
            place.refunded, left = place.refunded + part, left - part
        assert left == 0, (found, each)


def intervals(interval: str, found: Sequence[Place]) -> dict[int, bool]:
    """The intervals that are paid, by their beginning, and whether money was captured in them; a check by itself."""
    paid: dict[int, bool] = {}
    for place in found:
        if place.loose:
            paid[place.interval_start] = True
        for line in place.lines:
            if line.captured or (line.is_open and not line.check):
                start = begin(interval, line.began) if line.check else place.interval_start
                paid[start] = paid.get(start, False) or line.captured > 0
    return paid


def expect(wish: Wish, found: Sequence[Place]) -> tuple[Expected, list[tuple[int, int, int]]]:
    """What the books must say about one mandate when they know everything, and of its payments: when, held, spent."""
    all_paid = len(intervals(wish.interval or "", found)) >= wish.payments
    goes_on = wish.card == "creating" or (wish.ended is None and wish.card != "over" and not all_paid)
    parts = [(place.at, *place.position(may_come=place.waits and goes_on)) for place in found]
    held, spent = sum(held for _, held, _ in parts), sum(spent for _, _, spent in parts)
    return Expected(held, spent, _status(wish, found, all_paid=all_paid)), parts


def _status(wish: Wish, found: Sequence[Place], *, all_paid: bool) -> str:
    if any(line.is_open and line.uses_card for place in found for line in place.lines):
        return "authorized"
    over = wish.ended is not None or all_paid
    if over and any(place.captured for place in found):
        return "settled"
    if wish.ended is not None:
        return wish.ended if wish.ended in ("declined", "expired", "failed") else "canceled"
    if wish.waits:
        return "awaiting_approval"
    return "issuing" if wish.card in ("none", "creating") else "ready"
