"""Cards and cardholders in detail: names and requirements, currencies, replacements (facts 1.1 to 1.3)."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from tests.support.published import conforms
from tests.support.simulator import Receiver, SimulatorProcess, new_card, new_cardholder

NAMES = ["individual.first_name", "individual.last_name"]


def test_a_person_without_names_has_no_active_card(client: stripe.StripeClient) -> None:
    holder = new_cardholder(client, individual={"dob": {"day": 1, "month": 1, "year": 1990}})
    assert (holder.requirements.past_due, holder.requirements.disabled_reason) == (NAMES, "requirements.past_due")
    with pytest.raises(stripe.InvalidRequestError, match=r"individual\.first_name"):
        new_card(client, holder.id)
    assert client.v1.issuing.cards.list().data == []
    card = new_card(client, holder.id, status="inactive")
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.issuing.cards.update(card.id, {"status": "active"})
    assert (refused.value.http_status, refused.value.param) == (400, "status")
    half = client.v1.issuing.cardholders.update(holder.id, {"individual": {"first_name": "Jenny"}})
    assert half.requirements.past_due == NAMES[1:]
    named: Any = client.v1.issuing.cardholders.update(holder.id, {"individual": {"last_name": "Rosen"}})
    assert (named.requirements.past_due, named.requirements.disabled_reason) == ([], None)
    assert named.individual.dob.year == 1990
    assert client.v1.issuing.cards.update(card.id, {"status": "active"}).status == "active"
    event: Any = client.v1.events.list({"type": "issuing_cardholder.updated"}).data[0]
    assert event.data.previous_attributes.requirements.past_due == NAMES[1:]


def test_a_company_needs_no_names(client: stripe.StripeClient) -> None:
    holder = new_cardholder(client, type="company", individual={})
    assert (holder.requirements.past_due, holder.type) == ([], "company")
    assert new_card(client, holder.id).status == "active"


def test_what_stripe_requires_stays_required(simulator: SimulatorProcess, client: stripe.StripeClient) -> None:
    holder = new_cardholder(client)
    wish = {"past_due": ["individual.verification.document"], "disabled_reason": "requirements.past_due"}
    simulator.control(f"cardholders/{holder.id}", wish)
    changed = client.v1.issuing.cardholders.update(holder.id, {"email": "jenny@example.com"})
    assert changed.requirements.past_due == ["individual.verification.document"]
    with pytest.raises(stripe.InvalidRequestError, match=r"verification\.document"):
        new_card(client, holder.id)


def test_what_is_past_due_disables_it_until_it_is_given(
    simulator: SimulatorProcess, client: stripe.StripeClient
) -> None:
    holder = new_cardholder(client)

    def requires(**wish: Any) -> tuple[list[str] | None, str | None]:
        simulator.control(f"cardholders/{holder.id}", wish)
        found = client.v1.issuing.cardholders.retrieve(holder.id).requirements
        return found.past_due, found.disabled_reason

    due = ["individual.verification.document"]
    assert requires(past_due=due) == (due, "requirements.past_due")
    assert requires(past_due=[]) == ([], None)
    assert requires(disabled_reason="under_review", past_due=due) == (due, "under_review")
    assert requires(past_due=[]) == ([], "under_review")


@pytest.mark.parametrize(
    ("born", "wrong"), [((30, 2, 1990), "not a date"), ((1, 1, 2024), "over 13"), ((1, 1, 2090), "over 13")]
)
def test_a_person_is_over_thirteen(client: stripe.StripeClient, born: tuple[int, int, int], wrong: str) -> None:
    day, month, year = born
    person = {"first_name": "Jenny", "last_name": "Rosen", "dob": {"day": day, "month": month, "year": year}}
    with pytest.raises(stripe.InvalidRequestError, match=wrong):
        new_cardholder(client, individual=person)
    assert client.v1.issuing.cardholders.list().data == []


@pytest.mark.parametrize("written", ["+14155550100", "+1 (415) 555-0100", "415.555.0100", "1 415 555 0100"])
def test_phone_numbers_are_kept_in_one_form(client: stripe.StripeClient, written: str) -> None:
    holder = new_cardholder(client, phone_number=written)
    assert holder.phone_number == "+14155550100"
    assert client.v1.issuing.cardholders.list({"phone_number": "+14155550100"}).data[0].id == holder.id


@pytest.mark.parametrize("written", ["12", "phone", "+0123456789", "+1234567890123456", "4155550100\u0661"])
def test_phone_numbers_that_are_none(client: stripe.StripeClient, written: str) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        new_cardholder(client, phone_number=written)
    assert refused.value.param == "phone_number"


def test_a_card_has_the_currency_of_its_account(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        new_card(client, currency="eur")
    assert refused.value.param == "currency"
    assert new_card(client, currency="USD").currency == "usd"


def test_a_card_can_be_replaced_again_and_the_latest_counts(client: stripe.StripeClient) -> None:
    cards, first = client.v1.issuing.cards, new_card(client)
    chain: Any = {"replacement_reason": "damaged", "replacement_for": first.id}
    second = new_card(client, first.cardholder.id, **chain)
    third = new_card(client, first.cardholder.id, **{**chain, "replacement_for": second.id})
    assert cards.retrieve(first.id).replaced_by == second.id
    assert cards.retrieve(second.id).replaced_by == third.id
    assert (third.replacement_for, third.replacement_reason) == (second.id, "damaged")
    latest = new_card(client, first.cardholder.id, **chain)
    assert cards.retrieve(first.id).replaced_by == latest.id


def test_what_a_replacement_must_be(client: stripe.StripeClient) -> None:
    card, stranger = new_card(client), new_cardholder(client)
    refusals: Any = [
        ({"replacement_for": card.id}, "replacement_reason"),
        ({"replacement_reason": "lost"}, "replacement_for"),
        ({"replacement_for": "ic_nothing", "replacement_reason": "lost"}, "replacement_for"),
        ({"replacement_for": card.id, "replacement_reason": "lost", "cardholder": stranger.id}, "cardholder"),
    ]
    for params, param in refusals:
        with pytest.raises(stripe.InvalidRequestError) as refused:
            new_card(client, **{"cardholder": card.cardholder.id, **params})
        assert refused.value.param == param
    assert client.v1.issuing.cards.retrieve(card.id).replaced_by is None
    create: Any = client.v1.issuing.cards.create
    after = create({"type": "virtual", "currency": "usd", "replacement_for": card.id, "replacement_reason": "expired"})
    assert after.cardholder.id == card.cardholder.id


@pytest.mark.parametrize("kind", ["card_testing_exposure", "third_party_reported"])
def test_a_fraud_warning_is_told_and_taken_back(
    simulator: SimulatorProcess, client: stripe.StripeClient, receiver: Receiver, kind: str
) -> None:
    card = new_card(client)
    simulator.control(f"cards/{card.id}", {"fraud_warning": kind})
    warned: Any = client.v1.issuing.cards.retrieve(card.id)
    assert (warned.latest_fraud_warning.type, warned.status) == (kind, "active")
    told = receiver.wait_for("issuing_card.updated")[0]["data"]
    assert told["previous_attributes"] == {"latest_fraud_warning": None}
    conforms(warned, told["object"])
    simulator.control(f"cards/{card.id}", {"fraud_warning": None})
    assert client.v1.issuing.cards.retrieve(card.id).latest_fraud_warning is None


@pytest.mark.parametrize("wish", [{"fraud_warning": "stolen"}, {"fraud_warning": None, "next_reason": None}])
def test_what_is_no_fraud_warning(simulator: SimulatorProcess, client: stripe.StripeClient, wish: Any) -> None:
    with pytest.raises(OSError, match="400"):
        simulator.control(f"cards/{new_card(client).id}", wish)
