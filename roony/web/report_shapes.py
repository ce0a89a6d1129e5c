"""How reports look."""

from __future__ import annotations

from typing import Annotated, Literal

from roony.web.shape import Count, Currency, Money, Shape, like

Day = Annotated[str, like("2026-11-01")]


class SpentSums(Shape):
    """What was captured, what was given back, the difference, and of how many purchases."""

    currency: Currency
    captured_amount: Money
    refunded_amount: Annotated[int, like(1_000)]
    spent_amount: Annotated[int, like(11_999)]
    purchases: Count


class SpentGroup(SpentSums):
    """One group; its id is null where it has none, as in what is left of more than 500 groups."""

    id: Annotated[str | None, like("agt_7c1d90ab34ef4c52")]
    name: Annotated[str, like("Buyer")]


class SpendAnswer(Shape):
    """What was spent: in groups, in all, and what belongs to no purchase and is in neither."""

    by: Literal["agent", "project", "merchant", "category", "month"]
    since: Day
    until: Day
    time_zone: Annotated[str, like("America/New_York")]
    rows: list[SpentGroup]
    totals: list[SpentSums]
    unmatched: list[SpentSums]
