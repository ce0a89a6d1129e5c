"""Everything about one purchase, for its page: read in a few bounded look-ups by index."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

from roony.core.approval import Approval
from roony.core.audit import AuditRecord
from roony.core.authorization import Authorization
from roony.core.card import Card
from roony.core.dispute import Dispute
from roony.core.receipt import Receipt
from roony.core.settlement import Discrepancy, StripeTransaction
from roony.store.database import Database
from roony.store.queries.approvals import as_they_count
from roony.store.queries.authorizations import AuthorizationView, authorization_page
from roony.store.queries.disputes import of_purchase
from roony.store.queries.history import audit_page
from roony.store.queries.names import names_of
from roony.store.queries.paging import Slice, equal, newest_first
from roony.store.queries.purchases import PurchaseView, find_purchase
from roony.store.tables import audit_records

Row = TypeVar("Row", bound=tuple[Any, ...])

# Of each kind the newest ones; a mandate of many years has more.
MOST = 200


class Everything(NamedTuple):
    """One purchase and all that belongs to it, each list newest first; `names` by id of people, agent and project.

    `cut` is True where one of the lists has more than is here.
    """

    view: PurchaseView
    approvals: list[Approval]
    cards: list[Card]
    authorizations: list[AuthorizationView]
    transactions: list[StripeTransaction]
    disputes: list[Dispute]
    discrepancies: list[Discrepancy]
    receipts: list[Receipt]
    records: list[AuditRecord]
    names: dict[str, str]
    cut: bool


def everything_about(database: Database, organization_id: str, purchase_id: str) -> Everything | None:
    """All of one purchase, or None where the organization has no such purchase."""
    view = find_purchase(database, organization_id, purchase_id)
    if view is None:
        return None
    some, cut = Slice(MOST), []

    def of(row: type[Row]) -> list[Row]:
        page = newest_first(database, row, organization_id, some, *equal(row, {"purchase_id": purchase_id}))
        cut.append(page.next_cursor)
        return page.rows

    authorized = authorization_page(
        database, organization_id, some, *equal(Authorization, {"purchase_id": purchase_id})
    )
    disputes = newest_first(database, Dispute, organization_id, some, of_purchase(organization_id, purchase_id))
    records = audit_page(database, organization_id, some, audit_records.c.subject == purchase_id)
    cut += [authorized.next_cursor, disputes.next_cursor, records.next_cursor]
    approvals, discrepancies = as_they_count(database, organization_id, of(Approval)), of(Discrepancy)
    people = [person for row in approvals for person in (row.decided_by, row.first_approved_by)]
    people += [row.resolved_by for row in discrepancies] + [row.actor for row in records.rows]
    names = names_of(database, organization_id, [view.purchase.agent_id, view.purchase.project_id, *people])
    return Everything(
        view, approvals, of(Card), authorized.rows, of(StripeTransaction), disputes.rows, discrepancies, of(Receipt),
        records.rows, names, any(cut),
    )  # fmt: skip
