"""After the authorization: captures of every kind, reversals, refunds, expiry, and what the balance says (facts 3)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import stripe

from tests.support.published import conforms
from tests.support.simulator import Receiver, SimulatorProcess, authorize, new_card, said


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


def test_more_than_authorized_and_on_a_canceled_card(client: stripe.StripeClient, helpers: Any) -> None:
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


def test_expired_is_not_final_and_reversed_is(
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


def test_refunds_are_positive_and_bounded(client: stripe.StripeClient, helpers: Any, receiver: Receiver) -> None:
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


def test_the_rest_of_several_captures_is_reversed(
    client: stripe.StripeClient, helpers: Any, receiver: Receiver
) -> None:
    first = authorize(client, new_card(client).id, 1000)
    for amount in (300, 200):
        helpers.authorizations.capture(first.id, {"capture_amount": amount, "close_authorization": False})
    with pytest.raises(stripe.InvalidRequestError) as refused:
        helpers.authorizations.reverse(first.id, {"reverse_amount": 501})
    assert refused.value.param == "reverse_amount"
    done = helpers.authorizations.reverse(first.id)
    assert (done.status, done.amount, [one.amount for one in done.transactions]) == ("closed", 500, [-300, -200])
    assert moves(done) == [("hold", -1000), ("release", 300), ("release", 200), ("release", 500)]
    assert balance(client) == -500
    told = receiver.wait_for("issuing_authorization.updated", 3)
    last = next(one["data"] for one in told if one["data"]["object"]["status"] == "closed")
    assert (last["previous_attributes"]["status"], last["previous_attributes"]["amount"]) == ("pending", 1000)
    conforms(done, last["object"])


def test_what_was_taken_in_full_without_closing_is_closed_by_a_reversal(
    client: stripe.StripeClient, helpers: Any
) -> None:
    first = authorize(client, new_card(client).id, 1000)
    helpers.authorizations.capture(first.id, {"capture_amount": 1200, "close_authorization": False})
    done = helpers.authorizations.reverse(first.id)
    assert (done.status, done.amount, balance(client)) == ("closed", 1000, -1200)


def test_refunds_and_forced_captures_in_other_currencies(client: stripe.StripeClient, helpers: Any) -> None:
    card = new_card(client).id
    forced = helpers.transactions.create_force_capture({"card": card, "amount": 5000, "currency": "jpy"})
    assert (forced.amount, forced.currency) == (-3350, "usd")
    assert (forced.merchant_amount, forced.merchant_currency) == (-5000, "jpy")
    back = helpers.transactions.create_unlinked_refund({"card": card, "amount": 1000, "currency": "eur"})
    assert (back.amount, back.merchant_amount, back.merchant_currency) == (1080, 1000, "eur")
    conforms(forced, back)
    with pytest.raises(stripe.InvalidRequestError, match="type `capture`"):
        helpers.transactions.refund(back.id)
    part = helpers.transactions.refund(forced.id, {"refund_amount": 670})
    assert (part.amount, part.merchant_amount, part.authorization) == (670, 1000, None)
    assert balance(client) == -3350 + 1080 + 670


def test_a_declined_increment_changes_no_money(client: stripe.StripeClient, helpers: Any, receiver: Receiver) -> None:
    first = authorize(client, new_card(client).id, 1000)
    receiver.answer = lambda event: said({"approved": False})
    same = helpers.authorizations.increment(first.id, {"increment_amount": 500})
    assert (same.status, same.amount, moves(same), balance(client)) == ("pending", 1000, [("hold", -1000)], -1000)
    helpers.authorizations.capture(first.id)
    for amount in (None, 1):
        with pytest.raises(stripe.InvalidRequestError):
            helpers.authorizations.increment(first.id, {"increment_amount": amount} if amount else {})
    assert balance(client) == -1000


def test_lodging_is_held_for_31_days_anything_else_for_7(
    simulator: SimulatorProcess, client: stripe.StripeClient, helpers: Any, receiver: Receiver
) -> None:
    card = new_card(client).id
    hotel = authorize(client, card, 1000, merchant_data={"category": "hotels_motels_and_resorts"})
    shop = authorize(client, card, 1000)

    def status(one: Any) -> str:
        return str(client.v1.issuing.authorizations.retrieve(one.id).status)

    simulator.control("clock", {"advance": 7 * 86400 + 1})
    assert (status(hotel), status(shop), balance(client)) == ("pending", "expired", -1000)
    told = receiver.wait_for("issuing_authorization.updated")[0]["data"]
    assert (told["object"]["id"], told["previous_attributes"]["status"]) == (shop.id, "pending")
    simulator.control("clock", {"advance": 24 * 86400})
    assert (status(hotel), balance(client)) == ("expired", 0)
    for act in (helpers.authorizations.expire, helpers.authorizations.reverse):
        with pytest.raises(stripe.InvalidRequestError, match="expired"):
            act(hotel.id)


def test_a_pump_tells_fuel_and_amount_before_it_captures(
    client: stripe.StripeClient, helpers: Any, receiver: Receiver
) -> None:
    pump: Any = {"merchant_data": {"category": "automated_fuel_dispensers"}, "is_amount_controllable": True}
    first = authorize(client, new_card(client).id, 100, **pump)
    fuel = {"type": "diesel", "unit": "liter", "quantity_decimal": "31.5", "unit_cost_decimal": "133.33"}
    fleet = {"purchase_type": "fuel_purchase", "cardholder_prompt_data": {"odometer": 1200}}
    final = helpers.authorizations.finalize_amount(first.id, {"final_amount": 4200, "fuel": fuel, "fleet": fleet})
    assert (final.fuel.quantity_decimal, final.fleet.cardholder_prompt_data.odometer) == (Decimal("31.5"), 1200)
    told = receiver.wait_for("issuing_authorization.updated")[0]["data"]
    assert (told["previous_attributes"]["amount"], told["previous_attributes"]["fuel"]) == (100, None)
    done = helpers.authorizations.capture(first.id)
    assert (done.transactions[0].amount, moves(done), balance(client)) == (
        -4200,
        [("hold", -100), ("hold", -4100), ("release", 4200)],
        -4200,
    )
    conforms(final, done, told["object"])
    with pytest.raises(stripe.InvalidRequestError):
        helpers.authorizations.finalize_amount(first.id, {"final_amount": 5000})


def test_purchase_details_are_kept_as_they_are_told(client: stripe.StripeClient, helpers: Any) -> None:
    details = {
        "reference": "A-1",
        "receipt": [{"description": "Seat", "quantity": "2.5", "total": 500, "unit_cost": 200}],
        "lodging": {"check_in_at": 1_700_000_000, "nights": 2},
        "flight": {"passenger_name": "Jenny", "segments": [{"carrier": "LH", "stopover_allowed": False}]},
        "fuel": {"unit": "kilowatt_hour", "quantity_decimal": "7"},
    }
    first = authorize(client, new_card(client).id, 1000)
    done = helpers.authorizations.capture(first.id, {"purchase_details": details}).transactions[0]
    kept: Any = client.v1.issuing.transactions.retrieve(done.id)
    assert str(kept) == str(done)
    assert (kept.purchase_details.reference, kept.purchase_details.receipt[0].quantity) == ("A-1", 2.5)
    conforms(kept)
    wrong = {"purchase_details": {"receipt": [{"quantity": "inf"}]}}
    with pytest.raises(stripe.InvalidRequestError) as refused:
        helpers.transactions.create_force_capture({"card": first.card.id, "amount": 1, **wrong})
    assert refused.value.param == "purchase_details[receipt][0][quantity]"


def test_metadata_of_a_transaction_merges_and_is_told(
    client: stripe.StripeClient, helpers: Any, receiver: Receiver
) -> None:
    update: Any = client.v1.issuing.transactions.update
    done = helpers.transactions.create_force_capture({"card": new_card(client).id, "amount": 100})
    update(done.id, {"metadata": {"a": "1", "b": "2"}})
    assert update(done.id, {"metadata": {"a": "", "c": "3"}}).metadata.to_dict() == {"b": "2", "c": "3"}
    told = receiver.wait_for("issuing_transaction.updated", 2)
    assert {"a": "1", "b": "2"} in [one["data"]["object"]["metadata"] for one in told]
    assert update(done.id, {"metadata": ""}).metadata.to_dict() == {}
