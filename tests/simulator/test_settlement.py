"""After the authorization: captures of every kind, reversals, refunds, expiry, and what the balance says (facts 3)."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from tests.support.simulator import Receiver, SimulatorProcess, authorize, new_card


@pytest.fixture
def helpers(client: stripe.StripeClient) -> Any:
    """The merchant's side."""
    return client.v1.test_helpers.issuing


def balance(client: stripe.StripeClient) -> int:
    """What the Issuing balance holds, in cents, less the 100,000.00 it began with."""
    return int(client.v1.balance.retrieve().issuing.available[0].amount) - 10_000_000


def moves(authorization: Any) -> list[tuple[str, int]]:
    """The holds and releases of an authorization."""
    return [
        (move.type.removeprefix("issuing_authorization_"), move.amount) for move in authorization.balance_transactions
    ]


def test_a_part_in_several_pieces(client: stripe.StripeClient, helpers: Any) -> None:
    first = authorize(client, new_card(client).id, 1000)
    assert balance(client) == -1000
    open_ = helpers.authorizations.capture(first.id, {"capture_amount": 400, "close_authorization": False})
    assert (open_.status, open_.amount, balance(client)) == ("pending", 1000, -1000)
    done = helpers.authorizations.capture(first.id, {"capture_amount": 500})
    assert (done.status, [one.amount for one in done.transactions]) == ("closed", [-400, -500])
    assert moves(done) == [("hold", -1000), ("release", 400), ("release", 600)]
    assert balance(client) == -900


def test_trap_13_more_than_authorized_and_on_a_canceled_card(client: stripe.StripeClient, helpers: Any) -> None:
    card = new_card(client, spending_controls={"spending_limits": [{"amount": 1000, "interval": "all_time"}]})
    first = authorize(client, card.id, 1000)
    client.v1.issuing.cards.update(card.id, {"status": "canceled"})
    done = helpers.authorizations.capture(first.id, {"capture_amount": 1300})
    assert (done.transactions[0].amount, balance(client)) == (-1300, -1300)
    extra = helpers.authorizations.capture(first.id, {"capture_amount": 50})
    assert (len(extra.transactions), balance(client)) == (2, -1350)
    forced = helpers.transactions.create_force_capture({"card": card.id, "amount": 700})
    assert (forced.authorization, forced.amount, forced.type) == (None, -700, "capture")
    assert balance(client) == -2050


def test_trap_14_expired_is_not_final_and_reversed_is(
    simulator: SimulatorProcess, client: stripe.StripeClient, helpers: Any
) -> None:
    card = new_card(client)
    first, second, third = (authorize(client, card.id, 1000) for _ in range(3))
    gone = helpers.authorizations.expire(first.id)
    assert (gone.status, gone.amount, balance(client)) == ("expired", 1000, -2000)
    late = helpers.authorizations.capture(first.id)
    assert (late.status, balance(client)) == ("closed", -3000)
    smaller = helpers.authorizations.reverse(second.id, {"reverse_amount": 300})
    assert (smaller.status, smaller.amount, balance(client)) == ("pending", 700, -2700)
    empty = helpers.authorizations.reverse(second.id)
    assert (empty.status, empty.amount, balance(client)) == ("reversed", 0, -2000)
    for act in (helpers.authorizations.capture, helpers.authorizations.expire, helpers.authorizations.reverse):
        with pytest.raises(stripe.InvalidRequestError):
            act(second.id)
    simulator.control("clock", {"advance": 7 * 86400})
    assert client.v1.issuing.authorizations.retrieve(third.id).status == "expired"
    assert balance(client) == -1000


def test_a_declined_authorization_cannot_be_captured(client: stripe.StripeClient, helpers: Any) -> None:
    card = new_card(client)
    client.v1.issuing.cards.update(card.id, {"status": "inactive"})
    declined = authorize(client, card.id, 100)
    with pytest.raises(stripe.InvalidRequestError):
        helpers.authorizations.capture(declined.id)


def test_trap_12_refunds_are_positive_and_bounded(
    client: stripe.StripeClient, helpers: Any, receiver: Receiver
) -> None:
    card = new_card(client)
    first = authorize(client, card.id, 1000)
    captured = helpers.authorizations.capture(first.id).transactions[0]
    part = helpers.transactions.refund(captured.id, {"refund_amount": 300})
    assert (part.type, part.amount, part.authorization) == ("refund", 300, first.id)
    rest = helpers.transactions.refund(captured.id)
    assert (rest.amount, balance(client)) == (700, 0)
    with pytest.raises(stripe.InvalidRequestError):
        helpers.transactions.refund(captured.id)
    found = helpers.transactions.create_unlinked_refund({"card": card.id, "amount": 250})
    assert (found.type, found.amount, found.authorization, balance(client)) == ("refund", 250, None, 250)
    told = receiver.wait_for("issuing_transaction.created", 4)
    assert {event["data"]["object"]["amount"] for event in told} == {-1000, 300, 700, 250}
    listed = client.v1.issuing.transactions.list({"card": card.id, "type": "refund"})
    assert [one.amount for one in listed.data] == [250, 700, 300]


def test_a_pump_says_the_real_amount_later(client: stripe.StripeClient, helpers: Any) -> None:
    pump = {"category": "automated_fuel_dispensers"}
    first = authorize(client, new_card(client).id, 100, merchant_data=pump)
    final = helpers.authorizations.finalize_amount(first.id, {"final_amount": 4200})
    assert (final.amount, final.status, balance(client)) == (4200, "pending", -4200)


def test_a_small_payment_counts_only_when_captured(client: stripe.StripeClient, helpers: Any) -> None:
    card = new_card(client, lifecycle_controls={"cancel_after": {"payment_count": 1}})

    def status() -> str:
        return str(client.v1.issuing.cards.retrieve(card.id).status)

    nothing, small = authorize(client, card.id, 0), authorize(client, card.id, 100)
    assert (nothing.approved, small.approved, status()) == (True, True, "active")
    helpers.authorizations.reverse(nothing.id)
    helpers.authorizations.capture(small.id)
    assert status() == "canceled"


def test_a_card_for_two_payments(client: stripe.StripeClient, helpers: Any) -> None:
    card = new_card(client, lifecycle_controls={"cancel_after": {"payment_count": 2}})
    assert authorize(client, card.id, 500).approved
    assert client.v1.issuing.cards.retrieve(card.id).status == "active"
    helpers.transactions.create_force_capture({"card": card.id, "amount": 500})
    assert client.v1.issuing.cards.retrieve(card.id).status == "canceled"


def test_topups_fund_the_issuing_balance(client: stripe.StripeClient, receiver: Receiver) -> None:
    topup = client.v1.topups.create({"amount": 5000, "currency": "usd"})
    assert (topup.status, balance(client)) == ("succeeded", 5000)
    receiver.wait_for("topup.succeeded")


def test_holds_releases_and_purchases_add_up_to_the_balance(client: stripe.StripeClient, helpers: Any) -> None:
    card = new_card(client)
    for amount in (300, 400, 500):
        helpers.authorizations.capture(authorize(client, card.id, amount).id, {"capture_amount": amount + 7})
    entries = client.v1.balance_transactions.list({"limit": 100}).data
    assert sum(entry.amount for entry in entries) == balance(client) == -1221
