"""What a batch adds to its audit records by itself: purchases that changed status, and budgets nearly or quite used.

So that notices (core/notice.py) need nothing but the chain, whatever command caused them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableSequence
from typing import TYPE_CHECKING, Any

from roony.core.audit import ROONY, AuditDraft
from roony.core.budget import Budget, BudgetPeriod, envelope_id, marks_crossed, task_budgets
from roony.core.notice import STATUS_CHANGES
from roony.core.purchase import Purchase
from roony.store.tables import TABLE_OF
from roony.store.writer import Writer

if TYPE_CHECKING:
    from roony.store.book import Book

_Key = tuple[str, str, int]


def mark_status(records: MutableSequence[AuditDraft], since: int, purchase: Purchase, was: str | None) -> None:
    """Writes a purchase's new status on the record of the command that changed it; the records from `since` are its.

    On the last one about the purchase, else the last one at all; a command without any gets one.
    """
    last = None
    for at in range(len(records) - 1, since - 1, -1):
        record = records[at]
        if record.organization_id == purchase.organization_id:
            last = at if last is None else last
            if purchase.id in (record.subject, record.body.get("purchase")):
                break
    else:
        at = len(records) if last is None else last
    if at == len(records):
        draft = AuditDraft(purchase.organization_id, ROONY, "purchase.changed", purchase.id, {}, purchase.updated_at)
        records.append(draft)
    change = {
        "purchase": purchase.id,
        "agent": purchase.agent_id,
        "was": was,
        "status": purchase.status,
        "amount": purchase.amount,
        "currency": purchase.currency,
        "captured": purchase.captured,
        "refunded": purchase.refunded,
    }
    body = records[at].body
    records[at] = records[at]._replace(body={**body, STATUS_CHANGES: [*body.get(STATUS_CHANGES, ()), change]})


def mark_budgets(
    book: Book, writer: Writer, moves: Mapping[_Key, tuple[int, int]], clocks: Mapping[str, int]
) -> Iterable[AuditDraft]:
    """A record for each budget whose use comes to 80 or 100 % of its limit in this batch, once for each crossing.

    What an ask holds was loaded with its chain; only money that moved past a hold costs a query here.
    """
    rising = {key: held + spent for key, (held, spent) in moves.items() if held + spent > 0}
    _load(book, writer, Budget, {key[:2] for key in rising})
    _load(book, writer, BudgetPeriod, set(rising))
    moved = [budget for key in rising if (budget := book.get(Budget, *key[:2])) is not None]
    every = {(b.organization_id, b.id): envelope_id(b) for b in moved if b.scope == "task"}
    _load(book, writer, Budget, {(org, id) for (org, _), id in every.items()})
    for (org, id, start), more in sorted(rising.items()):
        budget, period = book.get(Budget, org, id), book.get(BudgetPeriod, org, id, start)
        if budget is None:
            continue
        envelope = book.get(Budget, org, every[(org, id)]) if (org, id) in every else None
        [budget] = task_budgets(budget.scope_id, [budget], [envelope]) if envelope is not None else [budget]
        before = period.held + period.spent if period is not None else 0
        for mark in marks_crossed(budget.limit_amount, before, before + more):
            body = {
                "scope": budget.scope, "scope_id": budget.scope_id, "currency": budget.currency,
                "period": budget.period, "period_start": start, "limit": budget.limit_amount, "used": before + more,
            }  # fmt: skip
            yield AuditDraft(org, ROONY, mark, id, body, clocks.get(org, 0))


def _load(book: Book, writer: Writer, row: type, keys: set[tuple[Any, ...]]) -> None:
    """Rows that no command of the batch named."""
    table = TABLE_OF[row]
    missing = sorted(key for key in keys if not book.known(row, key))
    if missing:
        found = {item[: len(missing[0])]: item for item in writer.rows_by(table, tuple(table.info["key"]), missing)}
        for key in missing:
            book.take(row, key, found.get(key))
