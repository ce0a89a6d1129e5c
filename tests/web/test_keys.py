"""Keys: none, wrong, revoked, of another kind; and that nobody reaches another agent's or company's things (P7)."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import pytest
from sqlalchemy import update

from roony.cli.database import NotMade, make_owner_key
from roony.core.hashing import text_hash
from roony.flows.access_key import new_key
from roony.store import tables
from roony.store.rows import AccessKey
from tests.support.serving import Caller, Company, ServedRoony
from tests.web.conftest import MONTH

ASK = "/api/v1/purchase_intents"
BODY: dict[str, Any] = {
    "amount": 100, "currency": "usd", "description": "a thing", "merchant": {"name": "Figma"},
}  # fmt: skip


def operations(caller: Caller) -> list[tuple[str, str]]:
    """Every (method, path) of openapi.json, with ids filled in."""
    paths = caller.get("/openapi.json")["paths"]
    return [(method.upper(), re.sub(r"\{\w+\}", "id_1", path)) for path, methods in paths.items() for method in methods]


def test_every_route_wants_a_key(roony: ServedRoony) -> None:
    nobody = roony.caller()
    listed = operations(nobody)
    assert len(listed) > 40
    for method, path in listed:
        answer = nobody.call(method, path)
        assert answer.status_code == 401, (method, path)
        assert answer.headers["www-authenticate"] == "Bearer"


def test_every_route_wants_its_own_kind_of_key(roony: ServedRoony, company: Company) -> None:
    _, agent = company.agent()
    for method, path in operations(agent):
        wrong = agent if path.startswith("/api/v1/admin") else company.owner
        assert wrong.refused(403, method, path)["code"] == "wrong_kind_of_key", (method, path)


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Basic dXNlcjpwYXNz", "roony_admin_x", "Bearer sk_test_simulator",
               "Bearer roony_agent_0000", "Bearer roony_agent_" + "a" * 300, "Bearer roony_agent_é"],
)  # fmt: skip
def test_a_key_that_is_none_is_refused(roony: ServedRoony, header: str) -> None:
    headers = [(b"Authorization", header.encode("latin-1"))]
    assert roony.caller().refused(401, "GET", ASK, headers=headers)["code"] == "unauthorized"


def test_a_revoked_key_opens_nothing(roony: ServedRoony, company: Company) -> None:
    made, agent = company.agent()
    keys = f"/api/v1/admin/agents/{made['id']}/keys"
    second = company.owner.send("POST", keys, {"name": "second"}, 201)
    other = roony.caller(second["key"])
    agent.get(ASK)
    other.get(ASK)
    revoked = company.owner.send("DELETE", f"{keys}/{made['key_id']}")
    assert revoked["revoked_at"] is not None
    assert agent.refused(401, "GET", ASK)["code"] == "key_revoked"
    other.get(ASK)
    # Once more changes nothing.
    assert company.owner.send("DELETE", f"{keys}/{made['key_id']}") == revoked
    shown = company.owner.get(keys)["data"]
    assert {key["id"] for key in shown} == {made["key_id"], second["id"]}
    assert all("key" not in key for key in shown)


def test_a_remembered_key_counts_no_longer_than_it_is_good(roony: ServedRoony, company: Company) -> None:
    """Asks look a key up once; what another process does to it later is seen in the commit of the ask (P7)."""
    made, agent = company.agent(budgets=[MONTH])
    agent.send("POST", ASK, BODY, 201)
    revoked = update(tables.access_keys).where(tables.access_keys.c.hash == text_hash(made["key"])).values(revoked_at=1)
    roony.context.till.write_and_wait(lambda writer: writer.execute(revoked))
    head = company.owner.get("/api/v1/admin/organization")["audit_head"]
    assert agent.refused(401, "POST", ASK, {**BODY, "amount": 200})["code"] == "key_revoked"
    # Nor is it told what would be wrong with its request.
    assert agent.refused(401, "POST", ASK, {**BODY, "amount": "much"})["code"] == "key_revoked"
    assert agent.refused(401, "POST", ASK, BODY, headers={"Idempotency-Key": "é".encode()})["code"] == "key_revoked"
    assert company.owner.get("/api/v1/admin/organization")["audit_head"] == head


def test_an_ask_is_of_the_agent_as_it_is_now(company: Company) -> None:
    made, agent = company.agent(budgets=[MONTH])
    first = agent.send("POST", ASK, BODY, 201)
    project = company.owner.send("POST", "/api/v1/admin/projects", {"name": "Another"}, 201)
    company.owner.send("PATCH", f"/api/v1/admin/agents/{made['id']}", {"project_id": project["id"]})
    moved = agent.send("POST", ASK, {**BODY, "amount": 200}, 201)
    assert (first["project_id"], moved["project_id"]) == (company.project_id, project["id"])
    company.owner.send("POST", "/api/v1/admin/freeze", {"scope": "agent", "scope_id": made["id"]})
    frozen = agent.send("POST", ASK, {**BODY, "amount": 300}, 201)
    assert frozen["decision"]["reasons"][0]["code"] == "AGENT_SUSPENDED"


def test_there_is_a_way_back_when_nobody_has_a_good_key(roony: ServedRoony, company: Company) -> None:
    """Made beside the running Roony, as on a PostgreSQL database; of several organizations one has to be named."""
    database = roony.context.database
    keys = update(tables.access_keys).where(tables.access_keys.c.organization_id == company.id).values(revoked_at=1)
    roony.context.till.write_and_wait(lambda writer: writer.execute(keys))
    company.owner.refused(401, "GET", "/api/v1/admin/organization")
    roony.company("Another")
    with pytest.raises(NotMade, match=company.id):
        make_owner_key(database, None)
    made = make_owner_key(database, company.id)
    back = roony.caller(made.admin_key)
    assert back.get("/api/v1/admin/organization")["id"] == made.organization_id == company.id
    [record] = back.get("/api/v1/admin/audit?limit=1")["data"]
    assert (record["actor"], record["action"], record["subject"]) == ("roony init", "access_key.created", made.key_id)
    assert made.admin_key not in repr(made)


def test_keys_are_kept_as_hashes_only(roony: ServedRoony, company: Company) -> None:
    """P6: neither the rows nor the audit records hold a key."""
    made, _ = company.agent()
    row = roony.books.row(AccessKey, id=made["key_id"])
    assert row.hash == hashlib.sha256(made["key"].encode()).hexdigest()
    assert made["key"] not in repr(row)
    audit = company.owner.call("GET", "/api/v1/admin/audit?format=jsonl").text
    assert made["key"] not in audit
    assert row.hash not in audit
    assert made["key"] not in repr(new_key("agent", "key_1", "x"))
    assert text_hash(made["key"]) == row.hash


def test_an_agent_sees_only_its_own(company: Company) -> None:
    first, one = company.agent("One", budgets=[MONTH])
    _, two = company.agent("Two", budgets=[MONTH])
    made = one.send("POST", ASK, BODY, 201)
    assert two.get(ASK)["data"] == []
    missing = two.refused(404, "GET", f"{ASK}/pur_missing")
    for method, path in (("GET", ""), ("POST", "/cancel"), ("POST", "/card")):
        foreign = two.refused(404, method, f"{ASK}/{made['id']}{path}")
        assert foreign["message"].replace(made["id"], "pur_missing") == missing["message"]
    assert one.get(f"{ASK}/{made['id']}")["id"] == made["id"]
    assert first["id"] not in str(two.get("/api/v1/budgets"))


def test_a_company_sees_only_its_own(roony: ServedRoony, company: Company) -> None:
    other = roony.company("Other Company")
    agent, buyer = other.agent(budgets=[MONTH])
    purchase = buyer.send("POST", ASK, BODY, 201)
    owner = company.owner
    for method, path, body in (
        ("GET", f"agents/{agent['id']}", None),
        ("GET", f"agents/{agent['id']}/keys", None),
        ("POST", f"agents/{agent['id']}/keys", {}),
        ("DELETE", f"agents/{agent['id']}/keys/{agent['key_id']}", None),
        ("GET", f"projects/{other.project_id}", None),
        ("GET", f"purchases/{purchase['id']}", None),
        ("POST", f"purchases/{purchase['id']}/cancel", None),
        ("POST", "freeze", {"scope": "agent", "scope_id": agent["id"]}),
        ("POST", "freeze", {"scope": "organization", "scope_id": other.id}),
        ("PUT", "controls", {"scope": "agent", "scope_id": agent["id"], "controls": {}}),
        ("PUT", "budgets", {"scope": "agent", "scope_id": agent["id"], "period": "day", "limit": 1}),
    ):
        assert owner.refused(404, method, f"/api/v1/admin/{path}", body)["code"] == "not_found", path
    for name in ("agents", "purchases", "cards", "approvals", "connections", "events", "controls"):
        assert owner.get(f"/api/v1/admin/{name}")["data"] == [], name
    assert {row["scope_id"] for row in owner.get("/api/v1/admin/budgets")["data"]} == {company.id, company.project_id}
    # An agent of the other company's project cannot be made either.
    refused = owner.refused(404, "POST", "/api/v1/admin/agents", {"name": "x", "project_id": other.project_id})
    assert refused["field"] == "project_id"
