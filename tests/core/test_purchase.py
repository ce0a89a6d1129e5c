"""The state of a purchase and its card, derived from what is known, and the fingerprint of a wish (sections 5, 6)."""

from __future__ import annotations

from typing import Any

import pytest

from roony.core.authorization import Authorization
from roony.core.card import Card, derive_card_status
from roony.core.purchase import STATUSES, Purchase, derive_status, fingerprint, is_open, may_still_authorize
from tests.core.rows import row


def known(status: str, amount: int = 500, captured: int = 0, approved: int = 1, check: int = 0) -> Authorization:
    return row(Authorization, status=status, amount=amount, captured=captured, approved=approved, card_check=check)


def purchase(
    status: str = "ready", ended: str | None = None, captured: int = 0, card: str | None = "crd_1"
) -> Purchase:
    return row(
        Purchase,
        status=status,
        ended_reason=ended,
        ended_at=1 if ended else None,
        captured=captured,
        card_id=card,
    )


CHECK, CAPTURED_CHECK = known("pending", 100, check=1), known("closed", 100, 100, check=1)
# In each line: the case, purchase, card, authorizations and the state that follows.
STATES: list[tuple[str, Purchase, str | None, list[Authorization], str]] = [
    ("declined stays declined", purchase("declined", captured=5, card=None), None, [], "declined"),
    ("waits for a person", purchase("awaiting_approval", card=None), None, [], "awaiting_approval"),
    ("its card is made", purchase("issuing"), "creating", [], "issuing"),
    ("its card is there", purchase("issuing"), "active", [], "ready"),
    ("frozen", purchase(), "frozen", [], "ready"),
    ("authorized", purchase(), "used", [known("pending")], "authorized"),
    ("closed, capture on its way", purchase(), "used", [known("closed")], "authorized"),
    ("captured and more open", purchase(captured=300), "used", [known("pending", 500, 300)], "authorized"),
    ("captured", purchase(captured=500), "used", [known("closed", 500, 500)], "settled"),
    ("refunded is settled all the same", purchase(captured=500), "used", [known("closed", 500, 500)], "settled"),
    ("only a check", purchase(), "active", [CHECK], "ready"),
    ("a captured check", purchase(captured=100), "used", [CAPTURED_CHECK], "settled"),
    ("reversed", purchase(), "used", [known("reversed", 0)], "canceled"),
    ("expired at Stripe", purchase(), "used", [known("expired")], "canceled"),
    ("one reversed, one open", purchase(), "used", [known("reversed", 0), known("pending")], "authorized"),
    ("declined by Stripe", purchase(), "active", [known("closed", approved=0)], "ready"),
    ("canceled", purchase(ended="canceled"), "canceled", [], "canceled"),
    ("past its time", purchase(ended="expired"), "expired", [], "expired"),
    ("no card could be made", purchase(ended="failed"), "canceled", [], "failed"),
    ("a person said no", purchase(ended="declined", card=None), None, [], "declined"),
    ("the connection was revoked", purchase(ended="revoked"), "canceled", [], "canceled"),
    ("canceled with money open", purchase(ended="canceled"), "canceled", [known("pending")], "authorized"),
    (
        "expired, captured late",
        purchase(ended="expired", captured=500),
        "expired",
        [known("closed", 500, 500)],
        "settled",
    ),
    ("failed, force captured", purchase(ended="failed", captured=5), "canceled", [], "settled"),
]


@pytest.mark.parametrize("case", STATES, ids=[case[0] for case in STATES])
def test_status(case: tuple[str, Purchase, str | None, list[Authorization], str]) -> None:
    _, about, card, authorizations, status = case
    assert derive_status(about, card, authorizations) == status
    assert status in STATUSES


# (case, card status, Stripe's status, authorizations, status)
CARDS: list[tuple[str, str, str, list[Authorization], str]] = [
    ("nothing known", "active", "active", [], "active"),
    ("approved", "active", "active", [known("pending")], "used"),
    ("reversed still counts as used", "used", "canceled", [known("reversed", 0)], "used"),
    ("declined after all", "used", "active", [known("closed", approved=0)], "active"),
    ("declined after all, and canceled at Stripe", "used", "canceled", [known("closed", approved=0)], "active"),
    ("canceled at Stripe, nothing known yet", "active", "canceled", [], "active"),
    ("a check", "active", "active", [CHECK], "active"),
    ("a captured check", "active", "active", [CAPTURED_CHECK], "used"),
    ("used while frozen", "frozen", "inactive", [known("pending")], "used"),
    ("frozen", "frozen", "inactive", [], "frozen"),
    ("canceled stays canceled", "canceled", "active", [known("pending")], "canceled"),
    ("expired stays expired", "expired", "active", [known("pending")], "expired"),
    ("in the making", "creating", "active", [known("pending")], "creating"),
]


@pytest.mark.parametrize("case", CARDS, ids=[case[0] for case in CARDS])
def test_card_status(case: tuple[str, str, str, list[Authorization], str]) -> None:
    _, status, at_stripe, authorizations, expected = case
    card = row(Card, status=status, stripe_status=at_stripe)
    assert derive_card_status(card, authorizations) == expected


@pytest.mark.parametrize(
    ("authorization", "expected"),
    [
        (known("pending"), True),
        (known("pending", approved=0), False),
        (known("closed"), True),
        (known("closed", captured=1), False),
        (known("closed", amount=0), False),
        (known("expired"), False),
        (known("reversed", 0), False),
    ],
)
def test_money_on_its_way(authorization: Authorization, expected: bool) -> None:
    assert is_open(authorization) is expected


@pytest.mark.parametrize(
    ("about", "card", "expected"),
    [
        (purchase(), "active", True),
        (purchase(), "frozen", True),
        (purchase("issuing"), None, True),
        (purchase(), "used", False),
        (purchase(ended="canceled"), "active", False),
        (purchase(ended="canceled"), "creating", True),
        (purchase("declined"), None, False),
    ],
)
def test_the_right_to_a_new_authorization(about: Purchase, card: str | None, expected: bool) -> None:
    assert may_still_authorize(about, card) is expected


def test_a_fingerprint_tells_wishes_apart() -> None:
    wishes: list[tuple[Any, ...]] = [
        (None, "figma", 100, "usd"),
        ("task", "figma", 100, "usd"),
        (None, "notion", 100, "usd"),
        (None, "figma", 101, "usd"),
        (None, "figma", 100, "eur"),
    ]
    assert len({fingerprint(*wish) for wish in wishes}) == len(wishes)
    assert fingerprint(*wishes[0]) == fingerprint("", "figma", 100, "usd")
