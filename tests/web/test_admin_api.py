"""What owners do: settings, agents, limits, approvals, the kill switch, what does not fit, and the audit chain."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from roony.core.audit import AuditRecord, verify
from roony.core.authorization import Authorization, AuthorizationDecision
from roony.core.settlement import Discrepancy
from roony.store.inbox import new_event
from roony.store.queries.history import audit_between, audit_page
from roony.store.queries.organizations import find_organization
from roony.store.queries.paging import Slice
from roony.store.rows import InboxEvent
from roony.store.writer import Writer
from tests.support.serving import Caller, Company, ServedRoony
from tests.web.conftest import MONTH

ADMIN = "/api/v1/admin"
ASK = "/api/v1/purchase_intents"
BODY: dict[str, Any] = {
    "amount": 12_999, "currency": "usd", "description": "1 month", "merchant": {"name": "Figma", "country": "US"},
}  # fmt: skip


def last_record(owner: Caller) -> dict[str, Any]:
    """The newest audit record."""
    record: dict[str, Any] = owner.get(f"{ADMIN}/audit?limit=1")["data"][0]
    return record


def test_settings_are_changed_and_audited(company: Company) -> None:
    owner = company.owner
    before = owner.get(f"{ADMIN}/organization")
    assert (before["name"], before["delivery"], before["unbudgeted"]) == ("Test Company", "sealed", False)
    after = owner.send("PATCH", f"{ADMIN}/organization", {"name": "New Name", "delivery": "raw", "unbudgeted": True})
    assert (after["name"], after["delivery"], after["unbudgeted"]) == ("New Name", "raw", True)
    assert owner.get(f"{ADMIN}/organization") == after
    record = last_record(owner)
    assert record["action"] == "organization.updated"
    assert record["actor"].startswith("key_")
    assert record["body"]["before"]["name"] == "Test Company"
    assert record["body"]["after"]["name"] == "New Name"
    head = owner.get(f"{ADMIN}/organization")["audit_head"]
    assert owner.send("PATCH", f"{ADMIN}/organization", {})["audit_head"] == head


@pytest.mark.parametrize(
    "body",
    [
        {"time_zone": "Europe/Prague"}, {"currency": "eur"}, {"delivery": "shout"}, {"unknown_cards": "yes"},
        {"unbudgeted": 1}, {"name": ""}, {"name": "a\nb"}, {"frozen_at": None}, {"id": "org_2"},
    ],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(company: Company, body: dict[str, Any]) -> None:
    head = company.owner.get(f"{ADMIN}/organization")["audit_head"]
    company.owner.refused(422, "PATCH", f"{ADMIN}/organization", body)
    assert company.owner.get(f"{ADMIN}/organization")["audit_head"] == head


def test_projects_and_agents_come_with_their_budgets(company: Company) -> None:
    owner = company.owner
    project = owner.send("POST", f"{ADMIN}/projects", {"name": "Research", "budgets": [MONTH]}, 201)
    made = owner.send("POST", f"{ADMIN}/agents", {
        "name": "Buyer", "project_id": project["id"], "description": "buys\nthings", "controls": {"purchase_limit": 7},
        "budgets": [{"period": "day", "limit": 50_000, "currency": "usd"}],
    }, 201)  # fmt: skip
    assert made["key"].startswith("roony_agent_")
    assert (made["project_id"], made["project_ids"]) == (project["id"], [project["id"]])
    assert owner.get(f"{ADMIN}/agents/{made['id']}") == {
        key: value for key, value in made.items() if key not in ("key", "key_id")
    }
    assert owner.get(f"{ADMIN}/projects/{project['id']}") == project
    assert [row["id"] for row in owner.get(f"{ADMIN}/agents?project_id={project['id']}")["data"]] == [made["id"]]
    rows = owner.get(f"{ADMIN}/budgets")["data"]
    assert len(rows) == 16
    assert {(row["scope"], row["period"]): row["limit"] for row in rows if row["limit"] is not None} == {
        ("agent", "day"): 50_000, ("project", "month"): 500_000,
    }  # fmt: skip
    [control] = owner.get(f"{ADMIN}/controls?scope=agent")["data"]
    assert control["controls"] == {"purchase_limit": 7}
    assert last_record(owner)["action"] == "agent.created"


def test_an_agent_is_renamed_and_moved(shop: Company) -> None:
    owner, (made, agent) = shop.owner, shop.agent(budgets=[MONTH])
    path, old = f"{ADMIN}/agents/{made['id']}", shop.project_id
    bought = agent.send("POST", "/api/v1/purchase_intents", BODY, 201)
    new, third = (owner.send("POST", f"{ADMIN}/projects", {"name": n}, 201)["id"] for n in ("New", "Third"))
    assert owner.send("PATCH", path, {"name": "Traveller", "description": "books\ntrips"})["name"] == "Traveller"
    record = last_record(owner)
    assert (record["action"], record["subject"]) == ("agent.updated", made["id"])
    assert (record["body"]["before"]["name"], record["body"]["after"]["name"]) == ("Buyer", "Traveller")
    assert owner.send("PATCH", path, {"project_ids": [third]})["project_ids"] == [old, third]
    moved = owner.send("PATCH", path, {"project_id": new})
    assert (moved["project_id"], moved["project_ids"], moved["description"]) == (new, [new, third], "books\ntrips")
    # What it asked for before stays where it was; new asks are the new project's.
    assert agent.get(f"/api/v1/purchase_intents/{bought['id']}")["project_id"] == old
    again = agent.send("POST", "/api/v1/purchase_intents", {**BODY, "amount": 1}, 201)
    assert again["project_id"] == new
    assert agent.refused(404, "POST", "/api/v1/purchase_intents", {**BODY, "project_id": old})["field"] == (
        "project_id"
    )
    before = last_record(owner)["sequence"]
    assert owner.send("PATCH", path, {"project_id": new}) == moved
    assert last_record(owner)["sequence"] == before


def test_a_project_is_renamed(company: Company) -> None:
    path = f"{ADMIN}/projects/{company.project_id}"
    assert company.owner.send("PATCH", path, {"name": "Travel"})["name"] == "Travel"
    body = last_record(company.owner)["body"]
    assert (body["before"], body["after"]) == ({"name": "Default"}, {"name": "Travel"})
    assert company.owner.refused(404, "PATCH", f"{ADMIN}/projects/prj_none", {"name": "x"})["code"] == "not_found"


@pytest.mark.parametrize(
    ("where", "body", "field"),
    [
        ("agents", {"name": ""}, "name"), ("agents", {"name": 5}, "name"),
        ("agents", {"id": "agt_2"}, None), ("agents", {"controls": {}}, None), ("agents", {"colour": "red"}, "colour"),
        ("projects", {}, "name"), ("projects", {"frozen_at": None}, None), ("projects", {"name": "a\nb"}, "name"),
    ],
)  # fmt: skip
def test_a_change_that_cannot_be_says_so(company: Company, where: str, body: Any, field: str | None) -> None:
    made, _ = company.agent()
    id = made["id"] if where == "agents" else company.project_id
    before = last_record(company.owner)["sequence"]
    error = company.owner.refused(422, "PATCH", f"{ADMIN}/{where}/{id}", body)
    assert error.get("field") == field
    if isinstance(body, dict) and set(body) & {"id", "controls", "frozen_at"}:
        assert "cannot be changed:" in error["message"]
    assert last_record(company.owner)["sequence"] == before


@pytest.mark.parametrize("field", ["project_id", "project_ids"])
def test_a_project_that_is_not_there_is_not_found(company: Company, field: str) -> None:
    """Like an id in a path, whether an agent is made or changed; nothing is."""
    made, _ = company.agent()
    before = last_record(company.owner)["sequence"]
    given = {field: "prj_none" if field == "project_id" else ["prj_none"]}
    for method, path, body in (
        ("POST", "agents", {"name": "x", **given}), ("PATCH", f"agents/{made['id']}", given),
    ):  # fmt: skip
        error = company.owner.refused(404, method, f"{ADMIN}/{path}", body)
        assert (error["code"], error["field"], error["message"]) == (
            "not_found", field, "No project with the id prj_none.",
        )  # fmt: skip
    assert last_record(company.owner)["sequence"] == before


def test_an_agent_without_a_project_goes_to_the_first_one(roony: ServedRoony, company: Company) -> None:
    roony.books.clock.advance(1)
    company.owner.send("POST", f"{ADMIN}/projects", {"name": "Later"}, 201)
    assert company.agent()[0]["project_id"] == company.project_id


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"), ({"name": ""}, "name"), ({"name": 5}, "name"), ({"name": "x", "colour": "red"}, "colour"),
        ({"name": "x", "budgets": [{"period": "year", "limit": 1, "currency": "usd"}]}, "budgets.0.period"),
        ({"name": "x", "budgets": [{"period": "day", "limit": -1, "currency": "usd"}]}, "budgets.0.limit"),
        ({"name": "x", "budgets": [{"period": "day", "limit": 1.0, "currency": "usd"}]}, "budgets.0.limit"),
        ({"name": "x", "budgets": [{"period": "day", "limit": 1}]}, "budgets.0.currency"),
        ({"name": "x", "budgets": [MONTH, MONTH]}, "budgets.1"),
        ({"name": "x", "controls": {"nonsense": 1}}, "controls.nonsense"),
        ({"name": "x", "controls": {"purchase_limit": "5"}}, "controls.purchase_limit"),
        ({"name": "x", "controls": {"allowed_merchants": ["a\nb"]}}, "controls"),
        ({"name": "x", "controls": {"allowed_categories": []}}, "controls.allowed_categories"),
        ({"name": "x", "controls": []}, "controls"),
    ],
)  # fmt: skip
def test_an_agent_that_cannot_be_is_refused_whole(company: Company, body: dict[str, Any], field: str) -> None:
    assert company.owner.refused(422, "POST", f"{ADMIN}/agents", body)["field"] == field
    assert company.owner.get(f"{ADMIN}/agents")["data"] == []
    assert len(company.owner.get(f"{ADMIN}/budgets")["data"]) == 8


def test_budgets_are_set_and_lifted(company: Company) -> None:
    owner = company.owner
    path = f"{ADMIN}/budgets"
    row = owner.send("PUT", path, {"scope": "organization", "period": "week", "limit": 1_000})
    assert (row["scope_id"], row["limit"], row["available"], row["currency"]) == (company.id, 1_000, 1_000, "usd")
    assert last_record(owner)["body"]["before"] is None
    again = owner.send("POST", path, {"scope": "organization", "period": "week", "limit": 2_000})
    assert again["id"] == row["id"]
    assert last_record(owner)["body"] | {"before": 1_000, "after": 2_000} == last_record(owner)["body"]
    assert owner.send("PUT", path, {"scope": "organization", "period": "week", "limit": None})["limit"] is None
    assert len(owner.get(path)["data"]) == 8
    # Another currency brings its own four rows.
    euro = {"scope": "project", "scope_id": company.project_id, "period": "day", "limit": 0, "currency": "eur"}
    assert owner.send("PUT", path, euro)["limit"] == 0
    rows = owner.get(f"{path}?scope=project")["data"]
    assert sorted((row["currency"], row["period"]) for row in rows) == sorted(
        (currency, period) for currency in ("eur", "usd") for period in ("day", "week", "month", "lifetime")
    )


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"scope": "task", "period": "day", "limit": 1}, None),
        ({"scope": "task", "scope_id": "x", "period": "day", "limit": 1}, "scope_id"),
        ({"scope": "task", "scope_id": "x:a\nb", "period": "day", "limit": 1}, "scope_id"),
        ({"scope": "team", "scope_id": "x", "period": "day", "limit": 1}, "scope"),
        ({"scope": "agent", "period": "day", "limit": 1}, None),
        ({"scope": "organization", "period": "day"}, "limit"),
        ({"scope": "organization", "period": "day", "limit": True}, "limit"),
        ({"scope": "organization", "period": "day", "limit": 1, "currency": "zzz"}, "currency"),
        ({"scope": "organization", "period": "hour", "limit": 1}, "period"),
    ],
)
def test_a_budget_that_cannot_be_is_refused(company: Company, body: dict[str, Any], field: str | None) -> None:
    assert company.owner.refused(422, "PUT", f"{ADMIN}/budgets", body).get("field") == field


def test_a_task_has_budgets_and_controls(company: Company) -> None:
    owner, (made, agent) = company.owner, company.agent(budgets=[MONTH])
    every, one = f"{made['id']}:*", f"{made['id']}:trip to Rome"
    for scope_id, limit in ((every, 20_000), (one, 30_000)):
        body = {"scope": "task", "scope_id": scope_id, "period": "lifetime", "limit": limit}
        owner.send("PUT", f"{ADMIN}/budgets", body)
    rows = owner.get(f"{ADMIN}/budgets", params={"scope": "task", "scope_id": one})["data"]
    # The smaller limit holds.
    assert [row["limit"] for row in rows if row["period"] == "lifetime"] == [20_000]
    owner.send("PUT", f"{ADMIN}/controls", {"scope": "task", "scope_id": one, "controls": {"purchase_limit": 5_000}})
    assert owner.get(f"{ADMIN}/controls?scope=task")["data"][0]["scope_id"] == one
    missing = {"scope": "task", "scope_id": "agt_none:trip", "controls": {}}
    assert owner.refused(404, "PUT", f"{ADMIN}/controls", missing)["code"] == "not_found"
    # A task cannot be frozen or have a cardholder: its agent can.
    assert owner.refused(422, "POST", f"{ADMIN}/freeze", {"scope": "task", "scope_id": one})["field"] == "scope"
    left = agent.get("/api/v1/budgets", params={"task_id": "trip to Rome"})["data"]
    assert [(row["scope_id"], row["available"]) for row in left if row["scope"] == "task" and row["limit"]] == [
        (one, 20_000)
    ]
    assert agent.refused(422, "GET", "/api/v1/budgets", params={"task_id": "a\nb"})["field"] == "task_id"


def test_controls_are_replaced_whole_with_a_new_version(company: Company) -> None:
    owner, path = company.owner, f"{ADMIN}/controls"
    first = owner.send(
        "PUT", path, {"scope": "organization", "controls": {"purchase_limit": 5, "velocity_count": None}}
    )
    assert (first["version"], first["controls"]) == (1, {"purchase_limit": 5})
    second = owner.send("PUT", path, {"scope": "organization", "controls": {"blocked_merchants": ["Evil"]}})
    assert (second["id"], second["version"]) == (first["id"], 2)
    assert second["controls"] == {"blocked_merchants": ["Evil"]}
    body = last_record(owner)["body"]
    assert (body["before"], body["after"]) == ({"purchase_limit": 5}, {"blocked_merchants": ["Evil"]})
    refused = owner.refused(422, "PUT", path, {"scope": "organization", "controls": {"card_ttl_seconds": 1}})
    assert refused["field"] == "controls.card_ttl_seconds"
    assert owner.get(path)["data"] == [second]


def test_every_version_of_the_controls_is_kept(company: Company) -> None:
    owner, (made, _) = company.owner, company.agent(controls={"purchase_limit": 1})
    every = f"{made['id']}:*"
    for scope, scope_id, limit in (("agent", made["id"], 2), ("agent", made["id"], 3), ("task", every, 4)):
        body = {"scope": scope, "scope_id": scope_id, "controls": {"purchase_limit": limit}}
        owner.send("PUT", f"{ADMIN}/controls", body)
    path = f"{ADMIN}/controls/{made['id']}/versions"
    found = owner.get(path)["data"]
    assert [(v["version"], v["controls"]["purchase_limit"]) for v in found] == [(3, 3), (2, 2), (1, 1)]
    assert {v["actor"] for v in found} == {last_record(owner)["actor"]}
    first = owner.get(path, params={"limit": 2})
    assert owner.get(path, params={"limit": 2, "cursor": first["next_cursor"]})["data"] == found[2:]
    [task] = owner.get(path, params={"task_id": "*"})["data"]
    assert (task["scope"], task["scope_id"], task["version"]) == ("task", every, 1)
    assert owner.get(f"{ADMIN}/controls/{company.id}/versions")["data"] == []
    assert owner.get(f"{ADMIN}/controls/{company.project_id}/versions")["data"] == []
    for id, params in (("agt_none", {}), ("prj_none", {}), ("org_none", {}), (company.project_id, {"task_id": "x"})):
        error = owner.refused(404, "GET", f"{ADMIN}/controls/{id}/versions", params=params)
        assert error["code"] == "not_found"


def test_versions_of_the_organization_begin_with_it(roony: ServedRoony) -> None:
    company = roony.company(controls={"purchase_limit": 5})
    [version] = company.owner.get(f"{ADMIN}/controls/{company.id}/versions")["data"]
    assert (version["version"], version["controls"], version["actor"]) == (1, {"purchase_limit": 5}, "test")
    # Another company sees none of it.
    other = roony.company().owner
    assert other.refused(404, "GET", f"{ADMIN}/controls/{company.id}/versions")["code"] == "not_found"


def test_a_new_rule_binds_the_next_ask(shop: Company) -> None:
    made, agent = shop.agent(budgets=[MONTH])
    assert agent.send("POST", ASK, BODY, 201)["status"] == "ready"
    shop.owner.send("PUT", f"{ADMIN}/controls", {
        "scope": "agent", "scope_id": made["id"], "controls": {"purchase_limit": 12_000},
    })  # fmt: skip
    declined = agent.send("POST", ASK, {**BODY, "amount": 12_001}, 201)
    assert declined["decision"]["reasons"][0]["code"] == "OVER_PURCHASE_LIMIT"


def test_approvals_are_shown_and_denied(shop: Company) -> None:
    owner = shop.owner
    _, agent = shop.agent(budgets=[MONTH], controls={"approval_threshold": 0})
    made = agent.send("POST", ASK, BODY, 201)
    [row] = owner.get(f"{ADMIN}/approvals?status=pending")["data"]
    assert row["purchase_id"] == made["id"]
    assert row["snapshot"]["merchant"]["name"] == "Figma"
    denied = owner.send("POST", f"{ADMIN}/approvals/{row['id']}/deny", {"note": "no"})
    assert (denied["status"], denied["held_amount"]) == ("declined", 0)
    assert owner.get(f"{ADMIN}/approvals/{row['id']}")["status"] == "denied"
    assert owner.refused(409, "POST", f"{ADMIN}/approvals/{row['id']}/approve")["code"] == "approval_closed"
    assert owner.get(f"{ADMIN}/approvals?status=pending")["data"] == []
    owner.refused(404, "POST", f"{ADMIN}/approvals/apr_none/approve")
    owner.refused(404, "POST", f"{ADMIN}/approvals/apr_none/deny")


def test_an_approval_past_its_time_is_expired(connected: ServedRoony, shop: Company) -> None:
    """Worker or not (design section 5)."""
    _, agent = shop.agent(budgets=[MONTH], controls={"approval_threshold": 0})
    made = agent.send("POST", ASK, BODY, 201)
    connected.books.clock.advance(31 * 60)
    [row] = shop.owner.get(f"{ADMIN}/approvals?status=expired")["data"]
    assert row["status"] == "expired"
    assert shop.owner.get(f"{ADMIN}/approvals?status=pending")["data"] == []
    error = shop.owner.refused(409, "POST", f"{ADMIN}/approvals/{made['approval']['id']}/approve")
    assert error["code"] == "approval_closed"


def test_an_approver_may_approve_another_amount(shop: Company) -> None:
    _, agent = shop.agent(budgets=[MONTH], controls={"approval_threshold": 0})
    made = agent.send("POST", ASK, BODY, 201)
    ready = shop.owner.send("POST", f"{ADMIN}/approvals/{made['approval']['id']}/approve", {"amount": 5_000})
    assert (ready["status"], ready["amount"], ready["held_amount"]) == ("ready", 5_000, 5_000)
    assert ready["card"]["hard_limit"] == 5_000


def test_a_freeze_stops_asks_at_once(shop: Company) -> None:
    made, agent = shop.agent(budgets=[MONTH])
    for scope, scope_id, code in (
        ("agent", made["id"], "AGENT_SUSPENDED"),
        ("project", shop.project_id, "AGENT_SUSPENDED"),
        ("organization", None, "ORGANIZATION_FROZEN"),
    ):
        body = {"scope": scope, **({"scope_id": scope_id} if scope_id else {})}
        frozen = shop.owner.send("POST", f"{ADMIN}/freeze", body)
        assert frozen["changed"]
        assert frozen["frozen_at"]
        again = shop.owner.send("POST", f"{ADMIN}/freeze", body)
        assert again == {**frozen, "changed": False}
        declined = agent.send("POST", ASK, BODY, 201)
        assert declined["decision"]["reasons"][0]["code"] == code
        assert shop.owner.send("POST", f"{ADMIN}/unfreeze", body)["frozen_at"] is None
        assert shop.owner.send("POST", f"{ADMIN}/unfreeze", body)["changed"] is False
        assert last_record(shop.owner)["action"] == f"{scope}.unfrozen"
    assert agent.send("POST", ASK, BODY, 201)["status"] == "ready"
    assert shop.owner.refused(422, "POST", f"{ADMIN}/freeze", {"scope": "agent"})["message"]


def test_a_card_is_canceled_with_its_purchase(shop: Company) -> None:
    _, agent = shop.agent(budgets=[MONTH])
    one, two = (agent.send("POST", ASK, {**BODY, "amount": amount}, 201) for amount in (1_000, 2_000))
    assert shop.owner.send("POST", f"{ADMIN}/cards/{one['card']['id']}/cancel")["status"] == "canceled"
    assert shop.owner.send("POST", f"{ADMIN}/purchases/{two['id']}/cancel")["status"] == "canceled"
    assert {row["status"] for row in shop.owner.get(f"{ADMIN}/purchases")["data"]} == {"canceled"}
    assert len(shop.owner.get(f"{ADMIN}/cards?status=canceled")["data"]) == 2
    assert [row["id"] for row in shop.owner.get(f"{ADMIN}/cards?purchase_id={one['id']}")["data"]] == [
        one["card"]["id"]
    ]
    assert "number" not in str(shop.owner.get(f"{ADMIN}/cards")["data"])
    shop.owner.refused(404, "POST", f"{ADMIN}/cards/crd_none/cancel")


def test_one_card_is_frozen_and_let_go(shop: Company) -> None:
    _, agent = shop.agent(budgets=[MONTH])
    bought, other = (agent.send("POST", ASK, {**BODY, "amount": amount}, 201) for amount in (1_000, 2_000))
    path = f"{ADMIN}/cards/{bought['card']['id']}"
    frozen = shop.owner.send("POST", f"{path}/freeze")
    assert (frozen["status"], frozen["changed"], frozen["frozen_at"] is None) == ("frozen", True, False)
    assert shop.owner.send("POST", f"{path}/freeze") == {**frozen, "changed": False}
    assert [row["id"] for row in shop.owner.get(f"{ADMIN}/cards?status=frozen")["data"]] == [frozen["id"]]
    record = last_record(shop.owner)
    assert (record["action"], record["body"]["before"]["status"]) == ("card.frozen", "active")
    agent.refused(409, "POST", f"{ASK}/{bought['id']}/card", {})
    assert agent.send("POST", f"{ASK}/{other['id']}/card", {})["number"]
    assert shop.owner.send("POST", f"{path}/unfreeze")["status"] == "active"
    assert shop.owner.send("POST", f"{path}/cancel")["status"] == "canceled"
    assert shop.owner.refused(409, "POST", f"{path}/freeze")["code"] == "card_over"
    shop.owner.refused(404, "POST", f"{ADMIN}/cards/crd_none/freeze")
    shop.owner.refused(404, "POST", f"{ADMIN}/cards/crd_none/unfreeze")
    agent.refused(403, "POST", f"{path}/freeze")
    assert shop.owner.refused(422, "GET", f"{ADMIN}/cards?status=lost")["field"] == "status"


def test_a_discrepancy_is_resolved_once_with_a_note(roony: ServedRoony, company: Company) -> None:
    now = roony.context.clock()
    roony.books.put(Discrepancy(
        company.id, "dis_1", "over_capture", "open", None, None, "iauth_1", "1,00", "2,00", None, None, now, None,
    ))  # fmt: skip
    owner = company.owner
    [row] = owner.get(f"{ADMIN}/discrepancies?status=open")["data"]
    assert {key: row[key] for key in ("id", "kind", "expected", "found")} == {
        "id": "dis_1", "kind": "over_capture", "expected": "1,00", "found": "2,00",
    }  # fmt: skip
    path = f"{ADMIN}/discrepancies/dis_1"
    assert owner.refused(422, "POST", f"{path}/resolve", {"note": ""})["field"] == "note"
    assert owner.refused(422, "POST", f"{path}/resolve")["message"] == "A JSON body is required."
    done = owner.send("POST", f"{path}/resolve", {"note": "the hotel charged the minibar"})
    assert (done["status"], done["note"]) == ("resolved", "the hotel charged the minibar")
    assert owner.refused(409, "POST", f"{path}/resolve", {"note": "again"})["code"] == "already_resolved"
    assert owner.get(path) == done
    assert last_record(owner)["action"] == "discrepancy.resolved"


def test_authorizations_come_with_our_answers(roony: ServedRoony, company: Company) -> None:
    now = roony.context.clock()
    _, agent = company.agent()
    one, other = (agent.send("POST", ASK, {**BODY, "amount": amount}, 201)["id"] for amount in (100, 200))
    roony.books.put(
        Authorization(company.id, "iauth_1", "con_1", one, "crd_1", "ic_1", "pending", 1, 0, 0, 100, 0, "usd", 100,
                      "usd", '{"name": "FIGMA"}', None, 1, 0, 0, 0, now, now),
        AuthorizationDecision(company.id, "iauth_1", 0, 100, "dec_1", one, 1, 100, "", "approved", now),
        AuthorizationDecision(company.id, "iauth_1", 1, 50, "dec_2", one, 0, 0, "OVER_HOLD", "declined", now + 1),
    )  # fmt: skip
    [row] = company.owner.get(f"{ADMIN}/authorizations?purchase_id={one}")["data"]
    assert row["approved"] is True
    assert [(d["ordinal"], d["approved"], d["code"]) for d in row["decisions"]] == [
        (0, True, None),
        (1, False, "OVER_HOLD"),
    ]
    assert company.owner.get(f"{ADMIN}/authorizations?purchase_id={other}")["data"] == []


def test_a_failed_event_is_handled_again(roony: ServedRoony, company: Company) -> None:
    now = roony.context.clock()
    event = new_event("evt_" + company.id, None, False, "issuing_card.updated", "ic_1", now // 1_000_000, b"{}", now)
    roony.books.put(
        event._replace(organization_id=company.id, status="dead", failures=12, reason="broken", generation=3)
    )
    owner = company.owner
    [row] = owner.get(f"{ADMIN}/events?status=dead")["data"]
    assert (row["failures"], row["reason"]) == (12, "broken")
    again = owner.send("POST", f"{ADMIN}/events/{row['id']}/replay")
    assert (again["status"], again["failures"]) == ("received", 0)
    kept = roony.books.row(InboxEvent, id=row["id"])
    assert (kept.status, kept.failures, kept.due_at, kept.finished_at) == ("received", 0, now, None)
    assert owner.refused(409, "POST", f"{ADMIN}/events/{row['id']}/replay")["code"] == "not_failed"
    assert owner.get(f"{ADMIN}/events/{row['id']}")["status"] == "received"
    other = roony.company("Other")
    other.owner.refused(404, "POST", f"{ADMIN}/events/{row['id']}/replay")
    assert last_record(owner)["action"] == "event.replayed"


def test_the_audit_chain_is_taken_away_whole_and_verifies(company: Company) -> None:
    """P9: in order, and complete up to the head."""
    for place in range(5):
        company.owner.send("POST", f"{ADMIN}/projects", {"name": f"Project {place}"}, 201)
    answer = company.owner.call("GET", f"{ADMIN}/audit?format=jsonl")
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    records = [AuditRecord(**json.loads(line)) for line in answer.text.splitlines()]
    head = company.owner.get(f"{ADMIN}/organization")["audit_head"]
    assert [record.sequence for record in records] == list(range(1, 7))
    assert verify(records, (head["sequence"], head["hash"])) is None
    changed = [*records[:2], records[2]._replace(body="{}"), *records[3:]]
    broken = verify(changed)
    assert broken is not None
    assert broken.sequence == 3


@pytest.mark.parametrize("name", ["action", "actor", "cursor", "limit", "subject"])
def test_lines_of_the_audit_chain_go_with_no_filter(company: Company, name: str) -> None:
    """They would be ignored, and whoever filters would take the whole chain for the part."""
    error = company.owner.refused(422, "GET", f"{ADMIN}/audit?format=jsonl&{name}=1")
    assert error["field"] == name


def test_audit_records_come_in_pages(company: Company) -> None:
    for place in range(4):
        company.owner.send("POST", f"{ADMIN}/projects", {"name": f"Project {place}"}, 201)
    first = company.owner.get(f"{ADMIN}/audit?limit=3")
    rest = company.owner.get(f"{ADMIN}/audit?limit=3&cursor={first['next_cursor']}")
    assert [row["sequence"] for row in first["data"] + rest["data"]] == [5, 4, 3, 2, 1]
    assert rest["next_cursor"] is None
    made = company.owner.get(f"{ADMIN}/audit?action=organization.created")["data"]
    assert [row["sequence"] for row in made] == [1]


def test_audit_records_of_a_time(roony: ServedRoony, company: Company) -> None:
    """From `since` on and before `until`, also where records have the same time."""
    owner, database = company.owner, roony.context.database
    times = (10, 20, 20, 30)
    written = find_organization(database, company.id)._replace(id="org_of_times", audit_sequence=4)
    for sequence, at in enumerate(times, 1):
        roony.books.put(AuditRecord(written.id, sequence, f"aud_{sequence}", at, "a", "b", "c", "{}", "", ""))

    def between(since: int | None, until: int | None) -> list[int]:
        where = audit_between(database, written, since, until)
        return [row.at for row in reversed(audit_page(database, written.id, Slice(), *where).rows)]

    for since, until in itertools.product((None, 5, 10, 15, 20, 30, 31), repeat=2):
        expected = [at for at in times if (since is None or at >= since) and (until is None or at < until)]
        assert between(since, until) == expected, (since, until)
    assert owner.get(f"{ADMIN}/audit?since=1h") == owner.get(f"{ADMIN}/audit")
    assert owner.get(f"{ADMIN}/audit?until=1h")["data"] == []
    assert owner.refused(422, "GET", f"{ADMIN}/audit?since=yesterday")["field"] == "since"


def test_the_chain_is_verified_in_parts(roony: ServedRoony, company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("roony.web.admin_api.audit.CHECKED_AT_ONCE", 2)
    for place in range(4):
        company.owner.send("POST", f"{ADMIN}/projects", {"name": f"Project {place}"}, 201)

    def verified() -> list[dict[str, Any]]:
        parts = [company.owner.send("POST", f"{ADMIN}/audit/verify", {})]
        while parts[-1]["next_cursor"]:
            parts.append(company.owner.send("POST", f"{ADMIN}/audit/verify", {"cursor": parts[-1]["next_cursor"]}))
        return parts

    parts = verified()
    assert [part["records"] for part in parts] == [2, 2, 1]
    assert [part["problem"] for part in parts] == [None] * 3
    assert parts[-1]["message"].startswith("The chain is whole: 5 records")
    assert parts[-1]["head"] == company.owner.get(f"{ADMIN}/organization")["audit_head"]
    tampered = "UPDATE audit_records SET body = '{}' WHERE sequence = 4 AND organization_id = "

    def tamper(writer: Writer) -> None:
        writer.run(tampered + ("?" if writer.backend == "sqlite" else "%s"), (company.id,))

    roony.context.till.write_and_wait(tamper)
    parts = verified()
    assert len(parts) == 2
    assert parts[-1]["message"].startswith("Record 4 is not true: was changed")
    assert company.owner.refused(422, "POST", f"{ADMIN}/audit/verify", {"cursor": "x"})["code"] == "invalid"


@pytest.mark.parametrize("name", ["projects", "agents", "budgets"])
def test_every_list_pages_without_gaps(company: Company, name: str) -> None:
    for place in range(5):
        company.owner.send("POST", f"{ADMIN}/projects", {"name": f"Project {place}"}, 201)
        company.agent(f"Agent {place}")
    whole = company.owner.get(f"{ADMIN}/{name}?limit=200")["data"]
    seen, cursor = [], ""
    while True:
        page = company.owner.get(f"{ADMIN}/{name}?limit=4{cursor}")
        seen += page["data"]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == whole
    assert len(whole) == {"projects": 6, "agents": 5, "budgets": 48}[name]


def test_connections_begin_with_a_start_link(connected: ServedRoony) -> None:
    company = connected.company()
    started = company.owner.send("POST", f"{ADMIN}/connections", {"kind": "connect"}, 201)
    assert started["status"] == "pending"
    assert "/connect/stripe?ticket=" in started["url"]
    assert company.owner.get(f"{ADMIN}/connections/{started['id']}")["kind"] == "connect"
    assert company.owner.refused(422, "POST", f"{ADMIN}/connections", {"kind": "wire"})["field"] == "kind"
    ended = company.owner.send("POST", f"{ADMIN}/connections/{started['id']}/disconnect")
    assert ended["status"] == "revoked"
