"""What the books must say of a mandate, worked out a second time (design section 4): the model of model.py, by payment.

Each payment holds and spends by itself, in the budget periods of its own time. Nothing of Roony is imported.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from tests.random.model import Expected, Line, Moved, Payment, Wish, begin


class Share(NamedTuple):
    """What of one payment was captured, without an authorization too (`loose`), and came back; minor units."""

    captured: int
    loose: int
    refunded: int


def newest(due: Sequence[Payment], at: int) -> Payment:
    """The newest payment of that time; the first for what is older than all."""
    return next((payment for payment in reversed(due) if payment.at <= at), due[0])


def home(due: Sequence[Payment], line: Line) -> int:
    """The payment an authorization belongs to: that of our answer, else the newest when it began."""
    return line.payment or newest(due, line.began).sequence


def intervals(wish: Wish, lines: Sequence[Line]) -> dict[int, bool]:
    """The intervals that are paid, by their beginning, and whether money was captured in them."""
    found: dict[int, bool] = {}
    for line in lines:
        if line.captured or (line.is_open and not line.check):
            own = wish.due[line.payment - 1].interval_start if line.payment else begin(wish.interval or "", line.began)
            found[own] = found.get(own, False) or line.captured > 0
    return found


def shares(wish: Wish, lines: Sequence[Line], moved: Sequence[Moved]) -> list[Share]:
    """Captures and refunds by payment: a refund goes where its capture went, what is left over to the newest."""
    homes = {line.id: home(wish.due, line) for line in lines}
    captured, loose, refunded = ([0] * len(wish.due) for _ in range(3))
    places: dict[str | None, set[int]] = defaultdict(set)
    moved = sorted(moved, key=lambda each: (each.at, each.id))
    for each in (each for each in moved if each.kind == "capture"):
        at = homes.get(each.authorization or "") or newest(wish.due, each.at).sequence
        captured[at - 1] += each.amount
        loose[at - 1] += 0 if each.authorization in homes else each.amount
        places[each.network_id].add(at)
    for each in (each for each in moved if each.kind == "refund"):
        same = places[each.network_id] if each.network_id else set()
        first = homes.get(each.authorization or "") or (
            next(iter(same)) if len(same) == 1 else newest(wish.due, each.at).sequence
        )
        left = each.amount
        for at in (first - 1, *reversed(range(len(wish.due)))):
            part = min(left, captured[at] - refunded[at])
            refunded[at], left = refunded[at] + part, left - part
        assert left == 0, (wish, each)
    return [Share(*each) for each in zip(captured, loose, refunded, strict=True)]


def positions(wish: Wish, lines: Sequence[Line], moved: Sequence[Moved]) -> list[tuple[int, int]]:
    """Held and spent of each payment: the first waits for the merchant, every other one came with its authorization."""
    all_paid = len(intervals(wish, lines)) >= wish.payments
    found = []
    for payment, share in zip(wish.due, shares(wish, lines, moved), strict=True):
        mine = [line for line in lines if home(wish.due, line) == payment.sequence]
        waits = payment.sequence == 1 and not share.captured and not any(line.uses_card for line in mine)
        may_come = waits and (wish.card == "creating" or (wish.ended is None and wish.card != "over" and not all_paid))
        committed = sum(line.committed for line in mine) + share.loose
        is_held = may_come or any(line.is_open for line in mine)
        held = max(0, max(payment.hold, committed) - share.captured) if is_held else 0
        found.append((held, share.captured - share.refunded))
    return found


def expect(wish: Wish, lines: Sequence[Line], moved: Sequence[Moved]) -> Expected:
    """What the books must say about one mandate when they know everything."""
    if wish.declined:
        return Expected(0, 0, "declined")
    found = positions(wish, lines, moved)
    return Expected(sum(held for held, _ in found), sum(spent for _, spent in found), _status(wish, lines, moved))


def _status(wish: Wish, lines: Sequence[Line], moved: Sequence[Moved]) -> str:
    if any(line.is_open and line.uses_card for line in lines):
        return "authorized"
    over = wish.ended is not None or len(intervals(wish, lines)) >= wish.payments
    if over and any(each.kind == "capture" for each in moved):
        return "settled"
    if wish.ended is not None:
        return wish.ended if wish.ended in ("declined", "expired", "failed") else "canceled"
    if wish.waits:
        return "awaiting_approval"
    return "issuing" if wish.card in ("none", "creating") else "ready"
