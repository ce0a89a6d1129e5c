"""Cardholders and cards: what may be made, changed and seen (facts 1)."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from tests.support.simulator import SimulatorProcess, authorize, new_card, new_cardholder


@pytest.mark.parametrize("name", ["Agent-7", "A name that is much too long", "Jenny #", "R2D2"])
def test_trap_20_cardholder_names_that_cannot_be_printed(client: stripe.StripeClient, name: str) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        new_cardholder(client, name=name)
    assert refused.value.param == "name"


@pytest.mark.parametrize(
    "email", ["jenny", "jenny@example", " jenny@example.com", "jenny@@example.com", "a b@example.com"]
)
def test_an_email_that_is_none_is_refused_and_leaves_nothing(client: stripe.StripeClient, email: str) -> None:
    holder = new_cardholder(client, email="jenny@example.com")
    with pytest.raises(stripe.InvalidRequestError) as refused:
        new_cardholder(client, email=email)
    assert (refused.value.http_status, refused.value.code, refused.value.param) == (400, "email_invalid", "email")
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.issuing.cardholders.update(holder.id, {"email": email, "status": "inactive"})
    assert client.v1.issuing.cardholders.list().data == [holder]


def test_trap_18_a_card_is_inactive_and_limited_unless_told_otherwise(client: stripe.StripeClient) -> None:
    holder = new_cardholder(client).id
    card = client.v1.issuing.cards.create({"cardholder": holder, "currency": "usd", "type": "virtual"})
    assert card.status == "inactive"
    limit = card.spending_controls.spending_limits[0]
    assert (limit.amount, limit.interval) == (50_000, "daily")
    declined = authorize(client, card.id, 100)
    assert declined.request_history[0].reason == "card_inactive"
    client.v1.issuing.cards.update(card.id, {"status": "active"})
    assert authorize(client, card.id, 50_000).approved
    over = authorize(client, card.id, 1)
    assert over.request_history[0].reason == "spending_controls"


def test_canceled_is_for_ever(client: stripe.StripeClient) -> None:
    card = new_card(client)
    update = client.v1.issuing.cards.update
    assert update(card.id, {"status": "inactive"}).status == "inactive"
    assert update(card.id, {"status": "active"}).status == "active"
    gone = update(card.id, {"status": "canceled", "cancellation_reason": "lost"})
    assert (gone.status, gone.cancellation_reason) == ("canceled", "lost")
    for status in ("active", "inactive", "canceled"):
        with pytest.raises(stripe.InvalidRequestError):
            update(card.id, {"status": status})  # type: ignore[typeddict-item]
    with pytest.raises(stripe.InvalidRequestError) as refused:
        update(card.id, {"lifecycle_controls": {"cancel_after": {"payment_count": 1}}})  # type: ignore[typeddict-unknown-key]
    assert refused.value.code == "parameter_unknown"


def test_number_and_cvc_are_seen_only_by_an_expanded_retrieve(client: stripe.StripeClient) -> None:
    expand: Any = ["number", "cvc"]
    holder = new_cardholder(client).id
    cards = client.v1.issuing.cards
    card = new_card(client, holder, expand=expand)
    listed = cards.list({"expand": ["data.number"]}).data[0]
    for seen in (card, listed, cards.update(card.id, {"expand": expand}), cards.retrieve(card.id)):
        assert not {"number", "cvc"} & set(seen.to_dict())
    secret = cards.retrieve(card.id, {"expand": expand})
    assert secret.number[-4:] == card.last4
    doubled = [int(digit) * (2 if place % 2 else 1) for place, digit in enumerate(reversed(secret.number))]
    assert sum(sum(divmod(value, 10)) for value in doubled) % 10 == 0


def test_allow_and_block_lists_exclude_each_other(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="only specify one"):
        new_card(client, spending_controls={"allowed_categories": ["bakeries"], "blocked_categories": ["caterers"]})
    card = new_card(client, spending_controls={"allowed_categories": ["bakeries"]})
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.issuing.cards.update(card.id, {"spending_controls": {"blocked_categories": ["caterers"]}})
    with pytest.raises(stripe.InvalidRequestError):
        new_card(client, spending_controls={"allowed_categories": ["magic"]})


def test_trap_16_an_empty_list_says_nothing_and_an_empty_string_clears(client: stripe.StripeClient) -> None:
    card = new_card(client, spending_controls={"allowed_categories": ["bakeries"]})
    update: Any = client.v1.issuing.cards.update
    same = update(card.id, {"spending_controls": {"allowed_categories": []}})
    assert same.spending_controls.allowed_categories == ["bakeries"]
    cleared = update(card.id, {"spending_controls": {"allowed_categories": ""}})
    assert cleared.spending_controls.allowed_categories is None


def test_a_replacement_carries_the_limits_on(client: stripe.StripeClient) -> None:
    limits = {"spending_limits": [{"amount": 1000, "interval": "all_time"}]}
    card = new_card(client, spending_controls=limits)
    assert authorize(client, card.id, 800).approved
    new: Any = new_card(
        client, card.cardholder.id, spending_controls=limits, replacement_for=card.id, replacement_reason="damaged"
    )
    assert client.v1.issuing.cards.retrieve(card.id).replaced_by == new.id
    assert authorize(client, new.id, 300).request_history[0].reason == "spending_controls"
    assert authorize(client, new.id, 200).approved


def test_metadata_merges_and_is_limited(client: stripe.StripeClient) -> None:
    card = new_card(client, metadata={"a": "1", "b": "2"})
    update = client.v1.issuing.cards.update
    assert update(card.id, {"metadata": {"b": "", "c": "3"}}).metadata.to_dict() == {"a": "1", "c": "3"}
    assert update(card.id, {"metadata": ""}).metadata.to_dict() == {}
    with pytest.raises(stripe.InvalidRequestError):
        update(card.id, {"metadata": {"x" * 41: "1"}})


def test_accounts_keep_to_themselves(simulator: SimulatorProcess, client: stripe.StripeClient) -> None:
    card = new_card(client)
    other = simulator.client(simulator.connect())
    with pytest.raises(stripe.InvalidRequestError) as refused:
        other.v1.issuing.cards.retrieve(card.id)
    assert (refused.value.http_status, refused.value.code) == (404, "resource_missing")
    assert other.v1.issuing.cards.list().data == []
    with pytest.raises(stripe.InvalidRequestError):
        authorize(other, card.id, 100)


def test_cardholders_can_be_blocked_by_stripe_alone(simulator: SimulatorProcess, client: stripe.StripeClient) -> None:
    card = new_card(client)
    holder = card.cardholder.id
    client.v1.issuing.cardholders.update(holder, {"status": "inactive"})
    assert authorize(client, card.id, 1).request_history[0].reason == "cardholder_inactive"
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.issuing.cardholders.update(holder, {"status": "blocked"})  # type: ignore[typeddict-item]
    simulator.control(f"cardholders/{holder}", {"status": "blocked"})
    assert authorize(client, card.id, 1).request_history[0].reason == "cardholder_blocked"
    simulator.control(f"cardholders/{holder}", {"status": "active", "disabled_reason": "under_review"})
    assert authorize(client, card.id, 1).request_history[0].reason == "cardholder_verification_required"
