"""The cardholder an owner sets: what may be said, where it is kept, and what Stripe is told."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy

from roony.core.agent import Organization
from roony.flows.connection.cardholder import cardholder_params
from roony.store import tables
from tests.support.serving import Company, ServedRoony
from tests.support.simulator import SimulatorProcess
from tests.web.conftest import MONTH

ADMIN = "/api/v1/admin"
ADDRESS = {"line1": "1 Main Street", "city": "Springfield", "state": "IL", "postal_code": "62701", "country": "US"}
CARDHOLDER: dict[str, Any] = {
    "name": "Acme Buying", "phone_number": "+12025550123", "email": "cards@acme.example",
    "billing": {"address": ADDRESS},
}  # fmt: skip


def the_organization(roony: ServedRoony, company: Company) -> Organization:
    """Its row as it is stored."""
    statement = sqlalchemy.select(tables.organizations).where(tables.organizations.c.id == company.id)
    return Organization(*roony.context.database.read(statement)[0])


def test_a_cardholder_is_stored_shown_and_audited(roony: ServedRoony, company: Company) -> None:
    owner = company.owner
    assert owner.get(f"{ADMIN}/organization")["cardholder"] is None
    after = owner.send("PATCH", f"{ADMIN}/organization", {"cardholder": CARDHOLDER})
    assert after["cardholder"] == CARDHOLDER
    assert owner.get(f"{ADMIN}/organization") == after
    record = owner.get(f"{ADMIN}/audit?limit=1")["data"][0]
    assert record["action"] == "organization.updated"
    assert (record["body"]["before"]["cardholder"], record["body"]["after"]["cardholder"]) == (None, CARDHOLDER)
    # Other settings leave it, another one takes its place whole, and the same one again changes nothing.
    other = {"billing": {"address": {**ADDRESS, "line2": "2nd floor", "country": "us"}}}
    assert owner.send("PATCH", f"{ADMIN}/organization", {"name": "Acme"})["cardholder"] == CARDHOLDER
    stored = owner.send("PATCH", f"{ADMIN}/organization", {"cardholder": other})
    assert stored["cardholder"] == {"billing": {"address": {**ADDRESS, "line2": "2nd floor"}}}
    assert owner.send("PATCH", f"{ADMIN}/organization", {"cardholder": other}) == stored


def test_with_it_live_mode_can_make_a_cardholder(roony: ServedRoony, company: Company) -> None:
    company.owner.send("PATCH", f"{ADMIN}/organization", {"cardholder": CARDHOLDER})
    params = cardholder_params(the_organization(roony, company), "con_x", livemode=True)
    assert isinstance(params, dict)
    metadata = {"roony_organization": company.id, "roony_connection": "con_x"}
    assert params == {"type": "company", **CARDHOLDER, "metadata": metadata}


def test_stripe_is_told_of_it(connected: ServedRoony, simulator: SimulatorProcess) -> None:
    company = connected.company("Acme", delivery="raw")
    company.owner.send("PATCH", f"{ADMIN}/organization", {"cardholder": CARDHOLDER})
    company.owner.send("POST", f"{ADMIN}/connections", {"kind": "direct"}, 201)
    _, agent = company.agent(budgets=[MONTH])
    ask = {"amount": 500, "currency": "usd", "description": "a test", "merchant": {"name": "Figma"}}
    made = agent.send("POST", "/api/v1/purchase_intents", ask, 201)
    assert made["card"]["billing_zip"] == "62701"
    [cardholder] = simulator.client().v1.issuing.cardholders.list().data
    assert (cardholder.name, cardholder.email) == ("Acme Buying", "cards@acme.example")
    assert cardholder.billing.address.to_dict() == {**ADDRESS, "line2": None}


@pytest.mark.parametrize(
    ("cardholder", "field"),
    [
        ({}, "billing"),
        ({"billing": {}}, "billing.address"),
        ({"billing": {"address": {**ADDRESS, "line1": None}}}, "billing.address.line1"),
        ({"billing": {"address": {**ADDRESS, "line1": " "}}}, "billing.address.line1"),
        ({"billing": {"address": {**ADDRESS, "line1": "a" * 201}}}, "billing.address.line1"),
        ({"billing": {"address": {**ADDRESS, "city": "a\nb"}}}, "billing.address.city"),
        ({"billing": {"address": {**ADDRESS, "postal_code": 62701}}}, "billing.address.postal_code"),
        ({"billing": {"address": {**ADDRESS, "country": "XX"}}}, "billing.address.country"),
        ({"billing": {"address": {**ADDRESS, "planet": "Earth"}}}, "billing.address.planet"),
        ({**CARDHOLDER, "name": "Agent 7"}, "name"),
        ({**CARDHOLDER, "name": "A" * 25}, "name"),
        ({**CARDHOLDER, "name": "Acme  Buying"}, "name"),
        ({**CARDHOLDER, "name": ""}, "name"),
        ({**CARDHOLDER, "phone_number": "202-555-0123"}, "phone_number"),
        ({**CARDHOLDER, "email": "nobody"}, "email"),
        ({**CARDHOLDER, "type": "individual"}, "type"),
    ],
)
def test_a_cardholder_that_cannot_be_is_refused(company: Company, cardholder: dict[str, Any], field: str) -> None:
    error = company.owner.refused(422, "PATCH", f"{ADMIN}/organization", {"cardholder": cardholder})
    assert error["field"] == f"cardholder.{field}"
    assert company.owner.get(f"{ADMIN}/organization")["cardholder"] is None
