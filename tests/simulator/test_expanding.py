"""`expand[]`: every published reference, at depth, in lists, and what cannot be expanded (facts 1.6)."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from roony.simulator.stripe_api.expandable import FILE, HASHES, REFERENCES, SOURCE, can_name
from tests.support.simulator import SimulatorProcess, authorize, new_card, new_cardholder
from tests.support.stripe_spec import load_spec, needs_spec

# References to kinds of objects that the simulator has none of.
NEVER = {
    ("account", "settings.invoices.default_account_tax_ids"),
    ("bank_account", "customer"),
    ("card", "customer"),
    ("topup", "payment_method"),
}


def published(schemas: Any, schema: Any, path: str, seen: frozenset[str]) -> dict[str, set[str]]:
    """Return the references within one object: dotted path to the kinds of objects named."""
    found: dict[str, set[str]] = {}
    if "x-expansionResources" in schema:
        options = schema["x-expansionResources"]["oneOf"]
        return {path: {one["$ref"].rsplit("/", 1)[-1] for one in options}}
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        if name in seen or (path and schemas[name].get("properties", {}).get("object", {}).get("enum")):
            return {}
        return published(schemas, schemas[name], path, seen | {name})
    for step, part in schema.get("properties", {}).items():
        found |= published(schemas, part, f"{path}.{step}" if path else step, seen)
    for part in [*schema.get("anyOf", ()), *([schema["items"]] if "items" in schema else [])]:
        found |= published(schemas, part, path, seen)
    return found


@needs_spec
@pytest.mark.parametrize("kind", sorted(REFERENCES))
def test_the_table_is_the_published_one(kind: str) -> None:
    schemas = load_spec().document["components"]["schemas"]
    expected = published(schemas, schemas[kind], "", frozenset())
    ours = REFERENCES[kind]
    assert {path for path in expected if (kind, path) not in NEVER} == ours.keys()
    for path, target in ours.items():
        assert target == SOURCE or target in expected[path]


def test_references_become_objects_at_any_depth(client: stripe.StripeClient) -> None:
    card = new_card(client)
    asked = authorize(client, card.id, 900)
    captured = client.v1.test_helpers.issuing.authorizations.capture(asked.id).transactions[0]
    dispute = client.v1.issuing.disputes.create({"transaction": captured.id})
    deep = ["transaction.authorization.cardholder", "transaction.card.cardholder", "transaction.balance_transaction"]
    whole: Any = client.v1.issuing.disputes.retrieve(dispute.id, {"expand": [*deep, "transaction.dispute.transaction"]})
    assert whole.transaction.authorization.cardholder.object == "issuing.cardholder"
    assert whole.transaction.card.cardholder.object == "issuing.cardholder"
    assert whole.transaction.balance_transaction.source == captured.id
    assert whole.transaction.dispute.transaction.id == captured.id
    move: Any = client.v1.balance_transactions.retrieve(str(captured.balance_transaction), {"expand": ["source.card"]})
    assert (move.source.object, move.source.card.id) == ("issuing.transaction", card.id)
    inner: Any = client.v1.issuing.authorizations.retrieve(asked.id, {"expand": ["transactions.cardholder"]})
    assert inner.transactions[0].cardholder.id == card.cardholder.id


def test_lists_are_expanded_element_by_element(client: stripe.StripeClient) -> None:
    card = new_card(client)
    authorize(client, card.id, 900)
    listed: Any = client.v1.issuing.authorizations.list({"expand": ["data.cardholder", "data.card.replaced_by"]})
    assert listed.data[0].cardholder.id == card.cardholder.id
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.issuing.authorizations.list({"expand": ["cardholder"]})


def test_nothing_stays_nothing_and_what_is_inlined_stays(client: stripe.StripeClient) -> None:
    card = new_card(client)
    parts = ["replaced_by", "replacement_for.cardholder", "personalization_design", "shipping", "wallets", "cardholder"]
    parts += ["lifecycle_controls", "latest_fraud_warning", "spending_controls", "cardholder.individual.verification"]
    same = client.v1.issuing.cards.retrieve(card.id, {"expand": parts})
    assert same.to_dict() == client.v1.issuing.cards.retrieve(card.id).to_dict()


@pytest.mark.parametrize(
    "name", ["nothing", "status", "second_line", "metadata", "cardholder.name", "", ".", "wallets.apple_pay.eligible"]
)
def test_what_cannot_be_expanded(client: stripe.StripeClient, name: str) -> None:
    card = new_card(client)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.issuing.cards.retrieve(card.id, {"expand": [name]})
    assert (refused.value.http_status, refused.value.param) in ((400, "expand"), (400, "expand[0]"))


def test_four_levels_at_most(client: stripe.StripeClient) -> None:
    card = new_card(client)
    too_deep = "cardholder.individual.verification.document.front"
    with pytest.raises(stripe.InvalidRequestError, match="4 levels"):
        client.v1.issuing.cards.retrieve(card.id, {"expand": [too_deep]})
    with pytest.raises(stripe.InvalidRequestError, match="4 levels"):
        client.v1.issuing.cards.list({"expand": ["data.cardholder.individual.verification.document"]})


def test_a_refused_expansion_leaves_no_card(client: stripe.StripeClient) -> None:
    holder = new_cardholder(client)
    with pytest.raises(stripe.InvalidRequestError):
        new_card(client, holder.id, expand=["nothing"])
    assert client.v1.issuing.cards.list().data == []


def test_files_stay_ids(simulator: SimulatorProcess, client: stripe.StripeClient) -> None:
    bundle = client.v1.issuing.physical_bundles.list({"status": "active"}).data[0]
    designs = client.v1.issuing.personalization_designs
    made: Any = designs.create(
        {"physical_bundle": bundle.id, "card_logo": "file_logo", "expand": ["card_logo", "physical_bundle"]}
    )
    assert (made.card_logo, made.physical_bundle.id) == ("file_logo", bundle.id)
    assert REFERENCES["issuing.personalization_design"]["card_logo"] == FILE


@needs_spec
@pytest.mark.parametrize("kind", sorted(HASHES))
def test_every_published_name_can_be_named(kind: str) -> None:
    schemas = load_spec().document["components"]["schemas"]
    missing = [
        name for name in schemas[kind]["x-expandableFields"] if not can_name(kind, [name]) and (kind, name) not in NEVER
    ]
    assert missing == []
    assert not any(can_name(kind, [name]) for name in ("id", "object", "created", "metadata", "nothing"))
