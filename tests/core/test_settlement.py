"""Statements: which one says more, what a merge keeps, and how Stripe's objects are read (design section 8)."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from roony.core.authorization import Authorization
from roony.core.settlement import (
    AuthorizationStatement,
    final_rank,
    is_newer,
    is_tied,
    merge,
    read_authorization,
    read_transaction,
    with_history,
)
from tests.core.rows import row
from tests.support.story import FIGMA, history, statement


def said(
    words: str = "yes", status: str = "pending", movements: int = 1, at: int = 10, **more: Any
) -> AuthorizationStatement:
    return statement("iauth_1", "ic_1", status, 500, history(words, 500), at, movements=movements, **more)


KNOWN = row(
    Authorization, id="iauth_1", status="pending", approved=1, amount=500, merchant_amount=500, merchant_currency="usd",
    merchant=FIGMA.to_json(), history_length=1, transactions_seen=1, statement_at=10, history="[]", finals="{}",
)  # fmt: skip
RANKS = [
    ("the same again", said(), KNOWN, False),
    ("nothing known", said(), None, True),
    ("a longer history", said("yes,no", movements=0, at=1), KNOWN, True),
    ("a shorter history", said("yes", "closed", 9, 99), KNOWN._replace(history_length=2), False),
    ("more transactions", said(movements=2, at=1), KNOWN, True),
    ("fewer transactions", said(status="closed", movements=0, at=99), KNOWN, False),
    ("final over pending", said(status="closed", at=1), KNOWN, True),
    ("pending after final", said(at=99), KNOWN._replace(final=2), False),
    ("closed over expired", said(status="closed", at=1), KNOWN._replace(final=1), True),
    ("expired after closed", said(status="expired", at=99), KNOWN._replace(final=2), False),
    ("later", said(at=11), KNOWN, True),
    ("earlier", said(at=9), KNOWN, False),
    ("as much and the same second, for more", said()._replace(amount=501), KNOWN, True),
    ("as much and the same second, for less", said()._replace(amount=499), KNOWN, False),
    ("any statement over our own answer", said(movements=0, at=1), KNOWN._replace(provisional=1), True),
    ("but not one that does not know of it", said(), KNOWN._replace(provisional=1, history_length=2), False),
]


@pytest.mark.parametrize("case", RANKS, ids=[case[0] for case in RANKS])
def test_which_statement_says_more(case: tuple[str, AuthorizationStatement, Authorization | None, bool]) -> None:
    _, statement_, known, newer = case
    assert is_newer(statement_, known) is newer


@pytest.mark.parametrize(
    ("statement_", "known", "tied"),
    [
        (said(), KNOWN, False),
        (said()._replace(amount=501), KNOWN, True),
        (said()._replace(merchant=FIGMA._replace(name="EVIL")), KNOWN, True),
        (said(at=11)._replace(amount=501), KNOWN, False),
        (said(movements=2)._replace(amount=501), KNOWN, False),
        (said()._replace(amount=501), KNOWN._replace(provisional=1), False),
    ],
)
def test_which_two_statements_leave_a_question(
    statement_: AuthorizationStatement, known: Authorization, tied: bool
) -> None:
    assert is_tied(statement_, known) is tied


def test_a_statement_is_never_newer_than_itself_merged() -> None:
    for status in ("pending", "closed", "expired", "reversed"):
        merged = merge(KNOWN, said(status=status, movements=3), 1)
        assert not is_newer(said(status=status, movements=3), merged)


def test_an_unknown_status_counts_as_pending() -> None:
    assert final_rank("some_new_word") == final_rank("pending") == 0


@pytest.mark.parametrize(
    ("words", "approved"), [("yes", True), ("no", False), ("timeout", False), ("late", True), ("yes,no", True)]
)
def test_approved_is_approved_whatever_was_declined_later(words: str, approved: bool) -> None:
    assert said(words).approved is approved
    assert merge(KNOWN, said(words), 1).approved == int(approved)


def test_a_merge_counts_no_captures_and_keeps_whose_it_is() -> None:
    before = KNOWN._replace(
        captured=77, purchase_id="pur_1", created_at=3, provisional=1, network_transaction_id="nt_0"
    )
    after = merge(before, said(network_transaction_id=None), 9)
    kept = (after.captured, after.purchase_id, after.created_at, after.network_transaction_id)
    assert kept == (77, "pur_1", 3, "nt_0")
    assert (after.provisional, after.updated_at, after.amount) == (0, 9, 500)


# (amount, history, is still a check)
SIZES = [(100, "yes:100", True), (0, "yes:100", True), (101, "yes:100", False), (0, "yes:100,active:1", False)]


@pytest.mark.parametrize(("amount", "words", "small"), SIZES)
def test_what_grew_is_no_card_check_any_more(amount: int, words: str, small: bool) -> None:
    check = KNOWN._replace(card_check=1)
    grown = said()._replace(amount=amount, history=history(words, amount))
    assert merge(check, grown, 1).card_check == int(small)
    assert with_history(check, grown).card_check == int(small)
    assert merge(KNOWN, grown, 1).card_check == 0


AUTHORIZATION: dict[str, Any] = {
    "id": "iauth_1",
    "amount": 1_250,
    "currency": "usd",
    "merchant_amount": 1_250,
    "merchant_currency": "usd",
    "status": "closed",
    "card": {"id": "ic_1", "metadata": {"roony_card": "crd_1"}},
    "merchant_data": {
        "name": "FIGMA",
        "category": "computer_software_stores",
        "category_code": "5734",
        "country": "US",
        "network_id": "net_1",
        "city": "San Francisco",
        "state": "CA",
        "url": None,
    },
    "network_data": {"transaction_id": "nt_1"},
    "request_history": [{"approved": True, "reason": "webhook_approved", "amount": 1_250, "new_field": 1}],
    "balance_transactions": [{"id": "txn_1"}],
    "transactions": [],
}
TRANSACTION: dict[str, Any] = {
    "id": "ipi_1",
    "type": "capture",
    "amount": -1_250,
    "currency": "usd",
    "merchant_amount": -1_100,
    "merchant_currency": "eur",
    "merchant_data": AUTHORIZATION["merchant_data"],
    "authorization": "iauth_1",
    "card": "ic_1",
    "network_data": None,
    "created": 7,
}


def test_reading_an_authorization() -> None:
    item = {**copy.deepcopy(AUTHORIZATION), "transactions": [TRANSACTION]}
    found = read_authorization(item, 42)
    assert (found.id, found.stripe_card_id, found.roony_card_id, found.created) == ("iauth_1", "ic_1", "crd_1", 42)
    assert (found.amount, found.status, found.approved, found.transactions_seen) == (1_250, "closed", True, 2)
    assert found.merchant == FIGMA
    assert [transaction.id for transaction in found.transactions] == ["ipi_1"]


def test_reading_a_transaction_drops_the_sign_and_follows_expanded_ids() -> None:
    found = read_transaction({**TRANSACTION, "authorization": {"id": "iauth_9"}, "card": {"id": "ic_9"}})
    assert (found.amount, found.merchant_amount, found.type) == (1_250, 1_100, "capture")
    assert (found.authorization_id, found.stripe_card_id) == ("iauth_9", "ic_9")
    refund = read_transaction({**TRANSACTION, "type": "refund", "amount": 300, "authorization": None})
    assert (refund.amount, refund.type, refund.authorization_id) == (300, "refund", None)


def test_a_category_without_a_code_is_found_by_its_name() -> None:
    named = {**AUTHORIZATION["merchant_data"], "category_code": None}
    assert read_transaction({**TRANSACTION, "merchant_data": named}).merchant.category == "5734"


@pytest.mark.parametrize(("number", "read"), [("nt_1", "nt_1"), (None, None), ("", None), ("000000 0", None)])
def test_a_number_of_zeros_is_none(number: str | None, read: str | None) -> None:
    """It would link payments that have nothing to do with each other."""
    assert read_transaction({**TRANSACTION, "network_data": {"transaction_id": number}}).network_transaction_id == read


@pytest.mark.parametrize("missing", ["id", "amount", "status", "card", "request_history", "merchant_data"])
def test_a_statement_without_what_is_needed_raises(missing: str) -> None:
    """The event is then counted as failed and stays visible (P12), instead of being half booked."""
    item = {name: value for name, value in AUTHORIZATION.items() if name != missing}
    with pytest.raises(KeyError):
        read_authorization(item, 1)
