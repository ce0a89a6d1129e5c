"""What must be true of the books after every step, whatever happened (design section 12)."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from functools import lru_cache
from typing import Any

from roony.core.agent import Organization
from roony.core.approval import Approval
from roony.core.audit import AuditRecord, verify
from roony.core.authorization import Authorization, AuthorizationDecision
from roony.core.budget import Budget, BudgetPeriod
from roony.core.card import Card
from roony.core.ledger import Entry, Hold
from roony.core.mandate import Payment
from roony.core.notice import notices_of
from roony.core.purchase import Purchase
from roony.core.settlement import Discrepancy, StripeTransaction
from roony.store.rows import OutboxPromise
from tests.support.books import ORG, Books

# Records that a test has looked at, by their content.
MAX_SEEN_RECORDS = 20_000
_ID = re.compile(r"(?:pur|agt)_\w+")
MONEY = (
    Approval,
    Authorization,
    AuthorizationDecision,
    BudgetPeriod,
    Card,
    Discrepancy,
    Entry,
    Hold,
    Payment,
    Purchase,
    StripeTransaction,
)


def sums_are_right(books: Books) -> None:
    """P8: entries sum to purchases and, through their holds, to budget periods; nothing held is negative."""
    periods = {hold.id: json.loads(hold.periods) for hold in books.rows(Hold)}
    entries = books.entries()
    by_purchase: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    by_period: dict[tuple[str, int], list[int]] = defaultdict(lambda: [0, 0])
    for entry in entries:
        keys: list[Any] = [by_purchase[entry.purchase_id]]
        keys += [by_period[(budget, start)] for budget, start in periods[entry.hold_id]]
        for sums in keys:
            sums[0] += entry.held
            sums[1] += entry.spent
    for purchase in books.rows(Purchase):
        assert [purchase.held, purchase.spent] == by_purchase[purchase.id], purchase
        assert purchase.held >= 0, purchase
        assert purchase.spent >= 0, purchase
    payments: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    by_hold: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for entry in entries:
        by_hold[entry.hold_id][0] += entry.held
        by_hold[entry.hold_id][1] += entry.spent
    for payment in books.rows(Payment):
        assert [payment.held, payment.spent] == by_hold[payment.hold_id], payment
        assert payment.held >= 0, payment
        assert payment.spent >= 0, payment
        payments[payment.purchase_id][0] += payment.held
        payments[payment.purchase_id][1] += payment.spent
    for purchase in books.rows(Purchase, kind="recurring"):
        assert [purchase.held, purchase.spent] == payments[purchase.id], purchase
    kept = {(row.budget_id, row.period_start): [row.held, row.spent] for row in books.rows(BudgetPeriod)}
    # A period in which nothing was ever held, such as by a check of nothing, needs no row.
    assert kept.keys() <= by_period.keys()
    assert {key: kept.get(key, [0, 0]) for key in by_period} == by_period
    assert all(held >= 0 for held, _ in kept.values())


def open_money_is_held(books: Books) -> None:
    """P8: a purchase holds what its pending approved authorizations have not yet captured."""
    waiting: dict[str, int] = defaultdict(int)
    for known in books.rows(Authorization):
        if known.approved and known.status == "pending" and known.purchase_id is not None:
            waiting[known.purchase_id] += max(0, known.amount - known.captured)
    for purchase in books.rows(Purchase):
        assert purchase.held >= waiting[purchase.id], (purchase, waiting[purchase.id])


def one_card_each(books: Books) -> None:
    """P2: one card and one promise to make it for each purchase that has one, never two."""
    purchases = {purchase.id: purchase for purchase in books.rows(Purchase)}
    cards = books.rows(Card)
    assert len({card.purchase_id for card in cards}) == len(cards)
    for card in cards:
        assert purchases[card.purchase_id].card_id == card.id
    made = [promise.subject for promise in books.rows(OutboxPromise) if promise.kind == "make_card"]
    assert sorted(made) == sorted(card.id for card in cards)


def chain_is_whole(books: Books) -> None:
    """P9: the audit chain verifies up to the head on the organization's row."""
    organization = books.row(Organization, id=ORG)
    assert verify(books.rows(AuditRecord), (organization.audit_sequence, organization.audit_hash)) is None


def money_rows(books: Books) -> dict[str, list[Any]]:
    """All rows that money depends on; times of the last change left out."""
    return {
        row.__name__: [
            item._replace(**{name: 0 for name in ("updated_at", "seen_at") if name in item._fields})
            for item in books.rows(row)
        ]
        for row in MONEY
    }


def hold_fits(books: Books, purchase: Purchase) -> None:
    """P1: the hold just placed for this purchase goes beyond no limit."""
    limits = {budget.id: budget.limit_amount for budget in books.rows(Budget)}
    periods = {(row.budget_id, row.period_start): row.held + row.spent for row in books.rows(BudgetPeriod)}
    for budget, start in json.loads(books.row(Hold, id=purchase.hold_id).periods):
        assert limits[budget] is None or periods[(budget, start)] <= limits[budget], (purchase.id, budget)


def agents_hear_of_their_own(books: Books) -> None:
    """P7: what an agent is told names no other agent, and no purchase but the one it is about."""
    for record in books.rows(AuditRecord):
        assert _names_no_other(record), notices_of(record)


@lru_cache(maxsize=MAX_SEEN_RECORDS)
def _names_no_other(record: AuditRecord) -> bool:
    """Looked at once for each record: what a record says never changes, and all of them are there at every step."""
    for notice in notices_of(record):
        named = set(_ID.findall(json.dumps(notice.data))) if notice.agent_id is not None else set()
        if not named <= {notice.agent_id, notice.purchase_id}:
            return False
    return True


def all_is_well(books: Books) -> None:
    """Everything above that must always be true."""
    sums_are_right(books)
    open_money_is_held(books)
    one_card_each(books)
    chain_is_whole(books)
    agents_hear_of_their_own(books)
