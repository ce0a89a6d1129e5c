"""Unusual patterns over the API: what is set, and what the past would have told by agent; nothing of others."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any, get_args

import pytest

from roony.core.agent import Agent, Organization
from roony.core.anomaly.facts import PATTERNS
from roony.core.anomaly.rules import SENSITIVITIES
from roony.core.anomaly.telling import MAY_FREEZE
from roony.core.duration import HOUR, SECOND
from roony.core.purchase import Purchase
from roony.web import pattern_shapes
from roony.web.admin_api import patterns, replay
from tests.core.rows import row
from tests.support.books import NOW
from tests.support.serving import Company, ServedRoony
from tests.web.conftest import signed_in
from tests.web.test_walls import everything

ADMIN = "/api/v1/admin"
PATH = f"{ADMIN}/patterns"
ALL_ON = {"off": [], "sensitivity": "normal", "freeze": []}


def small_ones(roony: ServedRoony, company: Company, agent_id: str, count: int = 26) -> None:
    """So many purchases of 1.50 within half an hour, an hour ago, as they lie in the books."""
    fields: dict[str, Any] = {
        "organization_id": company.id, "agent_id": agent_id, "amount": 150, "currency": "usd", "merchant_key": "figma",
        "merchant": "{}", "status": "settled", "decision": json.dumps({"verdict": "approved", "inputs": {}}),
    }  # fmt: skip
    for number in range(count):
        at = NOW - HOUR - number * 60 * SECOND
        one = row(Purchase, **fields, id=f"pur_{agent_id}_{number}", created_at=at)
        roony.books.put(one._replace(kind="one_time"))


def test_the_past_of_each_agent_is_told_and_nothing_written(roony: ServedRoony, company: Company) -> None:
    first, _ = company.agent("First")
    second, _ = company.agent("Second")
    small_ones(roony, company, first["id"])
    before, head = everything(roony), roony.books.row(Organization, id=company.id)
    answer = company.owner.send("GET", f"{PATH}?since=1d")
    assert everything(roony) == before
    assert roony.books.row(Organization, id=company.id).audit_sequence == head.audit_sequence
    assert (answer["agents"], answer["next_cursor"]) == (2, None)
    rows = {one["agent"]: one for one in answer["data"]}
    assert (rows["Second"]["agent_id"], rows["Second"]["told"], rows["Second"]["purchases"]) == (second["id"], [], 0)
    assert (rows["First"]["purchases"], rows["First"]["payments"], rows["First"]["whole"]) == (26, 0, True)
    [told] = rows["First"]["told"]
    assert (told["pattern"], told["usual"], told["seen"], told["threshold"]) == ("card_testing", None, 25, 25)
    assert told["message"].startswith("25 purchases or payments of at most 1.50 USD within an hour, since 20")


def test_a_past_that_is_too_long_is_refused_and_says_how_long_it_may_be(company: Company) -> None:
    refused = company.owner.refused(422, "GET", PATH, params={"since": "401d"})
    assert (refused["field"], "At most 400 days" in refused["message"]) == ("since", True)
    assert company.owner.send("GET", f"{PATH}?since=400d")["data"] == []


def test_it_follows_what_is_set_and_the_time_that_is_asked_for(roony: ServedRoony, company: Company) -> None:
    made, _ = company.agent("Buyer")
    small_ones(roony, company, made["id"])

    def told(since: str = "1d") -> list[str]:
        [one] = company.owner.send("GET", f"{PATH}?since={since}")["data"]
        return [found["pattern"] for found in one["told"]]

    assert (told(), told("1h")) == (["card_testing"], [])
    company.owner.send("PATCH", f"{ADMIN}/organization", {"patterns": {"sensitivity": "low"}})
    assert told() == []
    company.owner.send(
        "PATCH", f"{ADMIN}/organization", {"patterns": {"sensitivity": "normal", "off": ["card_testing"]}}
    )
    assert told() == []


def test_agents_come_in_pages(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    """By id, each once; a page ends early when it took its time."""
    made = sorted(company.agent(f"Agent {number}")[0]["id"] for number in range(4))
    found, path, sizes = [], f"{PATH}?limit=3", []
    while path:
        answer = company.owner.send("GET", path)
        found += [one["agent_id"] for one in answer["data"]]
        sizes.append(len(answer["data"]))
        cursor = answer["next_cursor"]
        path = f"{PATH}?limit=3&cursor={cursor}" if cursor else ""
    assert (found, sizes) == (made, [3, 1])
    assert all(one < other for one, other in pairwise(found))
    monkeypatch.setattr(patterns, "PAGE_SECONDS", 0)
    assert len(company.owner.send("GET", PATH)["data"]) == 1


@pytest.mark.parametrize(
    ("query", "field"),
    [("since=tomorrow", "since"), ("limit=0", "limit"), ("limit=21", "limit"), ("cursor=x", "cursor")],
)
def test_what_cannot_be_asked_names_its_field(company: Company, query: str, field: str) -> None:
    answer = company.owner.call("GET", f"{PATH}?{query}")
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, field)


def test_one_look_of_an_organization_at_a_time(company: Company) -> None:
    """It computes as a replay does, and has the same place."""
    replay._running.add(company.id)
    try:
        answer = company.owner.call("GET", PATH)
    finally:
        replay._running.discard(company.id)
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "replay_running")
    assert company.owner.call("GET", PATH).status_code == 200


def test_agents_of_others_are_not_told_of(roony: ServedRoony, company: Company) -> None:
    other = roony.company()
    made, agent = other.agent("Theirs")
    small_ones(roony, other, made["id"])
    assert company.owner.send("GET", PATH)["data"] == []
    assert agent.call("GET", PATH).status_code == 403
    assert made["id"] in {one.id for one in roony.books.rows(Agent)}


# Settings


def test_what_is_set_is_answered_and_what_is_left_out_stays(company: Company) -> None:
    path = f"{ADMIN}/organization"
    assert company.owner.send("GET", path)["patterns"] == ALL_ON
    changed = company.owner.send("PATCH", path, {"patterns": {"freeze": ["burst", "card_testing"]}})
    assert changed["patterns"] == {**ALL_ON, "freeze": ["card_testing", "burst"]}
    changed = company.owner.send("PATCH", path, {"patterns": {"off": ["off_hours"], "sensitivity": "high"}})
    assert changed["patterns"] == {"off": ["off_hours"], "sensitivity": "high", "freeze": ["card_testing", "burst"]}
    assert company.owner.send("PATCH", path, {"patterns": {}})["patterns"] == changed["patterns"]
    said = company.owner.send("GET", f"{ADMIN}/audit?action=organization.updated")["data"][0]["body"]
    assert said["after"]["patterns"] == changed["patterns"]


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"off": ["everything"]}, "patterns.off.0"),
        ({"freeze": ["price_drift"]}, "patterns.freeze.0"),
        ({"sensitivity": "loud"}, "patterns.sensitivity"),
        ({"on": ["burst"]}, "patterns.on"),
    ],
)
def test_what_cannot_be_set_names_its_field(company: Company, given: dict[str, Any], field: str) -> None:
    answer = company.owner.call("PATCH", f"{ADMIN}/organization", {"patterns": given})
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, field)
    assert company.owner.send("GET", f"{ADMIN}/organization")["patterns"] == ALL_ON


def test_the_document_names_what_there_is() -> None:
    assert get_args(pattern_shapes.Pattern) == PATTERNS
    assert get_args(pattern_shapes.Freezing) == MAY_FREEZE
    assert get_args(pattern_shapes.Sensitivity) == tuple(SENSITIVITIES)


def test_the_page_of_settings_shows_it_to_everybody_and_changes_it_for_owners(
    roony: ServedRoony, company: Company
) -> None:
    company.owner.send("PATCH", f"{ADMIN}/organization", {"patterns": {"freeze": ["burst"], "sensitivity": "high"}})
    with signed_in(roony, company, "owner") as browser:
        page = browser.get("/settings").text
    assert 'name="patterns.freeze" value="burst" data-type="choice" checked' in page
    assert 'name="patterns.off" value="burst" data-type="choice">' in page
    with signed_in(roony, company, "viewer") as browser:
        page = browser.get("/settings").text
    assert "<dt>Sensitivity</dt><dd>High</dd><dt>Not looked for</dt><dd>none</dd>" in page
    assert "patterns.freeze" not in page
