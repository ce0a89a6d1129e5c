"""What belongs to one purchase, read in a few bounded look-ups by index: for its page and for its evidence."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

from roony.core.approval import Approval
from roony.core.authorization import Authorization
from roony.core.card import Card
from roony.core.dispute import Dispute
from roony.core.evidence import MOST_PARTS
from roony.core.receipt import Receipt
from roony.core.settlement import Discrepancy, StripeTransaction
from roony.store.database import Database
from roony.store.queries.approvals import as_they_count
from roony.store.queries.authorizations import AuthorizationView, authorization_page
from roony.store.queries.disputes import of_purchase
from roony.store.queries.paging import Slice, equal, newest_first
from roony.store.queries.purchases import PurchaseView, find_purchase

Row = TypeVar("Row", bound=tuple[Any, ...])


class PurchaseParts(NamedTuple):
    """One purchase and of each kind the newest that belong to it, newest first; `cut`: there are more of one."""

    view: PurchaseView
    approvals: list[Approval]
    cards: list[Card]
    authorizations: list[AuthorizationView]
    transactions: list[StripeTransaction]
    disputes: list[Dispute]
    discrepancies: list[Discrepancy]
    receipts: list[Receipt]
    cut: bool


def parts_of(database: Database, organization_id: str, purchase_id: str) -> PurchaseParts | None:
    """All of one purchase, or None where the organization has no such purchase."""
    view = find_purchase(database, organization_id, purchase_id)
    if view is None:
        return None
    some, cut = Slice(MOST_PARTS), []

    def of(row: type[Row]) -> list[Row]:
        page = newest_first(database, row, organization_id, some, *equal(row, {"purchase_id": purchase_id}))
        cut.append(page.next_cursor)
        return page.rows

    authorized = authorization_page(
        database, organization_id, some, *equal(Authorization, {"purchase_id": purchase_id})
    )
    disputes = newest_first(database, Dispute, organization_id, some, of_purchase(organization_id, purchase_id))
    cut += [authorized.next_cursor, disputes.next_cursor]
    approvals = as_they_count(database, organization_id, of(Approval))
    cards, booked, findings, receipts = of(Card), of(StripeTransaction), of(Discrepancy), of(Receipt)
    return PurchaseParts(view, approvals, cards, authorized.rows, booked, disputes.rows, findings, receipts, any(cut))
