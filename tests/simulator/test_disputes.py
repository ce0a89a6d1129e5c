"""Issuing disputes: filed, completed, submitted, decided, and the money that comes back (facts 3.4)."""

from __future__ import annotations

from typing import Any
from urllib.error import HTTPError

import pytest
import stripe

from tests.support.simulator import SimulatorProcess, authorize, new_card

FRAUD: Any = {"reason": "fraudulent", "fraudulent": {"explanation": "Nobody here bought this."}}
DAY = 24 * 3600


def refuse_to_close(simulator: SimulatorProcess, dispute: str, wish: Any) -> None:
    """Check that the control refuses, with 400."""
    with pytest.raises(HTTPError) as refused:
        simulator.control(f"disputes/{dispute}/close", wish)
    with refused.value as answer:
        assert answer.code == 400


def bought(client: stripe.StripeClient, amount: int = 1500) -> Any:
    """Return a captured purchase."""
    asked = authorize(client, new_card(client).id, amount)
    return client.v1.test_helpers.issuing.authorizations.capture(asked.id).transactions[0]


def balance(client: stripe.StripeClient) -> int:
    """Return what cards may spend, in cents."""
    issuing: Any = client.v1.balance.retrieve().issuing
    return int(issuing.available[0].amount)


def told(client: stripe.StripeClient) -> list[str]:
    """Return the types of the dispute events so far, oldest first."""
    events = client.v1.events.list({"type": "issuing_dispute.*", "limit": 100}).data
    return [event.type.partition(".")[2] for event in reversed(events)]


def test_a_dispute_is_filed_completed_submitted_and_won(
    simulator: SimulatorProcess, client: stripe.StripeClient
) -> None:
    purchase, disputes = bought(client), client.v1.issuing.disputes
    made = disputes.create({"transaction": purchase.id, "metadata": {"case": "1"}})
    assert (made.status, made.amount, made.currency, made.transaction) == ("unsubmitted", 1500, "usd", purchase.id)
    assert client.v1.issuing.transactions.retrieve(purchase.id).dispute == made.id
    changed = disputes.update(made.id, {"amount": 900, "evidence": FRAUD})
    assert (changed.amount, changed.evidence.fraudulent.explanation) == (900, FRAUD["fraudulent"]["explanation"])  # type: ignore[union-attr]
    before = balance(client)
    assert disputes.submit(made.id, {"metadata": {"sent": "yes"}}).metadata.to_dict() == {"case": "1", "sent": "yes"}
    assert balance(client) == before
    simulator.control(f"disputes/{made.id}/close", {"status": "won"})
    won: Any = disputes.retrieve(made.id)
    assert (won.status, balance(client) - before) == ("won", 900)
    assert [(one.type, one.amount, one.source) for one in won.balance_transactions] == [
        ("issuing_dispute", 900, made.id)
    ]
    assert "loss_reason" not in won
    assert told(client) == ["created", "updated", "submitted", "funds_reinstated", "closed"]


def test_a_lost_dispute_brings_nothing_back(simulator: SimulatorProcess, client: stripe.StripeClient) -> None:
    made = client.v1.issuing.disputes.create({"transaction": bought(client).id, "evidence": FRAUD})
    client.v1.issuing.disputes.submit(made.id)
    before = balance(client)
    reason = "merchandise_delivered_or_shipped"
    shown = simulator.control(f"disputes/{made.id}/close", {"status": "lost", "loss_reason": reason})
    assert (shown["status"], shown["loss_reason"], shown["balance_transactions"]) == ("lost", reason, [])
    assert balance(client) == before
    assert told(client) == ["created", "submitted", "closed"]


@pytest.mark.parametrize(("outcome", "kept"), [("won", 1500), ("lost", 0)])
def test_a_provisional_credit_is_kept_or_taken_back(
    simulator: SimulatorProcess, client: stripe.StripeClient, outcome: str, kept: int
) -> None:
    made = client.v1.issuing.disputes.create({"transaction": bought(client).id, "evidence": FRAUD})
    client.v1.issuing.disputes.submit(made.id)
    before = balance(client)
    simulator.control(f"disputes/{made.id}/provisional_credit", {})
    assert balance(client) == before + 1500
    closed = simulator.control(f"disputes/{made.id}/close", {"status": outcome})
    assert balance(client) == before + kept
    kinds = ["issuing_dispute_provisional_credit"]
    kinds += ["issuing_dispute_provisional_credit_reversal"] if outcome == "lost" else []
    assert [one["type"] for one in closed["balance_transactions"]] == kinds
    rescinded = ["funds_rescinded"] if outcome == "lost" else []
    assert told(client) == ["created", "submitted", "funds_reinstated", *rescinded, "closed"]


def test_update_events_say_what_was_before(client: stripe.StripeClient) -> None:
    made = client.v1.issuing.disputes.create({"transaction": bought(client).id, "evidence": FRAUD})
    client.v1.issuing.disputes.update(made.id, {"evidence": {"fraudulent": {"explanation": "Another story."}}})
    event: Any = client.v1.events.list({"type": "issuing_dispute.updated"}).data[0]
    before = {"evidence": {"fraudulent": {"explanation": FRAUD["fraudulent"]["explanation"]}}}
    assert event.data.previous_attributes.to_dict() == before
    client.v1.issuing.disputes.update(made.id, {"evidence": {"fraudulent": {"explanation": "Another story."}}})
    assert len(client.v1.events.list({"type": "issuing_dispute.updated"}).data) == 1


@pytest.mark.parametrize(
    ("evidence", "lacks"),
    [
        ({"reason": "fraudulent"}, "evidence[fraudulent][explanation]"),
        ({"reason": "duplicate", "duplicate": {"explanation": "Twice."}}, "evidence[duplicate]"),
        (
            {"reason": "not_received", "not_received": {"explanation": "No parcel.", "expected_at": 1}},
            "evidence[not_received][product_description]",
        ),
        (
            {
                "reason": "canceled",
                "canceled": {
                    "explanation": "I sent it back.",
                    "canceled_at": 1,
                    "cancellation_policy_provided": False,
                    "cancellation_reason": "Too late.",
                    "product_type": "merchandise",
                },
            },
            "evidence[canceled][return_status]",
        ),
        (
            {
                "reason": "merchandise_not_as_described",
                "merchandise_not_as_described": {
                    "explanation": "Broken.",
                    "received_at": 1,
                    "return_status": "merchant_rejected",
                },
            },
            "evidence[merchandise_not_as_described][return_description]",
        ),
    ],
)
def test_incomplete_evidence_cannot_be_submitted(client: stripe.StripeClient, evidence: Any, lacks: str) -> None:
    made = client.v1.issuing.disputes.create({"transaction": bought(client).id, "evidence": evidence})
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.issuing.disputes.submit(made.id, {"metadata": {"left": "nothing"}})
    assert refused.value.param == lacks
    assert client.v1.issuing.disputes.retrieve(made.id).to_dict() == made.to_dict()
    assert told(client) == ["created"]


def test_evidence_is_unset_by_an_empty_string(client: stripe.StripeClient) -> None:
    made = client.v1.issuing.disputes.create({"transaction": bought(client).id, "evidence": FRAUD})
    update: Any = client.v1.issuing.disputes.update
    cleared = update(made.id, {"evidence": {"fraudulent": ""}})
    assert cleared.evidence.fraudulent.explanation is None
    other = update(made.id, {"evidence": {"reason": "other", "other": {"product_type": "service"}}})
    assert (other.evidence.reason, other.evidence.other.product_type) == ("other", "service")


def test_what_cannot_be_disputed(simulator: SimulatorProcess, client: stripe.StripeClient) -> None:
    create = client.v1.issuing.disputes.create
    purchase = bought(client)
    with pytest.raises(stripe.InvalidRequestError, match="at most 1500"):
        create({"transaction": purchase.id, "amount": 1501})
    with pytest.raises(stripe.InvalidRequestError):
        create({"transaction": purchase.id, "amount": 0})
    with pytest.raises(stripe.InvalidRequestError, match="Missing required param: transaction"):
        create({})
    with pytest.raises(stripe.InvalidRequestError) as unknown:
        create({"transaction": "ipi_nothing"})
    assert unknown.value.code == "resource_missing"
    refund = client.v1.test_helpers.issuing.transactions.refund(purchase.id, {"refund_amount": 500})
    back = client.v1.issuing.transactions.list({"type": "refund"}).data[0]
    assert refund.amount == 500
    with pytest.raises(stripe.InvalidRequestError, match="refund"):
        create({"transaction": back.id})
    made = create({"transaction": purchase.id})
    assert made.amount == 1000
    with pytest.raises(stripe.InvalidRequestError, match=made.id):
        create({"transaction": purchase.id})
    returned = bought(client)
    client.v1.test_helpers.issuing.transactions.refund(returned.id)
    with pytest.raises(stripe.InvalidRequestError, match="refunded"):
        create({"transaction": returned.id})
    assert told(client) == ["created"]


def test_a_submitted_dispute_is_fixed_but_for_its_metadata(
    simulator: SimulatorProcess, client: stripe.StripeClient
) -> None:
    disputes = client.v1.issuing.disputes
    made = disputes.create({"transaction": bought(client).id, "evidence": FRAUD})
    refuse_to_close(simulator, made.id, {"status": "won"})
    disputes.submit(made.id)
    refusals: Any = ({"amount": 1}, {"evidence": FRAUD})
    for params in refusals:
        with pytest.raises(stripe.InvalidRequestError, match="submitted"):
            disputes.update(made.id, params)
    with pytest.raises(stripe.InvalidRequestError, match="submitted"):
        disputes.submit(made.id)
    assert disputes.update(made.id, {"metadata": {"a": "1"}}).metadata.to_dict() == {"a": "1"}
    for wrong in ({"status": "expired"}, {"status": "open"}, {"status": "won", "loss_reason": "other"}, {}):
        refuse_to_close(simulator, made.id, wrong)
    assert disputes.retrieve(made.id).status == "submitted"


def test_the_window_closes_after_110_days(simulator: SimulatorProcess, client: stripe.StripeClient) -> None:
    disputes = client.v1.issuing.disputes
    late, purchase = bought(client), bought(client)
    waiting = disputes.create({"transaction": purchase.id})
    sent = disputes.create({"transaction": bought(client).id, "evidence": FRAUD})
    disputes.submit(sent.id)
    simulator.control("clock", {"advance": 109 * DAY})
    assert disputes.retrieve(waiting.id).status == "unsubmitted"
    simulator.control("clock", {"advance": DAY})
    assert (disputes.retrieve(waiting.id).status, disputes.retrieve(sent.id).status) == ("expired", "submitted")
    assert client.v1.events.list({"type": "issuing_dispute.closed"}).data[0].data.object["id"] == waiting.id
    with pytest.raises(stripe.InvalidRequestError, match="over"):
        disputes.create({"transaction": late.id})


def test_an_expired_dispute_can_be_filed_again(simulator: SimulatorProcess, client: stripe.StripeClient) -> None:
    purchase, disputes = bought(client), client.v1.issuing.disputes
    first = disputes.create({"transaction": purchase.id})
    simulator.control(f"disputes/{first.id}/close", {"status": "expired"})
    second = disputes.create({"transaction": purchase.id})
    assert client.v1.issuing.transactions.retrieve(purchase.id).dispute == second.id
    assert [one.id for one in disputes.list({"transaction": purchase.id}).data] == [second.id, first.id]
    assert [one.id for one in disputes.list({"status": "expired"}).data] == [first.id]
    page = disputes.list({"limit": 1})
    assert (page.data[0].id, page.has_more) == (second.id, True)
    assert disputes.list({"starting_after": second.id}).data[0].id == first.id
