"""Held and spent as a function of what is known: the formula of design section 4, case by case."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roony.core.authorization import Authorization
from roony.core.ledger import Position, committed, position
from roony.core.purchase import Purchase
from tests.core.rows import row

HOLD = 1_000


def purchase(
    captured: int = 0, loose: int = 0, refunded: int = 0, ended: bool = False, status: str = "ready"
) -> Purchase:
    return row(
        Purchase,
        hold_amount=HOLD,
        captured=captured,
        loose_captured=loose,
        refunded=refunded,
        ended_at=1 if ended else None,
        status=status,
    )


def known(status: str, amount: int, captured: int = 0, approved: int = 1, **more: Any) -> Authorization:
    return row(Authorization, status=status, amount=amount, captured=captured, approved=approved, **more)


# In each line: the case, purchase, card, authorizations, what is held and what is spent.
CASES: list[tuple[str, Purchase, str | None, list[Authorization], int, int]] = [
    ("asked, no card yet", purchase(), None, [], 1_000, 0),
    ("a person must decide", purchase(status="awaiting_approval"), None, [], 1_000, 0),
    ("card ready", purchase(), "active", [], 1_000, 0),
    ("frozen cards come back", purchase(), "frozen", [], 1_000, 0),
    ("declined", purchase(status="declined"), None, [], 0, 0),
    ("ended", purchase(ended=True), "canceled", [], 0, 0),
    ("ended while its card is made", purchase(ended=True), "creating", [], 1_000, 0),
    ("pending", purchase(), "used", [known("pending", 800)], 1_000, 0),
    ("pending, card ended", purchase(ended=True), "canceled", [known("pending", 800)], 1_000, 0),
    ("pending beyond the hold", purchase(), "used", [known("pending", 1_500)], 1_500, 0),
    ("declined by Stripe", purchase(), "active", [known("closed", 800, approved=0)], 1_000, 0),
    ("captured in part, more to come", purchase(300), "used", [known("pending", 800, 300)], 700, 300),
    ("captured beyond, still pending", purchase(1_200), "used", [known("pending", 800, 1_200)], 0, 1_200),
    ("closed, capture known", purchase(800), "used", [known("closed", 800, 800)], 0, 800),
    ("closed, capture not known", purchase(), "used", [known("closed", 800)], 1_000, 0),
    ("a check of nothing, closed", purchase(700), "used", [known("closed", 0), known("closed", 700, 700)], 0, 700),
    ("reversed", purchase(), "used", [known("reversed", 0)], 0, 0),
    ("expired", purchase(), "used", [known("expired", 800)], 0, 0),
    ("expired, captured late", purchase(800), "used", [known("expired", 800, 800)], 0, 800),
    ("two pending", purchase(), "used", [known("pending", 800), known("pending", 700)], 1_500, 0),
    ("force captured, card unused", purchase(300, loose=300), "active", [], 700, 300),
    ("refunded in part", purchase(800, refunded=300), "used", [known("closed", 800, 800)], 0, 500),
    ("refunded too much", purchase(800, refunded=900), "used", [known("closed", 800, 800)], 0, 0),
    ("refund known first", purchase(0, refunded=300), "used", [known("pending", 800)], 1_000, 0),
]


@pytest.mark.parametrize("case", CASES, ids=[case[0] for case in CASES])
def test_held_and_spent(case: tuple[str, Purchase, str | None, list[Authorization], int, int]) -> None:
    _, about, card, authorizations, held, spent = case
    assert position(about, card, authorizations) == Position(held, spent)


@pytest.mark.parametrize(
    ("authorizations", "loose", "expected"),
    [
        ([], 0, 0),
        ([], 70, 70),
        ([known("pending", 500, 600)], 0, 600),
        ([known("closed", 500, 200)], 0, 200),
        ([known("closed", 500)], 0, 500),
        ([known("expired", 500)], 0, 0),
        ([known("pending", 500, approved=0)], 0, 0),
        ([known("pending", 500, 40, approved=0)], 0, 40),
        ([known("pending", 500), known("reversed", 0, 30)], 5, 535),
    ],
)
def test_committed(authorizations: list[Authorization], loose: int, expected: int) -> None:
    assert committed(purchase(loose=loose), authorizations) == expected


amounts = st.integers(0, 3_000)
anything = st.builds(
    known,
    st.sampled_from(["pending", "closed", "reversed", "expired"]),
    amounts,
    amounts,
    st.sampled_from([0, 1]),
)


@given(
    authorizations=st.lists(anything, max_size=4),
    loose=amounts,
    refunded=amounts,
    ended=st.booleans(),
    card=st.sampled_from([None, "creating", "active", "used", "expired", "canceled", "frozen"]),
    order=st.randoms(use_true_random=False),
)
def test_whatever_is_known_open_money_is_held(
    authorizations: list[Authorization], loose: int, refunded: int, ended: bool, card: str | None, order: Any
) -> None:
    """P8, and the same whatever order the authorizations come in."""
    captured = loose + sum(a.captured for a in authorizations)
    about = purchase(captured, loose, refunded, ended)
    found = position(about, card, authorizations)
    waiting = sum(max(0, a.amount - a.captured) for a in authorizations if a.approved and a.status == "pending")
    assert found.held >= waiting
    assert 0 <= found.spent <= captured
    shuffled = list(authorizations)
    order.shuffle(shuffled)
    assert position(about, card, shuffled) == found
