"""What a refused payment calls for: every code we answer and every reason Stripe gives has its words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from roony.core.action_required import ACTIONS, OF_OURS, OF_STRIPE, action_required
from roony.core.authorization import CODES, Authorization

BLANK = Authorization(
    "org_1", "iauth_1", "con_1", "pur_1", "crd_1", "ic_1", "pending", 0, 0, 0, 0, 0, "usd", 0, "usd", "{}", None,
    0, 0, 0, 0, 1, 1,
)  # fmt: skip


def told(*entries: tuple[bool, str], **more: Any) -> Authorization:
    """An authorization whose history Stripe has told."""
    history = json.dumps([[approved, reason, 5_000] for approved, reason in entries])
    return BLANK._replace(history=history, history_length=len(entries), **more)


def code(known: Authorization, answer: str | None) -> str | None:
    found = action_required(known, answer)
    return found.code if found else None


def test_no_code_of_ours_is_left_out() -> None:
    """But for a card that belongs to no purchase."""
    assert sorted(OF_OURS) == sorted(set(CODES) - {"CARD_UNKNOWN"})


def test_every_word_is_reached_and_says_what_to_do() -> None:
    reached = {*OF_OURS.values(), *OF_STRIPE.values(), "three_d_secure_required", "refused_by_stripe"}
    assert reached == set(ACTIONS)
    assert all(action.message.endswith(".") and action.next.endswith(".") for action in ACTIONS.values())


@pytest.mark.parametrize(
    ("known", "answer", "expected"),
    [
        (BLANK, None, None),
        (BLANK._replace(history_length=1, provisional=1), "APPROVED", None),
        (BLANK._replace(history_length=1, provisional=1), "OVER_HOLD", "over_hold"),
        (told((True, "webhook_approved")), "APPROVED", None),
        (told((False, "webhook_declined")), "RENEWAL_TOO_EARLY", "renewal_too_early"),
        (told((False, "webhook_declined")), "APPROVED", "try_again"),
        (told((False, "webhook_declined")), None, "refused_by_stripe"),
        # Stripe refused what we approved.
        (told((False, "webhook_timeout")), "APPROVED", "try_again"),
        # Declined first, approved when it was tried again.
        (told((False, "webhook_declined"), (True, "webhook_approved")), "APPROVED", None),
        (told((True, "webhook_approved"), (False, "spending_controls")), None, "over_card_limit"),
        (told((False, "verification_failed"), three_d_secure="failed"), None, "three_d_secure_required"),
        (told((False, "verification_failed"), three_d_secure="required"), None, "three_d_secure_required"),
        (told((False, "verification_failed"), three_d_secure="authenticated"), None, "card_details_wrong"),
        (told((False, "insufficient_funds"), three_d_secure="failed"), None, "balance_too_low"),
        (told((False, "a_word_of_next_year")), None, "refused_by_stripe"),
    ],
)  # fmt: skip
def test_the_newest_request_decides(known: Authorization, answer: str | None, expected: str | None) -> None:
    assert code(known, answer) == expected


def test_a_new_price_that_a_person_is_asked_about() -> None:
    """Stripe refuses it by the card's limit."""
    refused = told((False, "spending_controls"))
    assert [getattr(action_required(refused, None, price_asked=asked), "code", None) for asked in (True, False)] == [
        "price_changed", "over_card_limit",
    ]  # fmt: skip
