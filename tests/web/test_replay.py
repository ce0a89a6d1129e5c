"""Replays over the API: an answer in one piece or line by line, refusals, and nothing written or told of others."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from roony.core.agent import Organization
from roony.flows import replay as flow
from roony.web.admin_api import replay as door
from roony.web.admin_api.part import NDJSON
from roony.web.app import AppOptions, create_app
from tests.support.serving import Caller, Company, ServedRoony
from tests.web.conftest import MONTH
from tests.web.test_walls import everything

PATH = "/api/v1/admin/replay"
WISH = {"amount": 5_000, "currency": "usd", "description": "x", "merchant": {"name": "Figma"}}


def buy(caller: Caller, **changed: Any) -> dict[str, Any]:
    bought: dict[str, Any] = caller.send("POST", "/api/v1/purchase_intents", {**WISH, **changed}, 201)
    return bought


def test_an_answer_says_what_would_have_changed_and_writes_nothing(roony: ServedRoony, company: Company) -> None:
    """Without an account every ask is declined; with a freeze on top the reason that counts is another one."""
    made, agent = company.agent("Buyer", budgets=[MONTH])
    bought = buy(agent)
    before, head = everything(roony), roony.books.row(Organization, id=company.id)
    rules = {"agents": {"Buyer": {"controls": {"blocked_merchants": ["Figma"]}}}}
    answer = company.owner.send("POST", PATH, {"since": "1h", "rules": rules})
    assert everything(roony) == before
    now = roony.books.row(Organization, id=company.id)
    assert (now.audit_sequence, now.audit_hash) == (head.audit_sequence, head.audit_hash)
    assert (answer["decisions"], answer["changed"], answer["unchanged"]) == (1, 1, 0)
    assert (answer["cannot_be_told"], answer["changes_left_off"]) == ({}, 0)
    total = {"before": "declined", "after": "declined", "currency": "usd", "decisions": 1, "amount": 5_000}
    assert answer["sums"] == [total]
    assert answer["agents"] == [{"agent_id": made["id"], "name": "Buyer", "sums": [total]}]
    [change] = answer["changes"]
    assert (change["purchase_id"], change["step"], change["merchant"]) == (bought["id"], "ask", "Figma")
    assert [reason["code"] for reason in change["before"]["reasons"]] == ["CONNECTION_INACTIVE"]
    assert [reason["code"] for reason in change["after"]["reasons"]] == ["CONNECTION_INACTIVE", "MERCHANT_BLOCKED"]
    assert company.owner.send("POST", PATH, {"since": "1h", "rules": {}})["changed"] == 0


def test_lines_tell_how_far_it_is(company: Company) -> None:
    _, agent = company.agent("Buyer", budgets=[MONTH])
    for price in (100, 200, 300):
        buy(agent, amount=price)
    answer = company.owner.call("POST", PATH, {"since": "1h", "rules": {}}, headers={"Accept": NDJSON})
    assert answer.headers["content-type"].startswith(NDJSON)
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert lines[:-1] == [{"read": 0, "of": 3}, {"read": 3, "of": 3}]
    assert lines[-1]["decisions"] == 3


def test_what_cannot_be_replayed_is_said(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    for since in ("tomorrow", "2999-01-01T00:00:00Z", "2026-01-01T00:00:00"):
        assert company.owner.refused(422, "POST", PATH, {"since": since, "rules": {}})["field"] == "since"
    for rules, field in (
        ({"people": {}}, "rules.people"),
        ({"agents": {"a": {"controls": {"purchase_limit": -1}}}}, "rules.agents.a.controls.purchase_limit"),
        ({"organization": {"budgets": {"usd": {"year": 1}}}}, "rules.organization.budgets.usd.year"),
        ({"organization": []}, "rules.organization"),
    ):
        refused = company.owner.refused(422, "POST", PATH, {"since": "1h", "rules": rules})
        assert (refused["code"], refused["field"]) == ("invalid", field)
    _, agent = company.agent("Buyer", budgets=[MONTH])
    buy(agent)
    monkeypatch.setattr(flow, "MAX_SECONDS", 0.0)
    body = {"since": "1h", "rules": {}}
    assert company.owner.refused(422, "POST", PATH, body)["field"] == "since"
    answer = company.owner.call("POST", PATH, body, headers={"Accept": NDJSON})
    [line] = answer.text.splitlines()
    assert json.loads(line)["error"]["field"] == "since"
    monkeypatch.setattr(flow, "MAX_PURCHASES", 0)
    assert "begin later" in company.owner.refused(422, "POST", PATH, body)["message"]


def test_one_replay_of_an_organization_and_few_of_all_at_a_time(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"since": "1h", "rules": {}}
    monkeypatch.setattr(door, "_running", {company.id})
    assert company.owner.refused(429, "POST", PATH, body)["code"] == "replay_running"
    monkeypatch.setattr(door, "_running", {"org_other"})
    assert company.owner.send("POST", PATH, body)["decisions"] == 0
    monkeypatch.setattr(door, "_running", {f"org_{place}" for place in range(door.MAX_AT_ONCE)})
    assert company.owner.refused(429, "POST", PATH, body)["code"] == "replays_full"
    monkeypatch.setattr(door, "_running", set())
    for _ in range(2):
        assert company.owner.send("POST", PATH, body)["decisions"] == 0


def test_a_replay_stays_within_its_organization(roony: ServedRoony, company: Company) -> None:
    """What is of others is as if it never was, and only the caller's purchases are decided again."""
    other = roony.company("Other")
    theirs, agent = other.agent("Theirs", budgets=[MONTH])
    buy(agent)
    for rules in (
        {"agents": {theirs["id"]: {}}},
        {"projects": {other.project_id: {}}},
        {"agents": {"New": {"project": other.project_id}}},
    ):
        applied = company.owner.refused(404, "PUT", "/api/v1/admin/rules", rules)
        refused = company.owner.refused(404, "POST", PATH, {"since": "1h", "rules": rules})
        assert (refused["code"], refused["message"]) == (applied["code"], applied["message"])
        assert refused["field"] == f"rules.{applied['field']}"
    answer = company.owner.send("POST", PATH, {"since": "1h", "rules": {"agents": {"Theirs": {}}}})
    assert (answer["new"], answer["decisions"]) == (["agents.Theirs"], 0)
    assert company.owner.send("POST", PATH, {"since": "1h", "rules": {}})["decisions"] == 0
    agent.refused(403, "POST", PATH, {"since": "1h", "rules": {}})


def test_a_viewer_may_replay(roony: ServedRoony, company: Company) -> None:
    user = company.owner.send("POST", "/api/v1/admin/users", {"name": "V", "email": "v@x.org", "role": "viewer"}, 201)
    key = company.owner.send("POST", f"/api/v1/admin/users/{user['id']}/keys", {}, 201)["key"]
    assert roony.caller(key).send("POST", PATH, {"since": "1h", "rules": {}})["decisions"] == 0


@pytest.mark.parametrize("lines_read", [0, 1])
def test_who_goes_away_leaves_the_place_to_others(roony: ServedRoony, company: Company, lines_read: int) -> None:
    """A caller who gives up while the document is read asks for no line of the answer; another one reads a line."""
    app = create_app(roony.context, AppOptions(("whsec_test",)))
    body = json.dumps({"since": "1h", "rules": {}}).encode()
    headers = {"authorization": f"Bearer {company.owner.key}", "content-type": "application/json", "accept": NDJSON}
    scope = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": "POST",
        "scheme": "http", "path": PATH, "raw_path": PATH.encode(), "root_path": "", "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
    }  # fmt: skip
    asked = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def replay() -> None:
        enough, told = asyncio.Event(), []

        async def receive() -> dict[str, Any]:
            request = next(asked, None)
            if request is None and lines_read:
                await enough.wait()
            return request or {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            told.append(message.get("body"))
            if len(told) > lines_read:
                enough.set()
                # Whoever is gone takes nothing more.
                await asyncio.sleep(0)

        await app(scope, receive, send)

    asyncio.run(replay())
    assert company.owner.send("POST", PATH, {"since": "1h", "rules": {}})["decisions"] == 0
