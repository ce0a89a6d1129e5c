"""What a random company spent, as its reports sum it, is what its purchases say, however captures and refunds came."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from roony.core.purchase import BOUGHT, Purchase
from roony.store.queries.merchants import known_merchant
from roony.store.queries.spending import Span, spent_by, spent_in_all
from tests.random.ground import DatabaseGround, Ground
from tests.support.books import ORG

ALWAYS = Span(0, 2**62)


def check_report(ground: Ground, purchases: Sequence[Purchase]) -> None:
    """In all, and by whom and where: the totals of the purchases are those of what was booked (`Watch.booked_once`)."""
    if not isinstance(ground, DatabaseGround):
        return
    bought = [row for row in purchases if row.captured or row.refunded]
    totals, _ = spent_in_all(ground.database, ORG, ALWAYS)
    assert {row.currency: (row.captured, row.refunded) for row in totals} == _sums(bought, ["currency"])
    for by, field in (("agent", "agent_id"), ("project", "project_id"), ("merchant", "merchant_key")):
        rows, sums = spent_by(ground.database, ORG, by, ALWAYS)
        assert sums.totals == totals, by
        found = {(row.id, row.currency): (row.captured, row.refunded) for row in rows}
        assert found == _sums(bought, [field, "currency"]), by
    _check_merchants(ground, purchases)
    groups, sums = spent_by(ground.database, ORG, "category", ALWAYS)
    assert sums.totals == totals
    assert sum(row.spent for row in groups) == sum(row.spent for row in totals)


def _check_merchants(ground: DatabaseGround, purchases: Sequence[Purchase]) -> None:
    """However often a purchase came into a status and out of it, its merchant counts what is or may be paid there."""
    bought = Counter(row.merchant_key for row in purchases if row.status in BOUGHT)
    for key in {row.merchant_key for row in purchases}:
        known = known_merchant(ground.database, ORG, key)
        assert (known.purchases if known is not None else 0) == bought[key], known


def _sums(purchases: list[Purchase], fields: list[str]) -> dict[object, tuple[int, int]]:
    captured: Counter[object] = Counter()
    refunded: Counter[object] = Counter()
    for row in purchases:
        key = tuple(getattr(row, field) for field in fields) if len(fields) > 1 else getattr(row, fields[0])
        captured[key] += row.captured
        refunded[key] += row.refunded
    return {key: (captured[key], refunded[key]) for key in captured}
