"""What was spent in a span of time, as Stripe booked it: by agent, project, merchant, category or month, and each line.

Captures and refunds that belong to no purchase are in no group: no budget counts them. They are summed apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, case, func, literal_column, select

from roony.core.merchant import Merchant, category_name
from roony.core.settlement import StripeTransaction
from roony.store.database import Database
from roony.store.queries.names import names_of
from roony.store.queries.paging import Slice, equal, keyset
from roony.store.tables import purchases, receipts, stripe_transactions

# Groups in one report: what is beyond is summed as one more.
MOST_GROUPS = 500
GROUPS = ("agent", "project", "merchant", "category", "month")


class Span(NamedTuple):
    """From `start` to before `end`, in microseconds UTC."""

    start: int
    end: int


class Spent(NamedTuple):
    """One group in one currency, in minor units: captured, given back, and of how many purchases. `id` is None of all
    groups beyond MOST_GROUPS, of a sum, and of what names no category."""

    id: str | None
    name: str
    currency: str
    captured: int
    refunded: int
    purchases: int

    @property
    def spent(self) -> int:
        """What was captured and not given back."""
        return self.captured - self.refunded


class Booked(NamedTuple):
    """One capture or refund with the merchant of its purchase and the newest receipt, if it has them."""

    transaction: StripeTransaction
    merchant: str | None
    receipt_id: str | None


_booked = stripe_transactions.c
_SUMS = (
    func.sum(case((_booked.type == "capture", _booked.amount), else_=0)),
    func.sum(case((_booked.type == "refund", _booked.amount), else_=0)),
    func.count(_booked.purchase_id.distinct()),
)
_KEYS = {
    "agent": _booked.agent_id, "project": _booked.project_id, "merchant": _booked.merchant_key,
    "category": _booked.category,
}  # fmt: skip


def _within(organization_id: str, span: Span) -> ColumnElement[bool]:
    return and_(
        _booked.organization_id == organization_id, _booked.created_at >= span.start, _booked.created_at < span.end
    )


def of_type(kind: str | None) -> list[ColumnElement[bool]]:
    """Conditions for captures, for refunds, for both if None; refunds are few, and have an index of their own."""
    if kind == "refund":
        return [_booked.type == literal_column("'refund'")]
    return equal(StripeTransaction, {"type": kind})


def spent_in_all(database: Database, organization_id: str, span: Span) -> tuple[list[Spent], list[Spent]]:
    """The sum in each currency, of what belongs to a purchase, and of what belongs to none."""
    # Both in one reading, from an index that has all of it.
    alone = case((_booked.purchase_id.is_(None), 1), else_=0)
    statement = select(alone, _booked.currency, *_SUMS).where(_within(organization_id, span))
    rows = database.read(statement.group_by(alone, _booked.currency).order_by(alone, _booked.currency))
    sums: tuple[list[Spent], list[Spent]] = [], []
    for apart, currency, *numbers in rows:
        sums[apart].append(Spent(None, "", currency, *map(int, numbers)))
    return sums


def spent_by(database: Database, organization_id: str, by: str, span: Span, totals: Sequence[Spent]) -> list[Spent]:
    """What each group spent, who spent most first; `by` one of GROUPS but not month, `totals` the sums of all."""
    key = _KEYS[by].label("key")
    captured, refunded, count = _SUMS
    # All from the index; whose names are shown is asked for afterwards.
    statement = (
        select(key, _booked.currency, captured, refunded, count, func.max(_booked.purchase_id))
        .where(_within(organization_id, span), _booked.purchase_id.is_not(None))
        .group_by(key, _booked.currency)
        .order_by((captured - refunded).desc(), key, _booked.currency)
        .limit(MOST_GROUPS)
    )
    rows = database.read(statement)
    if by == "merchant":
        names = _merchants(database, organization_id, [row[-1] for row in rows])
    else:
        names = names_of(database, organization_id, [row[0] for row in rows])
    found = [
        Spent(id, _name(by, id, names), currency, int(taken), int(given_back), int(number))
        for id, currency, taken, given_back, number, _ in rows
    ]
    return found if len(rows) < MOST_GROUPS else [*found, *_others(totals, found)]


def _merchants(database: Database, organization_id: str, purchase_ids: Sequence[str]) -> dict[str, str]:
    """By its key, each merchant's name as one of these purchases has it."""
    bought = purchases.c
    statement = select(bought.merchant_key, bought.merchant).where(
        bought.organization_id == organization_id, bought.id.in_(purchase_ids)
    )
    return {key: Merchant.from_json(merchant).name for key, merchant in database.read(statement)}


def _name(by: str, id: str | None, names: dict[str, str]) -> str:
    if by == "category":
        return (category_name(id) or id) if id else "no category"
    return names.get(id or "", id or "")


def _others(totals: Sequence[Spent], shown: Sequence[Spent]) -> list[Spent]:
    """In each currency, what is left of the sum for all groups that are not shown. Their purchases are not counted
    apart: one may be in a group that is shown."""
    left = []
    for total in totals:
        here = [row for row in shown if row.currency == total.currency]
        captured = total.captured - sum(row.captured for row in here)
        refunded = total.refunded - sum(row.refunded for row in here)
        if captured or refunded:
            left.append(Spent(None, "all others", total.currency, captured, refunded, 0))
    return left


def booked_lines(database: Database, organization_id: str, span: Span, wanted: Slice) -> list[Booked]:
    """Captures and refunds in the order of Stripe's time, the next ones after the cursor; one more than `limit`."""
    of = and_(purchases.c.organization_id == _booked.organization_id, purchases.c.id == _booked.purchase_id)
    some = keyset(
        select(stripe_transactions, purchases.c.merchant)
        .select_from(stripe_transactions.outerjoin(purchases, of))
        .where(_within(organization_id, span)),
        wanted, _booked.created_at, _booked.id, descending=False,
    )  # fmt: skip
    rows = [(StripeTransaction(*values), merchant) for *values, merchant in database.read(some)]
    documents = _receipts(database, organization_id, [booked.purchase_id for booked, _ in rows])
    return [Booked(booked, merchant, documents.get(booked.purchase_id or "")) for booked, merchant in rows]


def _receipts(database: Database, organization_id: str, purchase_ids: Iterable[str | None]) -> dict[str, str]:
    """By purchase, its newest receipt."""
    wanted = {id for id in purchase_ids if id is not None}
    statement = select(receipts.c.purchase_id, receipts.c.id).where(
        receipts.c.organization_id == organization_id, receipts.c.purchase_id.in_(wanted)
    )
    return {row[0]: row[1] for row in database.read(statement.order_by(receipts.c.created_at, receipts.c.id))}
