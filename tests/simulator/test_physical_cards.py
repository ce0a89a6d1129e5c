"""Bundles, designs, and physical cards on their way (facts 1.2, 8)."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from tests.support.simulator import SimulatorProcess, new_card, new_cardholder

ADDRESS = {"line1": "1 Main St", "city": "San Francisco", "country": "US", "postal_code": "94107", "state": "CA"}
SHIPPING: Any = {"name": "Jenny Rosen", "address": ADDRESS}


def bundle(client: stripe.StripeClient) -> str:
    """Return a bundle that takes logo and letter."""
    bundles = client.v1.issuing.physical_bundles.list({"status": "active", "type": "standard"}).data
    return next(one.id for one in bundles if one.features.card_logo == "optional")


def design(client: stripe.StripeClient, *, active: bool = True, **extra: Any) -> Any:
    """Return a design, reviewed or not."""
    params: Any = {"physical_bundle": bundle(client), **extra}
    made = client.v1.issuing.personalization_designs.create(params)
    if active:
        return client.v1.test_helpers.issuing.personalization_designs.activate(made.id)
    return made


def physical(client: stripe.StripeClient, **extra: Any) -> Any:
    """Return a physical card."""
    return new_card(client, type="physical", shipping=SHIPPING, **extra)


def test_bundles_exist_and_can_be_filtered(client: stripe.StripeClient) -> None:
    bundles = client.v1.issuing.physical_bundles
    every = bundles.list().data
    assert {one.type for one in every} == {"custom", "standard"}
    assert all(one.status == "inactive" for one in bundles.list({"status": "inactive"}).data)
    assert bundles.retrieve(every[0].id).to_dict() == every[0].to_dict()
    assert bundles.list({"limit": 1}).has_more
    with pytest.raises(stripe.InvalidRequestError) as unknown:
        bundles.retrieve("ics_nothing")
    assert unknown.value.http_status == 404


def test_a_design_is_reviewed(client: stripe.StripeClient) -> None:
    designs, helper = client.v1.issuing.personalization_designs, client.v1.test_helpers.issuing.personalization_designs
    text: Any = {"header_title": "Welcome"}
    made = design(client, active=False, card_logo="file_logo", carrier_text=text, name="Agents")
    assert (made.status, made.carrier_text.header_title, made.carrier_text.footer_body) == ("review", "Welcome", None)
    rejected = helper.reject(made.id, {"rejection_reasons": {"card_logo": ["network_name", "non_binary_image"]}})
    assert rejected.rejection_reasons.card_logo == ["network_name", "non_binary_image"]
    changed = designs.update(made.id, {"card_logo": "file_better"})
    assert (changed.status, changed.rejection_reasons.card_logo) == ("review", [])
    assert helper.activate(made.id).status == "active"
    with pytest.raises(stripe.InvalidRequestError, match="active already"):
        helper.activate(made.id)
    assert helper.deactivate(made.id).status == "inactive"
    seen = client.v1.events.list({"type": "issuing_personalization_design.*"}).data
    assert [one.type.partition(".")[2] for one in reversed(seen)] == ["rejected", "updated", "activated", "deactivated"]
    cleared: Any = designs.update(made.id, {"carrier_text": "", "name": ""})
    assert (cleared.carrier_text, cleared.name) == (None, None)


def test_designs_need_a_bundle_that_can_carry_them(client: stripe.StripeClient) -> None:
    bundles = client.v1.issuing.physical_bundles.list().data
    plain = next(one.id for one in bundles if one.features.card_logo == "unsupported")
    retired = next(one.id for one in bundles if one.status == "inactive")
    create = client.v1.issuing.personalization_designs.create
    refusals: Any = [
        ({"physical_bundle": plain, "card_logo": "file_logo"}, "card_logo"),
        ({"physical_bundle": bundle(client), "card_logo": "logo.png"}, "card_logo"),
        ({"physical_bundle": retired}, "physical_bundle"),
        ({"physical_bundle": "ics_nothing"}, "physical_bundle"),
        ({}, "physical_bundle"),
    ]
    for params, param in refusals:
        with pytest.raises(stripe.InvalidRequestError) as refused:
            create(params)
        assert refused.value.param == param
    assert client.v1.issuing.personalization_designs.list().data == []


def test_a_lookup_key_belongs_to_one_design(client: stripe.StripeClient) -> None:
    designs = client.v1.issuing.personalization_designs
    first, second = design(client, lookup_key="agents"), design(client, lookup_key="people")
    with pytest.raises(stripe.InvalidRequestError, match="transfer_lookup_key"):
        designs.update(second.id, {"lookup_key": "agents"})
    with pytest.raises(stripe.InvalidRequestError):
        design(client, lookup_key="agents")
    assert len(designs.list().data) == 2
    designs.update(second.id, {"lookup_key": "agents", "transfer_lookup_key": True})
    assert designs.retrieve(first.id).lookup_key is None
    assert [one.id for one in designs.list({"lookup_keys": ["agents", "people"]}).data] == [second.id]


def test_one_design_is_the_default(client: stripe.StripeClient) -> None:
    designs = client.v1.issuing.personalization_designs
    first = design(client, preferences={"is_default": True})
    assert physical(client).personalization_design == first.id
    second = design(client, preferences={"is_default": True})
    assert designs.retrieve(first.id).preferences.is_default is False
    assert [one.id for one in designs.list({"preferences": {"is_default": True}}).data] == [second.id]
    assert [one.id for one in designs.list({"status": "active"}).data] == [second.id, first.id]
    assert physical(client).personalization_design == second.id
    assert physical(client, personalization_design=first.id).personalization_design == first.id


def test_connected_accounts_fall_back_to_the_platforms_default(
    simulator: SimulatorProcess, client: stripe.StripeClient
) -> None:
    default = design(client, preferences={"is_default": True})
    other = simulator.client(simulator.connect())
    assert default.preferences.is_platform_default is True
    assert physical(other).personalization_design == default.id
    with pytest.raises(stripe.InvalidRequestError):
        other.v1.issuing.personalization_designs.retrieve(default.id)
    assert design(other).preferences.is_platform_default is None


def test_only_an_active_design_is_printed_and_only_on_physical_cards(client: stripe.StripeClient) -> None:
    waiting, ready = design(client, active=False), design(client)
    with pytest.raises(stripe.InvalidRequestError, match="review"):
        physical(client, personalization_design=waiting.id)
    extras: Any = ({"personalization_design": ready.id}, {"shipping": SHIPPING})
    for extra in extras:
        with pytest.raises(stripe.InvalidRequestError, match="Only physical"):
            new_card(client, **extra)
    with pytest.raises(stripe.InvalidRequestError, match="shipping"):
        new_card(client, type="physical")
    assert client.v1.issuing.cards.list().data == []


def test_a_shipment_arrives(client: stripe.StripeClient) -> None:
    helper, card = client.v1.test_helpers.issuing.cards, physical(client)
    assert (card.shipping.status, card.shipping.service, card.shipping.require_signature) == (
        "pending",
        "standard",
        False,
    )
    assert helper.submit_card(card.id).shipping.status == "submitted"  # type: ignore[union-attr]
    sent: Any = helper.ship_card(card.id).shipping
    assert (sent.status, sent.carrier) == ("shipped", "usps")
    assert sent.tracking_number
    assert sent.shipped_at
    arrived: Any = helper.deliver_card(card.id).shipping
    assert (arrived.status, arrived.tracking_number) == ("delivered", sent.tracking_number)
    assert arrived.delivered_at
    events = client.v1.events.list({"type": "issuing_card.updated"}).data
    was = [event.data.to_dict()["previous_attributes"]["shipping"]["status"] for event in events]
    assert was == ["shipped", "submitted", "pending"]


@pytest.mark.parametrize(
    ("steps", "refused"),
    [
        ((), "deliver_card"),
        ((), "return_card"),
        ((), "fail_card"),
        (("submit_card",), "submit_card"),
        (("submit_card",), "deliver_card"),
        (("submit_card", "ship_card"), "submit_card"),
        (("ship_card", "deliver_card"), "ship_card"),
        (("ship_card", "deliver_card"), "fail_card"),
        (("ship_card", "return_card"), "deliver_card"),
        (("ship_card", "fail_card"), "ship_card"),
    ],
)
def test_steps_of_a_shipment_keep_their_order(client: stripe.StripeClient, steps: Any, refused: str) -> None:
    helper, card = client.v1.test_helpers.issuing.cards, physical(client)
    for step in steps:
        getattr(helper, step)(card.id)
    before = client.v1.issuing.cards.retrieve(card.id)
    with pytest.raises(stripe.InvalidRequestError, match="cannot become"):
        getattr(helper, refused)(card.id)
    assert client.v1.issuing.cards.retrieve(card.id).to_dict() == before.to_dict()
    assert len(client.v1.events.list({"type": "issuing_card.updated"}).data) == len(steps)


def test_virtual_cards_are_not_shipped(client: stripe.StripeClient) -> None:
    card = new_card(client)
    with pytest.raises(stripe.InvalidRequestError, match="physical"):
        client.v1.test_helpers.issuing.cards.ship_card(card.id)
    with pytest.raises(stripe.InvalidRequestError, match="physical"):
        client.v1.issuing.cards.update(card.id, {"shipping": SHIPPING})


def test_the_address_can_change_until_the_card_is_sent(client: stripe.StripeClient) -> None:
    cards, card = client.v1.issuing.cards, physical(client)
    moved: Any = {"name": "Jenny Rosen", "address": {**ADDRESS, "line1": "2 Main St"}, "service": "express"}
    moved["address_validation"] = {"mode": "validation_and_normalization"}
    shipping: Any = cards.update(card.id, {"shipping": moved}).shipping
    assert (shipping.address.line1, shipping.require_signature) == ("2 Main St", True)
    assert shipping.address_validation.normalized_address.line1 == "2 Main St"
    assert shipping.address_validation.result == "likely_deliverable"
    client.v1.test_helpers.issuing.cards.submit_card(card.id)
    with pytest.raises(stripe.InvalidRequestError, match="submitted"):
        cards.update(card.id, {"shipping": SHIPPING})


def test_a_canceled_card_is_not_sent(client: stripe.StripeClient) -> None:
    card = physical(client)
    gone: Any = client.v1.issuing.cards.update(card.id, {"status": "canceled"})
    assert gone.shipping.status == "canceled"
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.test_helpers.issuing.cards.ship_card(card.id)


def test_a_pin_is_taken_and_never_shown(client: stripe.StripeClient) -> None:
    holder = new_cardholder(client).id
    card = physical(client, cardholder=holder, pin={"encrypted_number": "c2VjcmV0"})
    assert "pin" not in card
    plain: Any = {"pin": {"number": "1234"}}
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.issuing.cards.update(card.id, plain)
    assert refused.value.code == "parameter_unknown"
