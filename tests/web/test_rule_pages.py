"""The pages of agents, projects and rules: what they show, to whom, and that nobody sees another organization's."""

from __future__ import annotations

import html
import json
import re
from urllib.parse import quote, unquote

import httpx2
import pytest

from roony.core.control import FIELDS
from roony.flows.access_key import key_row
from roony.flows.sign_in import new_session
from roony.web.dashboard.rule_fields import GROUPS
from roony.web.session import COOKIE
from tests.support.serving import Caller, Company, ServedRoony
from tests.web.conftest import MONTH

ADMIN = "/api/v1/admin"


class Visitor:
    """Somebody of a company in a browser."""

    def __init__(self, roony: ServedRoony, company: Company, role: str = "admin") -> None:
        context, person = roony.context, {"name": "Ann", "email": f"{role}@example.com", "role": role}
        user = company.owner.send("POST", f"{ADMIN}/users", person, 201)
        session = new_session(context.new_id("key"), "test")
        roony.books.put(key_row(session, company.id, None, context.clock(), user["id"]))
        self._caller: Caller = roony.caller()
        self._cookie = {"cookie": f"{COOKIE}={session.text}"}

    def get(self, path: str) -> httpx2.Response:
        """The answer as it is."""
        return self._caller.call("GET", path, headers=self._cookie)

    def text(self, path: str) -> str:
        """What a page says, without its tags."""
        answer = self.get(path)
        assert answer.status_code == 200, answer.text
        return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", answer.text)).split())

    def names(self, path: str) -> set[str]:
        """The fields of the page's forms."""
        return set(re.findall(r'<(?:input|select|textarea)[^>]* name="([^"]+)"', self.get(path).text))


@pytest.fixture
def visitor(roony: ServedRoony, company: Company) -> Visitor:
    return Visitor(roony, company)


def test_every_control_is_asked_for_once() -> None:
    assert sorted(field.name for _, fields in GROUPS for field in fields) == sorted(FIELDS)


def test_every_level_has_a_form_of_all_rules(company: Company, visitor: Visitor) -> None:
    made, _ = company.agent(budgets=[MONTH, {"period": "day", "limit": 7, "currency": "jpy"}])
    agent, project = made["id"], company.project_id
    places = {
        "organization": ["organization"], company.id: ["organization"], project: ["projects", project],
        agent: ["agents", agent], f"{agent}:*": ["agents", agent, "each_task"],
        f"{agent}:a.1/x": ["agents", agent, "tasks", "a.1/x"],
    }  # fmt: skip
    for scope_id, path in places.items():
        names = visitor.names(f"/rules/{scope_id}")
        [level] = re.findall(r'data-level="([^"]*)"', visitor.get(f"/rules/{scope_id}").text)
        assert json.loads(html.unescape(level)) == path
        apart = {f"controls.active_hours.{part}" for part in ("days", "from", "to")}
        controls = {f"controls.{name}" for name in FIELDS if name != "active_hours"} | apart
        currencies = ("usd", "jpy") if scope_id == agent else ("usd",)
        budgets = {f"budgets.{one}.{period}" for one in currencies for period in ("day", "week", "month", "lifetime")}
        assert names - {"cursor"} == controls | budgets | {"version"}, scope_id


def test_rules_are_told_with_the_level_they_come_from_and_how_they_changed(company: Company, visitor: Visitor) -> None:
    made, _ = company.agent(controls={"purchase_limit": 700, "card_ttl_seconds": 5_400})
    for scope, scope_id, controls in (
        ("organization", company.id, {"blocked_countries": ["CU"], "purchase_limit": 900}),
        ("project", company.project_id, {"purchase_limit": 600, "duplicate_window_seconds": 0}),
        ("agent", made["id"], {"purchase_limit": 500}),
        ("agent", made["id"], {"purchase_limit": 650, "velocity_count": 2}),
    ):
        company.owner.send("PUT", f"{ADMIN}/controls", {"scope": scope, "scope_id": scope_id, "controls": controls})
    agent = visitor.text(f"/rules/{made['id']}")
    assert "One purchase is 6.00 USD at most (set for the project)." in agent
    assert "Never merchants in these countries: CU (set for the organization)." in agent
    assert "An agent asks for 2 purchases an hour at most (set for this agent)." in agent
    assert "A card must be used within 1 hour (where nobody set anything)." in agent
    assert "The same wish again is never taken for a repetition (set for the project)." in agent
    newest, middle, oldest = re.split(r" (?=[123] \d+ \w+ \d{4},)", agent.partition("Versions ")[2])[1:]
    assert "One purchase is 6.50 USD at most." in newest
    assert "No longer: One purchase is 5.00 USD at most." in newest
    assert "No longer: A card must be used within 90 minutes." in middle
    assert "A card must be used within 90 minutes." in oldest
    assert "No longer" not in oldest
    assert "One purchase is 9.00 USD" in visitor.text("/rules/organization")
    assert "One purchase is 6.00 USD at most (set for the project)." in visitor.text(f"/projects/{company.project_id}")


def test_a_task_has_rules_of_its_own_and_a_link_from_its_agent(company: Company, visitor: Visitor) -> None:
    made, _ = company.agent(controls={"purchase_limit": 700})
    agent, task = made["id"], f"{made['id']}:Q4 <b>offsite</b>"
    assert "Tasks with rules of their own" not in visitor.text(f"/agents/{agent}")
    for scope_id, limit in ((f"{agent}:*", 600), (task, 500)):
        controls = {"scope": "task", "scope_id": scope_id, "controls": {"purchase_limit": limit}}
        company.owner.send("PUT", f"{ADMIN}/controls", controls)
    budget = {"scope": "task", "scope_id": f"{agent}:trip", "period": "lifetime", "limit": 9, "currency": "usd"}
    company.owner.send("PUT", f"{ADMIN}/budgets", budget)
    page = visitor.get(f"/agents/{agent}").text
    listed = page.partition("Tasks with rules of their own")[2].partition("</p>")[0]
    linked = [unquote(id) for id in re.findall(r'<a href="/rules/([^"]*)">', listed)]
    assert linked == [task, f"{agent}:trip"]
    assert "One purchase is 5.00 USD at most (set for this task)." in visitor.text(f"/rules/{quote(task)}")
    assert 'value="0.09"' in visitor.get(f"/rules/{agent}:trip").text
    assert "One purchase is 6.00 USD at most (set for each task)." in visitor.text(f"/rules/{agent}:trip")


def test_lists_show_use_and_what_stops_an_agent(company: Company, visitor: Visitor) -> None:
    made, _ = company.agent("Buyer <script>alert(1)</script>", budgets=[MONTH], description="<b>x</b>")
    elsewhere = company.owner.send("POST", f"{ADMIN}/projects", {"name": "Elsewhere"}, 201)["id"]
    agents = visitor.get("/agents").text
    assert "Buyer &lt;script&gt;alert(1)&lt;/script&gt;" in agents
    assert "<script>alert" not in agents + visitor.get(f"/agents/{made['id']}").text
    assert "held, of 5,000.00 USD active" in visitor.text("/agents")
    assert made["id"] not in visitor.get(f"/agents?project={elsewhere}").text
    for scope, scope_id, words in (
        ("organization", company.id, "frozen with its organization"),
        ("project", company.project_id, "frozen with its project"),
        ("agent", made["id"], "held, of 5,000.00 USD frozen"),
    ):  # fmt: skip
        company.owner.send("POST", f"{ADMIN}/freeze", {"scope": scope, "scope_id": scope_id})
        assert words in visitor.text("/agents")
        company.owner.send("POST", f"{ADMIN}/unfreeze", {"scope": scope, "scope_id": scope_id})
    assert "Elsewhere" in visitor.text("/projects")
    assert "No agent belongs to this project yet." in visitor.text(f"/projects/{elsewhere}")
    assert "This month 0.00 USD spent, no limit here" in visitor.text(f"/projects/{elsewhere}")


def test_saving_a_description_keeps_the_projects_of_an_agent(company: Company, visitor: Visitor) -> None:
    more = [company.owner.send("POST", f"{ADMIN}/projects", {"name": f"P{n}"}, 201)["id"] for n in range(2)]
    made, _ = company.agent(project_id=company.project_id, project_ids=more[:1])
    page = visitor.get(f"/agents/{made['id']}").text
    chosen = re.findall(r'name="project_ids" value="([^"]+)" data-type="choice"( checked)?', page)
    assert sorted(chosen) == sorted([(more[0], " checked"), (more[1], "")])
    assert f'<option value="{company.project_id}" selected>' in page


@pytest.mark.parametrize("role", ["viewer", "approver"])
def test_who_may_not_change_sees_no_form(roony: ServedRoony, company: Company, role: str) -> None:
    made, _ = company.agent()
    visitor = Visitor(roony, company, role)
    for path in (f"/rules/{made['id']}", f"/agents/{made['id']}", f"/projects/{company.project_id}", "/projects"):
        assert "<form" not in visitor.get(path).text.partition("<main")[2].partition("</main>")[0], path
    for path in ("/agents/new", "/projects/new"):
        assert visitor.get(path).status_code == 403


def test_nothing_of_another_organization_is_there(roony: ServedRoony, company: Company, visitor: Visitor) -> None:
    other = roony.company("Other")
    made, _ = other.agent("Theirs")
    for path in (
        f"/agents/{made['id']}", f"/projects/{other.project_id}", f"/rules/{made['id']}", f"/rules/{other.project_id}",
        f"/rules/{other.id}", f"/rules/{made['id']}:*", "/rules/x", "/agents?cursor=x", "/rules/organization?cursor=x",
    ):  # fmt: skip
        assert visitor.get(path).status_code == 404, path
    assert "Theirs" not in visitor.text("/agents") + visitor.text(f"/agents?project={other.project_id}")
