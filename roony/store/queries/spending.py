"""What was spent in a span of time, as Stripe booked it: by agent, project, merchant, category or month, and each line.

Refunds that belong to no purchase are in no group: no budget counts them. They are summed apart. One to a card that
Roony did not make is left out while it belongs to none: what was paid with such a card is not in the books either.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    and_,
    case,
    exists,
    func,
    literal_column,
    null,
    or_,
    select,
    union_all,
)

from roony.core.merchant import Merchant, category_name
from roony.core.settlement import StripeTransaction
from roony.store.database import Database
from roony.store.queries.names import names_of
from roony.store.queries.paging import Slice, equal, keyset
from roony.store.tables import cards, purchases, receipts, stripe_transactions

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
_COUNT = func.count(_booked.purchase_id.distinct())
_SUMS = (
    func.sum(case((_booked.type == "capture", _booked.amount), else_=0)),
    func.sum(case((_booked.type == "refund", _booked.amount), else_=0)),
    _COUNT,
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


class Sums(NamedTuple):
    """The sum in each currency, of what belongs to a purchase, and of what belongs to none."""

    totals: list[Spent]
    unmatched: list[Spent]


_MATCHED = _booked.purchase_id.is_not(None)
_ON_OUR_CARD = exists().where(
    cards.c.organization_id == _booked.organization_id,
    cards.c.connection_id == _booked.connection_id,
    cards.c.stripe_card_id == _booked.stripe_card_id,
)


def spent_in_all(database: Database, organization_id: str, span: Span) -> Sums:
    """What belongs to a purchase from an index that has all of it, what belongs to none from one of those few."""
    within = _within(organization_id, span)
    statement = select(_booked.currency, *_SUMS).where(within, _MATCHED).group_by(_booked.currency)
    return Sums(_sums(database.read(statement)), _unmatched(database, within))


def _unmatched(database: Database, within: ColumnElement[bool]) -> list[Spent]:
    statement = select(_booked.currency, *_SUMS).where(within, _booked.purchase_id.is_(None), _ON_OUR_CARD)
    return _sums(database.read(statement.group_by(_booked.currency)))


def _sums(rows: Iterable[Sequence[Any]]) -> list[Spent]:
    """Of rows (currency, captured, refunded, purchases)."""
    return [Spent(None, "", currency, *map(int, numbers)) for currency, *numbers in sorted(tuple(row) for row in rows)]


def spent_by(database: Database, organization_id: str, by: str, span: Span) -> tuple[list[Spent], Sums]:
    """What each group spent, who spent most first, and the sums of all; `by` one of GROUPS but not month."""
    within = _within(organization_id, span)
    rows = [_Line(*row) for row in database.read(_groups_and_sums(_KEYS[by], within))]
    shown = [row for row in rows if row.is_group]
    totals = _sums((row.currency, *row[3:6]) for row in rows if not row.is_group)
    if by == "category":
        # One purchase may be in several categories; in all it counts once.
        totals = _counted_once(database, within, totals)
    if by == "merchant":
        names = _merchants(database, organization_id, [row.one_purchase for row in shown if row.one_purchase])
    else:
        names = names_of(database, organization_id, [row.key for row in shown])
    groups = [
        Spent(
            row.key, _name(by, row.key, names), row.currency, int(row.captured), int(row.refunded), int(row.purchases)
        )
        for row in shown
    ]
    groups.sort(key=lambda group: (-group.spent, group.id or "", group.currency))
    if len(groups) >= MOST_GROUPS:
        groups += _others(totals, groups)
    return groups, Sums(totals, _unmatched(database, within))


def _counted_once(database: Database, within: ColumnElement[bool], totals: list[Spent]) -> list[Spent]:
    """The sums with the number of their purchases as it is, read apart."""
    statement = select(_booked.currency, _COUNT).where(within).group_by(_booked.currency)
    counts = {row[0]: row[1] for row in database.read(statement)}
    return [row._replace(purchases=counts[row.currency]) for row in totals]


class _Line(NamedTuple):
    is_group: int
    key: str | None
    currency: str
    captured: int
    refunded: int
    purchases: int
    one_purchase: str | None


def _groups_and_sums(key: ColumnElement[Any], within: ColumnElement[bool]) -> CompoundSelect[Any]:
    """Lines of the largest groups, and of the sums of all groups: of one reading of the index that has all of it."""
    captured, refunded, count = _SUMS
    found = (
        select(
            key.label("key"), _booked.currency, captured.label("captured"), refunded.label("refunded"),
            count.label("purchases"), func.max(_booked.purchase_id).label("one"),
        ).where(within, _MATCHED).group_by(key, _booked.currency).cte("found")
    ).c  # fmt: skip
    largest = (
        select(literal_column("1").label("is_group"), found.key, found.currency, found.captured, found.refunded,
               found.purchases, found.one)
        .order_by((found.captured - found.refunded).desc(), found.key, found.currency)
        .limit(MOST_GROUPS)
        .subquery()
    )  # fmt: skip
    sums = select(
        literal_column("0"), null(), found.currency, func.sum(found.captured), func.sum(found.refunded),
        func.sum(found.purchases), null(),
    ).group_by(found.currency)  # fmt: skip
    return union_all(select(largest), sums)


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
        .where(_within(organization_id, span), or_(_MATCHED, _ON_OUR_CARD)),
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
