"""Whoever loses the right to something between the look at their key and the commit has it refused, unchanged.

The till is held in front of the commit: the request is let in meanwhile and waits, and then the key, its user or their
role is changed in the commit before it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import update

from roony.core.delivery import RevealLink
from roony.core.hashing import text_hash
from roony.store import tables
from roony.store.writer import Writer
from tests.support.serving import Caller, Company, ServedRoony
from tests.support.tills import PATIENCE, stay
from tests.web.conftest import MONTH, waiting
from tests.web.test_users import person

ADMIN = "/api/v1/admin"


def after_the_look(roony: ServedRoony, ask: Callable[[], Any], statement: Any) -> Any:
    """The answer of `ask`, which was let in before `statement` was committed and had its turn after it."""
    till, held = roony.context.till, threading.Event()
    let_in = lambda: any(ticket.command is not None for ticket in till._lanes._ordinary)  # noqa: E731

    def work(writer: Writer) -> None:
        held.set()
        stay(writer, let_in)
        writer.execute(statement)

    with ThreadPoolExecutor(2) as threads:
        writing = threads.submit(till.write_and_wait, work)
        assert held.wait(PATIENCE)
        asking = threads.submit(ask)
        writing.result(PATIENCE)
        return asking.result(PATIENCE)


def _key(roony: ServedRoony, caller: Caller) -> Any:
    return update(tables.access_keys).where(tables.access_keys.c.hash == text_hash(str(caller.key)))


@pytest.mark.parametrize(
    ("loss", "status", "code"),
    [
        ("revoked", 401, "key_revoked"), ("expired", 401, "key_expired"), ("disabled", 401, "unauthorized"),
        ("demoted", 403, "role_too_low"),
    ],
)  # fmt: skip
def test_what_was_lost_meanwhile_counts(
    roony: ServedRoony, company: Company, loss: str, status: int, code: str
) -> None:
    user, admin = person(roony, company, "admin")
    people = update(tables.users).where(tables.users.c.id == user["id"])
    statement = {
        "revoked": _key(roony, admin).values(revoked_at=1), "expired": _key(roony, admin).values(expires_at=1),
        "disabled": people.values(disabled_at=1), "demoted": people.values(role="approver"),
    }[loss]  # fmt: skip
    admin.get(f"{ADMIN}/organization")
    head = company.owner.get(f"{ADMIN}/organization")["audit_head"]
    answer = after_the_look(roony, lambda: admin.call("POST", f"{ADMIN}/freeze", {"scope": "organization"}), statement)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert ("www-authenticate" in answer.headers) is (status == 401)
    after = company.owner.get(f"{ADMIN}/organization")
    assert (after["frozen_at"], after["audit_head"]) == (None, head)


@pytest.mark.parametrize(("loss", "code"), [("revoked_at", "key_revoked"), ("expires_at", "key_expired")])
def test_it_counts_for_an_agents_ask(roony: ServedRoony, company: Company, loss: str, code: str) -> None:
    _, agent = company.agent(budgets=[MONTH])
    wish = {"amount": 100, "currency": "usd", "description": "a thing", "merchant": {"name": "Figma"}}
    head = company.owner.get(f"{ADMIN}/organization")["audit_head"]
    lost = _key(roony, agent).values({loss: 1})
    answer = after_the_look(roony, lambda: agent.call("POST", "/api/v1/purchase_intents", wish), lost)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, code)
    assert company.owner.get(f"{ADMIN}/organization")["audit_head"] == head


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "users", {"name": "Eve", "email": "eve@example.com", "role": "owner"}),
        ("POST", "access_keys", {}),
        ("PUT", "controls", {"scope": "organization", "controls": {}}),
        ("PATCH", "organization", {"delivery": "raw"}),
        ("POST", "keys/rotate", {}),
        ("GET", "connections/{connection}/preflight", None),
        ("POST", "approvals/{approval}/approve", {}),
        ("POST", "approvals/{approval}/deny", {}),
        ("PAGE", "approve", {}),
        ("PAGE", "deny", {}),
        ("LINK", "", {}),
    ],
)
def test_it_counts_for_people_keys_rules_and_approvals(
    roony: ServedRoony, company: Company, method: str, path: str, body: dict[str, Any] | None
) -> None:
    _, purchase = waiting(roony, company)
    approval = purchase["approval"]["id"]
    owner = roony.caller(company.owner.send("POST", f"{ADMIN}/access_keys", {}, 201)["key"])
    owner.get(f"{ADMIN}/organization")
    head = company.owner.get(f"{ADMIN}/organization")["audit_head"]
    hashed, later = text_hash(f"ticket of {company.id}"), roony.context.clock() + 30_000_000
    roony.books.put(
        RevealLink(hashed, company.id, purchase["id"], 1, "agt_1", "to pay", 0, later, None, None, later - 1)
    )

    def ask() -> Any:
        if method == "LINK":
            return roony.caller().call(
                "POST", "/reveal", data={"key": str(owner.key), "ticket": f"ticket of {company.id}"}
            )
        if method == "PAGE":
            form = {"key": str(owner.key), "do": path, "amount": "10.00"}
            return roony.caller().call("POST", f"/approve/{approval}", data=form)
        place = path.format(approval=approval, connection=f"con_{company.id}")
        return owner.call(method, f"{ADMIN}/{place}", body)

    answer = after_the_look(roony, ask, _key(roony, owner).values(revoked_at=1))
    assert (answer.status_code, "This key was revoked" in answer.text) == (401, True)
    assert company.owner.get(f"{ADMIN}/organization")["audit_head"] == head
    assert roony.books.row(RevealLink, hash=hashed).used_at is None
