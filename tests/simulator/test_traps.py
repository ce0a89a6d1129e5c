"""The traps of facts section 10, in their order: each is there in the simulator as it is at Stripe.

Traps 21 to 24, those of retries and of the SDK, are in `test_retry_traps.py`.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from typing import Any

import pytest
import stripe

from roony.simulator.asking import BUDGET_SECONDS
from tests.support.simulator import REQUEST, Receiver, SimulatorProcess, authorize, new_card, new_cardholder, said

CREATED = "issuing_authorization.created"


def reason_of(authorization: Any) -> str:
    """Return the reason of the last entry in the history."""
    return str(authorization.request_history[-1].reason)


def balance(client: stripe.StripeClient) -> int:
    """Return what the Issuing balance holds, in cents, less the 100,000.00 it began with."""
    return int(client.v1.balance.retrieve().issuing.available[0].amount) - 10_000_000  # type: ignore[union-attr]


class Late:
    """An endpoint that says yes, but only when told to."""

    def __init__(self, receiver: Receiver) -> None:
        self.release = threading.Event()
        receiver.answer = self.answer

    def answer(self, event: dict[str, Any]) -> Any:
        """Wait with an authorization request, answer anything else at once."""
        if event["type"] == REQUEST:
            self.release.wait(60)
        return said({"approved": True})


def test_trap_01_a_purchase_is_never_told_as_a_charge(client: stripe.StripeClient, receiver: Receiver) -> None:
    bought = authorize(client, new_card(client).id, 500)
    client.v1.test_helpers.issuing.authorizations.capture(bought.id)
    receiver.wait_for("issuing_transaction.created")
    told = list(client.v1.events.list({"limit": 100}).auto_paging_iter())
    assert {event.type.partition("_")[0] for event in told} == {"issuing"}
    assert client.v1.events.list({"type": "charge.*"}).data == []


def test_trap_02_a_star_endpoint_never_receives_the_request(client: stripe.StripeClient, receiver: Receiver) -> None:
    endpoints: Any = client.v1.webhook_endpoints
    for endpoint in endpoints.list().data:
        endpoints.update(endpoint.id, {"enabled_events": ["*"]})
    try:
        approved = authorize(client, new_card(client).id, 500)
        assert (approved.approved, reason_of(approved)) == (True, "card_active")
        receiver.wait_for(CREATED)
        assert receiver.of(REQUEST) == []
    finally:
        for endpoint in endpoints.list().data:
            endpoints.update(endpoint.id, {"enabled_events": ["*", REQUEST]})


def test_trap_03_a_yes_without_stripe_version_is_an_error(client: stripe.StripeClient, receiver: Receiver) -> None:
    receiver.answer = lambda event: said({"approved": True}, version=None)
    declined = authorize(client, new_card(client).id, 500)
    assert (declined.approved, reason_of(declined)) == (False, "webhook_error")
    assert "Stripe-Version" in str(declined.request_history[0].reason_message)


def test_trap_04_two_seconds_are_all_there_is_and_silence_declines(
    client: stripe.StripeClient, receiver: Receiver
) -> None:
    card, late = new_card(client), Late(receiver)
    started = time.monotonic()
    declined = authorize(client, card.id, 500)
    took = time.monotonic() - started
    late.release.set()
    assert (declined.approved, reason_of(declined)) == (False, "webhook_timeout")
    assert took >= BUDGET_SECONDS == 2.0


def test_trap_05_a_yes_that_comes_too_late_is_a_no(client: stripe.StripeClient, receiver: Receiver) -> None:
    card, late = new_card(client), Late(receiver)
    declined = authorize(client, card.id, 500)
    late.release.set()  # the endpoint now sends its yes and believes in it
    told = receiver.wait_for(CREATED)[0]["data"]["object"]
    assert (told["id"], told["approved"], told["status"]) == (declined.id, False, "closed")
    kept = client.v1.issuing.authorizations.retrieve(declined.id)
    assert (kept.approved, reason_of(kept), balance(client)) == (False, "webhook_timeout", 0)


def test_trap_06_where_silence_approves_money_moves_undecided(
    simulator: SimulatorProcess, client: stripe.StripeClient, receiver: Receiver
) -> None:
    card, late = new_card(client), Late(receiver)
    simulator.control(f"accounts/{simulator.account}", {"timeout_action": "approve"})
    try:
        risky = authorize(client, card.id, 500)
        assert (risky.approved, reason_of(risky), balance(client)) == (True, "webhook_timeout", -500)
    finally:
        late.release.set()
        simulator.control(f"accounts/{simulator.account}", {"timeout_action": "decline"})


def test_trap_07_declines_by_stripe_never_reach_the_webhook(
    simulator: SimulatorProcess, client: stripe.StripeClient, receiver: Receiver
) -> None:
    card = new_card(client, spending_controls={"blocked_categories": ["bakeries"]})
    blocked = authorize(client, card.id, 500, merchant_data={"category": "bakeries"})
    simulator.control(f"accounts/{simulator.account}", {"issuing_balance": {"usd": 499}})
    poor = authorize(client, card.id, 500)
    risky = authorize(client, card.id, 400, risk_assessment={"fraud_risk": {"level": "highest"}})
    reasons = {one.id: reason_of(one) for one in (blocked, poor, risky)}
    assert list(reasons.values()) == ["spending_controls", "insufficient_funds", "suspected_fraud"]
    told = [event["data"]["object"] for event in receiver.wait_for(CREATED, 3)]
    assert {one["id"]: one["request_history"][0]["reason"] for one in told} == reasons
    assert receiver.of(REQUEST) == []


def test_trap_08_the_ask_is_in_pending_request_and_is_a_delta(client: stripe.StripeClient, receiver: Receiver) -> None:
    first = authorize(client, new_card(client).id, 500)
    client.v1.test_helpers.issuing.authorizations.increment(first.id, {"increment_amount": 200})
    asked = [event["data"]["object"] for event in receiver.wait_for(REQUEST, 2)]
    assert [(one["amount"], one["pending_request"]["amount"]) for one in asked] == [(0, 500), (500, 200)]
    assert [(one["approved"], one["status"]) for one in asked] == [(False, "pending"), (True, "pending")]
    assert client.v1.issuing.authorizations.retrieve(first.id).pending_request is None


def test_trap_09_one_authorization_is_asked_about_several_times(
    client: stripe.StripeClient, receiver: Receiver
) -> None:
    first = authorize(client, new_card(client).id, 500)
    for _ in range(2):  # the same amount twice: only the ordinal tells the two apart
        client.v1.test_helpers.issuing.authorizations.increment(first.id, {"increment_amount": 100})
    asked = [event["data"]["object"] for event in receiver.wait_for(REQUEST, 3)]
    assert {one["id"] for one in asked} == {first.id}
    assert [len(one["request_history"]) for one in asked] == [0, 1, 2]


def test_trap_10_events_come_more_than_once(
    simulator: SimulatorProcess, client: stripe.StripeClient, receiver: Receiver
) -> None:
    simulator.control("delivery", {"duplicate": 1, "shuffle": True, "seed": 5})
    first = authorize(client, new_card(client).id, 500)
    client.v1.test_helpers.issuing.authorizations.capture(first.id)
    for kind in (CREATED, "issuing_transaction.created"):
        assert Counter(event["id"] for event in receiver.wait_for(kind, 2)).most_common(1)[0][1] == 2


def test_trap_11_the_webhook_is_there_before_the_call_returns(client: stripe.StripeClient, receiver: Receiver) -> None:
    returned, seen = threading.Event(), []

    def look(event: dict[str, Any]) -> Any:
        if event["type"] == REQUEST:
            seen.append((event["data"]["object"]["id"], returned.is_set()))
        return said({"approved": True})

    receiver.answer = look
    made = authorize(client, new_card(client).id, 500)
    returned.set()
    assert seen == [(made.id, False)]


def test_trap_12_spend_is_negative_in_transactions_and_positive_in_authorizations(client: stripe.StripeClient) -> None:
    helpers = client.v1.test_helpers.issuing
    done = helpers.authorizations.capture(authorize(client, new_card(client).id, 500).id)
    back = helpers.transactions.refund(done.transactions[0].id, {"refund_amount": 200})
    assert (done.amount, done.transactions[0].amount, back.amount) == (500, -500, 200)
    assert (done.transactions[0].type, back.type, back.authorization) == ("capture", "refund", done.id)
    assert (done.transactions[0].merchant_amount, back.merchant_amount) == (-500, 200)


def test_trap_13_captures_pass_every_rule_even_on_a_canceled_card(
    client: stripe.StripeClient, receiver: Receiver
) -> None:
    limit: Any = {"spending_limits": [{"amount": 1000, "interval": "all_time"}]}
    card = new_card(client, spending_controls=limit)
    first = authorize(client, card.id, 1000)
    client.v1.issuing.cards.update(card.id, {"status": "canceled"})
    helpers = client.v1.test_helpers.issuing
    over = helpers.authorizations.capture(first.id, {"capture_amount": 1300})
    forced = helpers.transactions.create_force_capture({"card": card.id, "amount": 700})
    assert (over.amount, over.transactions[0].amount) == (1000, -1300)
    assert (forced.authorization, forced.amount, balance(client)) == (None, -700, -2000)
    assert len(receiver.of(REQUEST)) == 1


def test_trap_14_expired_is_not_final(client: stripe.StripeClient) -> None:
    helpers = client.v1.test_helpers.issuing.authorizations
    gone = helpers.expire(authorize(client, new_card(client).id, 500).id)
    assert (gone.status, gone.amount, balance(client)) == ("expired", 500, 0)
    late = helpers.capture(gone.id)
    assert (late.status, late.transactions[0].amount, balance(client)) == ("closed", -500, -500)


def test_trap_15_older_versions_hide_expired_behind_reversed(client: stripe.StripeClient, receiver: Receiver) -> None:
    updated, endpoints = "issuing_authorization.updated", client.v1.webhook_endpoints
    with Receiver() as older, Receiver() as newer:
        made = []
        for one, version in ((older, "2025-02-24.acacia"), (newer, "2025-03-31.basil")):
            params: Any = {"url": one.url, "enabled_events": [updated], "api_version": version}
            made.append(endpoints.create(params).id)
        client.v1.test_helpers.issuing.authorizations.expire(authorize(client, new_card(client).id, 500).id)
        told = [one.wait_for(updated)[-1] for one in (older, newer, receiver)]
        for identifier in made:
            endpoints.delete(identifier)
    assert [event["data"]["object"]["status"] for event in told] == ["reversed", "expired", "expired"]
    assert [event["api_version"][:10] for event in told] == ["2025-02-24", "2025-03-31", "2026-10-28"]


def test_trap_16_an_empty_list_says_nothing_and_restricts_nothing(client: stripe.StripeClient) -> None:
    card = new_card(client, spending_controls={"allowed_categories": []})
    assert card.spending_controls.allowed_categories is None
    assert authorize(client, card.id, 500).approved


def test_trap_17_controls_that_are_not_sent_stay(client: stripe.StripeClient) -> None:
    limit: Any = {"spending_limits": [{"amount": 1000, "interval": "daily"}], "blocked_categories": ["bakeries"]}
    card = new_card(client, spending_controls=limit)
    client.v1.issuing.cards.update(card.id, {"spending_controls": {"blocked_categories": ["caterers"]}})
    controls: Any = client.v1.issuing.cards.retrieve(card.id).spending_controls
    assert (controls.blocked_categories, controls.spending_limits[0].amount) == (["caterers"], 1000)


def test_trap_18_a_card_is_inactive_and_limited_unless_told_otherwise(client: stripe.StripeClient) -> None:
    cards: Any = client.v1.issuing.cards
    card = cards.create({"cardholder": new_cardholder(client).id, "currency": "usd", "type": "virtual"})
    assert (card.status, reason_of(authorize(client, card.id, 100))) == ("inactive", "card_inactive")
    cards.update(card.id, {"status": "active"})
    assert reason_of(authorize(client, card.id, 50_001)) == "spending_controls"
    assert authorize(client, card.id, 50_000).approved


def test_trap_19_number_and_cvc_come_by_expanding_a_retrieve_only(
    client: stripe.StripeClient, receiver: Receiver
) -> None:
    cards: Any = client.v1.issuing.cards
    card = new_card(client, expand=["number", "cvc"])
    secret = cards.retrieve(card.id, {"expand": ["number", "cvc"]})
    assert (len(secret.number), len(secret.cvc)) == (16, 3)
    listed = cards.list({"expand": ["data.number", "data.cvc"]}).data[0]
    authorize(client, card.id, 500)
    told = [event["data"]["object"] for event in receiver.wait_for("issuing_card.created")]
    asked = [event["data"]["object"]["card"] for event in receiver.wait_for(REQUEST)]
    for seen in (card.to_dict(), cards.retrieve(card.id).to_dict(), listed.to_dict(), *told, *asked):
        assert not {"number", "cvc"} & set(seen)


@pytest.mark.parametrize("name", ["Agent-7", "Jenny #", "A name that is much too long"])
def test_trap_20_a_cardholder_name_that_cannot_be_printed_fails(client: stripe.StripeClient, name: str) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        new_cardholder(client, name=name)
    assert (refused.value.http_status, refused.value.param) == (400, "name")


def test_trap_25_a_merchant_is_weakly_known(client: stripe.StripeClient) -> None:
    card = new_card(client)
    plain = authorize(client, card.id, 100, merchant_data={"name": "ACME*CLOUD 4029"}).merchant_data
    again = authorize(client, card.id, 100, merchant_data={"name": "ACME CLOUD"}).merchant_data
    other = authorize(client, card.id, 100, merchant_data={"name": "ACME CLOUD", "network_id": "77"}).merchant_data
    assert (plain.url, plain.tax_id, plain.terminal_id) == (None, None, None)
    assert len({plain.network_id, again.network_id, other.network_id}) == 3


def test_trap_26_limits_roll_at_midnight_utc(simulator: SimulatorProcess, client: stripe.StripeClient) -> None:
    seconds = simulator.control("clock")["now"] % 86400
    simulator.control("clock", {"advance": 2 * 86400 - seconds - 60})
    card = new_card(client, spending_controls={"spending_limits": [{"amount": 500, "interval": "daily"}]})
    assert authorize(client, card.id, 500).approved
    assert reason_of(authorize(client, card.id, 1)) == "spending_controls"
    simulator.control("clock", {"advance": 61})
    assert authorize(client, card.id, 500).approved


def test_trap_27_every_event_says_that_no_real_money_moved(
    simulator: SimulatorProcess, client: stripe.StripeClient, receiver: Receiver
) -> None:
    connected = simulator.connect()
    for one in (client, simulator.client(connected)):
        authorize(one, new_card(one).id, 500)
    receiver.wait_for(CREATED, 2)
    assert {event["livemode"] for event in receiver.events} == {False}
    told = {event.get("account"): event["data"]["object"]["livemode"] for event in receiver.of(CREATED)}
    assert told == {None: False, connected: False}


def test_trap_28_newer_words_are_words_like_any_other(simulator: SimulatorProcess, client: stripe.StripeClient) -> None:
    card = new_card(client)
    simulator.control(f"cards/{card.id}", {"next_reason": "network_fallback"})
    fallback = authorize(client, card.id, 500)
    assert (fallback.approved, reason_of(fallback)) == (True, "network_fallback")
    client.v1.test_helpers.issuing.authorizations.expire(fallback.id)
    assert [one.id for one in client.v1.issuing.authorizations.list({"status": "expired"}).data] == [fallback.id]


def test_trap_29_what_the_sdk_parses_is_no_dict(simulator: SimulatorProcess, receiver: Receiver) -> None:
    client = simulator.client()
    new_cardholder(client)
    receiver.wait_for("issuing_cardholder.created")
    body, header = receiver.received[0]
    event: Any = stripe.Webhook.construct_event(body, header, simulator.webhook_secret)
    with pytest.raises(AttributeError):
        event.data.object.get("id")
    assert event.to_dict() == json.loads(body)
    assert "account" not in event


def test_trap_30_yen_have_no_cents(client: stripe.StripeClient) -> None:
    bought = authorize(client, new_card(client).id, 5000, currency="jpy")
    assert (bought.currency, bought.amount) == ("usd", 3350)
    assert (bought.merchant_currency, bought.merchant_amount) == ("jpy", 5000)
    done = client.v1.test_helpers.issuing.authorizations.capture(bought.id).transactions[0]
    assert (done.amount, done.merchant_amount) == (-3350, -5000)
