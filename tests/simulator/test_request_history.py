"""Every reason a request can end with, and what brings it about (facts 2.4)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import stripe

from tests.support.published import conforms
from tests.support.simulator import REQUEST, Receiver, SimulatorProcess, authorize, new_card, new_cardholder, said


class Stage:
    """A card, and short ways to change what stands behind it."""

    def __init__(self, simulator: SimulatorProcess, client: stripe.StripeClient, receiver: Receiver) -> None:
        self.simulator = simulator
        self.client = client
        self.receiver = receiver
        self.card = new_card(client)
        self.holder = self.card.cardholder.id

    def ends(self, reason: str, *, approved: bool = False, asked: bool = False, **extra: Any) -> Any:
        """Ask for 5.00, and check reason, outcome, whether the webhook was asked, and all that is written about it."""
        made = authorize(self.client, self.card.id, 500, **extra)
        entry = made.request_history[-1]
        assert (entry.reason, entry.approved, made.approved) == (reason, approved, approved)
        assert (made.amount, made.status) == (500, "pending" if approved else "closed")
        assert bool(entry.authorization_code) == approved
        assert bool(made.balance_transactions) == approved
        so_far = len(self.client.v1.issuing.authorizations.list({"limit": 100}).data)
        events = self.receiver.wait_for("issuing_authorization.created", so_far)
        told = next(event["data"]["object"] for event in events if event["data"]["object"]["id"] == made.id)
        assert told["request_history"][-1]["reason"] == reason
        requests = [event["data"]["object"]["id"] for event in self.receiver.of(REQUEST)]
        assert (made.id in requests) == asked
        kept = self.client.v1.issuing.authorizations.retrieve(made.id)
        assert str(kept) == str(made)
        conforms(made, told)
        return entry

    def account(self, **wish: Any) -> None:
        """Set what the Dashboard would."""
        self.simulator.control(f"accounts/{self.simulator.account}", wish)

    def change_holder(self, **wish: Any) -> None:
        """Set what only Stripe can."""
        self.simulator.control(f"cardholders/{self.holder}", wish)

    def force(self, **wish: Any) -> None:
        """Force the reason of the card's next request."""
        self.simulator.control(f"cards/{self.card.id}", wish)


@pytest.fixture
def stage(simulator: SimulatorProcess, client: stripe.StripeClient, receiver: Receiver) -> Iterator[Stage]:
    """A card that would be approved; the account's settings are put back afterwards."""
    made = Stage(simulator, client, receiver)
    yield made
    made.account(timeout_action="decline", card_issuing="active")


def test_account_disabled(stage: Stage) -> None:
    stage.account(card_issuing="inactive")
    stage.ends("account_disabled")


def test_card_active(stage: Stage) -> None:
    endpoints: Any = stage.client.v1.webhook_endpoints
    own = endpoints.list().data
    for endpoint in own:
        endpoints.update(endpoint.id, {"enabled_events": ["issuing_authorization.created"]})
    try:
        stage.ends("card_active", approved=True)
    finally:
        for endpoint in own:
            endpoints.update(endpoint.id, {"enabled_events": ["*", REQUEST]})


def test_card_canceled(stage: Stage) -> None:
    stage.client.v1.issuing.cards.update(stage.card.id, {"status": "canceled"})
    stage.ends("card_canceled")


def test_card_expired(stage: Stage) -> None:
    stage.simulator.control("clock", {"advance": 5 * 366 * 86400})
    stage.ends("card_expired")


def test_card_inactive(stage: Stage) -> None:
    stage.client.v1.issuing.cards.update(stage.card.id, {"status": "inactive"})
    stage.ends("card_inactive")


def test_cardholder_blocked(stage: Stage) -> None:
    stage.change_holder(status="blocked")
    stage.ends("cardholder_blocked")


def test_cardholder_inactive(stage: Stage) -> None:
    stage.client.v1.issuing.cardholders.update(stage.holder, {"status": "inactive"})
    stage.ends("cardholder_inactive")


def test_cardholder_verification_required(stage: Stage) -> None:
    stage.change_holder(disabled_reason="under_review")
    stage.ends("cardholder_verification_required")


def test_insufficient_funds(stage: Stage) -> None:
    stage.account(issuing_balance={"usd": 499})
    stage.ends("insufficient_funds")


def test_a_check_of_nothing_needs_no_money(stage: Stage) -> None:
    stage.account(issuing_balance={"usd": -1})
    assert authorize(stage.client, stage.card.id, 0).approved
    assert authorize(stage.client, stage.card.id, 1).request_history[0].reason == "insufficient_funds"


def test_not_allowed_by_a_suspended_wallet_token(stage: Stage) -> None:
    first = authorize(stage.client, stage.card.id, 100, wallet="apple_pay")
    stage.client.v1.issuing.tokens.update(first.token, {"status": "suspended"})
    stage.ends("not_allowed", wallet="apple_pay")
    stage.ends("webhook_approved", approved=True, asked=True)  # the card itself still pays


def test_spending_controls(stage: Stage) -> None:
    controls: Any = {"blocked_categories": ["bakeries"]}
    stage.client.v1.issuing.cards.update(stage.card.id, {"spending_controls": controls})
    stage.ends("spending_controls", merchant_data={"category": "bakeries"})


@pytest.mark.parametrize("risk", ["fraud_risk", "card_testing_risk"])
def test_suspected_fraud(stage: Stage, risk: str) -> None:
    stage.ends("suspected_fraud", risk_assessment={risk: {"level": "highest"}})
    stage.ends("webhook_approved", approved=True, asked=True, risk_assessment={risk: {"level": "elevated"}})


@pytest.mark.parametrize(
    "data", [{"cvc_check": "mismatch"}, {"expiry_check": "mismatch"}, {"three_d_secure": {"result": "failed"}}]
)
def test_verification_failed(stage: Stage, data: dict[str, Any]) -> None:
    stage.ends("verification_failed", verification_data=data)


def test_webhook_approved_and_its_metadata(stage: Stage) -> None:
    stage.receiver.answer = lambda event: said({"approved": True, "metadata": {"policy": "7"}})
    stage.ends("webhook_approved", approved=True, asked=True)
    made = stage.client.v1.issuing.authorizations.list().data[0]
    assert made.metadata.to_dict() == {"policy": "7"}


def test_webhook_declined(stage: Stage) -> None:
    stage.receiver.answer = lambda event: said({"approved": False})
    assert stage.ends("webhook_declined", asked=True).reason_message is None


def test_webhook_error_says_what_was_wrong(stage: Stage) -> None:
    stage.receiver.answer = lambda event: said({"yes": True})
    assert "approved" in stage.ends("webhook_error", asked=True).reason_message


@pytest.mark.parametrize("approved", [False, True])
def test_webhook_timeout(stage: Stage, approved: bool) -> None:
    release = threading.Event()
    stage.account(timeout_action="approve" if approved else "decline")

    def hang(event: dict[str, Any]) -> Any:
        if event["type"] == REQUEST:
            release.wait(60)
        return said({"approved": not approved})

    stage.receiver.answer = hang
    try:
        assert stage.ends("webhook_timeout", approved=approved, asked=True).reason_message is None
    finally:
        release.set()


@pytest.mark.parametrize("reason", ["insecure_authorization_method", "pin_blocked", "stripe_internal_error"])
def test_reasons_nothing_can_be_played_for_are_forced_once(stage: Stage, reason: str) -> None:
    stage.force(next_reason=reason)
    stage.ends(reason)
    stage.ends("webhook_approved", approved=True, asked=True)


@pytest.mark.parametrize("approved", [False, True])
def test_network_fallback_is_decided_without_stripe_and_without_you(stage: Stage, approved: bool) -> None:
    stage.client.v1.issuing.cards.update(stage.card.id, {"status": "inactive"})  # nobody there to look
    stage.force(next_reason="network_fallback", next_approved=approved)
    stage.ends("network_fallback", approved=approved)
    stage.ends("card_inactive")


def test_a_forced_reason_meets_an_increment_too_and_can_be_taken_back(stage: Stage) -> None:
    first = authorize(stage.client, stage.card.id, 500)
    stage.force(next_reason="stripe_internal_error")
    same = stage.client.v1.test_helpers.issuing.authorizations.increment(first.id, {"increment_amount": 50})
    assert (same.approved, same.amount, same.request_history[-1].reason) == (True, 500, "stripe_internal_error")
    stage.force(next_reason="pin_blocked")
    stage.force(next_reason=None)
    stage.ends("webhook_approved", approved=True, asked=True)


@pytest.mark.parametrize(
    "wish",
    [
        {"next_reason": "webhook_declined"},
        {"next_reason": "no_reason"},
        {"next_reason": ["pin_blocked"]},
        {"next_reason": "pin_blocked", "next_approved": True},
        {"next_reason": "network_fallback", "next_approved": "yes"},
        {"next": "pin_blocked"},
    ],
)
def test_what_cannot_be_forced_is_refused(stage: Stage, wish: dict[str, Any]) -> None:
    with pytest.raises(OSError, match="400"):
        stage.force(**wish)
    stage.ends("webhook_approved", approved=True, asked=True)


def test_the_first_reason_in_stripes_order_is_given(stage: Stage) -> None:
    """Each cause is taken away in turn; the next one shows (facts 2.1)."""
    client: Any = stage.client
    controls = {"blocked_categories": ["bakeries"]}
    client.v1.issuing.cards.update(stage.card.id, {"spending_controls": controls, "status": "inactive"})
    client.v1.issuing.cardholders.update(stage.holder, {"status": "inactive"})
    stage.account(card_issuing="inactive", issuing_balance={"usd": 0})
    wrong: dict[str, Any] = {
        "merchant_data": {"category": "bakeries"},
        "verification_data": {"cvc_check": "mismatch"},
        "risk_assessment": {"fraud_risk": {"level": "highest"}},
    }
    stage.ends("account_disabled", **wrong)
    stage.account(card_issuing="active")
    stage.ends("insufficient_funds", **wrong)
    stage.account(issuing_balance={"usd": 10_000})
    stage.ends("card_inactive", **wrong)
    client.v1.issuing.cards.update(stage.card.id, {"status": "active"})
    stage.ends("cardholder_inactive", **wrong)
    client.v1.issuing.cardholders.update(stage.holder, {"status": "active"})
    stage.ends("verification_failed", **wrong)
    del wrong["verification_data"]
    stage.ends("spending_controls", **wrong)
    del wrong["merchant_data"]
    stage.ends("suspected_fraud", **wrong)


def test_the_cardholder_of_another_card_is_not_touched(stage: Stage) -> None:
    stage.change_holder(status="blocked")
    other = new_card(stage.client, new_cardholder(stage.client).id)
    assert authorize(stage.client, other.id, 500).approved
