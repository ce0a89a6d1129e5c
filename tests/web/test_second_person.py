"""Two people for looser rules: what one loosens waits for another, through every door, on both databases."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import httpx2
import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from roony.cli.commands import app
from roony.core.loosening import WAITING_SECONDS
from roony.flows.access_key import key_row
from roony.flows.organization import UpdateOrganization
from roony.flows.sign_in import new_session
from roony.store.tables import proposed_changes
from roony.web.session import COOKIE
from tests.support.receiver import Receiver
from tests.support.serving import Caller, Company, ServedRoony
from tests.web.conftest import MONTH
from tests.web.test_messages import named, work

ADMIN = "/api/v1/admin"


class People(NamedTuple):
    """A company with two people who may change rules, each with a key of their own, that wants both of them."""

    company: Company
    ann: Caller
    bob: Caller
    ann_id: str
    bob_id: str

    def budget(self, agent: str, limit: int | None, who: Caller | None = None, status: int = 200) -> Any:
        body = {"scope": "agent", "scope_id": agent, "period": "month", "limit": limit, "currency": "usd"}
        return (who or self.ann).send("PUT", f"{ADMIN}/budgets", body, status)

    def limit(self, agent: str) -> int | None:
        rows = self.bob.get(f"{ADMIN}/budgets", params={"scope_id": agent})["data"]
        return next(row["limit"] for row in rows if row["period"] == "month")

    def waits(self, method: str, path: str, body: Any = None, who: Caller | None = None) -> str:
        """The id of the change that this was taken for."""
        error = (who or self.ann).refused(409, method, f"{ADMIN}/{path}", body)
        assert error["code"] == "waits_for_second_person", error
        assert error["id"] in error["message"]
        return str(error["id"])

    def confirm(self, id: str, who: Caller | None = None) -> Any:
        return (who or self.bob).send("POST", f"{ADMIN}/changes/{id}/confirm")


def person(roony: ServedRoony, company: Company, name: str, role: str = "admin") -> tuple[str, Caller]:
    body = {"name": name, "email": f"{name.lower()}.{company.id}@example.com", "role": role}
    id = company.owner.send("POST", f"{ADMIN}/users", body, 201)["id"]
    return id, roony.caller(company.owner.send("POST", f"{ADMIN}/users/{id}/keys", {}, 201)["key"])


@pytest.fixture
def people(roony: ServedRoony, company: Company) -> People:
    ann_id, ann = person(roony, company, "Ann", "owner")
    bob_id, bob = person(roony, company, "Bob")
    assert ann.send("PATCH", f"{ADMIN}/organization", {"two_people": True})["two_people"] is True
    return People(company, ann, bob, ann_id, bob_id)


@pytest.fixture
def agent(people: People) -> str:
    """One with a budget, which the second person let begin."""
    body = {"name": "Buyer", "budgets": [{**MONTH, "limit": 500}], "controls": {"purchase_limit": 100}}
    made = people.ann.send("POST", f"{ADMIN}/agents", body, 201)
    assert made["frozen_at"] is not None
    people.confirm(people.waits("POST", "unfreeze", {"scope": "agent", "scope_id": made["id"]}))
    return str(made["id"])


def test_a_raised_limit_waits_and_a_lowered_one_counts(people: People, agent: str) -> None:
    people.budget(agent, 400)
    error = people.budget(agent, 900, status=409)["error"]
    assert (error["code"], people.limit(agent)) == ("waits_for_second_person", 400)
    [change] = people.bob.get(f"{ADMIN}/changes", params={"status": "waiting"})["data"]
    assert (change["id"], change["proposed_by"], change["command"]) == (error["id"], people.ann_id, "SetBudget")
    assert [(one["before"], one["after"], one["currency"]) for one in change["loosens"]] == [(400, 900, "usd")]
    assert people.ann.refused(403, "POST", f"{ADMIN}/changes/{change['id']}/confirm")["code"] == "same_person"
    done = people.confirm(change["id"])
    assert (done["status"], done["decided_by"], people.limit(agent)) == ("confirmed", people.bob_id, 900)
    again = people.bob.refused(409, "POST", f"{ADMIN}/changes/{change['id']}/confirm")
    assert again["code"] == "change_over"


def test_both_people_are_on_record_with_before_and_after(people: People, agent: str) -> None:
    error = people.budget(agent, 900, status=409)["error"]
    people.confirm(error["id"])
    records = people.bob.get(f"{ADMIN}/audit", params={"limit": 3})["data"]
    told = {row["action"]: (row["actor"], row["body"]) for row in records}
    assert told["change.proposed"][0] == people.ann_id
    assert told["budget.set"][0] == people.ann_id
    assert (told["budget.set"][1]["before"], told["budget.set"][1]["after"]) == (500, 900)
    assert told["change.confirmed"][0] == people.bob_id
    assert told["change.confirmed"][1]["proposed_by"] == people.ann_id
    assert told["change.confirmed"][1]["loosens"] == told["change.proposed"][1]["loosens"]
    assert people.bob.send("POST", f"{ADMIN}/audit/verify", {})["problem"] is None


def test_who_may_agree_is_told(roony: ServedRoony, people: People, agent: str) -> None:
    with Receiver() as receiver:
        named(people.company, receiver)
        endpoint = {"url": f"{receiver.url}/hook", "types": ["change.proposed", "change.confirmed"]}
        people.company.owner.send("POST", f"{ADMIN}/webhook_endpoints", endpoint, 201)
        id = people.budget(agent, 900, status=409)["error"]["id"]
        people.confirm(id)
        roony.run(work)
        told = [json.loads(one.body) for one in receiver.arrived]
    [text] = [one["text"] for one in told if "text" in one]
    assert text.startswith("A change waits for a second person")
    assert f"budget usd month of {agent} from 5.00 USD to 9.00 USD" in text
    assert f"roony change confirm {id}" in text
    assert people.ann_id in text
    hooks = [(one["type"], one["data"]["id"], one["data"]["proposed_by"]) for one in told if "type" in one]
    assert hooks == [("change.proposed", id, people.ann_id), ("change.confirmed", id, people.ann_id)]


def test_what_was_changed_meanwhile_is_not_overwritten(people: People, agent: str) -> None:
    id = people.budget(agent, 900, status=409)["error"]["id"]
    people.budget(agent, 300, who=people.bob)
    assert people.bob.refused(409, "POST", f"{ADMIN}/changes/{id}/confirm")["code"] == "base_changed"
    assert people.limit(agent) == 300
    assert people.ann.send("POST", f"{ADMIN}/changes/{id}/withdraw")["status"] == "withdrawn"
    assert people.bob.refused(409, "POST", f"{ADMIN}/changes/{id}/confirm")["code"] == "change_over"


def test_it_waits_for_so_long_and_no_longer(roony: ServedRoony, people: People, agent: str) -> None:
    id = people.budget(agent, 900, status=409)["error"]["id"]
    roony.books.clock.advance(WAITING_SECONDS)
    assert people.ann.get(f"{ADMIN}/changes/{id}")["status"] == "expired"
    assert people.bob.refused(409, "POST", f"{ADMIN}/changes/{id}/confirm")["code"] == "change_over"
    assert people.limit(agent) == 500


def test_controls_and_documents_of_rules(people: People, agent: str) -> None:
    path, rules = f"{ADMIN}/controls", {"scope": "agent", "scope_id": agent}
    stricter = {**rules, "controls": {"purchase_limit": 90, "blocked_merchants": ["Figma"]}}
    assert people.ann.send("PUT", path, stricter)["version"] == 2
    id = people.waits("PUT", "controls", {**rules, "controls": {"purchase_limit": 90}})
    assert people.confirm(id)["loosens"][0]["what"] == "blocked_merchants"
    assert people.ann.get(path, params={"scope_id": agent})["data"][0]["controls"] == {"purchase_limit": 90}

    document = people.ann.get(f"{ADMIN}/rules")
    [written] = document["agents"].values()
    written["controls"] = {"purchase_limit": 95}
    id = people.waits("PUT", "rules", document)
    people.confirm(id)
    assert people.ann.get(path, params={"scope_id": agent})["data"][0]["controls"] == {"purchase_limit": 95}


def test_an_agent_begins_frozen_and_moves_with_two(people: People, agent: str) -> None:
    people.ann.send("POST", f"{ADMIN}/freeze", {"scope": "agent", "scope_id": agent})
    id = people.waits("POST", "unfreeze", {"scope": "agent", "scope_id": agent})
    people.confirm(id)
    assert people.ann.get(f"{ADMIN}/agents/{agent}")["frozen_at"] is None
    project = people.ann.send("POST", f"{ADMIN}/projects", {"name": "Other"}, 201)["id"]
    people.ann.send("PATCH", f"{ADMIN}/agents/{agent}", {"name": "Renamed"})
    id = people.waits("PATCH", f"agents/{agent}", {"project_id": project})
    assert people.confirm(id)["loosens"][0]["what"] == "projects"
    assert people.ann.get(f"{ADMIN}/agents/{agent}")["project_id"] == project


def test_settings_and_the_setting_itself(people: People) -> None:
    id = people.waits("PATCH", "organization", {"unbudgeted": True})
    assert people.confirm(id)["loosens"][0]["what"] == "unbudgeted"
    id = people.waits("PATCH", "organization", {"two_people": False})
    assert people.ann.get(f"{ADMIN}/organization")["two_people"] is True
    people.confirm(id)
    assert people.ann.get(f"{ADMIN}/organization")["two_people"] is False
    people.ann.send("PATCH", f"{ADMIN}/organization", {"unbudgeted": False})
    people.ann.send("PATCH", f"{ADMIN}/organization", {"unbudgeted": True})


def test_nobody_makes_a_second_person_alone(people: People) -> None:
    """Neither a new one, nor one of somebody who is there, nor what opens Roony as them."""
    carl = {"name": "Carl", "email": "carl@example.com", "role": "admin"}
    people.confirm(people.waits("POST", "users", carl))
    viewer = people.ann.send("POST", f"{ADMIN}/users", {**carl, "email": "vi@example.com", "role": "viewer"}, 201)["id"]
    people.ann.send("POST", f"{ADMIN}/users/{viewer}/keys", {}, 201)
    people.waits("PATCH", f"users/{viewer}", {"role": "admin"})
    for path in (f"users/{people.bob_id}/keys", f"users/{people.bob_id}/invitation"):
        assert people.ann.refused(403, "POST", f"{ADMIN}/{path}", {})["code"] == "second_person_kept"
    [key] = people.ann.get(f"{ADMIN}/users/{people.bob_id}/keys")["data"]
    for path in (f"users/{people.bob_id}/keys/{key['id']}/rotate", f"access_keys/{key['id']}/rotate"):
        assert people.ann.refused(403, "POST", f"{ADMIN}/{path}", {})["code"] == "second_person_kept"
    people.ann.send("POST", f"{ADMIN}/users/{people.ann_id}/keys", {}, 201)


def test_nobody_makes_a_second_approver_alone(people: People) -> None:
    """Who could be the other one of two approvers: whoever makes them up agrees twice to what two must agree to."""
    carl = {"name": "Carl", "email": "carl@example.com", "role": "approver"}
    id = people.waits("POST", "users", carl)
    [loosened] = people.confirm(id)["loosens"]
    [made] = people.ann.get(f"{ADMIN}/users", params={"role": "approver"})["data"]
    assert loosened == {"what": "role", "of": made["id"], "before": None, "after": "approver"}
    for path in (f"users/{made['id']}/keys", f"users/{made['id']}/invitation"):
        assert people.ann.refused(403, "POST", f"{ADMIN}/{path}", {})["code"] == "second_person_kept"
    people.ann.send("PATCH", f"{ADMIN}/users/{made['id']}", {"role": "viewer"})
    people.waits("PATCH", f"users/{made['id']}", {"role": "approver"})


def kept_texts(roony: ServedRoony, people: People) -> list[str]:
    statement = select(proposed_changes.c.change).where(proposed_changes.c.organization_id == people.company.id)
    return [row[0] for row in roony.context.database.read(statement)]


@pytest.mark.parametrize("decided", ["confirm", "withdraw"])
def test_a_change_that_is_over_names_nobody(roony: ServedRoony, people: People, decided: str) -> None:
    """Nobody makes it again from its text, and erasing a user would not find them there."""
    cleo = {"name": "Cleo", "email": f"cleo.{people.company.id}@example.com", "role": "approver"}
    change = people.waits("POST", "users", cleo)
    assert any("Cleo" in text for text in kept_texts(roony, people))
    people.bob.send("POST", f"{ADMIN}/changes/{change}/{decided}")
    assert not any("Cleo" in text for text in kept_texts(roony, people))
    assert people.bob.get(f"{ADMIN}/changes/{change}")["command"] == "CreateUser"
    assert people.bob.refused(409, "POST", f"{ADMIN}/changes/{change}/confirm")["code"] == "change_over"


def test_a_change_that_came_too_late_is_taken_back_all_the_same(roony: ServedRoony, people: People) -> None:
    """What it was to make stays with it until then."""
    change = people.waits("POST", "users", {"name": "Cleo", "email": "c@example.com", "role": "approver"})
    roony.books.clock.advance(WAITING_SECONDS)
    people.bob.send("POST", f"{ADMIN}/changes/{change}/withdraw")
    assert not any("Cleo" in text for text in kept_texts(roony, people))
    assert people.bob.refused(409, "POST", f"{ADMIN}/changes/{change}/withdraw")["code"] == "change_over"


@pytest.mark.parametrize("late", [False, True])
def test_an_erased_user_stays_in_no_change(roony: ServedRoony, people: People, late: bool) -> None:
    id, _ = person(roony, people.company, "Vera", "viewer")
    change = people.waits("PATCH", f"users/{id}", {"role": "approver", "name": "Vera Verity"})
    if late:
        roony.books.clock.advance(WAITING_SECONDS + 1)
    people.ann.send("POST", f"{ADMIN}/users/{id}/erase")
    assert not any("Verity" in text or id in text for text in kept_texts(roony, people))
    assert people.bob.get(f"{ADMIN}/changes/{change}")["status"] == ("expired" if late else "withdrawn")


def test_a_first_budget_where_nothing_could_be_spent_waits(people: People) -> None:
    """An agent without any may spend nothing: who gives it one lets it begin to."""
    agent = people.ann.send("POST", f"{ADMIN}/agents", {"name": "Buyer"}, 201)["id"]
    people.confirm(people.waits("POST", "unfreeze", {"scope": "agent", "scope_id": agent}))
    error = people.budget(agent, 1_000_000, status=409)["error"]
    assert error["code"] == "waits_for_second_person"
    assert [(one["before"], one["after"]) for one in people.confirm(error["id"])["loosens"]] == [(0, 1_000_000)]
    euros = {"scope": "agent", "scope_id": agent, "period": "day", "limit": 100, "currency": "eur"}
    people.waits("PUT", "budgets", euros)
    people.ann.send("PUT", f"{ADMIN}/budgets", {**euros, "currency": "usd"})


def test_programs_and_agents_are_nobody(people: People, agent: str) -> None:
    error = people.budget(agent, 900, who=people.company.owner, status=403)["error"]
    assert error["code"] == "user_key_needed"
    id = people.budget(agent, 900, status=409)["error"]["id"]
    refused = people.company.owner.refused(403, "POST", f"{ADMIN}/changes/{id}/confirm")
    assert refused["code"] == "user_key_needed"
    assert people.limit(agent) == 500


def test_who_lost_the_right_to_it_changes_nothing(people: People, agent: str) -> None:
    """The first person before the second one said yes."""
    body = {"scope": "agent", "scope_id": agent, "period": "month", "limit": 900, "currency": "usd"}
    id = people.waits("PUT", "budgets", body, who=people.bob)
    people.ann.send("PATCH", f"{ADMIN}/users/{people.bob_id}", {"role": "viewer"})
    assert people.ann.refused(409, "POST", f"{ADMIN}/changes/{id}/confirm")["code"] == "proposer_gone"
    assert people.bob.refused(403, "POST", f"{ADMIN}/changes/{id}/withdraw")["code"] == "role_too_low"


def test_one_person_cannot_want_two(roony: ServedRoony, company: Company) -> None:
    _, ann = person(roony, company, "Ann", "owner")
    person(roony, company, "Vi", "viewer")
    refused = ann.refused(409, "PATCH", f"{ADMIN}/organization", {"two_people": True})
    assert (refused["code"], refused["field"]) == ("one_person_only", "two_people")


def test_whoever_operates_it_can_let_one_person_be_enough(roony: ServedRoony, people: People, agent: str) -> None:
    """As `roony init --one-person` does, beside the database and with nobody's key."""
    roony.context.till.submit_and_wait(UpdateOrganization(people.company.id, "roony init", two_people=False))
    people.budget(agent, 900)
    assert people.limit(agent) == 900


def test_the_page_shows_what_waits_and_how_to_confirm_it(roony: ServedRoony, people: People, agent: str) -> None:
    id = people.budget(agent, 900, status=409)["error"]["id"]
    session = new_session(roony.context.new_id("key"), "test")
    roony.books.put(key_row(session, people.company.id, None, roony.context.clock(), people.bob_id))
    with httpx2.Client(base_url=roony.url, cookies={COOKIE: session.text}, trust_env=False, verify=False) as browser:
        page = browser.get("/changes").text
        assert (id in page, f"/changes/{id}/confirm" in page) == (True, True)
        assert "Two people for looser rules" in browser.get("/settings").text
        assert id in browser.get("/changes?status=all").text
        people.confirm(id)
        assert "No changes here." in browser.get("/changes").text


def test_the_commands(roony: ServedRoony, people: People, agent: str) -> None:
    """Each with the key of the person who gives it."""

    def run(who: Caller, *words: str) -> Any:
        environment = {"ROONY_URL": roony.url, "ROONY_ADMIN_KEY": who.key}
        return CliRunner().invoke(app, list(words), env=environment)

    raising = ("budget", "set", "month=9.00", "--scope", agent)
    refused = run(people.ann, *raising)
    [waiting] = people.ann.get(f"{ADMIN}/changes", params={"status": "waiting"})["data"]
    assert (refused.exit_code, waiting["id"] in refused.stderr, people.limit(agent)) == (1, True, 500)
    assert waiting["id"] in run(people.bob, "change", "list").stdout
    assert run(people.ann, "change", "confirm", waiting["id"]).exit_code == 1
    assert run(people.bob, "change", "confirm", waiting["id"]).exit_code == 0
    assert people.limit(agent) == 900
    assert "No changes wait." in run(people.bob, "change", "list").stdout
    assert run(people.ann, "change", "two", "--off").exit_code == 1
    [waiting] = people.ann.get(f"{ADMIN}/changes", params={"status": "waiting"})["data"]
    assert run(people.ann, "change", "withdraw", waiting["id"]).exit_code == 0
    assert people.ann.get(f"{ADMIN}/organization")["two_people"] is True
