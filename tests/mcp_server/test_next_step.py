"""The next step says what holds of the whole purchase: its status alone would send an agent the wrong way."""

from __future__ import annotations

from typing import Any

import pytest

from roony.mcp_server.next_step import next_step

CARD = {"status": "active", "hard_limit": 3_000, "expires_at": "2026-12-01T10:00:00.000000Z"}
MANDATE = {
    "interval": "month", "payments": 3, "payments_made": 0, "next_payment_from": None, "ends_at": None,
    "status": "active",
}  # fmt: skip


def step(status: str, delivery: str | None = None, **changed: Any) -> str:
    """What is said of a purchase over 10.00 USD, or with tolerance 30.00."""
    purchase = {
        "id": "pur_1", "status": status, "currency": "usd", "hold_amount": 1_000, "action_required": None,
        "decision": {"verdict": "approved", "reasons": []}, "card": CARD, "approval": None, "failure": None,
    }  # fmt: skip
    return next_step({**purchase, **changed}, delivery)


@pytest.mark.parametrize("delivery", [None, "raw", "sealed", "reveal"])
def test_a_card_that_is_ready_is_to_be_paid_with(delivery: str | None) -> None:
    said = step("ready", delivery)
    assert "at most 30.00 USD before 2026-12-01T10:00:00.000000Z" in said
    assert ("get_purchase with purchase_id pur_1 and card_purpose" in said) is (delivery is None)


def test_with_a_frozen_card_nothing_is_to_be_paid() -> None:
    """Its purchase is ready all the same."""
    said = step("ready", card={**CARD, "status": "frozen"})
    assert "Do not pay." in said
    assert "card_purpose" not in said


def test_of_a_mandate_each_payment_is_limited_and_not_their_sum() -> None:
    said = step("ready", mandate=MANDATE)
    assert "at most 10.00 USD each month, 3 times in all" in said
    assert "30.00" not in said


def test_between_two_payments_nothing_is_to_be_paid() -> None:
    """And nobody is asked to give up what is paid for."""
    since = "2027-01-01T00:00:00.000000Z"
    paid = {**MANDATE, "payments_made": 1, "next_payment_from": since}
    said = step("ready", mandate=paid)
    assert said.startswith("1 of 3 payments are made.")
    assert f"at most 10.00 USD each month, the next time from {since} on" in said
    assert "card_purpose" not in said
    assert "If you do not" not in said
    assert step("ready", "raw", mandate=paid).endswith(said)


@pytest.mark.parametrize("status", ["authorized", "settled"])
def test_a_mandate_is_not_done_with_its_first_payment(status: str) -> None:
    since = "2027-01-01T00:00:00.000000Z"
    assert f"pays again from {since}" in step(status, mandate={**MANDATE, "next_payment_from": since})
    assert "again" not in step(status, mandate=MANDATE)


def test_a_persons_no_is_not_called_a_rules() -> None:
    """The reasons that are left are those for which a person was asked."""
    denied = {"code": "approval_denied", "message": "A person said no.", "next": "Do not ask again."}
    assert step("declined", action_required=denied) == "A person said no. Do not ask again. Nothing is held."
    assert "decision.reasons" in step("declined")


@pytest.mark.parametrize(("helps", "said"), [(True, "make a new request"), (False, "does not help")])
def test_after_a_failure_it_says_whether_asking_again_can_help(helps: bool, said: str) -> None:
    failure = {"code": "x", "message": "y", "retry_can_help": helps}
    assert said in step("failed", card=None, failure=failure)


def test_while_a_card_is_not_made_it_says_what_is_waited_for() -> None:
    assert step("issuing", card=None).startswith("The card is being made. Call get_purchase")
    failure = {"code": "x", "message": "Stripe does not answer.", "retry_can_help": True}
    said = step("issuing", card=None, failure=failure)
    assert said.startswith("The card is not made yet. Stripe does not answer. Call get_purchase with purchase_id pur_1")


def test_why_a_payment_was_refused_comes_first() -> None:
    refused = {"code": "merchant_mismatch", "message": "Another merchant asked.", "next": "Pay only this one."}
    said = step("ready", action_required=refused)
    assert said.startswith("The last payment was refused. Another merchant asked. Pay only this one. The card is ready")
