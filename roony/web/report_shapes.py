"""How reports look."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from roony.web.shape import Count, Currency, Listed, Money, OrganizationId, Shape, Time, like

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


class ExportHead(Shape):
    """Where the audit chain ended when the export began."""

    sequence: Annotated[int, like(1_204)]
    hash: Annotated[str, like("b71e17c61a57d0f2")]


class ExportBegun(Shape):
    """An export that was begun: the tables to read, and those that are left out with the reason."""

    organization_id: OrganizationId
    begun_at: Time
    version: Annotated[str, like("0.1.0")]
    revision: Annotated[str, like("0009", about="Of the schema whose tables these are")]
    tables: Annotated[list[str], like(["purchases", "users"])]
    left_out: Annotated[dict[str, str], like({"passwords": "hashes of passwords"})]
    audit_head: ExportHead


class ExportedRows(Listed[Annotated[dict[str, Any], like({"id": "usr_2d60f1a9b3c84e77", "role": "owner"})]]):
    """Rows of one table, by the names of their columns."""
