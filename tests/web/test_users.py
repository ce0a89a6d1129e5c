"""Users and roles over HTTP: what each role may do on every route, and whose name a key acts under."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from roony.core.audit import AuditRecord
from roony.core.role import NEEDED, ROLES, may
from roony.web.permissions import PERMISSIONS
from tests.support.serving import Caller, Company, ServedRoony

USERS = "/api/v1/admin/users"


def person(roony: ServedRoony, company: Company, role: str, name: str = "Ann") -> tuple[dict[str, Any], Caller]:
    """A new user of this role, and a caller with a key of theirs."""
    body = {"name": name, "email": f"{name}-{role}@example.com".lower(), "role": role}
    user = company.owner.send("POST", USERS, body, 201)
    key = company.owner.send("POST", f"{USERS}/{user['id']}/keys", {"name": "laptop"}, 201)
    assert (key["user_id"], key["kind"]) == (user["id"], "admin")
    return user, roony.caller(key["key"])


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_what_the_table_says_on_every_route(roony: ServedRoony, company: Company, role: str) -> None:
    """Nothing else of the request counts before: not the ids in its path, not its body."""
    _, caller = person(roony, company, role)
    for (method, path), permission in PERMISSIONS.items():
        if not path.startswith("/api/v1/admin"):
            continue
        address = path.replace("{id}", "id_1").replace("{key_id}", "id_2").replace("{scope_id}", "id_3")
        # A stream would have no end: with this id it is refused, after the key.
        answer = caller.call(method, address, content=b"no json", headers={"Last-Event-ID": "none"})
        if may(role, permission):
            assert answer.status_code not in (401, 403, 500), (method, path, answer.text)
            continue
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (403, "role_too_low"), (method, path, answer.text)
        assert NEEDED[permission] in error["message"]
        assert role in error["message"]


def test_roles_grow_from_viewer_to_owner() -> None:
    allowed = {role: {permission for permission in NEEDED if may(role, permission)} for role in ROLES}
    assert allowed == {
        "viewer": {"read"}, "approver": {"read", "approve", "reveal"}, "admin": {"read", "approve", "reveal", "change"},
        "owner": set(NEEDED),
    }  # fmt: skip


def test_what_the_roles_stand_for(roony: ServedRoony, company: Company) -> None:
    """The line of the table is the one that was meant, for one route of each kind."""
    viewer, approver, admin, owner = (person(roony, company, role)[1] for role in ROLES)
    for caller in (viewer, approver, admin, owner):
        caller.get("/api/v1/admin/organization")
    assert viewer.refused(403, "POST", "/api/v1/admin/approvals/apr_1/approve")["code"] == "role_too_low"
    assert approver.refused(404, "POST", "/api/v1/admin/approvals/apr_1/approve")["code"] == "not_found"
    budget = {"scope": "organization", "scope_id": company.id, "period": "day", "limit": 5, "currency": "usd"}
    approver.refused(403, "PUT", "/api/v1/admin/budgets", budget)
    admin.send("PUT", "/api/v1/admin/budgets", budget)
    for method, path, body in (
        ("PATCH", "organization", {"name": "Mine"}),
        ("POST", "connections", {"kind": "direct"}),
        ("POST", "users", {"name": "Eve", "email": "eve@example.com", "role": "owner"}),
        ("POST", "keys/rotate", {}),
    ):
        admin.refused(403, method, f"/api/v1/admin/{path}", body)
    assert owner.send("PATCH", "/api/v1/admin/organization", {"name": "Mine"})["name"] == "Mine"


def test_a_user_acts_under_their_own_name(roony: ServedRoony, company: Company) -> None:
    user, caller = person(roony, company, "admin")
    caller.send("POST", "/api/v1/admin/projects", {"name": "P"}, 201)
    [record] = roony.books.rows(AuditRecord, organization_id=company.id, action="project.created")
    assert record.actor == user["id"]


def test_a_change_of_role_counts_from_the_next_request(roony: ServedRoony, company: Company) -> None:
    user, caller = person(roony, company, "viewer")
    project = {"name": "P"}
    caller.refused(403, "POST", "/api/v1/admin/projects", project)
    changed = company.owner.send("PATCH", f"{USERS}/{user['id']}", {"role": "admin"})
    assert changed == {**user, "role": "admin"}
    caller.send("POST", "/api/v1/admin/projects", project, 201)


def test_a_disabled_user_is_nobody(roony: ServedRoony, company: Company) -> None:
    user, caller = person(roony, company, "approver")
    caller.get(USERS)
    disabled = company.owner.send("PATCH", f"{USERS}/{user['id']}", {"disabled": True})
    assert disabled["disabled_at"] is not None
    assert caller.refused(401, "GET", USERS)["code"] == "key_revoked"
    [key] = company.owner.get(f"{USERS}/{user['id']}/keys")["data"]
    assert key["revoked_at"] is not None
    made = company.owner.refused(409, "POST", f"{USERS}/{user['id']}/keys")
    assert made["code"] == "user_disabled"


def test_two_owners_who_disable_each_other_leave_one(roony: ServedRoony, company: Company) -> None:
    (one, ann), (two, bob) = (person(roony, company, "owner", name) for name in ("Ann", "Bob"))
    together = threading.Barrier(2)

    def disable(caller: Caller, other: str) -> int:
        together.wait(60)
        return caller.call("PATCH", f"{USERS}/{other}", {"disabled": True}).status_code

    with ThreadPoolExecutor(2) as threads:
        first, second = sorted(threads.map(disable, (ann, bob), (two["id"], one["id"])))
    # The second one is too late: it was disabled itself, or is told that it would leave nobody.
    assert first == 200
    assert second in (401, 409)
    active = [row for row in company.owner.get(f"{USERS}?role=owner")["data"] if row["disabled_at"] is None]
    assert len(active) == 1


def test_a_user_and_their_keys_are_the_companys_own(roony: ServedRoony, company: Company) -> None:
    other = roony.company("Other")
    user, _ = person(roony, other, "owner")
    [key] = other.owner.get(f"{USERS}/{user['id']}/keys")["data"]
    mine, _ = person(roony, company, "viewer")
    for method, path in (
        ("GET", user["id"]), ("PATCH", user["id"]), ("GET", f"{user['id']}/keys"), ("POST", f"{user['id']}/keys"),
        ("DELETE", f"{user['id']}/keys/{key['id']}"), ("DELETE", f"{mine['id']}/keys/{key['id']}"),
    ):  # fmt: skip
        body = {} if method in ("POST", "PATCH") else None
        assert company.owner.refused(404, method, f"{USERS}/{path}", body)["code"] == "not_found", path
    assert [row["id"] for row in company.owner.get(USERS)["data"]] == [mine["id"]]


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", ""), ("name", "a\nb"), ("name", "x" * 101), ("email", "ann"), ("email", "a b@example.com"),
     ("email", "@"), ("email", "a@" + "b" * 253), ("role", "king"), ("role", None), ("id", "usr_mine")],
)  # fmt: skip
def test_a_wrong_user_is_refused_by_its_field(company: Company, field: str, value: Any) -> None:
    body = {"name": "Ann", "email": "ann@example.com", "role": "viewer", field: value}
    error = company.owner.refused(422, "POST", USERS, body)
    assert (error["code"], error["field"]) == ("invalid", field)
    assert company.owner.get(USERS)["data"] == []


def test_users_are_listed_by_role(roony: ServedRoony, company: Company) -> None:
    users = {role: person(roony, company, role)[0]["id"] for role in ROLES}
    assert {row["id"] for row in company.owner.get(USERS)["data"]} == set(users.values())
    assert [row["id"] for row in company.owner.get(f"{USERS}?role=admin")["data"]] == [users["admin"]]
