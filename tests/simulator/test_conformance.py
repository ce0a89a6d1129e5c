"""The simulator against Stripe's published shapes: the official SDK drives every operation, and nothing differs.

The drive sends every published parameter at least once, checks every answer and every event strictly (a missing field
and a field too many both count), and reads each object back by retrieve and by list.
"""

from __future__ import annotations

import pytest
import stripe

from tests.support.conformance import accounts, issuing
from tests.support.conformance.issuing import Drive
from tests.support.conformance.recording import Record, RecordingClient
from tests.support.simulator import STRIPE_VERSION, Receiver, SimulatorProcess, authorize, new_card
from tests.support.stripe_spec import load_spec, needs_spec

# An operation that the SDK cannot drive would be named here, with the reason. There is none.
NOT_DRIVEN: dict[str, str] = {}


@needs_spec
def test_every_published_operation_conforms(
    simulator: SimulatorProcess, receiver: Receiver, record_property: pytest.RecordProperty
) -> None:
    record = Record(load_spec())
    client = stripe.StripeClient(
        simulator.secret_key,
        stripe_version=STRIPE_VERSION,
        base_addresses={"api": simulator.url, "connect": simulator.url},
        http_client=RecordingClient(record),
    )
    drive = Drive(simulator, receiver, client, record)
    for chapter in (*issuing.CHAPTERS, *accounts.CHAPTERS):
        with record.going_on():
            chapter(drive)
    missing = set(record.spec.operations) - set(record.driven) - set(NOT_DRIVEN)
    passed = set(record.driven) - set(record.wrong)
    failed = [f"{name}: {told}" for name, complaints in sorted(record.wrong.items()) for told in sorted(complaints)]
    failed += [f"{name}: never driven" for name in sorted(missing)]
    record_property("conformance", f"{len(passed)} of {len(record.spec.operations)} operations passed")
    record_property("conformance lines", [*(f"passed: {name}" for name in sorted(passed)), *failed])
    assert not failed, "\n".join(failed)


@needs_spec
def test_the_list_of_what_is_not_driven_names_published_operations_only() -> None:
    assert NOT_DRIVEN.keys() <= load_spec().operations.keys()


@needs_spec
def test_balance_transactions_have_the_published_shape(client: stripe.StripeClient) -> None:
    """The file has the object, but not the two operations that show it."""
    asked = authorize(client, new_card(client).id, 1500)
    client.v1.test_helpers.issuing.authorizations.capture(asked.id)
    client.v1.topups.create({"amount": 1000, "currency": "usd"})
    moves = client.v1.balance_transactions.list().data
    assert {move.type for move in moves} == {
        "issuing_authorization_hold",
        "issuing_authorization_release",
        "issuing_transaction",
        "topup",
    }
    for move in moves:
        assert load_spec().object_complaints(move.to_dict()) == []
        assert client.v1.balance_transactions.retrieve(move.id).to_dict() == move.to_dict()
