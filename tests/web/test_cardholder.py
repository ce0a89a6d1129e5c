"""The cardholder an owner sets: what may be said, where it is kept, and what Stripe is told."""

from __future__ import annotations

import json
from typing import Any

import pytest
import sqlalchemy

from roony.core.agent import Organization
from roony.core.cardholder import fields_of
from roony.flows.connection.cardholder_rows import default_params
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


PERSON = {"first_name": "Jenny", "last_name": "Rosen"}
TERMS = {"date": 1_790_000_000, "ip": "192.0.2.1"}


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
    # Which fields it has, and nothing of what is in them: a record can never be taken back.
    body, fields = record["body"], fields_of(CARDHOLDER)
    assert (body["before"]["cardholder"], body["after"]["cardholder"], body["cardholder_changed"]) == (
        None,
        fields,
        fields,
    )
    assert not [value for value in (*ADDRESS.values(), CARDHOLDER["email"]) if json.dumps(value) in json.dumps(body)]
    # Other settings leave it, another one takes its place whole, and the same one again changes nothing.
    other = {"billing": {"address": {**ADDRESS, "line2": "2nd floor", "country": "us"}}}
    assert owner.send("PATCH", f"{ADMIN}/organization", {"name": "Acme"})["cardholder"] == CARDHOLDER
    stored = owner.send("PATCH", f"{ADMIN}/organization", {"cardholder": other})
    assert stored["cardholder"] == {"billing": {"address": {**ADDRESS, "line2": "2nd floor"}}}
    assert owner.send("PATCH", f"{ADMIN}/organization", {"cardholder": other}) == stored


def test_with_it_live_mode_can_make_a_cardholder(roony: ServedRoony, company: Company) -> None:
    company.owner.send("PATCH", f"{ADMIN}/organization", {"cardholder": CARDHOLDER})
    params = default_params(the_organization(roony, company), "con_x", True, "usd")
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
        ({**CARDHOLDER, "individual": {}}, "individual.first_name"),
        ({**CARDHOLDER, "individual": {**PERSON, "first_name": "Jenny2"}}, "individual.first_name"),
        ({**CARDHOLDER, "individual": {**PERSON, "last_name": ""}}, "individual.last_name"),
        ({**CARDHOLDER, "individual": {**PERSON, "dob": {"day": 30, "month": 2, "year": 1990}}}, "individual.dob"),
        ({**CARDHOLDER, "individual": {**PERSON, "dob": {"day": 32, "month": 2, "year": 1990}}}, "individual.dob.day"),
        ({**CARDHOLDER, "individual": {**PERSON, "dob": {"day": 1, "month": 1, "year": 2025}}}, "individual.dob"),
        ({**CARDHOLDER, "individual": {**PERSON, "card_issuing": {}}}, "individual.card_issuing.user_terms_acceptance"),
        ({**CARDHOLDER, "individual": {**PERSON, "card_issuing": {"user_terms_acceptance": {**TERMS, "ip": "x"}}}},
         "individual.card_issuing.user_terms_acceptance.ip"),
        ({**CARDHOLDER, "individual": {**PERSON, "card_issuing": {"user_terms_acceptance": {**TERMS, "date": 5}}}},
         "individual.card_issuing.user_terms_acceptance.date"),
        ({**CARDHOLDER, "individual": {**PERSON, "card_issuing": {"user_terms_acceptance": {"ip": "192.0.2.1"}}}},
         "individual.card_issuing.user_terms_acceptance.date"),
    ],
)  # fmt: skip
def test_a_cardholder_that_cannot_be_is_refused(company: Company, cardholder: dict[str, Any], field: str) -> None:
    for method, path, body in (
        ("PATCH", f"{ADMIN}/organization", {}), ("PUT", f"{ADMIN}/cardholders", {"scope": "organization"}),
    ):  # fmt: skip
        error = company.owner.refused(422, method, path, {**body, "cardholder": cardholder})
        assert (error["field"], bool(error["message"])) == (f"cardholder.{field}", True)
    assert company.owner.get(f"{ADMIN}/organization")["cardholder"] is None


def test_cards_in_eur_need_a_phone_number(roony: ServedRoony) -> None:
    company = roony.company("Acme", currency="eur")
    without = {name: value for name, value in CARDHOLDER.items() if name != "phone_number"}
    for method, path, body in (
        ("PATCH", f"{ADMIN}/organization", {}), ("PUT", f"{ADMIN}/cardholders", {"scope": "organization"}),
    ):  # fmt: skip
        error = company.owner.refused(422, method, path, {**body, "cardholder": without})
        assert error["field"] == "cardholder.phone_number"
        assert "3-D Secure" in error["message"]
    assert company.owner.send("PUT", f"{ADMIN}/cardholders", {"scope": "organization", "cardholder": CARDHOLDER})


def test_a_cardholder_is_chosen_for_an_agent_shown_and_taken_back(
    connected: ServedRoony, simulator: SimulatorProcess
) -> None:
    company = connected.company("Acme", delivery="raw")
    owner = company.owner
    owner.send("POST", f"{ADMIN}/connections", {"kind": "direct"}, 201)
    made, agent = company.agent(budgets=[MONTH])
    person = {
        **CARDHOLDER,
        "name": "Jenny Rosen",
        "individual": {**PERSON, "card_issuing": {"user_terms_acceptance": TERMS}},
    }
    where = {"scope": "agent", "scope_id": made["id"]}
    chosen = owner.send("PUT", f"{ADMIN}/cardholders", {**where, "cardholder": person})
    assert chosen == {**where, "cardholder": person, "at_stripe": []}
    ask = {"amount": 500, "currency": "usd", "description": "a test", "merchant": {"name": "Figma"}}
    assert agent.send("POST", "/api/v1/purchase_intents", ask, 201)["status"] == "ready"
    state = simulator.control("state")["cardholders"]
    [holder] = [holder for holder in state if holder["metadata"].get("roony_scope") == made["id"]]
    assert (holder["type"], holder["name"]) == ("individual", "Jenny Rosen")
    assert holder["individual"]["card_issuing"]["user_terms_acceptance"]["ip"] == TERMS["ip"]
    rows = {row["scope_id"]: row for row in owner.get(f"{ADMIN}/cardholders")["data"]}
    assert list(rows[made["id"]]) == ["scope", "scope_id", "cardholder", "at_stripe"]
    [at] = rows[made["id"]]["at_stripe"]
    assert (at["stripe_cardholder_id"], at["status"], at["past_due"], at["next"]) == (holder["id"], "active", [], [])
    assert rows[company.id]["scope"] == "organization"
    [connection] = owner.get(f"{ADMIN}/connections")["data"]
    assert connection["cardholder"] == rows[company.id]["at_stripe"][0]
    assert connection["stripe_cardholder_id"] == connection["cardholder"]["stripe_cardholder_id"]
    error = owner.refused(409, "PUT", f"{ADMIN}/cardholders", {**where, "cardholder": {**person, "name": "Ben"}})
    assert (error["code"], error["field"]) == ("cardholder_fixed", "cardholder.name")
    back = owner.send("DELETE", f"{ADMIN}/cardholders/{made['id']}")
    assert (back["cardholder"], len(back["at_stripe"])) == (None, 1)
    assert owner.refused(404, "DELETE", f"{ADMIN}/cardholders/{made['id']}")["code"] == "not_found"
    assert owner.refused(409, "DELETE", f"{ADMIN}/cardholders/{company.id}")["code"] == "cardholder_needed"
    owner.refused(404, "PUT", f"{ADMIN}/cardholders", {"scope": "agent", "scope_id": "agt_no", "cardholder": person})
    owner.refused(422, "PUT", f"{ADMIN}/cardholders", {"scope": "agent", "cardholder": person})
    agent.refused(403, "PUT", f"{ADMIN}/cardholders", {**where, "cardholder": person})


def test_the_list_of_cardholders_goes_on_page_by_page(company: Company) -> None:
    agents = [company.agent()[0]["id"] for _ in range(3)]
    for id in agents:
        body = {"scope": "agent", "scope_id": id, "cardholder": CARDHOLDER}
        company.owner.send("PUT", f"{ADMIN}/cardholders", body)
    seen, cursor = [], ""
    while True:
        page = company.owner.get(f"{ADMIN}/cardholders?limit=1{cursor}")
        seen += [row["scope_id"] for row in page["data"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert sorted(seen) == sorted([*agents, company.id])
