"""Disputes: merged in any order, linked to their purchase whenever its capture is told, counted in no budget (P3)."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from roony.core.audit import AuditRecord
from roony.core.dispute import Dispute, merge_dispute, read_dispute
from roony.core.settlement import TransactionStatement
from roony.flows.dispute import BookDispute
from roony.flows.settlement import BookTransaction
from roony.store.queries.disputes import dispute_page, find_dispute, of_purchase
from roony.store.queries.paging import Slice
from tests.support.books import CONNECTION, NOW, ORG, Books
from tests.support.promises import all_is_well, money_rows
from tests.support.story import transaction


def item(status: str, movements: int = 0, **more: Any) -> dict[str, Any]:
    """An `issuing.dispute` as far as it is read."""
    moved = [{"id": f"txn_{number}"} for number in range(movements)]
    return {
        "id": "idp_1",
        "status": status,
        "evidence": {"reason": "not_received"},
        "transaction": "t1",
        "amount": 5_000,
        "currency": "usd",
        "balance_transactions": moved or None,
        "created": 100,
        **more,
    }


def said(what: str, status: str, movements: int, at: int, **more: Any) -> Dispute:
    return read_dispute(item(status, movements, **more), f"issuing_dispute.{what}", at, ORG, CONNECTION, NOW)


LIVES = {
    "won": ("won", "reinstated", [
        said("created", "unsubmitted", 0, 100),
        said("updated", "unsubmitted", 0, 101, evidence={"reason": "fraudulent"}),
        said("submitted", "submitted", 0, 102),
        said("funds_reinstated", "won", 1, 103),
        said("closed", "won", 1, 103),
    ]),
    "credited, then lost": ("lost", "rescinded", [
        said("created", "unsubmitted", 0, 100),
        said("submitted", "submitted", 0, 101),
        said("funds_reinstated", "submitted", 1, 102),
        said("funds_rescinded", "lost", 2, 103),
        said("closed", "lost", 2, 103),
    ]),
    "credited and taken back in one second": ("lost", "rescinded", [
        said("funds_reinstated", "submitted", 1, 102),
        said("funds_rescinded", "lost", 2, 102),
        said("closed", "lost", 2, 103),
    ]),
    "never submitted": ("expired", "none", [
        said("created", "unsubmitted", 0, 100), said("closed", "expired", 0, 999),
    ]),
    "a status unknown here": ("won", "none", [
        said("created", "unsubmitted", 0, 100),
        said("updated", "in_arbitration", 0, 101),
        said("closed", "won", 0, 102),
    ]),
    "told twice in one second": ("unsubmitted", "none", [
        said("updated", "unsubmitted", 0, 100), said("updated", "unsubmitted", 0, 100, amount=4_000),
    ]),
}  # fmt: skip


@pytest.mark.parametrize("name", LIVES)
def test_any_order_ends_alike(name: str) -> None:
    status, funds, statements = LIVES[name]
    ends = set()
    for order in itertools.permutations([*statements, statements[0]]):
        known: Dispute | None = None
        for statement in order:
            known = merge_dispute(known, statement)
        ends.add(known)
    assert len(ends) == 1
    (end,) = ends
    assert end is not None
    assert (end.status, end.funds) == (status, funds)


@pytest.mark.parametrize("missing", ["id", "status", "transaction", "amount", "created"])
def test_one_without_what_is_needed_raises(missing: str) -> None:
    """The event is then visible as failed (P12)."""
    broken = {name: value for name, value in item("submitted").items() if name != missing}
    with pytest.raises(KeyError):
        read_dispute(broken, "issuing_dispute.created", 1, ORG, CONNECTION, 1)


def test_an_expanded_transaction_is_its_id() -> None:
    assert said("created", "unsubmitted", 0, 1, transaction={"id": "t9"}).stripe_transaction_id == "t9"


def test_it_moves_no_budget_and_is_shown_with_its_purchase(books: Books) -> None:
    purchase = books.ready(9_000)
    before = money_rows(books)
    for statement in LIVES["won"][2]:
        assert books.run(BookDispute(ORG, statement)) == "applied"
    assert books.run(BookDispute(ORG, LIVES["won"][2][0])) == "applied"
    assert money_rows(books) == before
    found = find_dispute(books.database, ORG, "idp_1")
    assert found is not None
    assert (found.dispute.status, found.dispute.reason, found.purchase_id) == ("won", "not_received", None)
    capture: TransactionStatement = transaction("t1", "capture", 5_000, None, f"ic_{purchase.id}", 5)
    books.run(BookTransaction(ORG, CONNECTION, capture))
    page = dispute_page(books.database, ORG, Slice(), of_purchase(ORG, purchase.id))
    assert [(view.dispute.id, view.purchase_id) for view in page.rows] == [("idp_1", purchase.id)]
    assert dispute_page(books.database, ORG, Slice(), of_purchase(ORG, "pur_other")).rows == []
    assert dispute_page(books.database, "org_2", Slice()).rows == []
    assert find_dispute(books.database, "org_2", "idp_1") is None
    stated = [record for record in books.rows(AuditRecord) if record.action == "dispute.stated"]
    # That it is closed says nothing that the money had not said.
    assert len(stated) == 4
    all_is_well(books)
