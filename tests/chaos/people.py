"""Scenes about the people of a company, their keys, and the papers they want."""

from __future__ import annotations

import uuid
from typing import Any

from roony.core.user import User
from roony.store.rows import AccessKey
from tests.chaos.scenes import Arm, scene
from tests.support.crashing import ADMIN, ASK, Crashable
from tests.support.serving import Caller


@scene("direct", "RotateAccessKey", "key_use.note")
def an_agents_key_is_rotated(company: Crashable, arm: Arm) -> None:
    """Rotated once however often it is said; when it was used is kept, now or at its next use."""
    agent = company.agent()
    arm()
    [old] = company.books.rows(AccessKey, agent_id=agent.agent_id)  # type: ignore[attr-defined]
    company.send(company.owner, "POST", f"{ADMIN}/agents/{old.agent_id}/keys/{old.id}/rotate", {"overlap_seconds": 600})

    def used() -> bool:
        assert company.insist(lambda: agent.call("GET", ASK)).status_code == 200
        return company.books.row(AccessKey, id=old.id).last_used_at is not None

    company.until(used)
    rows = {row.id: row for row in company.books.rows(AccessKey, agent_id=old.agent_id)}
    assert len(rows) == 2
    new = rows[rows[old.id].replaced_by]
    assert (new.replaced_by, new.expires_at) == (None, None)
    assert rows[old.id].expires_at is not None


@scene("direct", "CreateUser", "UpdateUser")
def a_person_comes_and_goes(company: Crashable, arm: Arm) -> None:
    """Said twice it is the same person; the keys of one who is disabled end whenever Roony dies."""
    arm()
    email = f"{uuid.uuid4().hex}@example.com"
    company.send(company.owner, "POST", f"{ADMIN}/users", {"name": "Ann", "email": email, "role": "approver"})
    [user] = [row for row in company.get("users", limit=200)["data"] if row["email"] == email]
    keys = f"{ADMIN}/users/{user['id']}/keys"
    key = company.send(company.owner, "POST", keys, {"name": "laptop"})["key"]
    ann = company.caller(key)
    assert company.insist(lambda: ann.call("GET", f"{ADMIN}/users")).status_code == 200
    company.send(company.owner, "PATCH", f"{ADMIN}/users/{user['id']}", {"disabled": True})
    assert company.insist(lambda: ann.call("GET", f"{ADMIN}/users")).status_code == 401
    assert company.books.rows(User, id=user["id"])[0].disabled_at is not None
    assert all(row.revoked_at is not None for row in company.books.rows(AccessKey, user_id=user["id"]))


@scene("direct", "ConfirmChange", "WithdrawChange")
def a_second_person_agrees(company: Crashable, arm: Arm) -> None:
    """What waits is done once, or taken back, whenever Roony dies; what is proposed again waits again."""
    agent = company.agent().agent_id  # type: ignore[attr-defined]
    ann, bob = (_admin(company) for _ in range(2))
    company.send(company.owner, "PATCH", f"{ADMIN}/organization", {"two_people": True})
    raised = {"scope": "agent", "scope_id": agent, "period": "lifetime", "currency": "usd", "limit": None}
    lowered = {**raised, "limit": 5}
    company.send(ann, "PUT", f"{ADMIN}/budgets", lowered)
    arm()
    for word in ("withdraw", "confirm"):
        id = _waits(company, ann, "PUT", "budgets", raised)
        _decides(company, bob, id, word)
    changes = {row["id"]: row for row in company.get("changes", limit=100)["data"]}
    assert changes[id]["status"] == "confirmed"
    [row] = [one for one in company.get("budgets", scope_id=agent)["data"] if one["period"] == "lifetime"]
    assert row["limit"] is None
    _decides(company, bob, _waits(company, ann, "PATCH", "organization", {"two_people": False}), "confirm")
    assert company.get("organization")["two_people"] is False


def _admin(company: Crashable) -> Caller:
    """A person who may change rules and, as an owner, settings, with a key of their own."""
    email = f"{uuid.uuid4().hex}@example.com"
    made = company.send(company.owner, "POST", f"{ADMIN}/users", {"name": "Ann", "email": email, "role": "owner"})
    return company.caller(company.send(company.owner, "POST", f"{ADMIN}/users/{made['id']}/keys", {})["key"])


def _waits(company: Crashable, who: Caller, method: str, path: str, body: dict[str, Any]) -> str:
    answer = company.insist(lambda: who.call(method, f"{ADMIN}/{path}", body))
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (409, "waits_for_second_person"), error
    return str(error["id"])


def _decides(company: Crashable, who: Caller, id: str, word: str) -> None:
    """Said again after a crash it may be over already."""
    answer = company.insist(lambda: who.call("POST", f"{ADMIN}/changes/{id}/{word}"))
    assert answer.status_code == 200 or answer.json()["error"]["code"] == "change_over", answer.text


@scene("direct", "EraseUser")
def a_person_is_forgotten(company: Crashable, arm: Arm) -> None:
    """Said again after a crash it is done once; nothing of them is left but their id, and their key opens nothing."""
    email = f"{uuid.uuid4().hex}@example.com"
    user = company.send(company.owner, "POST", f"{ADMIN}/users", {"name": "Zoe", "email": email, "role": "approver"})
    key = company.send(company.owner, "POST", f"{ADMIN}/users/{user['id']}/keys", {"name": "Zoe's laptop"})["key"]
    arm()
    company.send(company.owner, "POST", f"{ADMIN}/users/{user['id']}/erase")
    assert company.insist(lambda: company.caller(key).call("GET", f"{ADMIN}/users")).status_code == 401
    [row] = company.books.rows(User, id=user["id"])
    assert (row.name, row.email) == ("Erased user", f"{user['id']}@erased.invalid")
    assert [row.name for row in company.books.rows(AccessKey, user_id=user["id"])] == [""]
    records = company.get("audit", action="user.erased", limit=100)["data"]
    assert [row["subject"] for row in records].count(user["id"]) == 1


@scene("direct", "KeepReceipt")
def a_receipt_is_handed_in(company: Crashable, arm: Arm) -> None:
    """Handed in again after a crash it is the same one, whole."""
    agent = company.agent()
    bought = company.buy(agent)
    arm()
    content, headers = b"Paid 50.00", {"Content-Type": "text/plain"}
    company.send(agent, "POST", f"{ASK}/{bought['id']}/receipt", content=content, headers=headers)
    [receipt] = company.get("receipts", purchase_id=bought["id"])["data"]
    file = company.insist(lambda: company.owner.call("GET", f"{ADMIN}/receipts/{receipt['id']}/content"))
    assert (file.content, receipt["size"]) == (content, len(content))


@scene("direct", "BeginExport")
def everything_is_taken_away(company: Crashable, arm: Arm) -> None:
    """Said again after a crash it may be on record twice, never unrecorded."""
    arm()
    company.send(company.owner, "POST", f"{ADMIN}/export")
    assert company.get("audit", action="organization.exported", limit=100)["data"]
    assert company.get("export/rows", table="users")["next_cursor"] is None
