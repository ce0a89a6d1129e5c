"""What was spent in a span of time, as Stripe booked it: by agent, project, merchant, category or month, and each line.

Captures and refunds that belong to no purchase are in no group: no budget counts them. They are summed apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Boolean, ColumnElement, Text, and_, case, cast, func, literal_column, select
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from roony.core.merchant import Merchant, category_name
from roony.core.settlement import StripeTransaction
from roony.store.database import Database
from roony.store.queries.names import names_of
from roony.store.queries.paging import Slice, equal, keyset
from roony.store.tables import REFUND, purchases, receipts, stripe_transactions

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
    """One capture or refund with what it belongs to; `purchase_id` and all that follows from it may be None."""

    transaction: StripeTransaction
    agent_id: str | None
    project_id: str | None
    merchant: str | None
    receipt_id: str | None


class _Category(FunctionElement[str]):
    """The category in a merchant's JSON; both databases have a way to look into a text, and not the same."""

    inherit_cache = True
    type = Text()


@compiles(_Category, "sqlite")
def _in_sqlite(element: _Category, compiler: Any, **options: Any) -> str:
    return f"json_extract({compiler.process(element.clauses, **options)}, '$.category')"


@compiles(_Category, "postgresql")
def _in_postgresql(element: _Category, compiler: Any, **options: Any) -> str:
    [merchant] = element.clauses
    return f"json_extract_path_text({compiler.process(cast(merchant, JSON), **options)}, 'category')"


_booked = stripe_transactions.c
_of = stripe_transactions.outerjoin(
    purchases,
    and_(purchases.c.organization_id == _booked.organization_id, purchases.c.id == _booked.purchase_id),
)
_SUMS = (
    func.sum(case((_booked.type == "capture", _booked.amount), else_=0)),
    func.sum(case((_booked.type == "refund", _booked.amount), else_=0)),
    func.count(_booked.purchase_id.distinct()),
)
_KEYS: dict[str, ColumnElement[Any]] = {
    "agent": purchases.c.agent_id, "project": purchases.c.project_id, "merchant": purchases.c.merchant_key,
    "category": _Category(_booked.merchant),
}  # fmt: skip


def _within(organization_id: str, span: Span) -> ColumnElement[bool]:
    return and_(
        _booked.organization_id == organization_id, _booked.created_at >= span.start, _booked.created_at < span.end
    )


def of_type(kind: str | None) -> list[ColumnElement[bool]]:
    """Conditions for captures, for refunds, for both if None; refunds are few, and have an index of their own."""
    if kind == "refund":
        return [literal_column(REFUND, Boolean)]
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
    a_merchant = func.min(purchases.c.merchant) if by == "merchant" else func.min("")
    statement = (
        select(key, _booked.currency, captured, refunded, count, a_merchant)
        .select_from(_of)
        .where(_within(organization_id, span), _booked.purchase_id.is_not(None))
        .group_by(key, _booked.currency)
        .order_by((captured - refunded).desc(), key, _booked.currency)
        .limit(MOST_GROUPS)
    )
    rows = database.read(statement)
    names = names_of(database, organization_id, [row[0] for row in rows]) if by in ("agent", "project") else {}
    found = [
        Spent(id, _name(by, id, merchant, names), currency, int(taken), int(given_back), int(number))
        for id, currency, taken, given_back, number, merchant in rows
    ]
    return found if len(rows) < MOST_GROUPS else [*found, *_others(totals, found)]


def _name(by: str, id: str | None, merchant: str, names: dict[str, str]) -> str:
    if by == "merchant":
        return Merchant.from_json(merchant).name
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
    some = keyset(
        select(stripe_transactions, purchases.c.agent_id, purchases.c.project_id, purchases.c.merchant)
        .select_from(_of)
        .where(_within(organization_id, span)),
        wanted, _booked.created_at, _booked.id, descending=False,
    )  # fmt: skip
    width = len(StripeTransaction._fields)
    rows = [(StripeTransaction(*values[:width]), *values[width:]) for values in database.read(some)]
    documents = _receipts(database, organization_id, [row[0].purchase_id for row in rows])
    return [
        Booked(booked, agent, project, merchant, documents.get(booked.purchase_id or ""))
        for booked, agent, project, merchant in rows
    ]


def _receipts(database: Database, organization_id: str, purchase_ids: Iterable[str | None]) -> dict[str, str]:
    """By purchase, its newest receipt."""
    wanted = {id for id in purchase_ids if id is not None}
    statement = select(receipts.c.purchase_id, receipts.c.id).where(
        receipts.c.organization_id == organization_id, receipts.c.purchase_id.in_(wanted)
    )
    return {row[0]: row[1] for row in database.read(statement.order_by(receipts.c.created_at, receipts.c.id))}
