"""What a refused payment calls for: every code we answer and every reason Stripe gives has its words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from roony.core.action_required import ACTIONS, OF_OURS, OF_PEOPLE, OF_STRIPE, action_required, without_a_yes
from roony.core.approval import Approval
from roony.core.authorization import CODES, Authorization
from roony.core.purchase import Purchase
from tests.core.rows import row

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
    reached = {
        *OF_OURS.values(),
        *OF_STRIPE.values(),
        *OF_PEOPLE.values(),
        "three_d_secure_required",
        "refused_by_stripe",
    }
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


def asked(status: str, kind: str = "renewal", decided_at: int | None = None) -> Approval:
    """A question to people and what became of it."""
    return Approval("org_1", "apr_1", "pur_1", status, "{}", 9, None, decided_at, "", 1, kind)


@pytest.mark.parametrize(
    ("approval", "expected"),
    [
        (None, "over_card_limit"),
        (asked("pending"), "price_changed"),
        (asked("denied", decided_at=5), "approval_denied"),
        (asked("expired", decided_at=5), "approval_expired"),
        (asked("approved", decided_at=5), "over_card_limit"),
        # About an earlier payment, or about something else.
        (asked("denied", decided_at=0), "over_card_limit"),
        (asked("denied", "raise", decided_at=5), "over_card_limit"),
    ],
)
def test_a_new_price_that_a_person_is_asked_about(approval: Approval | None, expected: str) -> None:
    """Stripe refuses it by the card's limit."""
    found = action_required(told((False, "spending_controls")), None, approval)
    assert found is ACTIONS[expected]


@pytest.mark.parametrize(("status", "expected"), [("pending", "price_changed"), ("denied", "approval_denied")])
def test_nobody_is_told_to_wait_for_a_person_who_said_no(status: str, expected: str) -> None:
    """Roony refused it itself."""
    approval = asked(status, decided_at=None if status == "pending" else 5)
    assert action_required(told((False, "webhook_declined")), "PRICE_CHANGED", approval) is ACTIONS[expected]


@pytest.mark.parametrize(
    ("approval", "ended", "verdict", "expected"),
    [
        (asked("denied", "purchase"), "declined", "needs_approval", "approval_denied"),
        (asked("expired", "purchase"), "expired", "needs_approval", "approval_expired"),
        # The rules refused the yes, the agent gave it up, the card was made and ran out, nobody was asked.
        (asked("denied", "purchase"), "declined", "declined", None),
        (asked("denied", "purchase"), "canceled", "needs_approval", None),
        (asked("approved", "purchase"), "expired", "needs_approval", None),
        (asked("expired", "raise"), "expired", "approved", None),
        (None, "declined", "declined", None),
    ],
)
def test_a_purchase_that_got_no_yes(approval: Approval | None, ended: str, verdict: str, expected: str | None) -> None:
    decision = json.dumps({"verdict": verdict, "reasons": []})
    purchase = row(Purchase, status=ended, decision=decision)
    assert without_a_yes(purchase, approval) is (ACTIONS[expected] if expected else None)
