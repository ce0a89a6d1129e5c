"""Scenes about the people of a company, their keys, and the papers they want."""

from __future__ import annotations

import uuid

from roony.core.user import User
from roony.store.tables import AccessKey
from tests.chaos.scenes import Arm, scene
from tests.support.crashing import ADMIN, ASK, Crashable


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
