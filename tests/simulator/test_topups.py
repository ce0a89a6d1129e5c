"""Top-ups: at once, later by the clock, failed and canceled, and what the balance says (facts 3.3)."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from tests.support.simulator import Receiver, SimulatorProcess
from tests.support.stripe_spec import load_spec, needs_spec

FUNDED = 10_000_000


def balance(client: stripe.StripeClient) -> int:
    """What the Issuing balance holds beyond what it began with, in cents."""
    return int(client.v1.balance.retrieve().issuing.available[0].amount) - FUNDED


def told(client: stripe.StripeClient, topup: str) -> list[str]:
    """The events of a top-up, oldest first."""
    events = client.v1.events.list({"limit": 100}).data
    return [event.type for event in reversed(events) if event.data.object["id"] == topup]


@pytest.fixture
def slow(simulator: SimulatorProcess, client: stripe.StripeClient) -> stripe.StripeClient:
    """A client of an account whose top-ups take an hour."""
    simulator.control(f"accounts/{simulator.account}", {"topup_delay": 3600})
    return client


def test_without_a_delay_the_money_is_there_at_once(client: stripe.StripeClient) -> None:
    made = client.v1.topups.create({"amount": 5000, "currency": "usd", "description": "For cards"})
    assert (made.status, made.description, balance(client)) == ("succeeded", "For cards", 5000)
    moved = client.v1.topups.retrieve(made.id, {"expand": ["balance_transaction"]}).balance_transaction
    assert (moved.amount, moved.type, moved.source) == (5000, "topup", made.id)  # type: ignore[union-attr]
    assert told(client, made.id) == ["topup.created", "topup.succeeded"]
    assert client.v1.topups.retrieve(made.id).to_dict() == made.to_dict()


def test_a_delayed_one_arrives_by_the_clock(simulator: SimulatorProcess, slow: stripe.StripeClient) -> None:
    made = slow.v1.topups.create({"amount": 5000, "currency": "usd"})
    assert (made.status, made.balance_transaction, balance(slow)) == ("pending", None, 0)
    assert made.expected_availability_date == made.created + 3600
    simulator.control("clock", {"advance": 3500})
    assert slow.v1.topups.retrieve(made.id).status == "pending"
    simulator.control("clock", {"advance": 101})
    assert (slow.v1.topups.retrieve(made.id).status, balance(slow)) == ("succeeded", 5000)
    assert told(slow, made.id) == ["topup.created", "topup.succeeded"]


def test_a_pending_one_can_be_canceled_once(simulator: SimulatorProcess, slow: stripe.StripeClient) -> None:
    made = slow.v1.topups.create({"amount": 5000, "currency": "usd"})
    assert slow.v1.topups.cancel(made.id).status == "canceled"
    with pytest.raises(stripe.InvalidRequestError, match="canceled"):
        slow.v1.topups.cancel(made.id)
    simulator.control("clock", {"advance": 7200})
    assert (slow.v1.topups.retrieve(made.id).status, balance(slow)) == ("canceled", 0)
    assert told(slow, made.id) == ["topup.created", "topup.canceled"]


def test_one_that_has_arrived_cannot_be_canceled(client: stripe.StripeClient) -> None:
    made = client.v1.topups.create({"amount": 5000, "currency": "usd"})
    with pytest.raises(stripe.InvalidRequestError, match="succeeded") as refused:
        client.v1.topups.cancel(made.id)
    assert refused.value.http_status == 400
    assert (client.v1.topups.retrieve(made.id).status, balance(client)) == ("succeeded", 5000)


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("btok_us_verified_noAccount", "no_account"),
        ("btok_us_verified_accountClosed", "account_closed"),
        ("btok_us_verified_insufficientFunds", "insufficient_funds"),
        ("btok_us_verified_debitNotAuthorized", "debit_not_authorized"),
        ("btok_us_verified_invalidCurrency", "invalid_currency"),
    ],
)
def test_stripes_test_tokens_fail_as_they_say(
    client: stripe.StripeClient, receiver: Receiver, source: str, code: str
) -> None:
    made = client.v1.topups.create({"amount": 5000, "currency": "usd", "source": source})
    assert (made.status, made.failure_code, made.balance_transaction) == ("failed", code, None)
    assert made.failure_message
    assert balance(client) == 0
    event = receiver.wait_for("topup.failed")[0]
    assert event["data"]["object"]["failure_code"] == code
    assert "previous_attributes" not in event["data"]
    assert client.v1.topups.create({"amount": 1, "currency": "usd", "source": "btok_us_verified"}).status == "succeeded"


def test_a_failing_one_fails_after_its_delay(simulator: SimulatorProcess, slow: stripe.StripeClient) -> None:
    source = "btok_us_verified_insufficientFunds"
    made = slow.v1.topups.create({"amount": 5000, "currency": "usd", "source": source})
    assert made.status == "pending"
    simulator.control("clock", {"advance": 3600})
    assert slow.v1.topups.retrieve(made.id).failure_code == "insufficient_funds"
    with pytest.raises(stripe.InvalidRequestError, match="failed"):
        slow.v1.topups.cancel(made.id)


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"amount": 0}, "amount"),
        ({"amount": "x"}, "amount"),
        ({"currency": "xxx"}, "currency"),
        ({"currency": ""}, "currency"),
        ({"source": "btok_us_verified_noaccount"}, "source"),
        ({"payment_method_options": {"us_bank_account": {"network": "wire"}}}, None),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_is_wrong_is_refused_and_leaves_nothing(
    client: stripe.StripeClient, change: dict[str, Any], param: str | None
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.topups.create({"amount": 100, "currency": "usd", **change})  # type: ignore[typeddict-item]
    assert refused.value.param == (param or "payment_method_options[us_bank_account][network]")
    assert (client.v1.topups.list().data, balance(client)) == ([], 0)


def test_lists_filter_by_amount_status_and_time(simulator: SimulatorProcess, client: stripe.StripeClient) -> None:
    small, large = (client.v1.topups.create({"amount": amount, "currency": "usd"}) for amount in (100, 900))
    simulator.control(f"accounts/{simulator.account}", {"topup_delay": 60})
    simulator.control("clock", {"advance": 10})
    waiting = client.v1.topups.create({"amount": 500, "currency": "usd"})

    def ids(**filters: Any) -> list[str]:
        return [one.id for one in client.v1.topups.list(filters).data]  # type: ignore[arg-type]

    assert ids() == [waiting.id, large.id, small.id]
    assert ids(amount=100) == [small.id]
    assert ids(amount={"gt": 100, "lte": 900}) == [waiting.id, large.id]
    assert ids(status="pending") == [waiting.id]
    assert ids(created={"gte": waiting.created}) == [waiting.id]
    assert ids(limit=1, starting_after=waiting.id) == [large.id]
    with pytest.raises(stripe.InvalidRequestError):
        ids(status="reversed")


def test_only_description_and_metadata_change(client: stripe.StripeClient) -> None:
    made = client.v1.topups.create({"amount": 100, "currency": "usd", "metadata": {"a": "1", "b": "2"}})
    changed = client.v1.topups.update(made.id, {"description": "New", "metadata": {"b": "", "c": "3"}})
    assert (changed.description, changed.metadata.to_dict()) == ("New", {"a": "1", "c": "3"})
    with pytest.raises(stripe.InvalidRequestError, match="amount"):
        client.v1.topups.update(made.id, {"amount": 5})  # type: ignore[typeddict-unknown-key]
    with pytest.raises(stripe.InvalidRequestError) as unknown:
        client.v1.topups.retrieve("tu_unknown")
    assert (unknown.value.http_status, unknown.value.code) == (404, "resource_missing")


def test_the_delay_is_checked(simulator: SimulatorProcess) -> None:
    for wrong in (-1, "x", True, 1.5, 10**12):
        with pytest.raises(Exception, match="400"):
            simulator.control(f"accounts/{simulator.account}", {"topup_delay": wrong})


def test_a_pending_one_survives_a_restart(tmp_path: Any) -> None:
    state = str(tmp_path / "state.db")
    with SimulatorProcess("--state", state) as first:
        first.control(f"accounts/{first.account}", {"topup_delay": 3600})
        made = first.client().v1.topups.create({"amount": 5000, "currency": "usd"})
    with SimulatorProcess("--state", state) as second:
        client = second.client()
        assert client.v1.topups.retrieve(made.id).status == "pending"
        second.control("clock", {"advance": 3600})
        assert (client.v1.topups.retrieve(made.id).status, balance(client)) == ("succeeded", 5000)


@needs_spec
def test_every_state_is_as_published(simulator: SimulatorProcess, slow: stripe.StripeClient) -> None:
    full: Any = {
        "payment_method": "pm_sample",
        "payment_method_options": {"us_bank_account": {"network": "ach"}},
        "statement_descriptor": "ROONY",
        "transfer_group": "group 1",
    }
    canceled = slow.v1.topups.create({"amount": 100, "currency": "usd", **full})
    assert canceled.payment_method_options.us_bank_account.network == "ach"  # type: ignore[union-attr]
    slow.v1.topups.cancel(canceled.id)
    slow.v1.topups.create({"amount": 100, "currency": "usd", "source": "btok_us_verified_noAccount"})
    slow.v1.topups.create({"amount": 100, "currency": "usd"})
    simulator.control("clock", {"advance": 3600})
    slow.v1.topups.create({"amount": 100, "currency": "usd"})
    things = [one.to_dict() for one in slow.v1.topups.list().data]
    assert sorted(one["status"] for one in things) == ["canceled", "failed", "pending", "succeeded"]
    things += [event.data.object.to_dict() for event in slow.v1.events.list({"limit": 100}).data]
    for thing in things:
        assert load_spec().object_complaints(thing) == []
